#include "heap/root_paths.h"

#include <stdlib.h>

enum { CANCEL_EVERY = 1 << 16 };

static int compare_referrers(const void *a, const void *b)
{
    const struct referrer *left = a, *right = b;

    if (left->length != right->length) return left->length < right->length ? -1 : 1;
    if (left->addr != right->addr) return left->addr < right->addr ? -1 : 1;
    return left->root < right->root ? -1 : left->root > right->root;
}

struct referrer_search {
    const struct graph *graph;
    VEC(struct referrer) list;
    uint64_t target;
    bool found, failed;
};

static inline void compare_target(void *user, uint64_t offset, uint64_t target)
{
    struct referrer_search *search = user;

    (void)offset;
    if (target == search->target) search->found = true;
}

static void add_referrer(struct referrer_search *search, struct referrer referrer)
{
    if (!vec_push(&search->list, referrer)) search->failed = true;
}

/* Objects that can be reached and refer to the target. */
static struct error *search_heap(struct referrer_search *search, struct progress *progress, struct reference_types *types)
{
    const struct graph *graph = search->graph;
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    uint64_t addr;

    progress_start(progress, "looking for further paths", graph->starts->object_count);
    heap_starts_begin(graph->starts, &it);
    while (heap_starts_next(&it, &addr, &chunk) && !search->failed) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        const struct reference_type *type = reference_types_get(types, load_u64(bytes) & ~UINT64_C(7));
        size_t length;

        if (!type) return &error_enomem;
        if (it.id % CANCEL_EVERY == 0) {
            progress_add(progress, CANCEL_EVERY);
            if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "cancelled");
        }
        search->found = false;
        references_visit(type, bytes, reference_object_size(type, bytes), compare_target, search);
        if (!search->found || addr == search->target) continue;
        length = graph_path_length(graph, it.id - 1, SIZE_MAX);
        if (length) add_referrer(search, (struct referrer) { .addr = addr, .length = length });
    }
    progress_end(progress);
    return NULL;
}

/* What the pass that found the paths saw of it. */
static void take_watchers(struct referrer_search *search)
{
    const struct graph *graph = search->graph;

    for (size_t i = 0; i < graph->watchers.count; i++) {
        uint32_t id = graph->watchers.data[i];
        uint64_t addr = heap_starts_addr(graph->starts, id);

        if (addr == search->target) continue;
        add_referrer(search, (struct referrer) { .addr = addr, .length = graph_path_length(graph, id, SIZE_MAX) });
    }
}

/* Roots that hold the target. */
static void search_roots(struct referrer_search *search)
{
    const struct graph *graph = search->graph;

    for (size_t i = 0; i < graph->roots->list.count; i++)
        if (graph->roots->list.data[i].object == search->target) add_referrer(search, (struct referrer) { .root = i });
}

static void search_dependents(struct referrer_search *search)
{
    const struct graph *graph = search->graph;

    for (size_t i = 0; i < graph->dependents->list.count; i++) {
        const struct dependent *dependent = &graph->dependents->list.data[i];
        size_t length;
        uint32_t id;

        if (dependent->secondary != search->target || !heap_starts_id(graph->starts, dependent->primary, &id)) continue;
        length = graph_path_length(graph, id, SIZE_MAX);
        if (length) add_referrer(search, (struct referrer) { .addr = dependent->primary, .length = length });
    }
}

/* Is this referrer the last step of the path that was shown first? */
static bool is_first_path(const struct root_paths *paths, const struct referrer *referrer)
{
    size_t count = paths->path.objects.count;

    if (count > 1) return referrer->addr == paths->path.objects.data[count - 2];
    return !referrer->addr && paths->path.root == &paths->graph->roots->list.data[referrer->root];
}

static struct error *search_all(struct referrer_search *search, struct progress *progress)
{
    struct reference_types types;
    struct error *err = NULL;

    search_roots(search);
    if (search->graph->watched == search->target) {
        take_watchers(search);
    } else {
        if (!reference_types_init(&types, search->graph->clr)) return &error_enomem;
        err = search_heap(search, progress, &types);
        reference_types_deinit(&types);
        search_dependents(search);
    }
    return !err && search->failed ? &error_enomem : err;
}

static struct error *find_referrers(struct root_paths *paths, struct progress *progress)
{
    struct referrer_search search = { .graph = paths->graph, .target = paths->target };
    struct error *err = search_all(&search, progress);

    if (err) {
        vec_deinit(&search.list);
        return err;
    }
    vec_sort(&search.list, compare_referrers);
    for (size_t i = 0; i < search.list.count; i++)
        if (!is_first_path(paths, &search.list.data[i])) search.list.data[paths->referrer_count++] = search.list.data[i];
    paths->referrers = search.list.data;
    return NULL;
}

struct error *root_paths_begin(const struct graph *graph, uint64_t target, size_t max, struct progress *progress,
                               struct root_paths *ret)
{
    struct error *err;

    *ret = (struct root_paths) { .graph = graph, .target = target, .number = 1, .max = max };
    err = graph_path_to(graph, target, &ret->path);
    if (err == &error_not_found) return error_fault(target, "no object at '%llx'", (unsigned long long)target);
    if (!err && ret->path.objects.count && max > 1) err = find_referrers(ret, progress);
    return err;
}

/* Turns the path into the one through `referrer`; false when that goes through the target itself. */
static struct error *take_path(struct root_paths *paths, const struct referrer *referrer, bool *taken_ret)
{
    struct path path = { 0 };

    *taken_ret = false;
    if (referrer->addr)
        TRY(graph_path_to(paths->graph, referrer->addr, &path));
    else
        path.root = &paths->graph->roots->list.data[referrer->root];
    for (size_t i = 0; i < path.objects.count; i++)
        if (path.objects.data[i] == paths->target) {
            path_deinit(&path);
            return NULL;
        }
    if (!vec_push(&path.objects, paths->target)) {
        path_deinit(&path);
        return &error_enomem;
    }
    path_deinit(&paths->path);
    paths->path = path;
    *taken_ret = true;
    return NULL;
}

struct error *root_paths_next(struct root_paths *paths, bool *more_ret)
{
    *more_ret = false;
    while (paths->number < paths->max && paths->referrers_tried < paths->referrer_count) {
        TRY(take_path(paths, &paths->referrers[paths->referrers_tried++], more_ret));
        if (!*more_ret) continue;
        paths->number++;
        return NULL;
    }
    return NULL;
}

void root_paths_end(struct root_paths *paths)
{
    path_deinit(&paths->path);
    free(paths->referrers);
}
