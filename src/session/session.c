#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/parallel.h"
#include "clr/clr.h"
#include "clr/finalizer.h"
#include "clr/gc_heap.h"
#include "clr/handle_table.h"
#include "clr/loader_heap.h"
#include "dump/live_linux.h"
#include "dump/live_pages.h"
#include "heap/graph.h"
#include "heap/histogram.h"
#include "heap/retained.h"
#include "heap/roots.h"
#include "heap/starts.h"
#include "managed/blocked.h"
#include "session/index.h"
#include "session/ledger.h"
#include "target/target.h"

/* A part that is built once: its error, too, is the same each time. */
struct part {
    bool tried;
    struct error *err; /* owned */
};

struct session {
    struct session_options options;
    struct gaps gaps;
    struct live_pages live_pages;
    struct arena arena;
    struct target *target;
    uint64_t lost_pages; /* of the dump file, already counted as a gap */
    struct store store;
    bool index_tried, has_store;
    struct part clr_part, gc_part, histogram_part, loader_part, code_part, ledger_part;
    struct part blocked_part, handles_part, finalizables_part, dependents_part, starts_part, roots_part, graph_part, retained_part;
    struct clr *clr;
    struct gc_heaps gc_heaps;
    struct histogram histogram;
    struct loader_heap_blocks loader_heaps;
    struct code_heaps code_heaps;
    struct ledger ledger;
    struct handle_table handles;
    struct finalizables finalizables;
    struct dependents dependents;
    struct blocked_threads blocked;
    struct heap_starts starts;
    struct roots roots;
    struct graph graph;
    struct retained retained;
};

static struct error *error_copy(const struct error *err)
{
    if (!err) return NULL;
    if (err == &error_enomem) return &error_enomem;
    return error_create_at(err->code, err->addr, err->file, err->line, "%s", error_message(err));
}

static struct error *open_dump(const struct session_options *options, struct gaps *gaps, struct dump **ret)
{
    if (live_is_target(options->path)) return live_open(options->path, options->hold, gaps, ret);
    return dump_open(options->path, gaps, options->progress, ret);
}

struct error *session_open(const struct session_options *options, struct session **ret)
{
    struct session *session = calloc(1, sizeof(*session));
    struct target_options target_options = { .image_dirs = options->image_dirs,
                                             .image_dir_count = options->image_dir_count,
                                             .sysroot = options->sysroot };
    char root[32];
    struct dump *dump;
    struct error *err;

    if (!session) return &error_enomem;
    session->options = *options;
    gaps_init(&session->gaps);
    arena_init(&session->arena);
    err = open_dump(options, &session->gaps, &dump);
    if (!err && !options->sysroot && live_is_target(options->path)) {
        live_root(dump, root, sizeof(root));
        target_options.sysroot = root;
    }
    /* To look for images reads the process's memory, and brings it in. */
    if (!err && !live_pages_init(dump, &session->live_pages)) {
        dump_close(dump);
        err = &error_enomem;
    }
    if (!err) err = target_open(dump, &target_options, &session->gaps, &session->target);
    if (err) {
        session_close(session);
        return err;
    }
    *ret = session;
    return NULL;
}

struct error *session_open_like(const struct session *session, const char *path, struct session **ret)
{
    struct session_options options = session->options;

    options.path = path;
    return session_open(&options, ret);
}

void session_close(struct session *session)
{
    if (!session) return;
    if (session->has_store) {
        store_save(&session->store);
        store_close(&session->store);
    }
    live_pages_deinit(&session->live_pages);
    retained_deinit(&session->retained);
    graph_deinit(&session->graph);
    roots_deinit(&session->roots);
    heap_starts_deinit(&session->starts);
    finalizables_deinit(&session->finalizables);
    dependents_deinit(&session->dependents);
    ledger_deinit(&session->ledger);
    handle_table_deinit(&session->handles);
    code_heaps_deinit(&session->code_heaps);
    loader_heap_blocks_deinit(&session->loader_heaps);
    histogram_deinit(&session->histogram);
    gc_heaps_deinit(&session->gc_heaps);
    error_destroy(session->retained_part.err);
    error_destroy(session->graph_part.err);
    error_destroy(session->roots_part.err);
    error_destroy(session->starts_part.err);
    error_destroy(session->finalizables_part.err);
    error_destroy(session->dependents_part.err);
    error_destroy(session->blocked_part.err);
    error_destroy(session->handles_part.err);
    error_destroy(session->ledger_part.err);
    error_destroy(session->code_part.err);
    error_destroy(session->loader_part.err);
    error_destroy(session->histogram_part.err);
    error_destroy(session->gc_part.err);
    error_destroy(session->clr_part.err);
    clr_close(session->clr);
    target_close(session->target);
    arena_deinit(&session->arena);
    gaps_deinit(&session->gaps);
    free(session);
}

struct target *session_target(struct session *session)
{
    return session->target;
}

const struct live_pages *session_live_pages(const struct session *session)
{
    return &session->live_pages;
}

struct gaps *session_gaps(struct session *session)
{
    const struct byte_file *file = session->target->dump->file;
    uint64_t lost = file ? atomic_load(&file->lost_pages) : 0;

    if (lost > session->lost_pages)
        gaps_add(&session->gaps, "dump file", 0, lost - session->lost_pages,
                 "pages that were there when it was opened are gone; they read as zeros");
    session->lost_pages = lost;
    return &session->gaps;
}

struct progress *session_progress(struct session *session)
{
    return session->options.progress;
}

struct arena *session_arena(struct session *session)
{
    return &session->arena;
}

unsigned session_threads(const struct session *session)
{
    return session->options.threads ? session->options.threads : parallel_default_threads();
}

struct error *session_clr(struct session *session, struct clr **ret)
{
    struct part *part = &session->clr_part;

    if (!part->tried) {
        part->tried = true;
        part->err = session->options.any_runtime ? clr_open_any(session->target, &session->clr)
                                                 : clr_open(session->target, session->options.runtime, &session->clr);
    }
    if (part->err) return error_copy(part->err);
    *ret = session->clr;
    return NULL;
}

/* Builds a part on top of the CLR unless that was tried; its error is kept. */
#define BUILD_PART(part_, expr) \
    do { \
        if (!(part_)->tried) { \
            struct clr *clr = NULL; \
            (part_)->tried = true; \
            (part_)->err = session_clr(session, &clr); \
            if (!(part_)->err) (part_)->err = (expr); \
        } \
        if ((part_)->err) return error_copy((part_)->err); \
    } while (0)

struct error *session_gc_heaps(struct session *session, const struct gc_heaps **ret)
{
    BUILD_PART(&session->gc_part, gc_heaps_init(clr, &session->gc_heaps));
    *ret = &session->gc_heaps;
    return NULL;
}

/* The index, opened with the first part that it may have; NULL: none is kept. */
static struct store *session_store(struct session *session)
{
    if (!session->index_tried) {
        session->index_tried = true;
        session->has_store = index_open(&session->options, session->target->dump, &session->gc_heaps, session_threads(session),
                                        &session->gaps, &session->store);
    }
    return session->has_store ? &session->store : NULL;
}

struct error *session_histogram(struct session *session, const struct histogram **ret)
{
    const struct gc_heaps *heaps;

    TRY(session_gc_heaps(session, &heaps));
    BUILD_PART(&session->histogram_part, histogram_of_heap(&session->histogram, clr, heaps, session_threads(session),
                                                           session->options.progress, session_store(session)));
    *ret = &session->histogram;
    return NULL;
}

struct error *session_loader_heaps(struct session *session, const struct loader_heap_blocks **ret)
{
    BUILD_PART(&session->loader_part, loader_heap_blocks_init(clr, &session->loader_heaps));
    *ret = &session->loader_heaps;
    return NULL;
}

struct error *session_code_heaps(struct session *session, const struct code_heaps **ret)
{
    BUILD_PART(&session->code_part, code_heaps_init(clr, &session->code_heaps));
    *ret = &session->code_heaps;
    return NULL;
}

struct error *session_handles(struct session *session, const struct handle_table **ret)
{
    const struct gc_heaps *heaps;

    TRY(session_gc_heaps(session, &heaps));
    BUILD_PART(&session->handles_part, handle_table_init(clr, heaps, &session->handles));
    *ret = &session->handles;
    return NULL;
}

struct error *session_finalizables(struct session *session, const struct finalizables **ret)
{
    const struct gc_heaps *heaps;

    TRY(session_gc_heaps(session, &heaps));
    BUILD_PART(&session->finalizables_part, finalizables_init(clr, heaps, &session->finalizables));
    *ret = &session->finalizables;
    return NULL;
}

struct error *session_blocked_threads(struct session *session, const struct blocked_threads **ret)
{
    BUILD_PART(&session->blocked_part, blocked_threads_find(clr, &session->arena, &session->blocked));
    *ret = &session->blocked;
    return NULL;
}

struct error *session_dependents(struct session *session, const struct dependents **ret)
{
    static const struct handle_table none;
    const struct handle_table *handles = NULL;

    if (!session->dependents_part.tried) gaps_add_error(&session->gaps, "dependent handles", session_handles(session, &handles));
    BUILD_PART(&session->dependents_part, dependents_init(&session->dependents, handles ? handles : &none));
    *ret = &session->dependents;
    return NULL;
}

struct error *session_starts(struct session *session, const struct heap_starts **ret)
{
    const struct gc_heaps *heaps;

    TRY(session_gc_heaps(session, &heaps));
    BUILD_PART(&session->starts_part, heap_starts_init(&session->starts, clr, heaps, session_threads(session),
                                                       session->options.progress, session_store(session)));
    *ret = &session->starts;
    return NULL;
}

struct error *session_roots(struct session *session, const struct roots **ret)
{
    const struct heap_starts *starts;
    const struct handle_table *handles = NULL;
    const struct finalizables *finalizables = NULL;

    TRY(session_starts(session, &starts));
    /* What is missing of the one is no reason to go without the others. */
    gaps_add_error(&session->gaps, "GC handles", session_handles(session, &handles));
    gaps_add_error(&session->gaps, "finalization queue", session_finalizables(session, &finalizables));
    BUILD_PART(&session->roots_part, roots_init(&session->roots, clr, handles, finalizables, starts));
    *ret = &session->roots;
    return NULL;
}

struct error *session_graph_watching(struct session *session, uint64_t watched, const struct graph **ret)
{
    const struct gc_heaps *heaps;
    const struct heap_starts *starts;
    const struct roots *roots;
    const struct dependents *dependents;

    TRY(session_gc_heaps(session, &heaps));
    TRY(session_starts(session, &starts));
    TRY(session_roots(session, &roots));
    TRY(session_dependents(session, &dependents));
    BUILD_PART(&session->graph_part, graph_init(&session->graph, clr, heaps, starts, roots, dependents, watched,
                                                session->options.progress, session_store(session)));
    *ret = &session->graph;
    return NULL;
}

struct error *session_graph(struct session *session, const struct graph **ret)
{
    return session_graph_watching(session, 0, ret);
}

struct error *session_retained(struct session *session, const struct retained **ret)
{
    const struct gc_heaps *heaps;
    const struct heap_starts *starts;
    const struct roots *roots;
    const struct dependents *dependents;

    TRY(session_gc_heaps(session, &heaps));
    TRY(session_starts(session, &starts));
    TRY(session_roots(session, &roots));
    TRY(session_dependents(session, &dependents));
    BUILD_PART(&session->retained_part, retained_init(&session->retained, clr, heaps, starts, roots, dependents,
                                                      session->options.progress, session_store(session)));
    *ret = &session->retained;
    return NULL;
}

struct error *session_ledger(struct session *session, const struct ledger **ret)
{
    struct part *part = &session->ledger_part;

    if (!part->tried) {
        part->tried = true;
        part->err = ledger_build(session, &session->ledger);
    }
    if (part->err) return error_copy(part->err);
    *ret = &session->ledger;
    return NULL;
}

void session_info(struct session *session, struct session_info *ret)
{
    const struct dump *dump = session->target->dump;
    const struct gc_heaps *heaps;
    struct clr *clr;
    struct error *err;

    *ret = (struct session_info) { .path = session->options.path,
                                   .format = dump->format,
                                   .kind = dump->kind,
                                   .os = dump->os,
                                   .arch = dump->arch,
                                   .pid = dump->pid,
                                   .time = dump->time };
    err = session_clr(session, &clr);
    if (!err) {
        ret->runtime_name = "coreclr";
        ret->runtime_version = clr->version;
        ret->layouts = arena_printf(&session->arena, "%s%s", clr->descriptor_fields ? "descriptor + " : "built-in ",
                                    clr->layout_name);
        err = session_gc_heaps(session, &heaps);
        if (!err) {
            ret->gc = heaps->is_server ? "server" : "workstation";
            ret->heaps = heaps->heap_count;
        }
    }
    error_destroy(err);
}
