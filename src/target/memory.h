/*
 * One address space, read only: the dump's ranges, and below them the files that were mapped where the dump left pages out.
 *
 *     dump segments    sorted, not overlapping, neighbours in address and in file merged   -> pointer into the mapped dump
 *     image segments   looked up only when the dump has nothing (target/images.c)           -> pointer into the mapped file
 *
 * Reads may run in many threads at once. A look-up is a probe of a small per-thread cache, else a binary search.
 */
#ifndef CLRTRAIL_TARGET_MEMORY_H
#define CLRTRAIL_TARGET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "base/text.h"
#include "base/vec.h"
#include "dump/byte_file.h"

struct memory_segment {
    uint64_t start, end;
    const uint8_t *data; /* byte of `start` */
    uint64_t file_off;   /* in the dump, for byte_file_ensure */
};

struct memory {
    VEC(struct memory_segment) segments;
    bool is_shared;         /* the segments belong to another memory */
    struct byte_file *file; /* borrowed; NULL in tests */
    uint64_t id;            /* differs between memories, for the per-thread cache */
    /*
     * The file-backed bytes at `addr`, of at most *size_ret bytes, or NULL. Called only for addresses that the dump lacks; may be
     * called from many threads. NULL function: there are none.
     */
    const uint8_t *(*image_view)(void *user, uint64_t addr, uint64_t *size_ret);
    void *image_user;
};

void memory_init(struct memory *memory, struct byte_file *file);
void memory_deinit(struct memory *memory);
/* Adds [start, start + size) -> data. Any order; call memory_freeze when all are there. On overlap the first one added wins. */
struct error *memory_add(struct memory *memory, uint64_t start, uint64_t size, const uint8_t *data, uint64_t file_off);
struct error *memory_freeze(struct memory *memory);
/* A second view of a frozen memory, which must outlive it: the same segments, its own image_view. */
void memory_share(struct memory *memory, const struct memory *of);

/*
 * The bytes from `addr` on that lie in one piece: borrowed as long as the memory; *size_ret is how many (at least 1).
 * NULL: not in the dump. At most `wanted` bytes are made valid and promised.
 */
const uint8_t *memory_view(const struct memory *memory, uint64_t addr, uint64_t wanted, uint64_t *size_ret);
/* The same, from the dump alone. */
const uint8_t *memory_view_dumped(const struct memory *memory, uint64_t addr, uint64_t wanted, uint64_t *size_ret);
/* Exactly `size` bytes in one piece, or NULL. */
const uint8_t *memory_try_span(const struct memory *memory, uint64_t addr, uint64_t size);

bool memory_try_read(const struct memory *memory, uint64_t addr, void *buffer, size_t size);
bool memory_try_u8(const struct memory *memory, uint64_t addr, uint8_t *ret);
bool memory_try_u16(const struct memory *memory, uint64_t addr, uint16_t *ret);
bool memory_try_u32(const struct memory *memory, uint64_t addr, uint32_t *ret);
bool memory_try_u64(const struct memory *memory, uint64_t addr, uint64_t *ret);
/* Errors: ERROR_FAULT naming `what` and the address. */
struct error *memory_read(const struct memory *memory, uint64_t addr, void *buffer, size_t size, const char *what);
/*
 * Appends the NUL-terminated string at `addr` (UTF-8, or UTF-16 as UTF-8), at most `limit` bytes / units; false when it cannot be
 * read whole. The string may cross segments.
 */
bool memory_try_cstr(const struct memory *memory, uint64_t addr, size_t limit, struct text *ret);
bool memory_try_utf16(const struct memory *memory, uint64_t addr, size_t limit, struct text *ret);
bool memory_has(const struct memory *memory, uint64_t addr, uint64_t size);

#endif
