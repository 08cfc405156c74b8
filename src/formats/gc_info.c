#include "formats/gc_info.h"

#include <limits.h>

/* Widths of numbers' chunks, and bits of fixed fields. */
enum {
    LENGTH_WIDTH = 8,
    PROLOG_WIDTH = 5,
    EPILOG_WIDTH = 3,
    SPECIAL_SLOT_WIDTH = 6,
    FRAME_REGISTER_WIDTH = 3,
    EDIT_WIDTH = 4,
    OUTGOING_WIDTH = 3,
    SAFE_POINTS_WIDTH = 2,
    RANGES_WIDTH = 1,
    RANGE_WIDTH = 6,
    REGISTERS_WIDTH = 2,
    STACK_SLOTS_WIDTH = 2,
    UNTRACKED_WIDTH = 1,
    REGISTER_WIDTH = 3,
    REGISTER_DELTA_WIDTH = 2,
    SLOT_WIDTH = 6,
    SLOT_DELTA_WIDTH = 4,
    SKIP_WIDTH = 4,
    RUN_WIDTH = 2,
    POINTER_WIDTH = 3,
    CHUNK_BITS = 6,
};
enum { CHUNK = 1 << CHUNK_BITS, SLOT_SIZE = 8, RBP = 5, REGISTERS = 16 };
enum {
    CODE_MAX = 1 << 28,
    SLOTS_MAX = 1 << 16,
    PLACES_MAX = 1 << 20,
    NO_RETURN_KIND_SINCE = 4,
};
enum fat_flags {
    FAT_COOKIE = 4,
    FAT_PSPSYM = 8,
    FAT_CONTEXT = 0x30,
    FAT_FRAME_REGISTER = 0x40,
    FAT_LEAF_FUNCLET_ONLY = 0x80,
    FAT_EDIT_AND_CONTINUE = 0x100,
    FAT_REVERSE_PINVOKE = 0x200,
    FAT_FLAGS_BITS = 10,
    FAT_RETURN_BITS = 4,
    SLIM_RETURN_BITS = 2,
};

#define DECODE(expression) \
    do { \
        enum gc_info_status decode_status_ = (expression); \
        if (decode_status_ != GC_INFO_OK) return decode_status_; \
    } while (0)

/* ---- bits ---- */

static enum gc_info_status read_bits(struct gc_bits *bits, unsigned count, uint32_t *ret)
{
    uint32_t value = 0;

    if (bits->at > (uint64_t)bits->bytes.size * CHAR_BIT || count > (uint64_t)bits->bytes.size * CHAR_BIT - bits->at)
        return GC_INFO_CUT;
    for (unsigned i = 0; i < count; i++, bits->at++)
        value |= (uint32_t)(bits->bytes.data[bits->at / CHAR_BIT] >> bits->at % CHAR_BIT & 1) << i;
    *ret = value;
    return GC_INFO_OK;
}

static enum gc_info_status read_flag(struct gc_bits *bits, bool *ret)
{
    uint32_t value;

    DECODE(read_bits(bits, 1, &value));
    *ret = value != 0;
    return GC_INFO_OK;
}

/* The chunks as they come; *bits_ret: how many bits they had in all. */
static enum gc_info_status read_chunks(struct gc_bits *bits, unsigned width, uint64_t *ret, unsigned *bits_ret)
{
    uint64_t value = 0;
    uint32_t chunk;
    unsigned shift = 0;
    bool more = true;

    for (; more; shift += width) {
        if (shift >= 36) return GC_INFO_BAD;
        DECODE(read_bits(bits, width, &chunk));
        DECODE(read_flag(bits, &more));
        value |= (uint64_t)chunk << shift;
    }
    *ret = value;
    *bits_ret = shift;
    return GC_INFO_OK;
}

static enum gc_info_status read_number(struct gc_bits *bits, unsigned width, uint32_t *ret)
{
    uint64_t value;
    unsigned read;

    DECODE(read_chunks(bits, width, &value, &read));
    *ret = (uint32_t)value;
    return value <= INT32_MAX ? GC_INFO_OK : GC_INFO_BAD;
}

/* The highest bit of the last chunk is the sign. Offsets of slots: counted in words. */
static enum gc_info_status read_slot_off(struct gc_bits *bits, int32_t *ret)
{
    uint64_t value;
    unsigned read;
    int64_t off;

    DECODE(read_chunks(bits, SPECIAL_SLOT_WIDTH, &value, &read));
    off = (int64_t)value;
    if (value >> (read - 1) & 1) off -= (int64_t)(UINT64_C(1) << read);
    if (off > INT32_MAX / SLOT_SIZE || off < INT32_MIN / SLOT_SIZE) return GC_INFO_BAD;
    *ret = (int32_t)off * SLOT_SIZE;
    return GC_INFO_OK;
}

static enum gc_info_status skip_bits(struct gc_bits *bits, uint64_t count)
{
    if (count > (uint64_t)bits->bytes.size * CHAR_BIT - bits->at) return GC_INFO_CUT;
    bits->at += count;
    return GC_INFO_OK;
}

static void align_to_byte(struct gc_bits *bits)
{
    bits->at = (bits->at + CHAR_BIT - 1) / CHAR_BIT * CHAR_BIT;
}

/* ---- header ---- */

static enum gc_info_status read_slim_header(struct gc_bits *bits, struct gc_info *info)
{
    uint32_t ignored;

    info->is_slim = true;
    DECODE(read_flag(bits, &info->has_frame_register));
    info->frame_register = RBP;
    if (info->version < NO_RETURN_KIND_SINCE) DECODE(read_bits(bits, SLIM_RETURN_BITS, &ignored));
    return read_number(bits, LENGTH_WIDTH, &info->code_length);
}

static enum gc_info_status read_fat_slots(struct gc_bits *bits, uint32_t flags, struct gc_info *info)
{
    int32_t off;
    uint32_t value;

    if (flags & FAT_COOKIE) DECODE(read_slot_off(bits, &info->cookie_off));
    if (flags & FAT_PSPSYM && info->version < NO_RETURN_KIND_SINCE) DECODE(read_slot_off(bits, &off));
    if (flags & FAT_CONTEXT) DECODE(read_slot_off(bits, &info->generic_context_off));
    if (flags & FAT_FRAME_REGISTER) {
        DECODE(read_number(bits, FRAME_REGISTER_WIDTH, &value));
        value ^= RBP;
        if (value >= REGISTERS) return GC_INFO_BAD;
        info->frame_register = (uint8_t)value;
    }
    if (flags & FAT_EDIT_AND_CONTINUE) DECODE(read_number(bits, EDIT_WIDTH, &value));
    if (flags & FAT_REVERSE_PINVOKE) DECODE(read_slot_off(bits, &info->reverse_pinvoke_off));
    DECODE(read_number(bits, OUTGOING_WIDTH, &value));
    if (value > INT32_MAX / SLOT_SIZE) return GC_INFO_BAD;
    info->outgoing_size = value * SLOT_SIZE;
    return GC_INFO_OK;
}

static enum gc_info_status read_fat_header(struct gc_bits *bits, struct gc_info *info)
{
    uint32_t flags, ignored;

    DECODE(read_bits(bits, FAT_FLAGS_BITS, &flags));
    if (info->version < NO_RETURN_KIND_SINCE) DECODE(read_bits(bits, FAT_RETURN_BITS, &ignored));
    DECODE(read_number(bits, LENGTH_WIDTH, &info->code_length));
    info->has_cookie = flags & FAT_COOKIE;
    info->has_generic_context = flags & FAT_CONTEXT;
    info->generic_context = (uint8_t)((flags & FAT_CONTEXT) / 0x10);
    info->has_frame_register = flags & FAT_FRAME_REGISTER;
    info->leaf_funclet_only = flags & FAT_LEAF_FUNCLET_ONLY;
    info->has_reverse_pinvoke = flags & FAT_REVERSE_PINVOKE;
    if (flags & (FAT_COOKIE | FAT_CONTEXT)) {
        DECODE(read_number(bits, PROLOG_WIDTH, &info->prolog_size));
        info->prolog_size++;
    }
    if (flags & FAT_COOKIE) DECODE(read_number(bits, EPILOG_WIDTH, &info->epilog_size));
    return read_fat_slots(bits, flags, info);
}

/* ---- safe points and ranges ---- */

static unsigned ceil_of_log2(uint32_t value)
{
    unsigned bits = 0;

    while (bits < 31 && UINT32_C(1) << bits < value)
        bits++;
    return bits;
}

static enum gc_info_status read_safe_points(struct gc_bits *bits, uint32_t count, struct gc_info *info)
{
    unsigned width = ceil_of_log2(info->code_length);

    if (count > info->code_length || count > PLACES_MAX) return GC_INFO_BAD;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset;

        DECODE(read_bits(bits, width, &offset));
        if (!vec_push(&info->safe_points, offset)) return GC_INFO_NO_MEMORY;
    }
    return GC_INFO_OK;
}

static enum gc_info_status read_ranges(struct gc_bits *bits, uint32_t count, struct gc_info *info)
{
    uint64_t at = 0;

    if (count > info->code_length || count > PLACES_MAX) return GC_INFO_BAD;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t skip, length;
        struct gc_range range;

        DECODE(read_number(bits, RANGE_WIDTH, &skip));
        DECODE(read_number(bits, RANGE_WIDTH, &length));
        range.start = (uint32_t)(at + skip);
        at += (uint64_t)skip + length + 1;
        if (at > info->code_length) return GC_INFO_BAD;
        range.end = (uint32_t)at;
        if (!vec_push(&info->ranges, range)) return GC_INFO_NO_MEMORY;
    }
    return GC_INFO_OK;
}

/* ---- slots ---- */

static enum gc_info_status read_flags(struct gc_bits *bits, struct gc_slot *slot)
{
    uint32_t flags;

    DECODE(read_bits(bits, 2, &flags));
    slot->flags = (uint8_t)flags;
    return GC_INFO_OK;
}

/* After one without flags come a distance and no flags of its own; so in each of the three lists. */
static enum gc_info_status read_registers(struct gc_bits *bits, uint32_t count, struct gc_info *info)
{
    struct gc_slot slot = { .base = GC_SLOT_REGISTER };
    uint32_t number = 0, delta;

    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || slot.flags) {
            DECODE(read_number(bits, REGISTER_WIDTH, &number));
            DECODE(read_flags(bits, &slot));
        } else {
            DECODE(read_number(bits, REGISTER_DELTA_WIDTH, &delta));
            number += delta + 1;
        }
        if (number >= REGISTERS) return GC_INFO_BAD;
        slot.reg = (uint8_t)number;
        if (!vec_push(&info->slots, slot)) return GC_INFO_NO_MEMORY;
    }
    return GC_INFO_OK;
}

static enum gc_info_status read_stack_slots(struct gc_bits *bits, uint32_t count, struct gc_info *info)
{
    struct gc_slot slot = { 0 };
    uint32_t base, delta;

    for (uint32_t i = 0; i < count; i++) {
        DECODE(read_bits(bits, 2, &base));
        if (base > GC_SLOT_FRAME_REGISTER) return GC_INFO_BAD;
        slot.base = (uint8_t)base;
        if (i == 0 || slot.flags) {
            DECODE(read_slot_off(bits, &slot.off));
            DECODE(read_flags(bits, &slot));
        } else {
            DECODE(read_number(bits, SLOT_DELTA_WIDTH, &delta));
            if (delta > (uint32_t)INT32_MAX / 2 / SLOT_SIZE || slot.off > INT32_MAX / 2) return GC_INFO_BAD;
            slot.off += (int32_t)(delta * SLOT_SIZE);
        }
        if (!vec_push(&info->slots, slot)) return GC_INFO_NO_MEMORY;
    }
    return GC_INFO_OK;
}

static enum gc_info_status read_slots(struct gc_bits *bits, struct gc_info *info)
{
    uint32_t stack_count = 0, untracked_count = 0;
    bool has;

    DECODE(read_flag(bits, &has));
    if (has) DECODE(read_number(bits, REGISTERS_WIDTH, &info->register_count));
    DECODE(read_flag(bits, &has));
    if (has) {
        DECODE(read_number(bits, STACK_SLOTS_WIDTH, &stack_count));
        DECODE(read_number(bits, UNTRACKED_WIDTH, &untracked_count));
    }
    if (info->register_count > SLOTS_MAX || stack_count > SLOTS_MAX || untracked_count > SLOTS_MAX) return GC_INFO_BAD;
    info->tracked_count = info->register_count + stack_count;
    DECODE(read_registers(bits, info->register_count, info));
    DECODE(read_stack_slots(bits, stack_count, info));
    return read_stack_slots(bits, untracked_count, info);
}

static enum gc_info_status read_all(struct gc_bits *bits, struct gc_info *info)
{
    uint32_t safe_point_count, range_count = 0;
    bool is_fat;

    DECODE(read_flag(bits, &is_fat));
    DECODE(is_fat ? read_fat_header(bits, info) : read_slim_header(bits, info));
    if (info->code_length == 0 || info->code_length > CODE_MAX) return GC_INFO_BAD;
    DECODE(read_number(bits, SAFE_POINTS_WIDTH, &safe_point_count));
    if (is_fat) DECODE(read_number(bits, RANGES_WIDTH, &range_count));
    DECODE(read_safe_points(bits, safe_point_count, info));
    DECODE(read_ranges(bits, range_count, info));
    return read_slots(bits, info);
}

enum gc_info_status gc_info_open(struct span bytes, unsigned version, struct gc_info *ret)
{
    struct gc_bits bits = { .bytes = bytes };
    enum gc_info_status status;

    *ret = (struct gc_info) { .version = version };
    status = read_all(&bits, ret);
    ret->states = bits;
    if (status != GC_INFO_OK) gc_info_close(ret);
    return status;
}

void gc_info_close(struct gc_info *info)
{
    vec_deinit(&info->safe_points);
    vec_deinit(&info->ranges);
    vec_deinit(&info->slots);
}

/* ---- live states ---- */

/*
 * A set of `count` slots: a bit each, or lengths of runs. Of these the first, which may be 0, is of slots that are not in the set;
 * the kinds take turns; a bit tells which of two widths of numbers the first has.
 */
static enum gc_info_status read_set(struct gc_bits *bits, uint32_t count, bool *set)
{
    bool is_run_coded, narrow, in = false;
    uint32_t at = 0, length;

    DECODE(read_flag(bits, &is_run_coded));
    if (!is_run_coded) {
        for (uint32_t i = 0; i < count; i++)
            DECODE(read_flag(bits, &set[i]));
        return GC_INFO_OK;
    }
    DECODE(read_flag(bits, &narrow));
    for (bool first = true; first || at < count; first = false, in = !in, narrow = !narrow) {
        DECODE(read_number(bits, narrow ? RUN_WIDTH : SKIP_WIDTH, &length));
        if (!first) length++;
        if (length > count - at) return GC_INFO_BAD;
        for (uint32_t i = 0; i < length; i++)
            set[at + i] = in;
        at += length;
    }
    return GC_INFO_OK;
}

static enum gc_info_status live_at_safe_point(const struct gc_info *info, struct gc_bits bits, unsigned width, size_t index,
                                              bool *live)
{
    uint32_t off;

    if (!width) {
        DECODE(skip_bits(&bits, (uint64_t)index * info->tracked_count));
        for (uint32_t i = 0; i < info->tracked_count; i++)
            DECODE(read_flag(&bits, &live[i]));
        return GC_INFO_OK;
    }
    DECODE(skip_bits(&bits, (uint64_t)index * width));
    DECODE(read_bits(&bits, width, &off));
    DECODE(skip_bits(&bits, (uint64_t)(info->safe_points.count - index - 1) * width));
    align_to_byte(&bits);
    if (bits.at > (uint64_t)bits.bytes.size * CHAR_BIT) return GC_INFO_CUT;
    DECODE(skip_bits(&bits, off));
    return read_set(&bits, info->tracked_count, live);
}

/* The chunk's bits: slots that are live anywhere in it, the state of each at its end, and in the wanted chunk their changes. */
static enum gc_info_status live_in_chunk(const struct gc_info *info, struct gc_bits bits, bool has_changes, uint32_t in_chunk,
                                         bool *live)
{
    struct gc_bits final;
    uint32_t could_be_live = 0, at;
    bool is_live, more;

    DECODE(read_set(&bits, info->tracked_count, live));
    for (uint32_t i = 0; i < info->tracked_count; i++)
        could_be_live += live[i];
    final = bits;
    DECODE(skip_bits(&bits, could_be_live));
    for (uint32_t i = 0; i < info->tracked_count; i++) {
        if (!live[i]) continue;
        DECODE(read_flag(&final, &is_live));
        for (more = has_changes; more;) {
            DECODE(read_flag(&bits, &more));
            if (!more) break;
            DECODE(read_bits(&bits, CHUNK_BITS, &at));
            if (at > in_chunk) is_live = !is_live;
        }
        live[i] = is_live;
    }
    return GC_INFO_OK;
}

static enum gc_info_status live_in_range(const struct gc_info *info, struct gc_bits bits, uint64_t at, uint64_t length, bool *live)
{
    uint64_t chunk_count = (length + CHUNK - 1) / CHUNK, wanted = at / CHUNK, chunk = wanted;
    struct gc_bits table;
    uint32_t width, pointer = 0;

    DECODE(skip_bits(&bits, (uint64_t)info->safe_points.count * info->tracked_count));
    DECODE(read_number(&bits, POINTER_WIDTH, &width));
    if (width == 0) return GC_INFO_OK;
    if (width > 32) return GC_INFO_BAD;
    /* A chunk without a pointer is as the one before it was at its end. */
    for (;; chunk--) {
        table = bits;
        DECODE(skip_bits(&table, chunk * width));
        DECODE(read_bits(&table, width, &pointer));
        if (pointer) break;
        if (chunk == 0) return GC_INFO_OK;
    }
    DECODE(skip_bits(&bits, chunk_count * width));
    align_to_byte(&bits);
    if (bits.at > (uint64_t)bits.bytes.size * CHAR_BIT) return GC_INFO_CUT;
    DECODE(skip_bits(&bits, pointer - 1));
    return live_in_chunk(info, bits, chunk == wanted, (uint32_t)(at % CHUNK), live);
}

/* Index of the safe point at `offset`, their count when there is none. They are sorted. */
static size_t find_safe_point(const struct gc_info *info, uint32_t offset)
{
    size_t low = 0, high = info->safe_points.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (info->safe_points.data[middle] == offset) return middle;
        if (info->safe_points.data[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return info->safe_points.count;
}

/* Offset among all ranges laid end to end; their length. */
static bool find_range(const struct gc_info *info, uint32_t offset, uint64_t *at_ret, uint64_t *length_ret)
{
    uint64_t length = 0;
    bool found = false;

    for (size_t i = 0; i < info->ranges.count; i++) {
        struct gc_range range = info->ranges.data[i];

        if (offset >= range.start && offset < range.end) {
            *at_ret = length + offset - range.start;
            found = true;
        }
        length += range.end - range.start;
    }
    *length_ret = length;
    return found;
}

enum gc_info_status gc_info_live(const struct gc_info *info, uint32_t offset, bool *live, bool *safe_ret)
{
    struct gc_bits bits = info->states;
    size_t safe_point = find_safe_point(info, offset);
    bool is_safe_point = safe_point < info->safe_points.count, is_indirect = false;
    uint64_t at = 0, length = 0;
    uint32_t width = 0;

    for (uint32_t i = 0; i < info->tracked_count; i++)
        live[i] = false;
    *safe_ret = is_safe_point || find_range(info, offset, &at, &length);
    if (!*safe_ret || info->tracked_count == 0) return GC_INFO_OK;
    if (info->safe_points.count) DECODE(read_flag(&bits, &is_indirect));
    if (is_indirect) {
        DECODE(read_number(&bits, POINTER_WIDTH, &width));
        if (++width > 32) return GC_INFO_BAD;
    }
    return is_safe_point ? live_at_safe_point(info, bits, width, safe_point, live) : live_in_range(info, bits, at, length, live);
}

uint32_t gc_info_lookup_offset(const struct gc_info *info, uint32_t offset, bool is_leaf)
{
    return !is_leaf && offset && info->version < NO_RETURN_KIND_SINCE ? offset - 1 : offset;
}
