#include "rules/holder.h"

#include <string.h>

#include "heap/paths.h"
#include "heap/walk.h"
#include "session/session.h"

/* Paths are looked at for so many objects at most: enough to know who holds most. Longer ones are lists of themselves. */
enum { PATHS_MAX = 20000, PATH_LENGTH_MAX = 512 };

struct holder {
    const struct root *root;
    uint64_t count;
    uint64_t example; /* the object with the shortest path */
    size_t example_length;
};

struct holder_search {
    struct session *session;
    const struct graph *graph;
    const struct map *types;
    VEC(struct holder) holders;
    uint64_t total, live, looked_at;
};

static struct error *add_object(struct holder_search *search, uint64_t addr)
{
    struct holder holder = { .example = addr };
    struct path path;

    search->total++;
    if (!graph_is_live(search->graph, addr)) return NULL;
    search->live++;
    if (search->looked_at++ >= PATHS_MAX) return NULL;
    TRY(graph_path_to(search->graph, addr, &path));
    holder.root = path.root;
    holder.example_length = path.objects.count;
    path_deinit(&path);
    for (size_t i = 0; i < search->holders.count; i++) {
        struct holder *known = &search->holders.data[i];

        if (known->root != holder.root) continue;
        known->count++;
        if (holder.example_length < known->example_length) {
            known->example = addr;
            known->example_length = holder.example_length;
        }
        return NULL;
    }
    holder.count = 1;
    return search->holders.count < PATH_LENGTH_MAX && !vec_push(&search->holders, holder) ? &error_enomem : NULL;
}

static struct error *search_objects(struct holder_search *search, struct clr *clr)
{
    const struct gc_heaps *heaps;
    struct object_types types;
    struct error *err = NULL;

    TRY(session_gc_heaps(search->session, &heaps));
    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        uint64_t last_mt = 0, ignored;
        bool wanted = false;
        struct object object;
        struct walk walk;

        walk_init(&walk, clr, &types, heaps, &heaps->segments.data[i]);
        while (!err && walk_next(&walk, &object)) {
            if (object.type->mt_addr != last_mt) wanted = map_get(search->types, object.type->mt_addr, &ignored);
            last_mt = object.type->mt_addr;
            if (wanted) err = add_object(search, object.addr);
        }
    }
    object_types_deinit(&types);
    return err;
}

/* Root and path of the finding: those of the object. */
static struct error *set_path(const struct graph *graph, struct clr *clr, struct findings *findings, struct finding *finding,
                              uint64_t addr)
{
    const char *const *texts;
    struct text name;
    struct path path;
    size_t count;
    struct error *err;

    TRY(graph_path_to(graph, addr, &path));
    text_init(&name);
    if (path.root) root_name(clr, path.root, &name);
    finding->root_kind = path.root ? root_kind_name(path.root) : "frozen";
    finding->root_name = name.length ? finding_text(findings, "%s", text_cstr(&name)) : NULL;
    text_deinit(&name);
    err = path_texts(graph, &path, findings->arena, &texts, &count);
    path_deinit(&path);
    if (err) return err;
    for (size_t i = 0; i < count; i++)
        if (!vec_push(&finding->path, texts[i])) return &error_enomem;
    return NULL;
}

static struct error *describe_holder(struct holder_search *search, struct clr *clr, struct findings *findings,
                                     struct finding *finding, const struct holder *best, const char *what)
{
    TRY(set_path(search->graph, clr, findings, finding, best->example));
    finding_evidence(finding, finding_text(findings, "%s of the %s %s on the heap are alive; %s of them are held by %s %s",
                                           finding_number(findings, search->live), finding_number(findings, search->total), what,
                                           finding_number(findings, best->count), finding->root_kind,
                                           finding->root_name ? finding->root_name : ""));
    return NULL;
}

static const struct holder *most_holding(const struct holder_search *search)
{
    const struct holder *best = NULL;

    for (size_t i = 0; i < search->holders.count; i++)
        if (!best || search->holders.data[i].count > best->count) best = &search->holders.data[i];
    return best;
}

static struct error *describe(struct holder_search *search, struct clr *clr, struct findings *findings, struct finding *finding,
                              const char *what)
{
    const struct holder *best = most_holding(search);

    if (best) return describe_holder(search, clr, findings, finding, best, what);
    if (search->total)
        finding_evidence(finding, finding_text(findings,
                                               "nobody holds the %s %s on the heap: they are garbage, what was made for them stays",
                                               finding_number(findings, search->total), what));
    return NULL;
}

struct error *holder_find(struct session *session, struct findings *findings, struct finding *finding, const struct map *types,
                          const char *what)
{
    struct holder_search search = { .session = session, .types = types };
    struct clr *clr;
    struct error *err = session_graph(session, &search.graph);

    if (!err) err = session_clr(session, &clr);
    if (!err) err = search_objects(&search, clr);
    if (!err) err = describe(&search, clr, findings, finding, what);
    vec_deinit(&search.holders);
    if (!err || err == &error_enomem || err->code == ERROR_CANCELLED) return err;
    gaps_add_error(session_gaps(session), "who holds the findings' objects", err);
    return NULL;
}

struct error *holder_of_list(struct session *session, struct findings *findings, struct finding *finding, const uint64_t *addrs,
                             size_t count, uint64_t *held_ret)
{
    struct holder_search search = { .session = session };
    const struct holder *best;
    struct clr *clr;
    struct error *err = session_graph(session, &search.graph);

    *held_ret = 0;
    if (!err) err = session_clr(session, &clr);
    for (size_t i = 0; i < count && i < PATHS_MAX && !err; i++)
        err = add_object(&search, addrs[i]);
    best = err ? NULL : most_holding(&search);
    if (best) {
        *held_ret = best->count;
        err = set_path(search.graph, clr, findings, finding, best->example);
    }
    vec_deinit(&search.holders);
    if (!err || err == &error_enomem || err->code == ERROR_CANCELLED) return err;
    gaps_add_error(session_gaps(session), "who holds the findings' objects", err);
    return NULL;
}

struct error *holder_of_object(struct session *session, struct findings *findings, struct finding *finding, uint64_t addr,
                               bool *live_ret)
{
    const struct graph *graph;
    struct clr *clr;
    struct error *err = session_graph(session, &graph);

    *live_ret = true;
    if (!err) err = session_clr(session, &clr);
    if (!err) *live_ret = graph_is_live(graph, addr);
    if (!err && *live_ret) err = set_path(graph, clr, findings, finding, addr);
    if (!err || err == &error_enomem || err->code == ERROR_CANCELLED) return err;
    gaps_add_error(session_gaps(session), "who holds the findings' objects", err);
    return NULL;
}
