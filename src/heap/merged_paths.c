#include "heap/merged_paths.h"

#include <string.h>

void merged_paths_init(struct merged_paths *paths)
{
    *paths = (struct merged_paths) { 0 };
    text_map_init(&paths->words);
    map_init(&paths->children);
}

void merged_paths_deinit(struct merged_paths *paths)
{
    vec_deinit(&paths->steps);
    text_map_deinit(&paths->words);
    map_deinit(&paths->children);
}

/* "Node._next (x 1,434)" and "... (12 more steps)" without what differs from path to path. */
static size_t words_length(const char *text)
{
    const char *repeated = NULL;

    if (!strncmp(text, "... (", 5)) return 3;
    for (const char *at = text; (at = strstr(at, " (x ")); at++)
        repeated = at;
    if (!repeated || text[strlen(text) - 1] != ')') return strlen(text);
    return (size_t)(repeated - text);
}

/* The child of `parent` with these words, made when it is new; false: out of memory. */
static bool step_below(struct merged_paths *paths, uint32_t parent, const char *text, uint32_t *ret)
{
    struct merged_step step = { 0 };
    uint64_t *slot;

    if (!text_map_add(&paths->words, text, words_length(text), &step.text) || step.text > UINT32_MAX) return false;
    slot = map_slot(&paths->children, (uint64_t)parent << 32 | step.text, NULL);
    if (!slot) return false;
    if (!*slot) {
        step.next = paths->steps.data[parent].first_child;
        if (paths->steps.count >= UINT32_MAX || !vec_push(&paths->steps, step)) return false;
        *slot = paths->steps.count - 1;
        paths->steps.data[parent].first_child = (uint32_t)*slot;
    }
    *ret = (uint32_t)*slot;
    return true;
}

static void count_path(struct merged_paths *paths, uint32_t at, const struct path *path)
{
    struct merged_step *step = &paths->steps.data[at];

    if (!step->path_count++) {
        step->example = path->objects.data[path->objects.count - 1];
        step->root = path->root;
    }
}

struct error *merged_paths_add(struct merged_paths *paths, const struct graph *graph, const struct path *path)
{
    const char *const *texts;
    struct arena arena;
    size_t count;
    uint32_t at = 0;
    struct error *err;
    bool ok = true;

    if (!path->objects.count) return NULL;
    if (!paths->steps.count && !vec_push(&paths->steps, ((struct merged_step) { 0 }))) return &error_enomem;
    arena_init(&arena);
    err = path_texts(graph, path, &arena, &texts, &count);
    if (!err) {
        count_path(paths, 0, path);
        for (size_t i = 0; ok && i < count; i++) {
            ok = step_below(paths, at, texts[i], &at);
            if (ok) count_path(paths, at, path);
        }
        if (!ok) err = &error_enomem;
    }
    arena_deinit(&arena);
    return err;
}

/* ---- order ---- */

struct child {
    uint64_t path_count;
    const char *words;
    uint32_t index;
};

static int compare_children(const void *a, const void *b)
{
    const struct child *left = a, *right = b;

    if (left->path_count != right->path_count) return left->path_count > right->path_count ? -1 : 1;
    return strcmp(left->words, right->words);
}

bool merged_paths_sort(struct merged_paths *paths)
{
    VEC(struct child) children = { 0 };
    bool ok = true;

    for (size_t i = 0; ok && i < paths->steps.count; i++) {
        children.count = 0;
        for (uint32_t at = paths->steps.data[i].first_child; ok && at; at = paths->steps.data[at].next) {
            const struct merged_step *step = &paths->steps.data[at];
            struct child child = { step->path_count, merged_step_words(paths, step), at };

            ok = vec_push(&children, child);
        }
        if (!ok || children.count < 2) continue;
        vec_sort(&children, compare_children);
        paths->steps.data[i].first_child = children.data[0].index;
        for (size_t k = 0; k < children.count; k++)
            paths->steps.data[children.data[k].index].next = k + 1 < children.count ? children.data[k + 1].index : 0;
    }
    vec_deinit(&children);
    return ok;
}
