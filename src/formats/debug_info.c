#include "formats/debug_info.h"

#include <limits.h>

enum { IL_BIAS = 3 };

struct nibbles {
    struct span bytes;
    uint64_t at; /* in nibbles */
};

static bool next_nibble(struct nibbles *nibbles, uint8_t *ret)
{
    uint8_t byte;

    if (!span_u8(nibbles->bytes, nibbles->at / 2, &byte)) return false;
    *ret = nibbles->at % 2 ? byte >> 4 : byte & 0xf;
    nibbles->at++;
    return true;
}

static bool next_number(struct nibbles *nibbles, uint32_t *ret)
{
    enum { MORE = 8, GROUP_BITS = 3, GROUPS_MAX = 11 };
    uint64_t value = 0;
    uint8_t nibble;

    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        if (!next_nibble(nibbles, &nibble)) return false;
        value = value << GROUP_BITS | (nibble & (MORE - 1));
        if (nibble & MORE) continue;
        *ret = (uint32_t)value;
        return value <= UINT32_MAX;
    }
    return false;
}

bool debug_info_bounds(struct span head, uint32_t *off_ret, uint32_t *size_ret)
{
    struct nibbles nibbles = { .bytes = head };
    uint32_t size, ignored;

    if (!next_number(&nibbles, &size)) return false;
    if (size == UINT32_MAX && (!next_number(&nibbles, &size) || !next_number(&nibbles, &ignored))) return false;
    if (!next_number(&nibbles, &ignored)) return false;
    *off_ret = (uint32_t)((nibbles.at + 1) / 2);
    *size_ret = size;
    return true;
}

/* The entries one after the other, in either form. */
struct bounds {
    struct nibbles nibbles;
    uint32_t left, native_off, il; /* il: biased */
    unsigned native_bits, il_bits; /* packed only */
    uint64_t bit;
};

static bool next_bits(struct bounds *bounds, unsigned count, uint32_t *ret)
{
    const struct span bytes = bounds->nibbles.bytes;
    uint32_t value = 0;

    if (bounds->bit + count > (uint64_t)bytes.size * CHAR_BIT) return false;
    for (unsigned i = 0; i < count; i++, bounds->bit++)
        value |= (uint32_t)(bytes.data[bounds->bit / CHAR_BIT] >> bounds->bit % CHAR_BIT & 1) << i;
    *ret = value;
    return true;
}

static bool bounds_begin(struct span bytes, bool is_packed, struct bounds *ret)
{
    enum { BITS_MAX = 32 };
    uint32_t native_bits, il_bits;

    *ret = (struct bounds) { .nibbles = { .bytes = bytes } };
    if (!next_number(&ret->nibbles, &ret->left)) return false;
    if (!is_packed) return true;
    if (!next_number(&ret->nibbles, &native_bits) || !next_number(&ret->nibbles, &il_bits) || native_bits >= BITS_MAX ||
        il_bits >= BITS_MAX)
        return false;
    ret->native_bits = native_bits + 1;
    ret->il_bits = il_bits + 1;
    ret->bit = (ret->nibbles.at + 1) / 2 * CHAR_BIT;
    return true;
}

static bool bounds_next(struct bounds *bounds)
{
    enum { SOURCE_BITS = 2 };
    uint32_t source, delta;

    if (!bounds->left) return false;
    bounds->left--;
    if (bounds->native_bits) {
        if (!next_bits(bounds, SOURCE_BITS, &source) || !next_bits(bounds, bounds->native_bits, &delta) ||
            !next_bits(bounds, bounds->il_bits, &bounds->il))
            return false;
    } else if (!next_number(&bounds->nibbles, &delta) || !next_number(&bounds->nibbles, &bounds->il) ||
               !next_number(&bounds->nibbles, &source)) {
        return false;
    }
    return !__builtin_add_overflow(bounds->native_off, delta, &bounds->native_off);
}

bool debug_info_il_offset(struct span bytes, bool is_packed, uint32_t native_off, uint32_t *ret)
{
    struct bounds bounds;
    bool found = false;

    if (!bounds_begin(bytes, is_packed, &bounds)) return false;
    while (bounds_next(&bounds) && bounds.native_off <= native_off) {
        if (bounds.il < IL_BIAS) continue;
        *ret = bounds.il - IL_BIAS;
        found = true;
    }
    return found;
}
