#include <stdlib.h>
#include <string.h>

#include "clr/object.h"
#include "heap/dominator_tree.h"
#include "heap/exclusive.h"
#include "heap/walk.h"
#include "relations/heap_filter.h"
#include "relations/relation.h"
#include "session/session.h"

/* What groups of objects, or of roots, keep alive. */
struct group {
    char *name; /* owned */
    const char *kind;
    uint64_t count, shallow, retained;
};

enum group_by { BY_TYPE, BY_NAMESPACE, BY_ASSEMBLY, BY_CONTEXT, BY_GENERATION, BY_ROOT, BY_STATIC, BY_KIND, BY_THREAD, BY_COUNT };

static const char *const group_words[BY_COUNT] = {
    "type", "namespace", "assembly", "context", "generation", "root", "static", "kind", "thread",
};

struct retained_by_cursor {
    struct session *session;
    struct clr *clr;
    const struct gc_heaps *heaps;
    enum group_by by;
    VEC(struct group) groups;
    struct map by_hash; /* of the name: index + 1 */
    struct map by_mt;   /* the group of a type: index + 1 */
    size_t next;
    struct text name;
    uint64_t live_bytes, live_count;
    uint64_t shared_count, shared_bytes; /* held by several groups of roots */
};

enum { NAME, KIND, COUNT, SHALLOW, RETAINED, SHARE };

/* FNV-1a. */
static uint64_t hash_of(const char *name, const char *kind)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (const char *p = name; *p; p++)
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    for (const char *p = kind ? kind : ""; *p; p++)
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3) + 1;
    return hash;
}

static bool is_group(const struct group *group, const char *name, const char *kind)
{
    return !strcmp(group->name, name) && (kind ? group->kind && !strcmp(group->kind, kind) : !group->kind);
}

/* The group of that name and kind, made when it is new; false: out of memory. */
static bool group_named(struct retained_by_cursor *cursor, const char *name, const char *kind, uint32_t *ret)
{
    struct group group = { .kind = kind };
    uint64_t hash = hash_of(name, kind), *slot;

    for (;; hash++) {
        slot = map_slot(&cursor->by_hash, hash, NULL);
        if (!slot) return false;
        if (!*slot) break;
        *ret = (uint32_t)*slot - 1;
        if (is_group(&cursor->groups.data[*ret], name, kind)) return true;
    }
    group.name = strdup(name);
    if (!group.name || !vec_push(&cursor->groups, group)) {
        free(group.name);
        return false;
    }
    *slot = cursor->groups.count;
    *ret = (uint32_t)cursor->groups.count - 1;
    return true;
}

/* ---- groups of objects ---- */

/* "System.Collections.Generic" of "System.Collections.Generic.Dictionary<A.B, C>+Entry[]". */
static void append_namespace(const char *type, struct text *ret)
{
    size_t length = strcspn(type, "<[+");

    while (length && type[length - 1] != '.')
        length--;
    if (length)
        text_append(ret, type, length - 1);
    else
        text_puts(ret, "(none)");
}

static void append_context(struct retained_by_cursor *cursor, const struct clr_module *module, struct text *ret)
{
    uint64_t addr = module ? clr_module_load_context(cursor->clr, module) : 0;
    const char *name = addr ? clr_object_type_name(cursor->clr, addr) : NULL;

    text_puts(ret, name ? name : "(not known)");
    if (name) text_printf(ret, " %llx", (unsigned long long)addr);
}

static void append_type_group(struct retained_by_cursor *cursor, const struct clr_type *type, struct text *ret)
{
    struct clr_module *module;

    if (cursor->by == BY_TYPE) {
        text_puts(ret, clr_type_name(cursor->clr, type->mt_addr));
        return;
    }
    if (cursor->by == BY_NAMESPACE) {
        append_namespace(clr_type_name(cursor->clr, type->mt_addr), ret);
        return;
    }
    module = clr_module_get(cursor->clr, type->module_addr);
    if (cursor->by == BY_CONTEXT)
        append_context(cursor, module, ret);
    else
        text_puts(ret, module && *clr_module_simple_name(cursor->clr, module) ? clr_module_simple_name(cursor->clr, module)
                                                                              : "(not known)");
}

static bool group_of_type(struct retained_by_cursor *cursor, uint64_t mt_addr, uint32_t *ret)
{
    struct clr_type *type;
    uint64_t known;

    if (map_get(&cursor->by_mt, mt_addr, &known)) {
        *ret = (uint32_t)known;
        return true;
    }
    text_clear(&cursor->name);
    type = clr_type_get(cursor->clr, mt_addr);
    if (type)
        append_type_group(cursor, type, &cursor->name);
    else
        text_puts(&cursor->name, "(no type)");
    return group_named(cursor, text_cstr(&cursor->name), NULL, ret) && map_put(&cursor->by_mt, mt_addr, *ret);
}

static bool group_of_object(struct retained_by_cursor *cursor, const struct heap_chunk *chunk, uint64_t addr, uint64_t mt_addr,
                            uint32_t *ret)
{
    const struct gc_segment *segment = &cursor->heaps->segments.data[chunk->segment];

    if (cursor->by != BY_GENERATION) return group_of_type(cursor, mt_addr, ret);
    return group_named(cursor, gc_generation_name(object_generation(segment, addr)), NULL, ret);
}

/* The group of every live object, and what its objects are without what they hold. */
static struct error *assign(struct retained_by_cursor *cursor, const struct retained *retained, uint32_t *keys)
{
    struct heap_starts_iterator it;
    const struct heap_chunk *chunk;
    struct object_types types;
    struct error *err = NULL;
    uint64_t addr;

    if (!object_types_init(&types, cursor->clr)) return &error_enomem;
    heap_starts_begin(retained->starts, &it);
    while (!err && heap_starts_next(&it, &addr, &chunk)) {
        const uint8_t *bytes = heap_chunk_bytes(chunk, addr);
        uint64_t mt_addr = load_u64(bytes) & ~UINT64_C(7), size;
        uint32_t *key = &keys[it.id - 1];
        const struct object_type *type;

        if (!retained->sizes[it.id - 1]) continue;
        type = object_types_get(&types, mt_addr);
        if (!type || !group_of_object(cursor, chunk, addr, mt_addr, key)) {
            err = &error_enomem;
            break;
        }
        size = type->base_size + (type->component_size ? (uint64_t)type->component_size * load_u32(bytes + 8) : 0);
        cursor->groups.data[*key].count++;
        cursor->groups.data[*key].shallow += size < OBJECT_SIZE_MIN ? OBJECT_SIZE_MIN : size;
        if (it.id % 65536 == 0 && progress_is_cancelled(session_progress(cursor->session)))
            err = error_create(ERROR_CANCELLED, "cancelled");
    }
    object_types_deinit(&types);
    return err;
}

static struct error *sum_groups(struct retained_by_cursor *cursor, const struct retained *retained, const uint32_t *keys)
{
    struct dominator_tree tree;
    uint64_t *bytes = calloc(cursor->groups.count + 1, sizeof(*bytes));
    struct error *err;

    if (!bytes || !dominator_tree_init(&tree, retained)) {
        free(bytes);
        return &error_enomem;
    }
    err = dominator_tree_sum(&tree, keys, (uint32_t)cursor->groups.count, session_progress(cursor->session), bytes);
    for (size_t i = 0; i < cursor->groups.count && !err; i++)
        cursor->groups.data[i].retained = bytes[i];
    dominator_tree_deinit(&tree);
    free(bytes);
    return err;
}

static struct error *by_objects(struct retained_by_cursor *cursor)
{
    const struct retained *retained;
    struct error *err;
    uint32_t *keys;

    TRY(session_retained(cursor->session, &retained));
    cursor->live_bytes = retained->totals.live_bytes;
    cursor->live_count = retained->totals.live_count;
    keys = calloc((size_t)retained->starts->object_count + 1, sizeof(*keys));
    if (!keys) return &error_enomem;
    err = assign(cursor, retained, keys);
    if (!err) err = sum_groups(cursor, retained, keys);
    free(keys);
    return err;
}

/* ---- groups of roots ---- */

static bool group_of_root(struct retained_by_cursor *cursor, const struct root *root, uint32_t *ret)
{
    const char *kind = root_kind_name(root);

    text_clear(&cursor->name);
    if (cursor->by == BY_KIND) return group_named(cursor, kind, NULL, ret);
    if (cursor->by == BY_THREAD) {
        if (!root->os_id) return group_named(cursor, "(no thread)", NULL, ret);
        text_printf(&cursor->name, "thread %u", root->os_id);
        return group_named(cursor, text_cstr(&cursor->name), NULL, ret);
    }
    if (cursor->by == BY_STATIC && root->kind != ROOT_STATIC && root->kind != ROOT_THREAD_STATIC)
        return group_named(cursor, "(other roots)", NULL, ret);
    root_name(cursor->clr, root, &cursor->name);
    if (!cursor->name.length) text_printf(&cursor->name, "%llx", (unsigned long long)root->addr);
    return group_named(cursor, text_cstr(&cursor->name), kind, ret);
}

static struct error *measure_roots(struct retained_by_cursor *cursor, const struct graph *graph, uint32_t *groups)
{
    struct exclusive_group *sizes;
    uint32_t frozen;
    struct error *err;

    for (size_t i = 0; i < graph->roots->list.count; i++) {
        const struct root *root = &graph->roots->list.data[i];

        groups[i] = EXCLUSIVE_NOBODY;
        if (root->kind == ROOT_FINALIZER_QUEUE) continue;
        if (!group_of_root(cursor, root, &groups[i])) return &error_enomem;
        cursor->groups.data[groups[i]].count++;
    }
    if (!group_named(cursor, "(frozen)", NULL, &frozen)) return &error_enomem;
    sizes = calloc(cursor->groups.count + 1, sizeof(*sizes));
    if (!sizes) return &error_enomem;
    err = exclusive_sizes(graph, cursor->heaps, groups, frozen, (uint32_t)cursor->groups.count, session_progress(cursor->session),
                          sizes);
    for (size_t i = 0; i < cursor->groups.count; i++)
        cursor->groups.data[i].retained = sizes[i].bytes;
    cursor->shared_count = sizes[cursor->groups.count].count;
    cursor->shared_bytes = sizes[cursor->groups.count].bytes;
    free(sizes);
    return err;
}

static struct error *by_roots(struct retained_by_cursor *cursor)
{
    const struct graph *graph;
    uint32_t *groups;
    struct error *err;

    TRY(session_graph(cursor->session, &graph));
    cursor->live_bytes = graph->totals.live_bytes;
    cursor->live_count = graph->totals.live_count;
    groups = malloc((graph->roots->list.count + 1) * sizeof(*groups));
    if (!groups) return &error_enomem;
    err = measure_roots(cursor, graph, groups);
    free(groups);
    return err;
}

/* ---- rows ---- */

static int compare_groups(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    int order;

    if (left->retained != right->retained) return left->retained > right->retained ? -1 : 1;
    order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->kind ? left->kind : "", right->kind ? right->kind : "");
}

static struct error *retained_by_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct retained_by_cursor *cursor = cursor_;
    const char *word = request->arguments[0].given ? request->arguments[0].s : group_words[BY_TYPE];

    text_init(&cursor->name);
    map_init(&cursor->by_hash);
    map_init(&cursor->by_mt);
    cursor->session = session;
    for (cursor->by = 0; cursor->by < BY_COUNT && !name_equal(word, group_words[cursor->by]);)
        cursor->by++;
    if (cursor->by == BY_COUNT)
        return error_create(ERROR_USAGE,
                            "cannot group by '%s': type, namespace, assembly, context, generation, root, static, kind "
                            "or thread",
                            word);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &cursor->heaps));
    TRY(cursor->by < BY_ROOT ? by_objects(cursor) : by_roots(cursor));
    vec_sort(&cursor->groups, compare_groups);
    return NULL;
}

static struct error *retained_by_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct retained_by_cursor *cursor = cursor_;
    const struct group *group;

    *more_ret = cursor->next < cursor->groups.count;
    if (!*more_ret) return NULL;
    group = &cursor->groups.data[cursor->next++];
    value_text(&row[NAME], group->name);
    value_text(&row[KIND], group->kind);
    value_u64(&row[COUNT], group->count);
    if (cursor->by < BY_ROOT) value_u64(&row[SHALLOW], group->shallow);
    value_u64(&row[RETAINED], group->retained);
    if (cursor->live_bytes) value_share(&row[SHARE], (double)group->retained / (double)cursor->live_bytes);
    return NULL;
}

static void retained_by_end(void *cursor_)
{
    struct retained_by_cursor *cursor = cursor_;

    for (size_t i = 0; i < cursor->groups.count; i++)
        free(cursor->groups.data[i].name);
    vec_deinit(&cursor->groups);
    map_deinit(&cursor->by_hash);
    map_deinit(&cursor->by_mt);
    text_deinit(&cursor->name);
}

static void retained_by_footer(void *cursor_, struct text *ret)
{
    const struct retained_by_cursor *cursor = cursor_;

    text_puts(ret, "of ");
    text_number(ret, cursor->live_count);
    text_puts(ret, " live objects, ");
    text_number(ret, cursor->live_bytes);
    text_puts(ret, " bytes");
    if (!cursor->shared_count) return;
    text_puts(ret, "; ");
    text_number(ret, cursor->shared_count);
    text_puts(ret, " objects, ");
    text_number(ret, cursor->shared_bytes);
    text_puts(ret, " bytes are held by several of the groups");
}

static const struct column columns[] = {
    { "name", COLUMN_TEXT, "of the group" },
    { "kind", COLUMN_TEXT, "of roots: static, strong, ...", COLUMN_VERBOSE },
    { "count", COLUMN_COUNT, "live objects of the group, or roots" },
    { "shallow", COLUMN_BYTES, "bytes of these objects alone; none for roots" },
    { "retained", COLUMN_BYTES, "bytes that the group keeps alive and nobody else does" },
    { "share", COLUMN_SHARE, "of all live bytes" },
};

static const struct parameter parameters[] = {
    { "by", NULL, PARAMETER_TEXT, false,
      "type (without it), namespace, assembly, context, generation; root, static, kind of root, thread" },
};

const struct relation relation_retained_by = {
    .name = "retained_by",
    .summary = "what types, namespaces, assemblies, generations, roots or threads keep alive",
    .description =
        "Of roots, kinds of roots, static fields and threads it is exact: all that would be freed if every root of the group "
        "vanished. Of groups of objects it is the retained sizes of their objects, each byte once; what only several objects "
        "together keep alive is not in it. Groups of objects overlap: what a type keeps alive is also kept by its holder's type.",
    .topic = "references",
    .growth = { .kind = "retained", .key = "name", .count = "count", .bytes = "retained", .rank = 9, .when_asked = true },
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "retained_by" }, { "retained -by", .bare = "by", .help = "the same" } },
    .empty = "the GC heap is not in this dump",
    .cursor_size = sizeof(struct retained_by_cursor),
    .begin = retained_by_begin,
    .next = retained_by_next,
    .end = retained_by_end,
    .footer = retained_by_footer,
};
