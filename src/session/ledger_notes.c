/* What is worth saying of a row of the ledger, beside its bytes. */
#include <stdlib.h>

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

static void note_stacks(struct arena *arena, struct ledger *ledger, const struct claims *claims)
{
    struct ledger_row *row = &ledger->rows[USE_STACK];

    if (row->committed && !claims->target->is_windows)
        row->note = arena_printf(arena, "%llu threads, at least %.1f MiB touched", (unsigned long long)row->count,
                                 mib(claims->stack_touched));
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
    if (!err)
        row->note = arena_printf(session_arena(session), "%zu modules; a service of this size usually has %d-%d MiB", count,
                                 USUAL_LOW, USUAL_HIGH);
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
    note_malloc(arena, ledger);
    for (size_t i = 0; i < claims->target->dump->ranges.count; i++)
        ledger->file_pages += file_pages(claims->target, &claims->target->dump->ranges.data[i]);
}
