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

/*
 * NT's heaps as far as their segments show: _HEAP_SEGMENT.SegmentSignature, or that of a segment heap. Blocks inside are not
 * walked: the entries are encoded with a word of the heap, and there was no dump of NT itself to prove a reader on.
 */
static void note_windows_heaps(struct arena *arena, struct ledger *ledger, const struct target *target)
{
    enum { SIGNATURE_OFF = 16 };
    struct ledger_row *row = &ledger->rows[USE_NATIVE_HEAP];
    uint64_t bytes = 0;
    size_t count = 0;

    for (size_t i = 0; i < ledger->pieces.count; i++) {
        const struct ledger_piece *piece = &ledger->pieces.data[i];
        const struct dump_range *range;
        uint32_t signature;

        if (piece->use != USE_NATIVE_HEAP) continue;
        for (uint64_t at = piece->start; at < piece->end; at = range->end) {
            range = dump_range_at(target->dump, at);
            if (!range) break;
            if (range->start < piece->start || !memory_try_u32(&target->memory, range->start + SIGNATURE_OFF, &signature)) continue;
            if (signature != 0xffeeffee && signature != 0xddeeddee) continue;
            count++;
            bytes += range->end - range->start;
        }
    }
    if (row->committed)
        row->note = arena_printf(arena, "%zu segments of NT heaps, %.1f MiB; the rest is private memory that nobody else claims",
                                 count, mib(bytes));
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
        note_windows_heaps(arena, ledger, claims->target);
    else
        note_malloc(arena, ledger);
    for (size_t i = 0; i < claims->target->dump->ranges.count; i++)
        ledger->file_pages += file_pages(claims->target, &claims->target->dump->ranges.data[i]);
}
