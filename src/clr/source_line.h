/*
 * From a method and an IL offset to the line of source that it came from, by the module's portable PDB:
 *
 *     embedded      in the dll's debug directory, deflated
 *     beside it     "/app/His.pdb" for "/app/His.dll"; the name that the dll remembers, in the dll's folder
 *     as built      the path that the dll remembers; all of these below --images, too
 *
 * A PDB is used only when its id is the one that the dll names.
 */
#ifndef CLRTRAIL_CLR_SOURCE_LINE_H
#define CLRTRAIL_CLR_SOURCE_LINE_H

#include "clr/loader.h"
#include "formats/portable_pdb.h"

struct source_lines {
    struct metadata pdb;
    uint8_t *owned; /* of an embedded one */
    bool is_found;
};

/* Looks for the PDB; without one, `ret->is_found` is false and all questions are answered with false. */
void source_lines_init(const struct clr *clr, const struct clr_module *module, struct source_lines *ret);
void source_lines_deinit(struct source_lines *lines);

/* Appends the path of the file, as the compiler knew it. False when nothing is known of this place. */
bool source_lines_find(const struct source_lines *lines, uint32_t method_rid, uint32_t il_offset, struct text *path,
                       uint32_t *line_ret);

#endif
