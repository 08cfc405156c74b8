#include "clr/method_desc.h"
#include "clr/stack_walk.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * The stacks of all threads, merged from their outer ends: a tree of methods, each with how many threads are in it.
 *
 *     node 0 (no method) -> Main (1) -> ...
 *                        -> StartCallback (9) -> WorkerThreadStart (8) -> Dispatch (6) -> ...
 */
struct node {
    uint64_t method_desc_addr;
    uint32_t parent;
    uint32_t first_child, next_sibling; /* 0: none; in order of how many threads */
    uint32_t first_thread;              /* index + 1 of a thread whose stack ends here, 0 none */
    uint32_t count;                     /* threads that are in it */
    uint32_t depth, level;              /* frames from the outer end; forks on the way */
};

struct parallel_cursor {
    struct session *session;
    struct clr *clr;
    struct clr_thread *threads;
    size_t thread_count;
    uint32_t *next_thread; /* by thread: index + 1 of the next one that ends in the same node; arena */
    VEC(struct node) nodes;
    struct map children; /* hash of parent and method -> node */
    uint32_t current;
    size_t stack_count;
    struct text name, ids, line;
};

enum { COUNT, DEPTH, FRAME, STACK, THREADS, METHOD_DESC };

/* ---- the tree ---- */

/* The child of `parent` for that method, made when there is none. 0: no memory. */
static uint32_t child_of(struct parallel_cursor *cursor, uint32_t parent, uint64_t method_desc_addr)
{
    uint64_t key = map_hash(method_desc_addr) + parent * UINT64_C(0x9e3779b97f4a7c15);

    for (;; key++) {
        bool added;
        uint64_t *slot = map_slot(&cursor->children, key, &added);
        const struct node *node;

        if (!slot) return 0;
        if (added) {
            struct node child = { .method_desc_addr = method_desc_addr, .parent = parent };

            *slot = cursor->nodes.count;
            return vec_push(&cursor->nodes, child) ? (uint32_t)*slot : 0;
        }
        node = &cursor->nodes.data[*slot];
        if (node->parent == parent && node->method_desc_addr == method_desc_addr) return (uint32_t)*slot;
    }
}

static struct error *add_stack(struct parallel_cursor *cursor, const struct stack *stack, size_t thread)
{
    enum { NODES_MAX = 1 << 24 };
    uint32_t node = 0;

    for (size_t i = stack->frames.count; i-- > 0;) {
        if (stack->frames.data[i].kind != STACK_MANAGED) continue;
        if (cursor->nodes.count >= NODES_MAX) {
            gaps_add(session_gaps(cursor->session), "parallel stacks", 0, 1, "limit of %d different frames", NODES_MAX);
            break;
        }
        node = child_of(cursor, node, stack->frames.data[i].method_desc_addr);
        if (!node) return &error_enomem;
        cursor->nodes.data[node].count++;
    }
    if (!node) return NULL;
    cursor->stack_count++;
    cursor->next_thread[thread] = cursor->nodes.data[node].first_thread;
    cursor->nodes.data[node].first_thread = (uint32_t)thread + 1;
    return NULL;
}

static int compare_nodes(const void *a_, const void *b_, void *nodes_)
{
    const struct node *nodes = nodes_;
    uint32_t a = *(const uint32_t *)a_, b = *(const uint32_t *)b_;

    if (nodes[a].count != nodes[b].count) return nodes[a].count < nodes[b].count ? -1 : 1;
    return a < b ? 1 : -1; /* the one seen first is to be linked last, and so comes first */
}

/* Links children to their parents, those with most threads first, and numbers depth and level. */
static struct error *link_nodes(struct parallel_cursor *cursor)
{
    struct node *nodes = cursor->nodes.data;
    uint32_t count = (uint32_t)cursor->nodes.count, *order = malloc(count * sizeof(*order));

    if (!order) return &error_enomem;
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof(*order), compare_nodes, nodes);
    for (uint32_t i = 0; i < count; i++) {
        struct node *node = &nodes[order[i]];

        if (order[i] == 0) continue;
        node->next_sibling = nodes[node->parent].first_child;
        nodes[node->parent].first_child = order[i];
    }
    free(order);
    /* A parent was made before its children. */
    for (uint32_t i = 1; i < count; i++) {
        const struct node *parent = &nodes[nodes[i].parent];
        bool forks = nodes[parent->first_child].next_sibling || parent->first_thread;

        nodes[i].depth = nodes[i].parent ? parent->depth + 1 : 0;
        nodes[i].level = nodes[i].parent ? parent->level + forks : 0;
    }
    return NULL;
}

static uint32_t next_node(const struct parallel_cursor *cursor, uint32_t node)
{
    const struct node *nodes = cursor->nodes.data;

    if (nodes[node].first_child) return nodes[node].first_child;
    while (node && !nodes[node].next_sibling)
        node = nodes[node].parent;
    return nodes[node].next_sibling;
}

/* ---- rows ---- */

static struct error *parallel_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct parallel_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->name);
    text_init(&cursor->ids);
    text_init(&cursor->line);
    map_init(&cursor->children);
    cursor->session = session;
    TRY(session_clr(session, &cursor->clr));
    TRY(clr_threads(cursor->clr, session_arena(session), &cursor->threads, &cursor->thread_count));
    cursor->next_thread = arena_array(session_arena(session), cursor->thread_count + 1, sizeof(*cursor->next_thread));
    if (!cursor->next_thread || !vec_push(&cursor->nodes, (struct node) { 0 })) return &error_enomem;
    for (size_t i = 0; i < cursor->thread_count; i++) {
        const struct clr_thread *thread = &cursor->threads[i];
        struct stack stack;
        struct error *err = stack_walk(cursor->clr, thread, stack_native_thread(cursor->clr, thread->os_id), &stack);

        if (!err) err = add_stack(cursor, &stack, i);
        stack_deinit(&stack);
        if (err) return err;
    }
    return link_nodes(cursor);
}

/* "3, 7, 12, ..." */
static void append_threads(struct parallel_cursor *cursor, const struct node *node)
{
    enum { THREADS_SHOWN = 1000 };
    unsigned shown = 0;

    for (uint32_t i = node->first_thread; i; i = cursor->next_thread[i - 1]) {
        if (shown++ >= THREADS_SHOWN) {
            text_puts(&cursor->ids, ", ...");
            return;
        }
        text_printf(&cursor->ids, "%s%u", shown > 1 ? ", " : "", cursor->threads[i - 1].managed_id);
    }
}

static void append_name(struct parallel_cursor *cursor, const struct node *node)
{
    struct clr_method method;

    if (!clr_method_at(cursor->clr, node->method_desc_addr, &method) || !clr_method_name(cursor->clr, &method, &cursor->name))
        text_printf(&cursor->name, "<method 0x%llx>", (unsigned long long)node->method_desc_addr);
}

static struct error *parallel_next(void *cursor_, struct value *row, bool *more_ret)
{
    enum { LEVELS_INDENTED = 40 };
    struct parallel_cursor *cursor = cursor_;
    const struct node *node;

    cursor->current = next_node(cursor, cursor->current);
    *more_ret = cursor->current != 0;
    if (!*more_ret) return NULL;
    node = &cursor->nodes.data[cursor->current];
    text_clear(&cursor->name);
    text_clear(&cursor->ids);
    text_clear(&cursor->line);
    append_name(cursor, node);
    append_threads(cursor, node);
    for (uint32_t i = 0; i < node->level && i < LEVELS_INDENTED; i++)
        text_puts(&cursor->line, "  ");
    text_puts(&cursor->line, text_cstr(&cursor->name));
    value_u64(&row[COUNT], node->count);
    value_u64(&row[DEPTH], node->depth);
    value_text(&row[FRAME], text_cstr(&cursor->name));
    value_text(&row[STACK], text_cstr(&cursor->line));
    if (node->first_thread) value_text(&row[THREADS], text_cstr(&cursor->ids));
    value_u64(&row[METHOD_DESC], node->method_desc_addr);
    return NULL;
}

static void parallel_end(void *cursor_)
{
    struct parallel_cursor *cursor = cursor_;

    vec_deinit(&cursor->nodes);
    map_deinit(&cursor->children);
    text_deinit(&cursor->name);
    text_deinit(&cursor->ids);
    text_deinit(&cursor->line);
}

static void parallel_footer(void *cursor_, struct text *ret)
{
    const struct parallel_cursor *cursor = cursor_;

    text_printf(ret, "%zu of %zu threads have managed code on their stack", cursor->stack_count, cursor->thread_count);
}

static const struct column columns[] = {
    { "count", COLUMN_COUNT, "threads that are in this method, reached the same way" },
    { "depth", COLUMN_NUMBER, "frames from the outer end of the stack", COLUMN_VERBOSE },
    { "frame", COLUMN_TEXT, "type, name and parameters of the method", COLUMN_VERBOSE },
    { "stack", COLUMN_TEXT, "the same, indented where stacks part", COLUMN_TEXT_ONLY },
    { "threads", COLUMN_TEXT, "managed ids of the threads that stand here" },
    { "method_desc", COLUMN_ADDRESS, "identity of the method", COLUMN_VERBOSE },
};

const struct relation relation_parallel_stacks = {
    .name = "parallel_stacks",
    .summary = "stacks of all threads merged into one tree, most threads first",
    .description = "A row is a method and how many threads are in it by the same way from the outer end; what it called follows, "
                   "indented where "
                   "the stacks part.",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "parallel_stacks" },
                  { "parallelstacks", .help = "as SOS calls it" },
                  { "pstacks", .help = "as SOS calls it" } },
    .empty = "no thread has managed code on its stack",
    .cursor_size = sizeof(struct parallel_cursor),
    .begin = parallel_begin,
    .next = parallel_next,
    .end = parallel_end,
    .footer = parallel_footer,
};
