#include "heap/paths.h"

#include <stdio.h>
#include <string.h>

#include "clr/object.h"
#include "heap/edge.h"

void path_deinit(struct path *path)
{
    vec_deinit(&path->objects);
}

/* The id that reaches `id`, which is no root. */
static bool parent_object(const struct graph *graph, uint32_t id, uint32_t *ret)
{
    *ret = graph->parents[id];
    return *ret < graph->starts->object_count;
}

size_t graph_path_length(const struct graph *graph, uint32_t id, size_t max)
{
    size_t length = 1;

    if (id >= graph->starts->object_count || graph->parents[id] == GRAPH_UNREACHED) return 0;
    while (length < max && parent_object(graph, id, &id))
        length++;
    return length;
}

struct error *graph_path_to(const struct graph *graph, uint64_t addr, struct path *ret)
{
    uint32_t count = graph->starts->object_count, id, up;
    size_t length, root;

    *ret = (struct path) { 0 };
    if (!heap_starts_id(graph->starts, addr, &id)) return &error_not_found;
    length = graph_path_length(graph, id, SIZE_MAX);
    if (!length) return NULL;
    if (!vec_reserve(&ret->objects, length)) return &error_enomem;
    ret->objects.count = length;
    ret->is_weak = graph->weak[id / 64] >> (id % 64) & 1;
    for (size_t i = length; i > 0; i--) {
        ret->objects.data[i - 1] = heap_starts_addr(graph->starts, id);
        if (parent_object(graph, id, &up)) id = up;
    }
    root = graph->parents[id] - count;
    if (root < graph->roots->list.count) ret->root = &graph->roots->list.data[root];
    return NULL;
}

struct edge_search {
    uint64_t target, offset;
    bool found;
};

static inline void search_edge(void *user, uint64_t offset, uint64_t target)
{
    struct edge_search *search = user;

    if (target != search->target || search->found) return;
    search->found = true;
    search->offset = offset;
}

static bool find_edge(const struct graph *graph, uint64_t from, uint64_t to, uint64_t *offset_ret)
{
    const struct heap_chunk *chunk = heap_chunk_at(graph->starts, from);
    struct edge_search search = { .target = to };
    struct reference_types types;
    const struct reference_type *type;

    if (!chunk || !reference_types_init(&types, graph->clr)) return false;
    type = reference_types_get(&types, load_u64(heap_chunk_bytes(chunk, from)) & ~UINT64_C(7));
    if (type && type->is_valid) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, from);

        references_visit(type, bytes, reference_object_size(type, bytes), search_edge, &search);
    }
    reference_types_deinit(&types);
    if (!search.found && dependents_may_have(graph->dependents, from)) {
        search.found = dependents_find(graph->dependents, from) < graph->dependents->list.count;
        search.offset = REFERENCE_DEPENDENT;
    }
    *offset_ret = search.offset;
    return search.found;
}

void graph_edge_text(const struct graph *graph, uint64_t from, uint64_t to, bool any_index, struct text *ret)
{
    struct clr_object object;
    uint64_t offset;

    if (find_edge(graph, from, to, &offset) && clr_object_try(graph->clr, from, &object))
        edge_name(graph->clr, object.type, offset, any_index, ret);
    else
        text_putc(ret, '?');
}

void type_short_name(const char *name, struct text *ret)
{
    const char *start = name;
    unsigned depth = 0;

    /* The last dot in front of the arguments, of the outermost type: nested ones are joined with +. */
    for (const char *at = name; *at && *at != '<' && *at != '+' && *at != '['; at++)
        if (*at == '.') start = at + 1;
    for (const char *at = start; *at; at++) {
        /* A name that the compiler made begins with one itself: "+<Run>d__8", "+<>c". */
        bool opens = *at == '<' && (depth || (at > start && at[-1] != '+'));

        if (opens) depth++;
        if (!depth) text_putc(ret, *at);
        if (*at == '>' && depth) depth--;
    }
}

void path_step_text(const struct graph *graph, const struct path *path, size_t i, bool any_index, struct text *ret)
{
    struct clr_object object;
    struct text edge;

    if (i == 0) {
        if (path->root)
            root_name(graph->clr, path->root, ret);
        else
            text_puts(ret, "frozen segment");
        return;
    }
    text_init(&edge);
    graph_edge_text(graph, path->objects.data[i - 1], path->objects.data[i], any_index, &edge);
    /* An element says enough; a field belongs to a type. */
    if (*text_cstr(&edge) != '[' && clr_object_try(graph->clr, path->objects.data[i - 1], &object)) {
        type_short_name(clr_type_name(graph->clr, object.type->mt_addr), ret);
        text_putc(ret, '.');
    }
    text_puts(ret, text_cstr(&edge));
    text_deinit(&edge);
}

struct texts {
    VEC(const char *) list;
    struct arena *arena;
    struct text last; /* not yet in the list */
    size_t repeated;
};

static void append_grouped(struct text *ret, size_t number)
{
    char digits[32];
    int length = snprintf(digits, sizeof(digits), "%zu", number);

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) text_putc(ret, ',');
        text_putc(ret, digits[i]);
    }
}

static bool flush_last(struct texts *texts)
{
    const char *text;

    if (!texts->repeated) return true;
    if (texts->repeated > 1) {
        text_puts(&texts->last, " (x ");
        append_grouped(&texts->last, texts->repeated);
        text_putc(&texts->last, ')');
    }
    text = arena_strdup(texts->arena, text_cstr(&texts->last));
    texts->repeated = 0;
    return text && !texts->last.failed && vec_push(&texts->list, text);
}

static bool add_text(struct texts *texts, const char *text)
{
    if (texts->repeated && !strcmp(text_cstr(&texts->last), text)) {
        texts->repeated++;
        return true;
    }
    if (!flush_last(texts)) return false;
    text_clear(&texts->last);
    text_puts(&texts->last, text);
    texts->repeated = 1;
    return true;
}

/* All steps, but of a path with very many of them only those of its two ends: each costs a look into its object. */
static bool collect_steps(const struct graph *graph, const struct path *path, struct texts *texts)
{
    enum { STEPS_MAX = 4096 };
    struct text step;
    bool ok = true;

    text_init(&step);
    for (size_t i = 0; ok && i < path->objects.count; i++) {
        if (path->objects.count > STEPS_MAX && i == STEPS_MAX / 2) {
            size_t skipped = path->objects.count - STEPS_MAX;

            text_clear(&step);
            text_puts(&step, "... (");
            append_grouped(&step, skipped);
            text_puts(&step, " more steps)");
            ok = add_text(texts, text_cstr(&step));
            i += skipped;
        }
        text_clear(&step);
        path_step_text(graph, path, i, true, &step);
        ok = ok && add_text(texts, step.length ? text_cstr(&step) : root_kind_name(path->root)) && !step.failed;
    }
    text_deinit(&step);
    return ok;
}

/* Leaves out the middle of more texts than anybody reads. */
static bool cut_middle(struct texts *texts)
{
    size_t left = texts->list.count - PATH_TEXTS_MAX + 1, head = PATH_TEXTS_MAX / 2;
    struct text text;
    const char *note;

    if (texts->list.count <= PATH_TEXTS_MAX) return true;
    text_init(&text);
    text_puts(&text, "... (");
    append_grouped(&text, left);
    text_puts(&text, " more steps)");
    note = arena_strdup(texts->arena, text_cstr(&text));
    text_deinit(&text);
    texts->list.data[head] = note;
    memmove(texts->list.data + head + 1, texts->list.data + head + left, (texts->list.count - head - left) * sizeof(note));
    texts->list.count -= left - 1;
    return note != NULL;
}

struct error *path_texts(const struct graph *graph, const struct path *path, struct arena *arena, const char *const **ret,
                         size_t *count_ret)
{
    struct texts texts = { .arena = arena };
    const char **copy = NULL;
    bool ok;

    text_init(&texts.last);
    ok = collect_steps(graph, path, &texts);
    if (ok && path->objects.count) {
        const char *type = clr_object_type_name(graph->clr, path->objects.data[path->objects.count - 1]);

        ok = add_text(&texts, type ? type : "?");
    }
    ok = ok && flush_last(&texts) && cut_middle(&texts);
    if (ok) copy = arena_array(arena, texts.list.count + 1, sizeof(*copy));
    if (copy && texts.list.count) memcpy(copy, texts.list.data, texts.list.count * sizeof(*copy));
    if (copy) {
        *ret = copy;
        *count_ret = texts.list.count;
    }
    vec_deinit(&texts.list);
    text_deinit(&texts.last);
    return copy ? NULL : &error_enomem;
}
