/* What is worth saying of a row of the ledger, beside its bytes. */
#include <stdlib.h>

#include "base/text.h"
#include "clr/clr.h"
#include "clr/loader.h"
#include "session/ledger_claims.h"
#include "session/session.h"
#include "target/target.h"

enum { MIB = 1 << 20 };

static double mib(uint64_t bytes)
{
    return (double)bytes / MIB;
}

/* Ends the text; NULL when memory ran out. */
static const char *take_text(struct arena *arena, struct text *text)
{
    const char *copy = text->failed ? NULL : arena_strdup(arena, text_cstr(text));

    text_deinit(text);
    return copy;
}

static void note_stacks(struct arena *arena, struct ledger *ledger, const struct claims *claims)
{
    struct ledger_row *row = &ledger->rows[USE_STACK];

    if (row->committed && !claims->target->is_windows) {
        struct text text;

        text_init(&text);
        text_number(&text, row->count);
        text_printf(&text, " thread%s, at least %.1f MiB touched", row->count == 1 ? "" : "s", mib(claims->stack_touched));
        row->note = take_text(arena, &text);
    }
    row = &ledger->rows[USE_ENDED_STACK];
    if (row->committed) row->note = "glibc keeps them for new threads";
}

/* Only when it is far above what is usual. */
static void note_loader_heaps(struct session *session, struct ledger *ledger)
{
    enum { USUAL_LOW = 20, USUAL_HIGH = 60, FAR_ABOVE = 128 };
    struct ledger_row *row = &ledger->rows[USE_LOADER_HEAP];
    struct clr_module *const *modules;
    struct clr *clr;
    size_t count;
    struct error *err;

    if (row->committed < (uint64_t)FAR_ABOVE * MIB) return;
    err = session_clr(session, &clr);
    if (!err) err = clr_modules(clr, &modules, &count);
    if (!err) {
        struct text text;

        text_init(&text);
        text_number(&text, count);
        text_printf(&text, " modules; a service of this size usually has %d-%d MiB", USUAL_LOW, USUAL_HIGH);
        row->note = take_text(session_arena(session), &text);
    }
    error_destroy(err);
}

static void note_malloc(struct arena *arena, struct ledger *ledger)
{
    const struct glibc_malloc *malloc = &ledger->malloc;
    uint64_t trimmable = 0, cached = 0;
    size_t arenas = 0;

    for (size_t i = 0; i < malloc->arenas.count; i++) {
        trimmable += malloc->arenas.data[i].trimmable;
        cached += malloc->arenas.data[i].sum[MALLOC_CACHED].bytes;
        if (malloc->arenas.data[i].heap_count) arenas++;
    }
    if (malloc->heaps.count) {
        ledger->rows[USE_MALLOC_USED].note = arena_printf(
            arena, "glibc: %zu arena%s%s", arenas, arenas == 1 ? "" : "s",
            malloc->arenas.data[0].has_state ? "" : "; the main one's state is not in the dump, its heap is told by its chunks");
        ledger->rows[USE_MALLOC_FREE].note = arena_printf(arena, "%.1f MiB in whole pages, %.1f MiB in thread caches",
                                                          mib(trimmable), mib(cached));
    }
    if (ledger->rows[USE_NATIVE_HEAP].committed && malloc->foreign)
        ledger->rows[USE_NATIVE_HEAP].note = arena_printf(arena, "%s: its heap is not walked", malloc->foreign);
}

static void note_windows_heaps(struct arena *arena, struct ledger *ledger)
{
    const struct windows_heaps *heaps = &ledger->windows;
    size_t of_kind[3] = { 0 };
    uint64_t free = 0;

    for (size_t i = 0; i < heaps->list.count; i++) {
        of_kind[heaps->list.data[i].kind]++;
        free += heaps->list.data[i].free.bytes;
    }
    if (ledger->rows[USE_MALLOC_USED].committed)
        ledger->rows[USE_MALLOC_USED].note = arena_printf(arena, "%zu heaps: %zu of NT, %zu segment heaps, %zu of wine",
                                                          heaps->list.count, of_kind[WINDOWS_HEAP_NT],
                                                          of_kind[WINDOWS_HEAP_SEGMENT], of_kind[WINDOWS_HEAP_WINE]);
    if (ledger->rows[USE_MALLOC_FREE].committed)
        ledger->rows[USE_MALLOC_FREE].note = arena_printf(arena, "%.1f MiB in free blocks, the rest are the heaps' own words",
                                                          mib(free));
    if (ledger->rows[USE_NATIVE_HEAP].committed)
        ledger->rows[USE_NATIVE_HEAP].note = heaps->list.count
                                                 ? "segment heaps, or behind a place that makes no sense: see nt_heaps"
                                                 : "no heap was found: private memory that nobody else claims";
    if (ledger->rows[USE_UNTOUCHED].committed) ledger->rows[USE_UNTOUCHED].note = "nothing but zeros";
}

/* Read-only pages of files: in the page cache, shared with other processes, and mostly absent from heap dumps. */
static uint64_t file_pages(const struct target *target, const struct dump_range *range)
{
    if (target->is_windows || range->state != RANGE_COMMIT || range->protection & PROTECTION_WRITE) return 0;
    return range->end - range->start - target_range_committed(target, range);
}

void ledger_notes(struct session *session, struct ledger *ledger, const struct claims *claims)
{
    struct arena *arena = session_arena(session);

    note_stacks(arena, ledger, claims);
    note_loader_heaps(session, ledger);
    if (claims->target->is_windows)
        note_windows_heaps(arena, ledger);
    else
        note_malloc(arena, ledger);
    for (size_t i = 0; i < claims->target->dump->ranges.count; i++)
        ledger->file_pages += file_pages(claims->target, &claims->target->dump->ranges.data[i]);
}
