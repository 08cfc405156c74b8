#include "heap/histogram.h"

#include <stdlib.h>

#include "base/parallel.h"

enum { INTERLEAVED = 8 };

struct histogram_job {
    const struct clr *clr;
    const struct gc_heaps *heaps;
    struct progress *progress;
    const struct gc_segment **segments;
    size_t segment_count;
    atomic_size_t next_segment;
    unsigned worker_count;
    struct object_types *types; /* one a worker */
};

/* Next segment for a walk; false when all are taken. */
static bool take_segment(struct histogram_job *job, struct object_types *types, struct walk *walk)
{
    size_t i = atomic_fetch_add(&job->next_segment, 1);

    if (i >= job->segment_count) return false;
    walk_init(walk, job->clr, types, job->heaps, job->segments[i]);
    return true;
}

/* One object of the walk; false at its end. */
static inline bool count_one(struct walk *walk)
{
    struct object object;
    struct object_type *type;

    if (!walk_next(walk, &object)) return false;
    type = (struct object_type *)object.type;
    type->count++;
    type->bytes += object.size;
    return true;
}

static void histogram_work(void *user, size_t worker)
{
    struct histogram_job *job = user;
    struct object_types *types = &job->types[worker];
    struct walk walks[INTERLEAVED];
    size_t active = 0;
    uint64_t counted = 0;

    while (active < INTERLEAVED && take_segment(job, types, &walks[active]))
        active++;
    while (active) {
        for (size_t i = 0; i < active;) {
            uint64_t before = walks[i].addr;

            if (count_one(&walks[i])) {
                counted += walks[i].addr - before;
                i++;
                continue;
            }
            walk_report(&walks[i], job->clr->gaps);
            if (!take_segment(job, types, &walks[i])) walks[i] = walks[--active];
        }
        if (counted < 1 << 20) continue;
        progress_add(job->progress, counted);
        counted = 0;
        if (progress_is_cancelled(job->progress)) return;
    }
    progress_add(job->progress, counted);
}

static int compare_rows(const void *a, const void *b)
{
    const struct histogram_row *left = a, *right = b;
    return left->mt_addr < right->mt_addr ? -1 : left->mt_addr > right->mt_addr;
}

static void add_up(struct histogram *ret)
{
    for (size_t i = 0; i < ret->rows.count; i++) {
        const struct histogram_row *row = &ret->rows.data[i];

        ret->object_count += row->count;
        ret->object_bytes += row->bytes;
        if (!row->is_free) continue;
        ret->free_count += row->count;
        ret->free_bytes += row->bytes;
    }
}

static struct error *histogram_merge(struct histogram *ret, struct histogram_job *job)
{
    struct object_types *all = &job->types[0];

    for (unsigned w = 1; w < job->worker_count; w++)
        for (size_t i = 0; i <= job->types[w].mask; i++) {
            const struct object_type *from = &job->types[w].slots[i];
            struct object_type *into;

            if (!from->mt_addr || !from->count) continue;
            into = object_types_get(all, from->mt_addr);
            if (!into) return &error_enomem;
            into->count += from->count;
            into->bytes += from->bytes;
        }
    for (size_t i = 0; i <= all->mask; i++) {
        const struct object_type *type = &all->slots[i];
        struct histogram_row row = { type->mt_addr, type->count, type->bytes, type->is_free };

        if (!type->count) continue;
        if (!vec_push(&ret->rows, row)) return &error_enomem;
    }
    vec_sort(&ret->rows, compare_rows);
    add_up(ret);
    return NULL;
}

static struct error *histogram_run(struct histogram *ret, struct histogram_job *job, uint64_t total)
{
    struct error *err = NULL;
    unsigned ready = 0;

    job->types = calloc(job->worker_count, sizeof(*job->types));
    if (!job->types) return &error_enomem;
    while (ready < job->worker_count && object_types_init(&job->types[ready], job->clr))
        ready++;
    if (ready == job->worker_count) {
        progress_start(job->progress, "walking the GC heap", total);
        parallel_for(job->worker_count, job->worker_count, histogram_work, job);
        progress_end(job->progress);
        err = progress_is_cancelled(job->progress) ? error_create(ERROR_CANCELLED, "cancelled") : histogram_merge(ret, job);
    } else {
        err = &error_enomem;
    }
    while (ready)
        object_types_deinit(&job->types[--ready]);
    free(job->types);
    return err;
}

struct error *histogram_init(struct histogram *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                             struct progress *progress, bool (*take)(const void *user, const struct gc_segment *segment),
                             const void *user)
{
    struct histogram_job job = { .clr = clr, .heaps = heaps, .progress = progress };
    uint64_t total = 0;
    struct error *err;

    *ret = (struct histogram) { 0 };
    job.segments = calloc(heaps->segments.count + 1, sizeof(*job.segments));
    if (!job.segments) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count; i++) {
        const struct gc_segment *segment = &heaps->segments.data[i];

        if (take && !take(user, segment)) continue;
        job.segments[job.segment_count++] = segment;
        total += segment->end - segment->start;
    }
    job.worker_count = threads < 1 ? 1 : threads;
    if (job.worker_count > (job.segment_count + INTERLEAVED - 1) / INTERLEAVED)
        job.worker_count = (unsigned)((job.segment_count + INTERLEAVED - 1) / INTERLEAVED);
    if (job.worker_count == 0) job.worker_count = 1;
    err = histogram_run(ret, &job, total);
    free(job.segments);
    if (err) histogram_deinit(ret);
    return err;
}

static bool read_rows(struct histogram *ret, uint64_t context, const struct store *store)
{
    size_t size = store_size(store, "types", context), count = size / sizeof(*ret->rows.data);

    *ret = (struct histogram) { 0 };
    if (!count || !vec_reserve(&ret->rows, count)) return false;
    ret->rows.count = count;
    if (store_read(store, "types", context, ret->rows.data, size)) {
        add_up(ret);
        return true;
    }
    histogram_deinit(ret);
    return false;
}

struct error *histogram_of_heap(struct histogram *ret, const struct clr *clr, const struct gc_heaps *heaps, unsigned threads,
                                struct progress *progress, struct store *store)
{
    uint64_t context = gc_heaps_hash(heaps), missed = gaps_added(clr->gaps);

    if (read_rows(ret, context, store)) return NULL;
    TRY(histogram_init(ret, clr, heaps, threads, progress, NULL, NULL));
    if (gaps_added(clr->gaps) == missed)
        store_offer(store, "types", context, ret->rows.data, ret->rows.count * sizeof(*ret->rows.data));
    return NULL;
}

void histogram_deinit(struct histogram *histogram)
{
    vec_deinit(&histogram->rows);
}
