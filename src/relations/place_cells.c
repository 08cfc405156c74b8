#include "relations/place_cells.h"

void place_cells(const struct code_place *place, struct value *method, struct value *source, struct value *file, struct value *line)
{
    if (method && place->method.length) value_text(method, text_cstr(&place->method));
    if (!place->file) return;
    if (source) value_text(source, text_cstr(&place->source));
    if (file) value_text(file, place->file);
    if (line) value_u64(line, place->line);
}
