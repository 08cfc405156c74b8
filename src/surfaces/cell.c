#include "surfaces/cell.h"

#include <math.h>
#include <string.h>

#include "surfaces/number.h"

enum { ADDRESS_DIGITS = 16, TOKEN_DIGITS = 8 };

bool kind_is_text(enum column_kind kind)
{
    return kind == COLUMN_TEXT || kind == COLUMN_JSON;
}

bool cell_is_number(enum column_kind kind)
{
    return kind == COLUMN_BYTES || kind == COLUMN_COUNT || kind == COLUMN_NUMBER || kind == COLUMN_SHARE || kind == COLUMN_CHANGE;
}

static void append_token(struct text *text, uint64_t token)
{
    text_puts(text, "0x");
    number_append_hex(text, token, TOKEN_DIGITS);
}

/* The absolute value does not fit for the smallest number only as an int64_t; as a uint64_t it does. */
static void append_change(struct text *text, uint64_t change, bool plain)
{
    bool is_negative = (int64_t)change < 0;

    if (is_negative || (change && !plain)) text_putc(text, is_negative ? '-' : '+');
    if (plain)
        number_append_decimal(text, is_negative ? -change : change);
    else
        number_append_grouped(text, is_negative ? -change : change);
}

void cell_append(struct text *text, enum column_kind kind, const struct value *value)
{
    if (!value->known) {
        text_putc(text, '-');
        return;
    }
    switch (kind) {
    case COLUMN_ADDRESS:
        number_append_hex(text, value->u, ADDRESS_DIGITS);
        break;
    case COLUMN_BYTES:
    case COLUMN_COUNT:
        number_append_grouped(text, value->u);
        break;
    case COLUMN_CHANGE:
        append_change(text, value->u, false);
        break;
    case COLUMN_NUMBER:
        number_append_decimal(text, value->u);
        break;
    case COLUMN_TOKEN:
        append_token(text, value->u);
        break;
    case COLUMN_TEXT:
    case COLUMN_JSON:
        text_append_safe(text, value->s, value->length);
        break;
    case COLUMN_BOOL:
        text_puts(text, value->u ? "yes" : "no");
        break;
    case COLUMN_SHARE:
        number_append_percent(text, value->share);
        break;
    }
}

void cell_append_plain(struct text *text, enum column_kind kind, const struct value *value)
{
    switch (kind) {
    case COLUMN_ADDRESS:
        text_puts(text, "0x");
        number_append_hex(text, value->u, 1);
        break;
    case COLUMN_BYTES:
    case COLUMN_COUNT:
    case COLUMN_NUMBER:
        number_append_decimal(text, value->u);
        break;
    case COLUMN_CHANGE:
        append_change(text, value->u, true);
        break;
    case COLUMN_TOKEN:
        append_token(text, value->u);
        break;
    case COLUMN_TEXT:
    case COLUMN_JSON:
        text_append(text, value->s, value->length);
        break;
    case COLUMN_BOOL:
        text_puts(text, value->u ? "true" : "false");
        break;
    case COLUMN_SHARE:
        if (isfinite(value->share)) text_printf(text, "%.6g", value->share);
        break;
    }
}

static int compare_text(const struct value *a, const struct value *b)
{
    size_t common = a->length < b->length ? a->length : b->length;
    int order = common ? memcmp(a->s, b->s, common) : 0;

    if (order) return order < 0 ? -1 : 1;
    return (a->length > b->length) - (a->length < b->length);
}

int value_compare(enum column_kind kind, const struct value *a, const struct value *b)
{
    if (!a->known || !b->known) return b->known - a->known;
    if (kind_is_text(kind)) return compare_text(a, b);
    if (kind == COLUMN_SHARE) return (a->share > b->share) - (a->share < b->share);
    if (kind == COLUMN_CHANGE) return ((int64_t)a->u > (int64_t)b->u) - ((int64_t)a->u < (int64_t)b->u);
    return (a->u > b->u) - (a->u < b->u);
}
