#include "session/handle_finds.h"

#include <stdlib.h>

#include "heap/edge.h"
#include "heap/starts.h"
#include "session/memory_scan.h"
#include "session/session.h"
#include "target/target.h"

static struct error *index_handles(struct handle_finds *finds)
{
    finds->lowest = UINT64_MAX;
    finds->list = calloc(finds->table->list.count + 1, sizeof(*finds->list));
    if (!finds->list) return &error_enomem;
    for (size_t i = 0; i < finds->table->list.count; i++) {
        uint64_t addr = finds->table->list.data[i].addr;

        if (!map_put(&finds->index, addr, i)) return &error_enomem;
        if (addr < finds->lowest) finds->lowest = addr;
        if (addr > finds->highest) finds->highest = addr;
    }
    return NULL;
}

/* Handles are 8 bytes apart; GCHandle and WeakReference keep flags in the lowest bits. Source: GCHandle.cs, WeakReference.cs. */
static void take_word(struct handle_finds *finds, uint64_t addr, uint64_t word, enum ledger_use use)
{
    struct handle_find *find;
    struct clr_object object;
    bool is_managed = ledger_use_is_gc(use);
    uint64_t i;

    word &= ~UINT64_C(7);
    if (word < finds->lowest || word > finds->highest || !map_get(&finds->index, word, &i)) return;
    if (is_managed && !edge_object(finds->clr, finds->starts, addr, &object)) return;
    find = &finds->list[i];
    if (!find->first || (is_managed && !find->first_is_managed)) {
        find->first = addr;
        find->use = use;
        find->first_is_managed = is_managed;
    }
    find->managed += is_managed;
    find->native += !is_managed;
}

static struct error *scan_memory(struct handle_finds *finds)
{
    const struct ledger *ledger;

    TRY(session_ledger(finds->session, &ledger));
    for (size_t i = 0; i < ledger->pieces.count; i++) {
        const struct ledger_piece *piece = &ledger->pieces.data[i];
        struct memory_scan scan;
        uint64_t addr, word;

        if (piece->use == USE_HANDLES || piece->use == USE_MANAGED_IMAGE || piece->use == USE_GC_BOOKKEEPING) continue;
        if (progress_is_cancelled(session_progress(finds->session))) return error_create(ERROR_CANCELLED, "cancelled");
        memory_scan_begin_piece(&scan, session_target(finds->session), piece);
        while (memory_scan_next(&scan, &addr, &word))
            take_word(finds, addr, word, piece->use);
    }
    return NULL;
}

static struct error *build(struct handle_finds *finds)
{
    TRY(session_clr(finds->session, &finds->clr));
    TRY(session_starts(finds->session, &finds->starts));
    TRY(index_handles(finds));
    return scan_memory(finds);
}

struct error *handle_finds_init(struct handle_finds *ret, struct session *session, const struct handle_table *table)
{
    struct error *err;

    *ret = (struct handle_finds) { .session = session, .table = table };
    map_init(&ret->index);
    err = build(ret);
    if (err) handle_finds_deinit(ret);
    return err;
}

void handle_finds_deinit(struct handle_finds *finds)
{
    map_deinit(&finds->index);
    free(finds->list);
    finds->list = NULL;
}
