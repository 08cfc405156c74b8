/*
 * Paths from roots to objects, for people and for rules:
 *
 *     struct path path;
 *     TRY(session_graph(session, &graph));
 *     TRY(graph_path_to(graph, object_addr, &path));
 *     if (path.objects.count) {
 *         root_kind_name(path.root), path_texts(graph, &path, arena, &texts, &count)
 *             "static"   { "His.Aop.ServiceLocator.cache", "Dictionary._entries", "[*].value", "Castle.DynamicProxy.ProxyGenerator"
 * }
 *     }
 *     path_deinit(&path);
 */
#ifndef CLRTRAIL_HEAP_PATHS_H
#define CLRTRAIL_HEAP_PATHS_H

#include "heap/graph.h"

struct path {
    const struct root *root; /* borrowed from the graph; NULL: the first object is frozen, or there is no path */
    VEC(uint64_t) objects;   /* from what the root holds to the object asked for; empty: it is dead */
    bool is_weak;            /* from the finalization queue: the object is dead, but still to be finalized */
};

/*
 * A shortest path to the object at `addr`. Errors: ERROR_NOT_FOUND (there is no object), out of memory. A path may have a million
 * objects: a linked list.
 */
struct error *graph_path_to(const struct graph *graph, uint64_t addr, struct path *ret);
void path_deinit(struct path *path);
/* Number of objects on the shortest path, 0 when there is none; stops counting at `max`. */
size_t graph_path_length(const struct graph *graph, uint32_t id, size_t max);

/*
 * Appends what leads to objects.data[i]: the root's name for the first, else type and field of the object before it,
 * "Dictionary._entries", "[*].value", "(dependent handle)". Names of types are short: no namespace, no arguments.
 */
void path_step_text(const struct graph *graph, const struct path *path, size_t i, bool any_index, struct text *ret);
/* Appends the field of `from` that holds `to`, without the type; "?" when none does. */
void graph_edge_text(const struct graph *graph, uint64_t from, uint64_t to, bool any_index, struct text *ret);

/*
 * The whole path as texts in the arena: root, steps, and last the full name of the object's type. Steps that repeat are one,
 * "Node._next (x 1,434,000)"; of more than PATH_TEXTS_MAX the middle is left out.
 */
enum { PATH_TEXTS_MAX = 64 };
struct error *path_texts(const struct graph *graph, const struct path *path, struct arena *arena, const char *const **ret,
                         size_t *count_ret);

/* Appends the last part of a type's name: "Dictionary+Entry[]" of "System.Collections.Generic.Dictionary<A, B>+Entry[]". */
void type_short_name(const char *name, struct text *ret);

#endif
