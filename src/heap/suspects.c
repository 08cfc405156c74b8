#include "heap/suspects.h"

/* A child that retains so many tenths of its parent is the parent's content in another wrapping. */
enum { MOST_TENTHS = 7, CANCEL_EVERY = 1 << 16 };

struct like {
    uint64_t mt_addr, count, size;
};

struct likes {
    struct map by_mt; /* index + 1 */
    VEC(struct like) list;
};

struct search {
    const struct clr *clr;
    const struct dominator_tree *tree;
    uint64_t least;
    struct progress *progress;
    struct suspects *found;
    VEC(struct suspect) waiting; /* top and point are set */
};

static void likes_deinit(struct likes *likes)
{
    map_deinit(&likes->by_mt);
    vec_deinit(&likes->list);
}

static bool likes_add(struct likes *likes, uint64_t mt_addr, uint64_t size)
{
    uint64_t *slot = map_slot(&likes->by_mt, mt_addr, NULL);

    if (!slot) return false;
    if (!*slot) {
        if (!vec_push(&likes->list, (struct like) { .mt_addr = mt_addr })) return false;
        *slot = likes->list.count;
    }
    likes->list.data[*slot - 1].count++;
    likes->list.data[*slot - 1].size += size;
    return true;
}

static bool object_mt(const struct search *search, uint32_t id, uint64_t *ret)
{
    if (!memory_try_u64(search->clr->memory, heap_starts_addr(search->tree->retained->starts, id), ret)) return false;
    *ret &= ~UINT64_C(7);
    return true;
}

/* The children of an object by their types; of the top only those that do not matter by themselves. */
static struct error *count_likes(const struct search *search, uint32_t parent, struct likes *ret)
{
    uint32_t count, top = dominator_tree_top(search->tree);
    const uint32_t *ids = dominator_children(search->tree, parent, &count);

    map_init(&ret->by_mt);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t size = search->tree->retained->sizes[ids[i]], mt;

        if (i % CANCEL_EVERY == 0 && progress_is_cancelled(search->progress)) return error_create(ERROR_CANCELLED, "cancelled");
        if ((parent == top && size >= search->least) || !object_mt(search, ids[i], &mt)) continue;
        if (!likes_add(ret, mt, size)) return &error_enomem;
    }
    return NULL;
}

/* The child that retains most; `id` itself when it has none. */
static uint32_t largest_child(const struct search *search, uint32_t id)
{
    const uint64_t *sizes = search->tree->retained->sizes;
    uint32_t count, best = id;
    const uint32_t *ids = dominator_children(search->tree, id, &count);

    for (uint32_t i = 0; i < count; i++)
        if (best == id || sizes[ids[i]] > sizes[best]) best = ids[i];
    return best;
}

static bool is_most(uint64_t size, uint64_t of)
{
    return size / MOST_TENTHS >= of / 10;
}

/* Objects of the type from `id` down along the largest children; *first_ret: the first of them. */
static uint32_t chain_of(const struct search *search, uint32_t id, uint64_t mt_addr, uint32_t *first_ret)
{
    uint32_t links = 0;

    for (uint32_t child; !progress_is_cancelled(search->progress); id = child) {
        uint64_t mt;

        if (object_mt(search, id, &mt) && mt == mt_addr && !links++) *first_ret = id;
        child = largest_child(search, id);
        if (child == id) break;
    }
    return links;
}

/* Down from the suspect's point to where its memory comes together, or to the first link of a chain. */
static void walk_down(const struct search *search, struct suspect *suspect)
{
    const uint64_t *sizes = search->tree->retained->sizes;
    uint32_t start = suspect->point, at = start;
    uint64_t mt;

    for (;;) {
        uint32_t child = largest_child(search, at);

        if (child == at || !is_most(sizes[child], sizes[start])) {
            suspect->point = at;
            /* No step lost much, all together did. */
            if (child != at && is_most(sizes[child], sizes[at]) && object_mt(search, at, &mt))
                suspect->chain_length = chain_of(search, start, mt, &suspect->point);
            return;
        }
        at = child;
    }
}

/* The children of `parent` that matter wait to be looked at; *rest_ret: what the others and the object itself have. */
static bool push_large(struct search *search, uint32_t parent, uint32_t top, uint64_t *rest_ret)
{
    const uint64_t *sizes = search->tree->retained->sizes;
    uint32_t count;
    const uint32_t *ids = dominator_children(search->tree, parent, &count);

    for (uint32_t i = 0; i < count; i++) {
        struct suspect suspect = { .top = top == UINT32_MAX ? ids[i] : top, .point = ids[i] };

        if (sizes[ids[i]] < search->least) continue;
        *rest_ret -= sizes[ids[i]];
        if (!vec_push(&search->waiting, suspect)) return false;
    }
    return true;
}

static struct error *add_point(struct search *search, struct suspect suspect)
{
    struct likes likes = { 0 };
    struct error *err = count_likes(search, suspect.point, &likes);

    dominator_children(search->tree, suspect.point, &suspect.child_count);
    suspect.retained = search->tree->retained->sizes[suspect.point];
    for (size_t i = 0; i < likes.list.count; i++) {
        const struct like *like = &likes.list.data[i];

        if (like->size < suspect.like_size || (like->size == suspect.like_size && suspect.like_mt)) continue;
        suspect.like_mt = like->mt_addr;
        suspect.like_count = like->count;
        suspect.like_size = like->size;
    }
    likes_deinit(&likes);
    if (!err && !vec_push(&search->found->list, suspect)) err = &error_enomem;
    return err;
}

/* Types of which many objects lie at the top. */
static struct error *add_types(struct search *search)
{
    uint32_t top = dominator_tree_top(search->tree);
    struct likes likes = { 0 };
    struct error *err = count_likes(search, top, &likes);

    for (size_t i = 0; i < likes.list.count && !err; i++) {
        const struct like *like = &likes.list.data[i];
        struct suspect suspect = { .top = top,
                                   .point = top,
                                   .retained = like->size,
                                   .like_mt = like->mt_addr,
                                   .like_count = like->count,
                                   .like_size = like->size };

        if (like->size >= search->least && !vec_push(&search->found->list, suspect)) err = &error_enomem;
    }
    likes_deinit(&likes);
    return err;
}

static struct error *search_points(struct search *search)
{
    uint64_t ignored = 0;

    if (!push_large(search, dominator_tree_top(search->tree), UINT32_MAX, &ignored)) return &error_enomem;
    while (search->waiting.count) {
        struct suspect suspect = search->waiting.data[--search->waiting.count];
        uint64_t rest;

        if (progress_is_cancelled(search->progress)) return error_create(ERROR_CANCELLED, "cancelled");
        walk_down(search, &suspect);
        rest = search->tree->retained->sizes[suspect.point];
        if (!suspect.chain_length && !push_large(search, suspect.point, suspect.top, &rest)) return &error_enomem;
        if (rest >= search->least) TRY(add_point(search, suspect));
    }
    return NULL;
}

static int compare_suspects(const void *a, const void *b)
{
    const struct suspect *left = a, *right = b;

    if (left->retained != right->retained) return left->retained > right->retained ? -1 : 1;
    if (left->point != right->point) return left->point < right->point ? -1 : 1;
    return left->like_mt < right->like_mt ? -1 : left->like_mt > right->like_mt;
}

struct error *suspects_init(struct suspects *ret, const struct clr *clr, const struct dominator_tree *tree, uint64_t least,
                            struct progress *progress)
{
    struct search search = { .clr = clr, .tree = tree, .least = least ? least : 1, .progress = progress, .found = ret };
    struct error *err;

    *ret = (struct suspects) { 0 };
    err = search_points(&search);
    if (!err) err = add_types(&search);
    vec_deinit(&search.waiting);
    if (err) {
        suspects_deinit(ret);
        return err;
    }
    vec_sort(&ret->list, compare_suspects);
    return NULL;
}

void suspects_deinit(struct suspects *suspects)
{
    vec_deinit(&suspects->list);
}
