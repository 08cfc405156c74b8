/*
 * The files that were mapped in the process, for the pages that a dump leaves out (createdump omits most of them).
 *
 *     address -> file map (NT_FILE) or module (minidump) -> file on this machine (target/image_search.h) -> its bytes
 *
 * A file is used only when it is the one that was mapped: the ELF build-id, or the PE timestamp and image size, agree with the
 * header in the dump. Where the dump holds no header (dlls in a kernel's core) a file whose size agrees is taken on trust, and a
 * gap says so. Anything else is a gap that names the file and both identities. Files are opened on the first miss, once; thread
 * safe after.
 */
#ifndef CLRTRAIL_TARGET_IMAGES_H
#define CLRTRAIL_TARGET_IMAGES_H

#include "target/target.h"

struct images;

/* What a file has to be. Fields that are 0 do not matter; all 0: what the dump says of that path, if anything. */
struct image_identity {
    const uint8_t *build_id; /* borrowed */
    uint32_t build_id_size;
    uint32_t timestamp, image_size; /* PE */
};

/* The target's modules and memory must be there. `target` must outlive it. */
struct error *images_create(const struct target *target, const struct target_options *options, struct images **ret);
void images_destroy(struct images *images);

/*
 * Between these two calls this thread asks for bytes that it can do without: a file that is not found is no gap then. It becomes
 * one when somebody asks who cannot. Calls nest.
 */
void images_probe_begin(void);
void images_probe_end(void);

/* Functions of struct memory. The first leaves writable parts out, the second gives their content at load time. */
const uint8_t *images_view_constant(void *images, uint64_t addr, uint64_t *size_ret);
const uint8_t *images_view_initial(void *images, uint64_t addr, uint64_t *size_ret);

/*
 * The whole file that `path_in_dump` names, borrowed as long as `images`. `want` may be NULL. The path need not be mapped (a dll of
 * a single-file bundle, or one that was read and closed).
 */
bool images_file_span(struct images *images, const char *path_in_dump, const struct image_identity *want, struct span *ret);
/* The same for files that only the caller can tell right from wrong (a PDB): the first that `accept` takes. Not cached. */
bool images_find_file(struct images *images, const char *path_in_dump, bool (*accept)(void *user, struct span bytes), void *user,
                      struct span *ret);

#endif
