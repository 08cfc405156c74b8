/* Liveness, shortest paths and retained sizes of small heaps, against plain searches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "heap/exclusive.h"
#include "heap/paths.h"
#include "heap/suspects.h"
#include "support/mock_heap.h"

enum { SEGMENT = MOCK_BASE + 0x40000, OBJECTS_MAX = 120, FIELDS = 4 };

struct fixture {
    struct mock_heap heap;
    struct heap_starts starts;
    struct dependents dependents;
    struct graph graph;
    uint64_t objects[OBJECTS_MAX];
    uint32_t count;
    uint32_t edges[OBJECTS_MAX][FIELDS + 1]; /* to, UINT32_MAX: none; the last one is a dependent handle */
    uint32_t roots[OBJECTS_MAX], root_count;
};

static uint64_t seed = 362436069u;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % sides);
}

/* `count` objects with four reference fields each. */
static void fixture_init(struct fixture *f, uint32_t count)
{
    uint64_t mt;

    memset(f, 0, sizeof(*f));
    mock_heap_init(&f->heap);
    mt = mock_type_with_fields(&f->heap, FIELDS);
    mock_segment(&f->heap, SEGMENT, GC_GEN0);
    memset(f->edges, 0xff, sizeof(f->edges));
    for (f->count = 0; f->count < count; f->count++)
        f->objects[f->count] = mock_heap_object(&f->heap, mt, 0, 16 + 8 * FIELDS);
}

static void refer(struct fixture *f, uint32_t from, unsigned field, uint32_t to)
{
    f->edges[from][field] = to;
    mock_refer(&f->heap, f->objects[from], 8 + 8 * field, f->objects[to]);
}

static void root(struct fixture *f, enum root_kind kind, uint32_t to)
{
    f->roots[f->root_count++] = to;
    mock_root(&f->heap, kind, f->objects[to]);
}

static void build(struct fixture *f)
{
    const struct clr *clr = &f->heap.mock.clr;

    assert_null(heap_starts_init(&f->starts, clr, &f->heap.heaps, 1, NULL, NULL));
    assert_null(dependents_init(&f->dependents, &f->heap.handles));
    assert_null(
        graph_init(&f->graph, &f->heap.mock.clr, &f->heap.heaps, &f->starts, &f->heap.roots, &f->dependents, 0, NULL, NULL));
}

static void fixture_deinit(struct fixture *f)
{
    graph_deinit(&f->graph);
    dependents_deinit(&f->dependents);
    heap_starts_deinit(&f->starts);
    mock_heap_deinit(&f->heap);
}

static void random_heap(struct fixture *f)
{
    fixture_init(f, 1 + dice(OBJECTS_MAX));
    for (uint32_t i = 0; i < f->count; i++) {
        for (unsigned field = 0; field < FIELDS; field++)
            if (dice(3) == 0) refer(f, i, field, dice(f->count));
        if (dice(10)) continue;
        f->edges[i][FIELDS] = dice(f->count);
        mock_dependent(&f->heap, f->objects[i], f->objects[f->edges[i][FIELDS]]);
    }
    for (uint32_t i = dice(4); i > 0; i--)
        root(f, (enum root_kind)dice(ROOT_FINALIZER_QUEUE), dice(f->count));
    build(f);
}

/* Length of the shortest path to each object without passing one; 0: there is none. */
static void distances(const struct fixture *f, uint32_t without, uint32_t *ret)
{
    bool grew = true;

    memset(ret, 0, OBJECTS_MAX * sizeof(*ret));
    for (uint32_t i = 0; i < f->root_count; i++)
        if (f->roots[i] != without) ret[f->roots[i]] = 1;
    for (uint32_t level = 1; grew; level++) {
        grew = false;
        for (uint32_t i = 0; i < f->count; i++)
            for (unsigned e = 0; ret[i] == level && e <= FIELDS; e++) {
                uint32_t to = f->edges[i][e];

                if (to == UINT32_MAX || to == without || ret[to]) continue;
                ret[to] = level + 1;
                grew = true;
            }
    }
}

static uint32_t index_of(const struct fixture *f, uint64_t addr)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->objects[i] == addr) return i;
    return UINT32_MAX;
}

static bool has_edge(const struct fixture *f, uint64_t from, uint64_t to)
{
    for (unsigned e = 0; e <= FIELDS; e++)
        if (f->edges[index_of(f, from)][e] == index_of(f, to)) return true;
    return false;
}

static void check_path(const struct fixture *f, uint32_t to, uint32_t length)
{
    struct path path;

    assert_null(graph_path_to(&f->graph, f->objects[to], &path));
    assert_int_equal(path.objects.count, length);
    assert_int_equal(graph_is_live(&f->graph, f->objects[to]), length > 0);
    if (length) {
        assert_non_null(path.root);
        assert_int_equal(path.root->object, path.objects.data[0]);
        assert_int_equal(path.objects.data[length - 1], f->objects[to]);
    }
    for (uint32_t i = 1; i < length; i++)
        assert_true(has_edge(f, path.objects.data[i - 1], path.objects.data[i]));
    path_deinit(&path);
}

static void paths_are_shortest_and_lead_from_a_root(void **state)
{
    static struct fixture f;
    uint32_t expected[OBJECTS_MAX];

    (void)state;
    for (int i = 0; i < 300; i++) {
        random_heap(&f);
        distances(&f, UINT32_MAX, expected);
        for (uint32_t to = 0; to < f.count; to++)
            check_path(&f, to, expected[to]);
        fixture_deinit(&f);
    }
}

/* Wide levels are kept as bits, narrow ones as lists: the same objects are reached in as many steps. */
static void wide_levels_reach_the_same_objects(void **state)
{
    static struct fixture f;
    uint32_t parents[OBJECTS_MAX + 1], expected[OBJECTS_MAX];

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct traversal traversal;
        uint32_t reached = 0;

        random_heap(&f);
        memset(parents, 0xff, sizeof(parents));
        assert_null(traversal_init(&traversal, &f.heap.mock.clr, &f.starts, &f.dependents, parents, NULL));
        traversal.list_max = dice(5);
        for (uint32_t r = 0; r < f.root_count; r++)
            traversal_seed(&traversal, f.objects[f.roots[r]], f.count);
        assert_null(traversal_run(&traversal));
        distances(&f, UINT32_MAX, expected);
        for (uint32_t to = 0; to < f.count; to++) {
            assert_int_equal(traversal_reached(&traversal, to), expected[to] > 0);
            reached += expected[to] > 0;
            if (expected[to] > 1) assert_int_equal(expected[parents[to]] + 1, expected[to]);
        }
        assert_int_equal(traversal.count, reached);
        traversal_deinit(&traversal);
        fixture_deinit(&f);
    }
}

static void retained_size_is_what_is_lost_without_the_object(void **state)
{
    static struct fixture f;
    uint32_t with[OBJECTS_MAX], without[OBJECTS_MAX];

    (void)state;
    for (int i = 0; i < 200; i++) {
        struct retained retained;

        random_heap(&f);
        assert_null(retained_init(&retained, &f.heap.mock.clr, &f.heap.heaps, &f.starts, &f.heap.roots, &f.dependents, NULL, NULL));
        distances(&f, UINT32_MAX, with);
        for (uint32_t object = 0; object < f.count; object++) {
            uint64_t lost = 0;

            distances(&f, object, without);
            for (uint32_t to = 0; to < f.count; to++)
                if (with[to] && !without[to]) lost += 16 + 8 * FIELDS;
            assert_int_equal(retained_size(&retained, f.objects[object]), with[object] ? lost : 0);
        }
        assert_int_equal(retained.totals.live_count, f.graph.totals.live_count);
        assert_int_equal(retained.totals.live_bytes, f.graph.totals.live_bytes);
        retained_deinit(&retained);
        fixture_deinit(&f);
    }
}

enum { GROUPS = 3, OBJECT_BYTES = 16 + 8 * FIELDS };

/* What the roots outside of a group reach is not the group's alone; what only roots of it reach is. */
static void group_of_roots_holds_what_is_lost_without_them(void **state)
{
    static struct fixture f;
    uint32_t with[OBJECTS_MAX], without[OBJECTS_MAX], groups[OBJECTS_MAX];

    (void)state;
    for (int i = 0; i < 300; i++) {
        struct exclusive_group sizes[GROUPS + 1];
        uint32_t roots[OBJECTS_MAX], count, lost_by_one = 0;

        random_heap(&f);
        for (uint32_t r = 0; r < f.root_count; r++)
            groups[r] = dice(GROUPS);
        assert_null(exclusive_sizes(&f.graph, &f.heap.heaps, groups, GROUPS - 1, GROUPS, NULL, sizes));
        distances(&f, UINT32_MAX, with);
        memcpy(roots, f.roots, sizeof(roots));
        count = f.root_count;
        for (uint32_t group = 0; group < GROUPS; group++) {
            uint32_t lost = 0;

            f.root_count = 0;
            for (uint32_t r = 0; r < count; r++)
                if (groups[r] != group) f.roots[f.root_count++] = roots[r];
            distances(&f, UINT32_MAX, without);
            for (uint32_t to = 0; to < f.count; to++)
                lost += with[to] && !without[to];
            assert_int_equal(sizes[group].count, lost);
            assert_int_equal(sizes[group].bytes, lost * OBJECT_BYTES);
            lost_by_one += lost;
            memcpy(f.roots, roots, sizeof(roots));
        }
        assert_int_equal(sizes[GROUPS].count, f.graph.totals.live_count - lost_by_one);
        fixture_deinit(&f);
    }
}

/* The statics of a type lie in an array that a handle holds: what a named slot holds is not the handle's, too. */
static void static_field_holds_its_object_alone(void **state)
{
    static struct fixture f;
    struct exclusive_group sizes[3];
    static const uint32_t groups[] = { 0, 1 };
    uint64_t array;

    (void)state;
    fixture_init(&f, 2);
    array = mock_heap_object(&f.heap, mock_type_of_references(&f.heap), 2, 24 + 16);
    mock_refer(&f.heap, array, 16, f.objects[0]);
    mock_refer(&f.heap, array, 24, f.objects[1]);
    mock_root(&f.heap, ROOT_HANDLE, array);
    mock_root(&f.heap, ROOT_STATIC, f.objects[0]);
    f.heap.roots.list.data[1].addr = array + 16;
    build(&f);
    assert_null(exclusive_sizes(&f.graph, &f.heap.heaps, groups, 0, 2, NULL, sizes));
    assert_int_equal(sizes[0].count, 2); /* the array and what lies in its other slot */
    assert_int_equal(sizes[1].count, 1);
    assert_int_equal(sizes[2].count, 0);
    fixture_deinit(&f);
}

static void init_tree(struct fixture *f, struct retained *retained, struct dominator_tree *tree)
{
    assert_null(retained_init(retained, &f->heap.mock.clr, &f->heap.heaps, &f->starts, &f->heap.roots, &f->dependents, NULL, NULL));
    assert_true(dominator_tree_init(tree, retained));
}

static void group_of_objects_holds_what_one_of_them_dominates(void **state)
{
    static struct fixture f;
    uint32_t with[OBJECTS_MAX], without[OBJECTS_MAX], keys[OBJECTS_MAX];

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint8_t lost[GROUPS][OBJECTS_MAX] = { 0 };
        struct dominator_tree tree;
        struct retained retained;
        uint64_t bytes[GROUPS];

        random_heap(&f);
        init_tree(&f, &retained, &tree);
        distances(&f, UINT32_MAX, with);
        for (uint32_t object = 0; object < f.count; object++) {
            keys[object] = dice(GROUPS);
            distances(&f, object, without);
            for (uint32_t to = 0; to < f.count; to++)
                if (with[to] && !without[to]) lost[keys[object]][to] = 1;
        }
        assert_null(dominator_tree_sum(&tree, keys, GROUPS, NULL, bytes));
        for (uint32_t group = 0; group < GROUPS; group++) {
            uint64_t expected = 0;

            for (uint32_t to = 0; to < f.count; to++)
                expected += lost[group][to] ? OBJECT_BYTES : 0;
            assert_int_equal(bytes[group], expected);
        }
        dominator_tree_deinit(&tree);
        retained_deinit(&retained);
        fixture_deinit(&f);
    }
}

static void find_suspects(struct fixture *f, uint64_t least_objects, struct suspects *ret)
{
    struct dominator_tree tree;
    struct retained retained;

    build(f);
    init_tree(f, &retained, &tree);
    assert_null(suspects_init(ret, &f->heap.mock.clr, &tree, least_objects * OBJECT_BYTES, NULL));
    dominator_tree_deinit(&tree);
    retained_deinit(&retained);
}

static void suspect_is_where_many_children_share(void **state)
{
    static struct fixture f;
    struct suspects suspects;

    (void)state;
    fixture_init(&f, 22);
    root(&f, ROOT_STATIC, 0);
    refer(&f, 0, 0, 1);
    for (uint32_t child = 0; child < 4; child++) {
        refer(&f, 1, child, 2 + child);
        for (uint32_t leaf = 0; leaf < 4; leaf++)
            refer(&f, 2 + child, leaf, 6 + 4 * child + leaf);
    }
    find_suspects(&f, 10, &suspects);
    assert_int_equal(suspects.list.count, 1);
    assert_int_equal(suspects.list.data[0].top, 0);
    assert_int_equal(suspects.list.data[0].point, 1);
    assert_int_equal(suspects.list.data[0].retained, 21 * OBJECT_BYTES);
    assert_int_equal(suspects.list.data[0].like_count, 4);
    assert_int_equal(suspects.list.data[0].chain_length, 0);
    suspects_deinit(&suspects);
    fixture_deinit(&f);
}

static void large_children_are_suspects_of_their_own(void **state)
{
    static struct fixture f;
    struct suspects suspects;

    (void)state;
    fixture_init(&f, 11);
    root(&f, ROOT_STATIC, 0);
    for (uint32_t child = 0; child < 2; child++) {
        refer(&f, 0, child, 1 + child);
        for (uint32_t leaf = 0; leaf < 4; leaf++)
            refer(&f, 1 + child, leaf, 3 + 4 * child + leaf);
    }
    find_suspects(&f, 5, &suspects);
    assert_int_equal(suspects.list.count, 2);
    assert_int_equal(suspects.list.data[0].point, 1);
    assert_int_equal(suspects.list.data[1].point, 2);
    assert_int_equal(suspects.list.data[1].top, 0);
    suspects_deinit(&suspects);
    fixture_deinit(&f);
}

static void chain_is_one_suspect(void **state)
{
    static struct fixture f;
    struct suspects suspects;

    (void)state;
    fixture_init(&f, 100);
    root(&f, ROOT_STATIC, 0);
    for (uint32_t i = 0; i + 1 < 100; i++)
        refer(&f, i, 0, i + 1);
    find_suspects(&f, 10, &suspects);
    assert_int_equal(suspects.list.count, 1);
    assert_int_equal(suspects.list.data[0].point, 0);
    assert_int_equal(suspects.list.data[0].chain_length, 100);
    suspects_deinit(&suspects);
    fixture_deinit(&f);
}

static void objects_that_nobody_holds_together_are_a_suspect(void **state)
{
    static struct fixture f;
    struct suspects suspects;

    (void)state;
    fixture_init(&f, 50);
    for (uint32_t i = 0; i < 40; i++)
        root(&f, ROOT_STATIC, i);
    find_suspects(&f, 10, &suspects);
    assert_int_equal(suspects.list.count, 1);
    assert_int_equal(suspects.list.data[0].point, 50);
    assert_int_equal(suspects.list.data[0].like_count, 40);
    suspects_deinit(&suspects);
    fixture_deinit(&f);
}

static void static_field_is_preferred_to_a_handle(void **state)
{
    static struct fixture f;
    struct path path;

    (void)state;
    fixture_init(&f, 2);
    root(&f, ROOT_HANDLE, 0);
    root(&f, ROOT_STATIC, 0);
    build(&f);
    assert_null(graph_path_to(&f.graph, f.objects[0], &path));
    assert_int_equal(path.root->kind, ROOT_STATIC);
    path_deinit(&path);
    fixture_deinit(&f);
}

static void object_of_the_finalization_queue_is_dead_but_has_a_path(void **state)
{
    static struct fixture f;
    struct path path;

    (void)state;
    fixture_init(&f, 3);
    refer(&f, 1, 0, 2);
    root(&f, ROOT_STATIC, 0);
    root(&f, ROOT_FINALIZER_QUEUE, 1);
    build(&f);
    assert_false(graph_is_live(&f.graph, f.objects[1]));
    assert_false(graph_is_live(&f.graph, f.objects[2]));
    assert_int_equal(f.graph.totals.live_count, 1);
    assert_int_equal(f.graph.totals.weak_count, 2);
    assert_null(graph_path_to(&f.graph, f.objects[2], &path));
    assert_int_equal(path.objects.count, 2);
    assert_true(path.is_weak);
    path_deinit(&path);
    fixture_deinit(&f);
}

static void frozen_objects_are_alive(void **state)
{
    static struct fixture f;
    struct path path;

    (void)state;
    fixture_init(&f, 2);
    f.heap.heaps.segments.data[0].generation = GC_FROZEN;
    build(&f);
    assert_true(graph_is_live(&f.graph, f.objects[1]));
    assert_null(graph_path_to(&f.graph, f.objects[1], &path));
    assert_null(path.root);
    assert_int_equal(path.objects.count, 1);
    path_deinit(&path);
    fixture_deinit(&f);
}

static void objects_that_share_count_once(void **state)
{
    static struct fixture f;
    uint64_t both[2], count, bytes;

    (void)state;
    fixture_init(&f, 4);
    refer(&f, 0, 0, 2);
    refer(&f, 1, 0, 2);
    refer(&f, 2, 0, 0);
    build(&f);
    both[0] = f.objects[0];
    both[1] = f.objects[1];
    assert_null(reachable_size(&f.heap.mock.clr, &f.starts, &f.dependents, both, 1, NULL, &count, &bytes));
    assert_int_equal(count, 2);
    assert_null(reachable_size(&f.heap.mock.clr, &f.starts, &f.dependents, both, 2, NULL, &count, &bytes));
    assert_int_equal(count, 3);
    assert_int_equal(bytes, 3 * (16 + 8 * FIELDS));
    fixture_deinit(&f);
}

static void path_to_nothing_is_not_found(void **state)
{
    static struct fixture f;
    struct path path;

    (void)state;
    fixture_init(&f, 1);
    build(&f);
    assert_ptr_equal(graph_path_to(&f.graph, f.objects[0] + 8, &path), &error_not_found);
    fixture_deinit(&f);
}

static void watched_object_knows_who_with_a_path_refers_to_it(void **state)
{
    static struct fixture f;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct graph graph;
        uint32_t watched;
        size_t expected = 0;

        random_heap(&f);
        watched = dice(f.count);
        assert_null(graph_init(&graph, &f.heap.mock.clr, &f.heap.heaps, &f.starts, &f.heap.roots, &f.dependents, f.objects[watched],
                               NULL, NULL));
        for (uint32_t from = 0; from < f.count; from++) {
            bool refers = false, noted = false;

            for (unsigned field = 0; field <= FIELDS; field++)
                refers |= f.edges[from][field] == watched;
            refers = refers && graph.parents[from] != GRAPH_UNREACHED;
            for (size_t i = 0; i < graph.watchers.count; i++)
                noted |= graph.watchers.data[i] == from;
            assert_int_equal(noted, refers);
            expected += refers;
        }
        assert_int_equal(graph.watchers.count, expected);
        graph_deinit(&graph);
        fixture_deinit(&f);
    }
}

static void cancelled_graph_leaves_nothing_behind(void **state)
{
    static struct fixture f;
    struct progress progress = { 0 };
    struct graph graph;
    struct error *err;

    (void)state;
    fixture_init(&f, 3);
    root(&f, ROOT_STATIC, 0);
    build(&f);
    progress.cancelled = true;
    err = graph_init(&graph, &f.heap.mock.clr, &f.heap.heaps, &f.starts, &f.heap.roots, &f.dependents, 0, &progress, NULL);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_CANCELLED);
    assert_null(graph.parents);
    error_destroy(err);
    fixture_deinit(&f);
}

static void short_names_have_no_namespace_and_no_arguments(void **state)
{
    static const struct {
        const char *name, *expected;
    } cases[] = {
        { "System.String", "String" },
        { "System.Collections.Generic.Dictionary<System.String, A.B<C.D>>+Entry[]", "Dictionary+Entry[]" },
        { "His.Aop.ServiceLocator+<>c", "ServiceLocator+<>c" },
        { "A.B<C.D>[][]", "B[][]" },
        { "A.Outer<X.Y>+Inner<Z.W>", "Outer+Inner" },
        { "NoSpace", "NoSpace" },
        { "A.Box<B.Machine+<Run>d__8>", "Box" },
        { "A.Machine+<Run>d__8", "Machine+<Run>d__8" },
        { "", "" },
    };
    struct text text;

    (void)state;
    text_init(&text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        text_clear(&text);
        type_short_name(cases[i].name, &text);
        assert_string_equal(text_cstr(&text), cases[i].expected);
    }
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_shortest_and_lead_from_a_root),
        cmocka_unit_test(wide_levels_reach_the_same_objects),
        cmocka_unit_test(retained_size_is_what_is_lost_without_the_object),
        cmocka_unit_test(group_of_roots_holds_what_is_lost_without_them),
        cmocka_unit_test(static_field_holds_its_object_alone),
        cmocka_unit_test(group_of_objects_holds_what_one_of_them_dominates),
        cmocka_unit_test(suspect_is_where_many_children_share),
        cmocka_unit_test(large_children_are_suspects_of_their_own),
        cmocka_unit_test(chain_is_one_suspect),
        cmocka_unit_test(objects_that_nobody_holds_together_are_a_suspect),
        cmocka_unit_test(static_field_is_preferred_to_a_handle),
        cmocka_unit_test(object_of_the_finalization_queue_is_dead_but_has_a_path),
        cmocka_unit_test(frozen_objects_are_alive),
        cmocka_unit_test(objects_that_share_count_once),
        cmocka_unit_test(path_to_nothing_is_not_found),
        cmocka_unit_test(watched_object_knows_who_with_a_path_refers_to_it),
        cmocka_unit_test(cancelled_graph_leaves_nothing_behind),
        cmocka_unit_test(short_names_have_no_namespace_and_no_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
