#include "managed/shown_value.h"

#include <math.h>
#include <string.h>

#include "clr/method_desc.h"
#include "managed/delegate.h"

enum { PARTS_MAX = 4, BUILDER_UNITS = 200, BUILDER_CHUNKS = 64, STRING_SHOWN = 100, NAME_MAX = 128, BOX_OFF = 8 };

#define TICKS_PER_SECOND INT64_C(10000000)
#define TICKS_PER_DAY (86400 * TICKS_PER_SECOND)
#define TICKS_MAX INT64_C(3155378975999999999) /* the last of year 9999 */

enum value_form {
    FORM_DATE_TIME,
    FORM_DATE_TIME_OFFSET,
    FORM_DATE_ONLY,
    FORM_TIME_SPAN,
    FORM_GUID,
    FORM_DECIMAL,
    FORM_VERSION,
    FORM_STRING,
    FORM_STRING_BUILDER,
    FORM_LAZY,
    FORM_WEAK,
    FORM_TASK,
    FORM_NULLABLE,
    FORM_HALF,
    FORM_INT128,
    FORM_UINT128,
    FORM_INDEX,
    FORM_RUNE,
    FORM_SLICE,
    FORM_IMMUTABLE_ARRAY,
};

static const struct shown_type {
    const char *type;
    enum value_form form;
    const char *parts[PARTS_MAX];
} shown_types[] = {
#define VALUE(type, form, ...) { type, form, { __VA_ARGS__ } },
#include "managed/values.def"
#undef VALUE
};

/* Where a value lies, and what it is. */
struct subject {
    struct clr *clr;
    uint64_t mt_addr, addr;
    bool is_object;
    const struct shown_type *shown;
};

/* ---- forms ---- */

/* Days since 0001-01-01 in the Gregorian calendar. */
static void append_date(int64_t day, struct text *ret)
{
    /* Counted from a 1st of March, so that a leap day is the last one of its year. */
    int64_t from_march = day + 306, era = from_march / 146097, of_era = from_march % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153, of_month = of_year - (153 * month + 2) / 5 + 1;

    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    text_printf(ret, "%04d-%02d-%02d", (int)year, (int)month, (int)of_month);
}

static void append_time(int64_t ticks, struct text *ret)
{
    int64_t seconds = ticks / TICKS_PER_SECOND, fraction = ticks % TICKS_PER_SECOND;

    text_printf(ret, "%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
    if (fraction) text_printf(ret, ".%07d", (int)fraction);
}

static bool append_ticks(int64_t ticks, struct text *ret)
{
    if (ticks < 0 || ticks > TICKS_MAX) return false;
    append_date(ticks / TICKS_PER_DAY, ret);
    text_putc(ret, ' ');
    append_time(ticks % TICKS_PER_DAY, ret);
    return true;
}

bool shown_date_time(uint64_t date_data, struct text *ret)
{
    static const char *const kinds[] = { "", " UTC", " local", " local" };

    if (!append_ticks((int64_t)(date_data & UINT64_C(0x3fffffffffffffff)), ret)) return false;
    text_puts(ret, kinds[date_data >> 62]);
    return true;
}

bool shown_time_span(int64_t ticks, struct text *ret)
{
    uint64_t size = ticks < 0 ? 0 - (uint64_t)ticks : (uint64_t)ticks;

    if (ticks < 0) text_putc(ret, '-');
    if (size >= (uint64_t)TICKS_PER_DAY) text_printf(ret, "%llu.", (unsigned long long)(size / (uint64_t)TICKS_PER_DAY));
    append_time((int64_t)(size % (uint64_t)TICKS_PER_DAY), ret);
    return true;
}

/* Decimal digits of a number of words, highest first, which is 0 then; at least `least` of them, last digit first. */
static unsigned digits_of(uint32_t *words, unsigned word_count, unsigned least, char *digits)
{
    unsigned count = 0;

    for (;;) {
        uint32_t left = 0;
        uint64_t rest = 0;

        for (unsigned i = 0; i < word_count; i++)
            left |= words[i];
        if (!left && count >= least) return count;
        for (unsigned i = 0; i < word_count; i++) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 10);
            rest %= 10;
        }
        digits[count++] = (char)('0' + rest);
    }
}

bool shown_decimal(uint32_t flags, uint32_t hi, uint64_t lo, struct text *ret)
{
    enum { SIGN = 1u << 31, SCALE_SHIFT = 16, SCALE_MAX = 28, DIGITS_MAX = 30 };
    uint32_t words[3] = { hi, (uint32_t)(lo >> 32), (uint32_t)lo }, scale = flags >> SCALE_SHIFT & 0xff;
    char digits[DIGITS_MAX];
    unsigned count;

    if (flags & ~(SIGN | 0xffu << SCALE_SHIFT) || scale > SCALE_MAX) return false;
    count = digits_of(words, 3, scale + 1, digits);
    if (flags & SIGN) text_putc(ret, '-');
    while (count) {
        text_putc(ret, digits[--count]);
        if (scale && count == scale) text_putc(ret, '.');
    }
    return true;
}

void shown_int128(uint64_t upper, uint64_t lower, bool is_signed, struct text *ret)
{
    enum { DIGITS_MAX = 40 };
    char digits[DIGITS_MAX];
    uint32_t words[4];
    unsigned count;

    if (is_signed && upper >> 63) {
        text_putc(ret, '-');
        lower = 0 - lower;
        upper = ~upper + !lower;
    }
    words[0] = (uint32_t)(upper >> 32);
    words[1] = (uint32_t)upper;
    words[2] = (uint32_t)(lower >> 32);
    words[3] = (uint32_t)lower;
    for (count = digits_of(words, 4, 1, digits); count > 0;)
        text_putc(ret, digits[--count]);
}

/* IEEE 754 binary16. */
void shown_half(uint16_t bits, struct text *ret)
{
    enum { EXPONENT_MAX = 31, BIAS = 15, FRACTION_BITS = 10 };
    int exponent = bits >> FRACTION_BITS & EXPONENT_MAX;
    double fraction = bits & ((1 << FRACTION_BITS) - 1), value;

    if (exponent == EXPONENT_MAX)
        value = fraction != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent)
        value = ldexp(fraction + (1 << FRACTION_BITS), exponent - BIAS - FRACTION_BITS);
    else
        value = ldexp(fraction, 1 - BIAS - FRACTION_BITS);
    clr_double_text(bits >> 15 ? -value : value, ret);
}

void shown_guid(const uint8_t bytes[16], struct text *ret)
{
    text_printf(ret, "%08x-%04x-%04x-", load_u32(bytes), load_u16(bytes + 4), load_u16(bytes + 6));
    for (unsigned i = 8; i < 16; i++)
        text_printf(ret, i == 10 ? "-%02x" : "%02x", bytes[i]);
}

/* ---- parts ---- */

static struct place part_place(const struct subject *subject, unsigned part)
{
    return place_find(subject->clr, subject->mt_addr, subject->is_object, subject->shown->parts[part]);
}

static bool part_number(const struct subject *subject, unsigned part, int64_t *ret)
{
    struct place place = part_place(subject, part);

    return place_number(subject->clr, &place, subject->addr, ret);
}

static uint64_t part_object(const struct subject *subject, unsigned part)
{
    struct place place = part_place(subject, part);

    return place_object(subject->clr, &place, subject->addr);
}

static void append_reference(struct clr *clr, uint64_t addr, struct text *ret)
{
    managed_text(clr, &(struct managed_value) { .addr = addr, .element_type = ELEMENT_OBJECT }, ret);
}

/* ---- forms that read several parts ---- */

static bool show_date_time_offset(const struct subject *subject, struct text *ret)
{
    int64_t data, minutes;

    if (!part_number(subject, 0, &data) || !part_number(subject, 1, &minutes) || minutes < -14 * 60 || minutes > 14 * 60 ||
        !append_ticks((data & INT64_C(0x3fffffffffffffff)) + minutes * 60 * TICKS_PER_SECOND, ret))
        return false;
    text_printf(ret, " %c%02d:%02d", minutes < 0 ? '-' : '+', (int)(minutes < 0 ? -minutes : minutes) / 60,
                (int)(minutes < 0 ? -minutes : minutes) % 60);
    return true;
}

static bool show_guid(const struct subject *subject, struct text *ret)
{
    struct place place = part_place(subject, 0);
    uint8_t bytes[16];

    if (!place.known || !memory_try_read(subject->clr->memory, subject->addr + place.off, bytes, sizeof(bytes))) return false;
    shown_guid(bytes, ret);
    return true;
}

static bool show_decimal(const struct subject *subject, struct text *ret)
{
    struct place lo_place = part_place(subject, 2);
    int64_t flags, hi, lo, mid;

    if (!part_number(subject, 0, &flags) || !part_number(subject, 1, &hi) || !part_number(subject, 2, &lo)) return false;
    /* Up to .NET Core 3.1 there were two words of 32 bits. */
    if (element_type_size(lo_place.element_type) == 4) {
        struct place place = place_find(subject->clr, subject->mt_addr, subject->is_object, "mid|_mid");

        if (!place_number(subject->clr, &place, subject->addr, &mid)) return false;
        lo = (int64_t)((uint64_t)(uint32_t)mid << 32 | (uint32_t)lo);
    }
    return shown_decimal((uint32_t)flags, (uint32_t)hi, (uint64_t)lo, ret);
}

static bool show_version(const struct subject *subject, struct text *ret)
{
    int64_t number;

    if (!part_number(subject, 0, &number)) return false;
    for (unsigned part = 0; part < PARTS_MAX && part_number(subject, part, &number) && number >= 0; part++)
        text_printf(ret, part ? ".%lld" : "%lld", (long long)number);
    return true;
}

static bool show_string(const struct subject *subject, struct text *ret)
{
    struct clr_object string;

    return clr_object_try(subject->clr, part_object(subject, 0), &string) && clr_type_is_string(subject->clr, string.type) &&
           clr_string_text(subject->clr, &string, STRING_SHOWN, ret);
}

/* A chunk holds what was appended last; the ones before it hang off it. */
static bool show_string_builder(const struct subject *subject, struct text *ret)
{
    uint64_t chunks[BUILDER_CHUNKS], shown = 0;
    struct subject at = *subject;
    unsigned count = 0;
    bool all;

    for (; at.addr && count < BUILDER_CHUNKS; at.addr = part_object(&at, 2))
        chunks[count++] = at.addr;
    all = !at.addr;
    text_puts(ret, all ? "\"" : "\"...");
    while (count && shown < BUILDER_UNITS) {
        struct clr_object array;
        const void *units;
        int64_t length;

        at.addr = chunks[--count];
        if (!clr_object_try(at.clr, part_object(&at, 0), &array) || !part_number(&at, 1, &length) || length < 0 ||
            length > array.count || array.type->component_size != 2)
            break;
        if ((uint64_t)length > BUILDER_UNITS - shown) length = (int64_t)(BUILDER_UNITS - shown);
        units = length ? memory_try_span(at.clr->memory, array.addr + ARRAY_DATA_OFF, 2 * (uint64_t)length) : NULL;
        if (units) text_append_utf16(ret, units, (size_t)length);
        shown += (uint64_t)length;
    }
    text_puts(ret, shown < BUILDER_UNITS ? "\"" : "...\"");
    return true;
}

/* The state goes away when the value is there. */
static bool show_lazy(const struct subject *subject, struct text *ret)
{
    struct place state = part_place(subject, 0), value = part_place(subject, 1);
    struct managed_value managed = place_value(&value, subject->addr);

    if (!state.known) return false;
    if (place_object(subject->clr, &state, subject->addr)) {
        text_puts(ret, "not created");
        return true;
    }
    if (!value.known) return false;
    managed_text(subject->clr, &managed, ret);
    return true;
}

static bool show_weak(const struct subject *subject, struct text *ret)
{
    struct place place = part_place(subject, 0);
    uint64_t handle, target;

    if (!place.known || !memory_try_u64(subject->clr->memory, subject->addr + place.off, &handle)) return false;
    /* The low bits say which kind of handle it is (WeakReference.cs, TracksResurrectionBit and ComAwareBit). */
    handle &= ~UINT64_C(3);
    if (!handle) {
        text_puts(ret, "no handle");
        return true;
    }
    if (!memory_try_u64(subject->clr->memory, handle, &target)) return false;
    if (target)
        append_reference(subject->clr, target, ret);
    else
        text_puts(ret, "collected");
    return true;
}

/* Elements of an array, or characters of a string, from an index on; the top bit of the length is a flag (Memory.cs, pinned). */
static bool show_slice(const struct subject *subject, struct text *ret)
{
    struct clr *clr = subject->clr;
    struct clr_object whole;
    int64_t from, length;

    if (!part_number(subject, 1, &from) || !part_number(subject, 2, &length)) return false;
    from &= INT32_MAX;
    length &= INT32_MAX;
    if (!clr_object_try(clr, part_object(subject, 0), &whole) || !clr_type_is_string(clr, whole.type)) {
        text_printf(ret, "%lld elements", (long long)length);
        if (from) text_printf(ret, " from %lld", (long long)from);
        return true;
    }
    if (from > whole.count || length > whole.count - from) return false;
    text_putc(ret, '"');
    whole.addr += 2 * (uint64_t)from;
    whole.count -= (uint32_t)from;
    if (!clr_string_characters(clr, &whole, length < STRING_SHOWN ? (uint32_t)length : STRING_SHOWN, ret)) return false;
    text_puts(ret, length > STRING_SHOWN ? "\"..." : "\"");
    return true;
}

static bool show_immutable_array(const struct subject *subject, struct text *ret)
{
    struct place place = part_place(subject, 0);
    struct clr_object array;

    if (!place.known) return false;
    if (!place_object(subject->clr, &place, subject->addr))
        text_puts(ret, "default");
    else if (clr_object_try(subject->clr, place_object(subject->clr, &place, subject->addr), &array))
        text_printf(ret, "%u elements", array.count);
    else
        return false;
    return true;
}

static bool show_int128(const struct subject *subject, struct text *ret)
{
    int64_t lower, upper;

    if (!part_number(subject, 0, &lower) || !part_number(subject, 1, &upper)) return false;
    shown_int128((uint64_t)upper, (uint64_t)lower, subject->shown->form == FORM_INT128, ret);
    return true;
}

/* What a task that ran to its end gave, if it gives anything; structs are not opened here. */
static void append_result(const struct subject *subject, struct text *ret)
{
    struct place place = part_place(subject, 1);
    struct managed_value value = place_value(&place, subject->addr);

    if (!place.known || place.element_type == ELEMENT_VALUETYPE) return;
    text_puts(ret, ": ");
    managed_text(subject->clr, &value, ret);
}

/* Task.cs, TASK_STATE_*: from the end of a task's life back. */
static bool show_task(const struct subject *subject, struct text *ret)
{
    enum { RAN_TO_COMPLETION = 0x1000000 };
    static const struct {
        int64_t flag;
        const char *status;
    } states[] = {
        { 0x200000, "faulted" },
        { 0x400000, "canceled" },
        { RAN_TO_COMPLETION, "ran to completion" },
        { 0x800000, "waits for children" },
        { 0x20000, "running" },
        { 0x10000, "started, not running" },
        { 0x2000000, "waits for activation" },
    };
    int64_t flags;

    if (!part_number(subject, 0, &flags)) return false;
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        if (flags & states[i].flag) {
            text_puts(ret, states[i].status);
            if (states[i].flag == RAN_TO_COMPLETION) append_result(subject, ret);
            return true;
        }
    text_puts(ret, "created");
    return true;
}

/* Those of one number. */
static bool show_small(const struct subject *subject, struct text *ret)
{
    int64_t number;

    if (!part_number(subject, 0, &number)) return false;
    switch (subject->shown->form) {
    case FORM_NULLABLE:
        if (number) return false; /* the value speaks for itself */
        text_puts(ret, "null");
        return true;
    case FORM_HALF:
        shown_half((uint16_t)number, ret);
        return true;
    case FORM_INDEX: /* from the end: the complement */
        text_printf(ret, number < 0 ? "^%lld" : "%lld", (long long)(number < 0 ? ~number : number));
        return true;
    case FORM_RUNE:
        text_printf(ret, "U+%04llX", (unsigned long long)number & 0x1fffff);
        return true;
    default:
        return false;
    }
}

static bool show(const struct subject *subject, struct text *ret)
{
    int64_t number;

    switch (subject->shown->form) {
    case FORM_DATE_TIME:
        return part_number(subject, 0, &number) && shown_date_time((uint64_t)number, ret);
    case FORM_DATE_ONLY:
        if (!part_number(subject, 0, &number) || number < 0 || number > TICKS_MAX / TICKS_PER_DAY) return false;
        append_date(number, ret);
        return true;
    case FORM_TIME_SPAN:
        return part_number(subject, 0, &number) && shown_time_span(number, ret);
    case FORM_DATE_TIME_OFFSET:
        return show_date_time_offset(subject, ret);
    case FORM_GUID:
        return show_guid(subject, ret);
    case FORM_DECIMAL:
        return show_decimal(subject, ret);
    case FORM_VERSION:
        return show_version(subject, ret);
    case FORM_STRING:
        return show_string(subject, ret);
    case FORM_STRING_BUILDER:
        return show_string_builder(subject, ret);
    case FORM_LAZY:
        return show_lazy(subject, ret);
    case FORM_WEAK:
        return show_weak(subject, ret);
    case FORM_TASK:
        return show_task(subject, ret);
    case FORM_SLICE:
        return show_slice(subject, ret);
    case FORM_IMMUTABLE_ARRAY:
        return show_immutable_array(subject, ret);
    case FORM_INT128:
    case FORM_UINT128:
        return show_int128(subject, ret);
    default:
        return show_small(subject, ret);
    }
}

/* The row of a type, generic arguments left out; NULL: none. */
static const struct shown_type *find_shown(struct clr *clr, uint64_t mt_addr)
{
    const char *name = clr_type_name(clr, mt_addr);
    size_t length = strcspn(name, "<");

    for (size_t i = 0; i < ARRAY_LENGTH(shown_types); i++)
        if (strlen(shown_types[i].type) == length && !memcmp(shown_types[i].type, name, length) &&
            (!name[length] || name[strlen(name) - 1] == '>'))
            return &shown_types[i];
    return NULL;
}

bool shown_struct(struct clr *clr, uint64_t mt_addr, uint64_t addr, struct text *ret)
{
    struct subject subject = { clr, mt_addr, addr, false, find_shown(clr, mt_addr) };

    return subject.shown && show(&subject, ret);
}

/* A class derived from a known one is shown as that. */
static bool show_by_base(struct clr *clr, const struct clr_object *object, struct text *ret)
{
    const struct clr_type *type = object->type;

    for (unsigned depth = 0; type && depth < PARTS_MAX * 4; depth++) {
        struct subject subject = { clr, object->type->mt_addr, object->addr, true, find_shown(clr, type->mt_addr) };

        if (subject.shown) return show(&subject, ret);
        type = type->parent_addr ? clr_type_get(clr, type->parent_addr) : NULL;
    }
    return false;
}

/* A box of a number or an enum has one field, right behind its type. */
static bool show_box(struct clr *clr, const struct clr_object *object, struct text *ret)
{
    struct place place = place_find(clr, object->type->mt_addr, true, "m_value|value__");

    if (!place.known || place.off != BOX_OFF || object->size != 24) return false;
    return clr_value_text(clr, place.element_type, object->type->mt_addr, object->addr + BOX_OFF, ret);
}

/* "2 x 3" of an array of several dimensions, and the number of elements of all. */
static bool show_array(struct clr *clr, const struct clr_object *object, struct text *ret)
{
    struct clr_array_bounds bounds;

    text_printf(ret, "%u elements", object->count);
    clr_array_bounds(clr, object, &bounds);
    if (bounds.rank) text_puts(ret, ", ");
    clr_array_bounds_text(&bounds, ret);
    return true;
}

static bool show_delegate(struct clr *clr, const struct clr_object *object, struct text *ret)
{
    uint64_t method_desc = delegate_method(clr, object->addr);
    struct clr_method method;

    return method_desc && clr_method_at(clr, method_desc, &method) && clr_method_name(clr, &method, ret);
}

bool shown_object(struct collection_types *types, uint64_t addr, struct text *ret)
{
    struct clr *clr = types->clr;
    struct collection collection;
    struct clr_object object;

    if (!clr_object_try(clr, addr, &object)) return false;
    if (clr_type_is_array(object.type)) return show_array(clr, &object, ret);
    if (object.type->component_size) return false;
    if (show_by_base(clr, &object, ret) || show_box(clr, &object, ret) || managed_runtime_type(clr, &object, ret) ||
        show_delegate(clr, &object, ret))
        return true;
    if (!collection_open(types, addr, &collection) || !collection.count_known) return false;
    text_printf(ret, "%llu elements", (unsigned long long)collection.count);
    return true;
}
