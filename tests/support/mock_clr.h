/*
 * A runtime without a dump: one or two pieces of memory that tests write MethodTables, objects and lists into, read with the
 * built-in table of .NET 10 on Linux.
 */
#ifndef CLRTRAIL_TESTS_MOCK_CLR_H
#define CLRTRAIL_TESTS_MOCK_CLR_H

#include "clr/clr.h"
#include "clr/gc_heap.h"

enum { MOCK_BASE = 0x10000000, MOCK_SIZE = 1 << 20 };

struct mock_clr {
    struct target target;
    struct dump dump;
    struct byte_file file;
    struct gaps gaps;
    struct clr clr;
    uint8_t *bytes; /* MOCK_SIZE bytes at MOCK_BASE */
    uint64_t next;  /* where mock_alloc goes on */
};

void mock_clr_init(struct mock_clr *mock);
/* Leaves the page at `addr` out of memory. Call before anything is read. */
void mock_clr_init_without_page(struct mock_clr *mock, uint64_t addr);
void mock_clr_deinit(struct mock_clr *mock);

/* `size` zeroed bytes, 8-aligned; the address. */
uint64_t mock_alloc(struct mock_clr *mock, uint64_t size);
void mock_u64(struct mock_clr *mock, uint64_t addr, uint64_t value);
void mock_u32(struct mock_clr *mock, uint64_t addr, uint32_t value);
/* A MethodTable with an EEClass that points back to it. component_size 0: not an array. */
uint64_t mock_method_table(struct mock_clr *mock, uint32_t base_size, uint16_t component_size);
/* Sets a global variable to `value`. */
void mock_global(struct mock_clr *mock, enum global global, uint64_t value);

#endif
