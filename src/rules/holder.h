/*
 * Who keeps the objects of a finding alive: the root that holds most of them, and one shortest path from it.
 */
#ifndef CLRTRAIL_RULES_HOLDER_H
#define CLRTRAIL_RULES_HOLDER_H

#include "base/map.h"
#include "rules/rule.h"

struct session;

/*
 * Looks at the objects whose MethodTable is a key of `types`, sets root and path of the finding, and adds a sentence on how many of
 * them are held by whom. `what` is their plural ("proxies"). A dump whose references cannot be followed costs this part only, as a
 * gap. Errors: out of memory, cancelled.
 */
struct error *holder_find(struct session *session, struct findings *findings, struct finding *finding, const struct map *types,
                          const char *what);

/*
 * Sets root and path of the finding to those of one object. *live_ret false: nobody holds it, nothing is set. Errors: as above;
 * what cannot be followed is a gap, and the object counts as live without a path.
 */
struct error *holder_of_object(struct session *session, struct findings *findings, struct finding *finding, uint64_t addr,
                               bool *live_ret);

/*
 * Sets root and path of the finding to those of the root that holds most of the objects; *held_ret: how many (0: none is alive).
 * Of a very long list only the first ones are looked at. Errors: as above; without references *held_ret is 0.
 */
struct error *holder_of_list(struct session *session, struct findings *findings, struct finding *finding, const uint64_t *addrs,
                             size_t count, uint64_t *held_ret);

#endif
