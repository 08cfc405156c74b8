/*
 * The cells that say where in the code something stands: shared by the relations about threads, locks, async methods and
 * exceptions.
 */
#ifndef CLRTRAIL_RELATIONS_PLACE_CELLS_H
#define CLRTRAIL_RELATIONS_PLACE_CELLS_H

#include "clr/code_lines.h"
#include "relations/relation.h"

/* What is not known stays null; a cell may be NULL: the relation has none. Texts are borrowed from the place. */
void place_cells(const struct code_place *place, struct value *method, struct value *source, struct value *file,
                 struct value *line);

#endif
