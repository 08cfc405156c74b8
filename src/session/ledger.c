#include "session/ledger.h"

#include <stdlib.h>

#include "dump/live_pages.h"
#include "session/ledger_claims.h"
#include "session/session.h"
#include "target/images.h"
#include "target/stack.h"
#include "target/target.h"

static const char *const use_names[USE_COUNT] = {
    [USE_OTHER] = "unaccounted",
    [USE_UNTOUCHED] = "never written, owner unknown",
    [USE_NATIVE_HEAP] = "native heap, not walked",
    [USE_MAPPED_FILE] = "mapped files",
    [USE_EXECUTABLE] = "executable memory, other",
    [USE_DOUBLE_MAPPED] = "second views of executable memory",
    [USE_NATIVE_IMAGE] = "native images",
    [USE_MANAGED_IMAGE] = "managed images",
    [USE_MALLOC_USED] = "native heap, in use",
    [USE_MALLOC_FREE] = "native heap, free",
    [USE_MALLOC_MAPPED] = "native heap, mmapped",
    [USE_ENDED_STACK] = "stacks of ended threads",
    [USE_SIGNAL_STACK] = "signal stacks",
    [USE_THREAD_LOCAL] = "thread-local storage",
    [USE_STACK] = "thread stacks",
    [USE_HANDLES] = "GC handle tables",
    [USE_GC_BOOKKEEPING] = "GC bookkeeping",
    [USE_CODE_HEAP] = "jitted code",
    [USE_LOADER_HEAP] = "loader heaps",
    [USE_GC_FREE] = "GC heap, kept free",
    [USE_GC_DECOMMIT] = "GC heap, to be given back",
    [USE_GC_UNUSED] = "GC heap, not yet used",
    [USE_GC_GEN0] = "GC heap gen0",
    [USE_GC_GEN1] = "GC heap gen1",
    [USE_GC_GEN2] = "GC heap gen2",
    [USE_GC_EPHEMERAL] = "GC heap gen0+gen1",
    [USE_GC_LOH] = "GC heap LOH",
    [USE_GC_POH] = "GC heap POH",
    [USE_GC_FROZEN] = "GC heap frozen",
};

const char *ledger_use_name(enum ledger_use use)
{
    return use_names[use];
}

bool ledger_use_is_gc(enum ledger_use use)
{
    return use >= USE_GC_FREE;
}

/* ---- the sweep ---- */

/* Start or end of a claim, or of a committed range. */
struct event {
    uint64_t addr;
    int16_t delta; /* +1 start, -1 end */
    int16_t use;   /* COMMITTED, or the use */
};

enum { COMMITTED = -1 };

typedef VEC(struct event) events;

static bool add_events(events *list, uint64_t start, uint64_t end, int use)
{
    struct event from = { start, 1, (int16_t)use }, to = { end, -1, (int16_t)use };

    return vec_push(list, from) && vec_push(list, to);
}

static bool gather_events(const struct claims *claims, events *list)
{
    const struct dump *dump = claims->target->dump;

    for (size_t i = 0; i < dump->ranges.count; i++) {
        const struct dump_range *range = &dump->ranges.data[i];

        if (range->state != RANGE_COMMIT || range->end <= range->start) continue;
        if (!add_events(list, range->start, range->end, COMMITTED)) return false;
    }
    for (size_t i = 0; i < claims->list.count; i++)
        if (!add_events(list, claims->list.data[i].start, claims->list.data[i].end, claims->list.data[i].use)) return false;
    return true;
}

static int compare_events(const void *a, const void *b)
{
    const struct event *left = a, *right = b;
    return left->addr < right->addr ? -1 : left->addr > right->addr;
}

static bool add_piece(struct ledger *ledger, uint64_t start, uint64_t end, enum ledger_use use)
{
    struct ledger_piece *last = ledger->pieces.count ? &ledger->pieces.data[ledger->pieces.count - 1] : NULL;
    struct ledger_piece piece = { start, end, use };

    ledger->rows[use].committed += end - start;
    if (last && last->end == start && last->use == use) {
        last->end = end;
        return true;
    }
    return vec_push(&ledger->pieces, piece);
}

/* Hands every committed byte to the strongest claim over it. */
static bool sweep(struct ledger *ledger, events *list)
{
    uint32_t open[USE_COUNT] = { 0 }, committed = 0;
    uint64_t at = 0;

    vec_sort(list, compare_events);
    for (size_t i = 0; i < list->count; i++) {
        const struct event *event = &list->data[i];

        if (event->addr > at && committed) {
            int use = USE_COUNT - 1;

            while (use > 0 && !open[use])
                use--;
            if (!add_piece(ledger, at, event->addr, (enum ledger_use)use)) return false;
        }
        at = event->addr;
        if (event->use == COMMITTED)
            committed += (uint32_t)event->delta;
        else
            open[event->use] += (uint32_t)event->delta;
    }
    return true;
}

/* ---- rows ---- */

void ledger_move(struct ledger *ledger, enum ledger_use from, enum ledger_use to, uint64_t bytes)
{
    if (bytes > ledger->rows[from].committed) bytes = ledger->rows[from].committed;
    ledger->rows[from].committed -= bytes;
    ledger->rows[to].committed += bytes;
}

/* Of what nobody claims, the stacks that say of themselves what they are: those of threads that ended. */
static void name_ended_stacks(struct ledger *ledger, const struct target *target)
{
    enum { SMALLEST = 16 << 10 };

    for (size_t i = 0; i < ledger->pieces.count; i++) {
        struct ledger_piece *piece = &ledger->pieces.data[i];

        if ((piece->use != USE_OTHER && piece->use != USE_NATIVE_HEAP) || piece->end - piece->start < SMALLEST) continue;
        if (!target_is_stack(target, piece->start, piece->end)) continue;
        ledger->rows[USE_ENDED_STACK].count++;
        ledger_move(ledger, piece->use, USE_ENDED_STACK, piece->end - piece->start);
        piece->use = USE_ENDED_STACK;
    }
}

/* The memory of malloc's heaps by what its chunks are. */
static void split_malloc(struct ledger *ledger)
{
    struct ledger_row *used = &ledger->rows[USE_MALLOC_USED];
    uint64_t bytes = 0, blocks = 0, free_blocks = 0, not_walked = 0;

    for (size_t i = 0; i < ledger->malloc.arenas.count; i++) {
        const struct malloc_arena *arena = &ledger->malloc.arenas.data[i];

        bytes += arena->sum[MALLOC_USED].bytes;
        blocks += arena->sum[MALLOC_USED].count;
        free_blocks += arena->sum[MALLOC_CACHED].count + arena->sum[MALLOC_FAST].count + arena->sum[MALLOC_FREE].count +
                       arena->sum[MALLOC_TOP].count;
        not_walked += arena->not_walked;
    }
    used->count = blocks;
    ledger->rows[USE_MALLOC_FREE].count = free_blocks;
    ledger_move(ledger, USE_MALLOC_USED, USE_NATIVE_HEAP, not_walked);
    if (used->committed > bytes) ledger_move(ledger, USE_MALLOC_USED, USE_MALLOC_FREE, used->committed - bytes);
}

/* Of a running process: which pages of each use are in memory. Malloc's heaps are one piece, of the row in use. */
static void count_resident(struct ledger *ledger, const struct live_pages *pages)
{
    ledger->has_resident = pages->ranges.count > 0;
    for (size_t i = 0; ledger->has_resident && i < ledger->pieces.count; i++) {
        const struct ledger_piece *piece = &ledger->pieces.data[i];
        struct live_pages_sum sum = { 0 };

        live_pages_add(pages, piece->start, piece->end, &sum);
        ledger->rows[piece->use].resident += sum.resident;
        ledger->rows[piece->use].private_dirty += sum.private_dirty;
    }
}

static void fill_rows(struct ledger *ledger, const struct claims *claims)
{
    for (size_t i = 0; i < USE_COUNT; i++) {
        ledger->rows[i].use = (enum ledger_use)i;
        ledger->rows[i].count = claims->count[i];
        ledger->rows[i].reserved = claims->reserved[i];
    }
    if (!claims->target->is_windows) name_ended_stacks(ledger, claims->target);
    ledger->not_counted = ledger->rows[USE_DOUBLE_MAPPED].committed;
    ledger->rows[USE_DOUBLE_MAPPED].committed = 0;
    if (claims->target->is_windows) {
        ledger_name_untouched(ledger, claims->target);
        ledger_split_windows_heaps(ledger);
    } else {
        split_malloc(ledger);
    }
    for (size_t i = 0; i < USE_COUNT; i++) {
        struct ledger_row *row = &ledger->rows[i];

        ledger->committed += row->committed;
        if (row->reserved && row->reserved < row->committed) row->reserved = row->committed;
    }
}

/* ---- putting it together ---- */

static int compare_exclusions(const void *a, const void *b)
{
    const struct malloc_exclusion *left = a, *right = b;

    if (left->start != right->start) return left->start < right->start ? -1 : 1;
    return left->end < right->end ? -1 : left->end > right->end;
}

/* malloc's heaps are looked for in what nobody surer claims: a look at each page of a large GC heap would cost more than the walk.
 */
static struct error *find_malloc(struct claims *claims, struct ledger *ledger)
{
    VEC(struct malloc_exclusion) list = { 0 };
    struct malloc_options options = { .threads = session_threads(claims->session) };
    struct error *err = NULL;

    for (size_t i = 0; i < claims->list.count && !err; i++) {
        struct malloc_exclusion exclusion = { claims->list.data[i].start, claims->list.data[i].end };
        if (!vec_push(&list, exclusion)) err = &error_enomem;
    }
    vec_sort(&list, compare_exclusions);
    options.exclusions = list.data;
    options.exclusion_count = list.count;
    if (!err) err = glibc_malloc_init(claims->target, &options, session_gaps(claims->session), &ledger->malloc);
    vec_deinit(&list);
    return err;
}

static struct error *build(struct claims *claims, struct ledger *ledger)
{
    events list = { 0 };
    bool done;

    claims_of_threads(claims);
    claims_of_runtime(claims);
    if (claims->failed) return &error_enomem;
    TRY(find_malloc(claims, ledger));
    TRY(windows_heaps_init(claims->target, session_gaps(claims->session), &ledger->windows));
    claims_of_ranges(claims, ledger);
    claims_of_windows(claims, &ledger->windows);
    claims_of_malloc(claims, &ledger->malloc);
    done = !claims->failed && gather_events(claims, &list) && sweep(ledger, &list);
    vec_deinit(&list);
    if (!done) return &error_enomem;
    fill_rows(ledger, claims);
    ledger_notes(claims->session, ledger, claims);
    return NULL;
}

struct error *ledger_build(struct session *session, struct ledger *ret)
{
    struct claims claims = { .session = session, .target = session_target(session) };
    struct error *err;

    *ret = (struct ledger) { 0 };
    /* The size of an image tells more where its file is at hand; the bytes are accounted for without. */
    images_probe_begin();
    err = build(&claims, ret);
    images_probe_end();
    if (!err) count_resident(ret, session_live_pages(session));
    vec_deinit(&claims.list);
    if (err) ledger_deinit(ret);
    return err;
}

void ledger_deinit(struct ledger *ledger)
{
    glibc_malloc_deinit(&ledger->malloc);
    windows_heaps_deinit(&ledger->windows);
    vec_deinit(&ledger->pieces);
}

/* Index of the first piece that ends behind `addr`. */
static size_t piece_from(const struct ledger *ledger, uint64_t addr)
{
    size_t low = 0, high = ledger->pieces.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ledger->pieces.data[middle].end <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct ledger_piece *ledger_piece_at(const struct ledger *ledger, uint64_t addr)
{
    size_t i = piece_from(ledger, addr);

    return i < ledger->pieces.count && ledger->pieces.data[i].start <= addr ? &ledger->pieces.data[i] : NULL;
}

void ledger_range_uses(const struct ledger *ledger, uint64_t start, uint64_t end, uint64_t *bytes)
{
    size_t low = piece_from(ledger, start);

    for (; low < ledger->pieces.count && ledger->pieces.data[low].start < end; low++) {
        const struct ledger_piece *piece = &ledger->pieces.data[low];
        uint64_t from = piece->start > start ? piece->start : start, to = piece->end < end ? piece->end : end;

        if (to > from) bytes[piece->use] += to - from;
    }
}

struct error *session_malloc(struct session *session, const struct glibc_malloc **ret)
{
    const struct ledger *ledger;

    TRY(session_ledger(session, &ledger));
    *ret = &ledger->malloc;
    return NULL;
}

struct error *session_windows_heaps(struct session *session, const struct windows_heaps **ret)
{
    const struct ledger *ledger;

    TRY(session_ledger(session, &ledger));
    *ret = &ledger->windows;
    return NULL;
}
