/*
 * A bounded run of bytes, borrowed. Every decoder of `formats/` reads through these, so an offset or a length that a dump
 * lies about can never reach outside.
 * All reads are little endian (every platform that .NET dumps come from) and need no alignment.
 */
#ifndef CLRTRAIL_BASE_SPAN_H
#define CLRTRAIL_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    size_t size;
};

static inline bool span_holds(struct span s, uint64_t off, uint64_t size)
{
    return off <= s.size && size <= s.size - off;
}

/* [off, off + size) of `s`; false when that is not wholly inside. */
static inline bool span_slice(struct span s, uint64_t off, uint64_t size, struct span *ret)
{
    if (!span_holds(s, off, size)) return false;
    *ret = (struct span) { s.data + off, (size_t)size };
    return true;
}

/* From `off` to the end; empty when `off` is outside. */
static inline struct span span_from(struct span s, uint64_t off)
{
    if (off >= s.size) return (struct span) { s.data, 0 };
    return (struct span) { s.data + off, s.size - (size_t)off };
}

static inline bool span_u8(struct span s, uint64_t off, uint8_t *ret)
{
    if (!span_holds(s, off, 1)) return false;
    *ret = s.data[off];
    return true;
}

static inline bool span_u16(struct span s, uint64_t off, uint16_t *ret)
{
    if (!span_holds(s, off, 2)) return false;
    memcpy(ret, s.data + off, 2);
    return true;
}

static inline bool span_u32(struct span s, uint64_t off, uint32_t *ret)
{
    if (!span_holds(s, off, 4)) return false;
    memcpy(ret, s.data + off, 4);
    return true;
}

static inline bool span_u64(struct span s, uint64_t off, uint64_t *ret)
{
    if (!span_holds(s, off, 8)) return false;
    memcpy(ret, s.data + off, 8);
    return true;
}

/* The C string at `off`, borrowed, with its length; false when no NUL follows inside the span. */
static inline bool span_cstr(struct span s, uint64_t off, const char **ret, size_t *length_ret)
{
    const uint8_t *end;

    if (off >= s.size) return false;
    end = memchr(s.data + off, 0, s.size - (size_t)off);
    if (!end) return false;
    *ret = (const char *)(s.data + off);
    if (length_ret) *length_ret = (size_t)(end - (s.data + off));
    return true;
}

/* For decoders that checked a whole record at once. */
static inline uint16_t load_u16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return v;
}

static inline uint32_t load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint64_t load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

#endif
