/*
 * Is a file on this machine the one that was mapped in the process? Build-id, or PE timestamp and image size, against the dump.
 */
#ifndef CLRTRAIL_TARGET_IMAGE_CHECK_H
#define CLRTRAIL_TARGET_IMAGE_CHECK_H

#include "base/text.h"
#include "formats/pe.h"
#include "target/elf_image.h"
#include "target/image_search.h"
#include "target/images.h"

/* What the dump says of a file. */
struct image_facts {
    const char *path;
    const struct target_module *module; /* the first that has this path, NULL: none */
    struct image_identity identity;     /* all 0: not known */
    uint64_t extent, first_extent;      /* end of the last mapped byte, and of a mapping from offset 0, as file offsets */
};

/* A file that is open. */
struct image_file {
    struct span bytes;
    bool is_elf, is_pe;
    struct elf_image elf;
    struct pe pe;
};

bool image_identity_is_known(const struct image_identity *identity);
void image_describe_build_id(struct text *text, const uint8_t *build_id, uint32_t size);
/* Looks for the file. What was found instead is a gap; whether there was nothing at all is told in *missing_ret. */
bool image_check_find(struct image_search *search, const struct target *target, const struct image_facts *facts,
                      struct image_file *ret, bool *missing_ret);

#endif
