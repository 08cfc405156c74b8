/* Dominators against an algorithm that a child understands: take a node away, see what cannot be reached any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap/dominators.h"

enum { NODES_MAX = 64, EDGES_MAX = 512 };

struct sample {
    uint32_t nodes, edges;
    uint32_t from[EDGES_MAX], to[EDGES_MAX];
    uint32_t roots[8];
    size_t root_count;
};

static uint64_t seed = 88172645463325252u;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % sides);
}

static struct flow_graph graph_of(const struct sample *sample)
{
    struct flow_graph graph = { .node_count = sample->nodes, .edge_count = sample->edges };
    uint32_t edge = 0;

    graph.offsets = calloc(sample->nodes + 1, sizeof(uint32_t));
    graph.targets = calloc(sample->edges + 1, sizeof(uint32_t));
    for (uint32_t node = 0; node < sample->nodes; node++) {
        for (uint32_t i = 0; i < sample->edges; i++)
            if (sample->from[i] == node) graph.targets[edge++] = sample->to[i];
        graph.offsets[node + 1] = edge;
    }
    return graph;
}

/* Which nodes can be reached when `without` is not there. */
static void reach(const struct sample *sample, uint32_t without, bool *reached)
{
    bool grew = true;

    memset(reached, 0, NODES_MAX * sizeof(*reached));
    for (size_t i = 0; i < sample->root_count; i++)
        if (sample->roots[i] != without) reached[sample->roots[i]] = true;
    while (grew) {
        grew = false;
        for (uint32_t i = 0; i < sample->edges; i++) {
            if (!reached[sample->from[i]] || reached[sample->to[i]] || sample->to[i] == without) continue;
            reached[sample->to[i]] = grew = true;
        }
    }
}

/* dominates[a][b]: without a, b is lost. */
static void dominance(const struct sample *sample, bool dominates[NODES_MAX][NODES_MAX], bool *alive)
{
    bool left[NODES_MAX];

    reach(sample, UINT32_MAX, alive);
    for (uint32_t a = 0; a < sample->nodes; a++) {
        reach(sample, a, left);
        for (uint32_t b = 0; b < sample->nodes; b++)
            dominates[a][b] = a != b && alive[a] && alive[b] && !left[b];
    }
}

/* The dominator that all other dominators dominate. */
static uint32_t expected_idom(const struct sample *sample, bool dominates[NODES_MAX][NODES_MAX], uint32_t node)
{
    uint32_t best = sample->nodes, best_count = 0;

    for (uint32_t a = 0; a < sample->nodes; a++) {
        uint32_t count = 1;

        if (!dominates[a][node]) continue;
        for (uint32_t b = 0; b < sample->nodes; b++)
            count += dominates[b][a];
        if (count > best_count) {
            best_count = count;
            best = a;
        }
    }
    return best;
}

static void check(const struct sample *sample)
{
    static bool dominates[NODES_MAX][NODES_MAX];
    bool alive[NODES_MAX];
    struct flow_graph graph = graph_of(sample);
    struct dominators dominators;
    uint32_t seen[NODES_MAX] = { 0 }, count = 0;

    assert_null(dominators_init(&dominators, &graph, sample->roots, sample->root_count, NULL));
    dominance(sample, dominates, alive);
    for (uint32_t i = 0; i < dominators.count; i++)
        seen[dominators.order[i]] = i + 1;
    for (uint32_t node = 0; node < sample->nodes; node++) {
        count += alive[node];
        if (!alive[node]) {
            assert_int_equal(dominators.idoms[node], DOMINATOR_NONE);
            continue;
        }
        assert_int_equal(dominators.idoms[node], expected_idom(sample, dominates, node));
        assert_int_not_equal(seen[node], 0);
        if (dominators.idoms[node] < sample->nodes) assert_true(seen[dominators.idoms[node]] < seen[node]);
    }
    assert_int_equal(dominators.count, count);
    dominators_deinit(&dominators);
}

static struct sample random_sample(void)
{
    struct sample sample = { .nodes = 1 + dice(NODES_MAX), .root_count = dice(4) };

    sample.edges = dice(3) ? dice(3 * sample.nodes) : dice(EDGES_MAX);
    if (sample.edges > EDGES_MAX) sample.edges = EDGES_MAX;
    for (uint32_t i = 0; i < sample.edges; i++) {
        sample.from[i] = dice(sample.nodes);
        /* Some graphs with long chains, some without any order. */
        sample.to[i] = dice(2) ? (sample.from[i] + 1) % sample.nodes : dice(sample.nodes);
    }
    for (size_t i = 0; i < sample.root_count; i++)
        sample.roots[i] = dice(sample.nodes);
    return sample;
}

static void random_graphs_have_the_dominators_of_the_naive_algorithm(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct sample sample = random_sample();

        check(&sample);
    }
}

static void diamond_is_dominated_by_its_top(void **state)
{
    struct sample sample = {
        .nodes = 4, .edges = 4, .from = { 0, 0, 1, 2 }, .to = { 1, 2, 3, 3 }, .roots = { 0 }, .root_count = 1
    };
    struct flow_graph graph = graph_of(&sample);
    struct dominators dominators;

    (void)state;
    assert_null(dominators_init(&dominators, &graph, sample.roots, 1, NULL));
    assert_int_equal(dominators.idoms[3], 0);
    assert_int_equal(dominators.idoms[0], 4);
    dominators_deinit(&dominators);
}

static void node_of_two_roots_is_dominated_by_none(void **state)
{
    struct sample sample = { .nodes = 3, .edges = 2, .from = { 0, 1 }, .to = { 2, 2 }, .roots = { 0, 1 }, .root_count = 2 };
    struct flow_graph graph = graph_of(&sample);
    struct dominators dominators;

    (void)state;
    assert_null(dominators_init(&dominators, &graph, sample.roots, 2, NULL));
    assert_int_equal(dominators.idoms[2], 3);
    dominators_deinit(&dominators);
}

static void chain_of_a_million_needs_no_stack(void **state)
{
    enum { LENGTH = 1000000 };
    struct flow_graph graph = { .node_count = LENGTH, .edge_count = 2 * LENGTH - 2 };
    struct dominators dominators;
    uint32_t root = 0;

    (void)state;
    graph.offsets = calloc(LENGTH + 1, sizeof(uint32_t));
    graph.targets = calloc(2 * LENGTH, sizeof(uint32_t));
    /* Each links to the next and to the one before it. */
    for (uint32_t i = 0, edge = 0; i < LENGTH; i++) {
        if (i + 1 < LENGTH) graph.targets[edge++] = i + 1;
        if (i > 0) graph.targets[edge++] = i - 1;
        graph.offsets[i + 1] = edge;
    }
    assert_null(dominators_init(&dominators, &graph, &root, 1, NULL));
    assert_int_equal(dominators.count, LENGTH);
    for (uint32_t i = 1; i < LENGTH; i++)
        assert_true(dominators.idoms[i] == i - 1);
    dominators_deinit(&dominators);
}

/* Where every way up is long: links of a list hold what the head holds as well. */
static void shared_leaves_of_a_long_list_cost_no_square(void **state)
{
    enum { LENGTH = 200000 };
    struct flow_graph graph = { .node_count = 2 * LENGTH, .edge_count = 3 * LENGTH - 1 };
    struct dominators dominators;
    uint32_t root = 0, edge = 0;

    (void)state;
    graph.offsets = calloc(2 * LENGTH + 1, sizeof(uint32_t));
    graph.targets = calloc(3 * LENGTH + LENGTH, sizeof(uint32_t));
    for (uint32_t i = 0; i < 2 * LENGTH; i++) {
        for (uint32_t leaf = LENGTH; i == 0 && leaf < 2 * LENGTH; leaf++)
            graph.targets[edge++] = leaf;
        if (i < LENGTH) graph.targets[edge++] = LENGTH + i;
        if (i + 1 < LENGTH) graph.targets[edge++] = i + 1;
        graph.offsets[i + 1] = edge;
    }
    assert_null(dominators_init(&dominators, &graph, &root, 1, NULL));
    for (uint32_t leaf = LENGTH; leaf < 2 * LENGTH; leaf++)
        assert_true(dominators.idoms[leaf] == 0);
    dominators_deinit(&dominators);
}

static void graph_without_roots_is_dead(void **state)
{
    struct sample sample = { .nodes = 2, .edges = 1, .from = { 0 }, .to = { 1 } };

    (void)state;
    check(&sample);
}

static void cancelled_search_says_so(void **state)
{
    struct sample sample = { .nodes = 2, .edges = 1, .from = { 0 }, .to = { 1 }, .roots = { 0 }, .root_count = 1 };
    struct flow_graph graph = graph_of(&sample);
    struct progress progress = { 0 };
    struct dominators dominators;
    struct error *err;

    (void)state;
    progress.cancelled = true;
    err = dominators_init(&dominators, &graph, sample.roots, 1, &progress);
    assert_non_null(err);
    assert_int_equal(err->code, ERROR_CANCELLED);
    assert_null(graph.targets);
    error_destroy(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_have_the_dominators_of_the_naive_algorithm),
        cmocka_unit_test(diamond_is_dominated_by_its_top),
        cmocka_unit_test(node_of_two_roots_is_dominated_by_none),
        cmocka_unit_test(chain_of_a_million_needs_no_stack),
        cmocka_unit_test(shared_leaves_of_a_long_list_cost_no_square),
        cmocka_unit_test(graph_without_roots_is_dead),
        cmocka_unit_test(cancelled_search_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
