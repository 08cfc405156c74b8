#include "relations/duplicates.h"

/* Boxes of equal values, and arrays without elements: what nobody could tell apart if there were one of each. */
static struct error *immutable_begin(struct session *session, const struct request *request, void *cursor)
{
    bool boxes = request->arguments[0].given, empty = request->arguments[1].given;
    unsigned wanted = (boxes || !empty ? 1u << CONTENT_BOX : 0) | (empty || !boxes ? 1u << CONTENT_EMPTY : 0);

    return duplicates_compare(session, request, wanted, cursor);
}

static const struct parameter parameters[] = {
    { "boxes", "-boxes", PARAMETER_SWITCH, false, "boxed values only" },
    { "empty", "-empty", PARAMETER_SWITCH, false, "arrays without elements only" },
};

const struct relation relation_immutable = {
    .name = "immutable",
    .summary = "equal boxes and empty arrays, of which one of each would do",
    .description =
        "Values of structs without references, numbers and enums that were boxed again and again, and arrays of length 0 "
        "beside that of Array.Empty. Dead ones are included. For strings and arrays of numbers see `duplicates`.",
    .topic = "GC heap",
    .columns = duplicates_columns,
    .column_count = DUPLICATES_COLUMNS,
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "immutable" } },
    .empty = "nothing is there twice, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct duplicates_cursor),
    .begin = immutable_begin,
    .next = duplicates_next,
    .end = duplicates_end,
    .footer = duplicates_footer,
};
