#include "rules/many.h"

#include <string.h>

#include "heap/histogram.h"
#include "heap/retained.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/holder.h"
#include "session/session.h"

enum { OBJECTS_MAX = 1 << 24, CLAIMS = 4096, DOMINATORS_MAX = 6, OLD_TENTHS = 9 };

/* ---- which ones ---- */

static bool wants(void *user, uint64_t mt_addr)
{
    struct many_found *found = user;

    return type_name_matches(clr_type_name(found->clr, mt_addr), found->many->types);
}

static uint64_t count_of_types(struct many_found *found, const struct histogram *histogram)
{
    uint64_t count = 0;

    for (size_t i = 0; i < histogram->rows.count; i++)
        if (!histogram->rows.data[i].is_free && wants(found, histogram->rows.data[i].mt_addr))
            count += histogram->rows.data[i].count;
    return count;
}

/* Leaves those that the rule counts; which of them are alive is only asked when there are enough. */
static void take_counting(struct many_found *found, address_list *all)
{
    size_t kept = 0;

    for (size_t i = 0; found->many->counts && i < all->count; i++)
        if (found->many->counts(found->clr, all->data[i])) all->data[kept++] = all->data[i];
    if (found->many->counts) all->count = kept;
}

static struct error *take_live(struct many_found *found, const address_list *all)
{
    const struct many *many = found->many;

    TRY(session_graph(found->session, &found->graph));
    for (size_t i = 0; i < all->count; i++) {
        uint64_t addr = all->data[i];

        if (!graph_is_live(found->graph, addr)) continue;
        if (!vec_push(&found->live, addr)) return &error_enomem;
        if (many->label && !labels_add(&found->labels, found->clr, managed_follow_object(found->clr, addr, many->label)))
            return &error_enomem;
    }
    return NULL;
}

static struct error *find(struct many_found *found)
{
    const struct histogram *histogram;
    const struct gc_heaps *heaps;
    address_list all = { 0 };
    struct error *err;

    TRY(session_histogram(found->session, &histogram));
    found->total = count_of_types(found, histogram);
    if (found->total < found->many->least) return NULL;
    TRY(session_gc_heaps(found->session, &heaps));
    err = instances_find(found->clr, heaps, wants, found, OBJECTS_MAX, &all);
    if (!err) take_counting(found, &all);
    if (!err && all.count >= found->many->least) err = take_live(found, &all);
    vec_deinit(&all);
    return err;
}

/* ---- what is said ---- */

uint64_t count_old(const struct gc_heaps *heaps, const uint64_t *addrs, size_t count)
{
    uint64_t old = 0;
    size_t last = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < heaps->segments.count; k++) {
            const struct gc_segment *segment = &heaps->segments.data[(last + k) % heaps->segments.count];

            if (addrs[i] < segment->start || addrs[i] >= segment->end) continue;
            last = (last + k) % heaps->segments.count;
            old += segment->generation != GC_GEN0 && segment->generation != GC_GEN1 &&
                   (segment->generation != GC_EPHEMERAL || addrs[i] < segment->gen1_start);
            break;
        }
    }
    return old;
}

struct error *many_tell_old(struct many_found *found, struct finding *finding, uint64_t proven, const char *meaning)
{
    const struct gc_heaps *heaps;
    uint64_t old;

    TRY(session_gc_heaps(found->session, &heaps));
    old = count_old(heaps, found->live.data, found->live.count);
    finding_evidence(finding, finding_text(found->findings, "%s of them are in generation 2: %s",
                                           finding_number(found->findings, old), meaning));
    if (found->held >= proven && old * 10 >= found->live.count * OLD_TENTHS) finding->certainty = CERTAINTY_PROVEN;
    return NULL;
}

bool findings_tell_of(const struct findings *findings, const char *type)
{
    for (size_t i = 0; i < findings->list.count; i++)
        for (size_t k = 0; k < findings->list.data[i].types.count; k++)
            if (!strcmp(findings->list.data[i].types.data[k].name, type)) return true;
    return false;
}

void finding_claim_many(struct finding *finding, const uint64_t *addrs, size_t count)
{
    size_t step = count / CLAIMS + 1;

    for (size_t i = 0; i < count; i += step)
        finding_claim(finding, addrs[i]);
}

/* Does another one of the list keep this one alone? Links of a chain do, one the next. */
static bool is_below_another(const struct retained *retained, const struct map *listed, uint64_t addr)
{
    uint64_t ignored;

    for (unsigned i = 0; i < DOMINATORS_MAX; i++) {
        addr = retained_dominator(retained, addr);
        if (!addr || map_get(listed, addr, &ignored)) return addr != 0;
    }
    return false;
}

struct error *reached_sum(struct session *session, const uint64_t *addrs, size_t count, uint64_t *bytes_ret)
{
    const struct heap_starts *starts;
    const struct dependents *dependents;
    struct clr *clr;
    uint64_t reached;

    TRY(session_clr(session, &clr));
    TRY(session_starts(session, &starts));
    TRY(session_dependents(session, &dependents));
    return reachable_size(clr, starts, dependents, addrs, count, session_progress(session), &reached, bytes_ret);
}

struct error *retained_sum(struct session *session, const uint64_t *addrs, size_t count, uint64_t *bytes_ret)
{
    const struct retained *retained;
    struct map listed;
    bool ok = true;
    struct error *err = session_retained(session, &retained);

    *bytes_ret = 0;
    if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
    if (err) {
        gaps_add_error(session_gaps(session), "retained sizes", err);
        return NULL;
    }
    map_init(&listed);
    for (size_t i = 0; i < count && ok; i++)
        ok = map_put(&listed, addrs[i], 1);
    for (size_t i = 0; i < count && ok; i++)
        if (!is_below_another(retained, &listed, addrs[i])) *bytes_ret += retained_size(retained, addrs[i]);
    map_deinit(&listed);
    return ok ? NULL : &error_enomem;
}

static struct error *fill(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    const struct many *many = found->many;
    struct findings *f = found->findings;
    const uint64_t *addrs = found->live.data;
    const char *number = finding_number(f, found->live.count);
    bool reason;
    uint64_t bytes;

    finding->count = found->live.count;
    finding->severity = SEVERITY_WARNING;
    finding->title = finding_text(f, "%s %s %s", number, many->noun, many->state);
    finding->cause = many->cause;
    finding->fix = many->fix;
    finding_evidence(finding, finding_text(f, "%s of the %s on the heap %s; %s of them are held by %s %s", number, many->noun,
                                           many->state, finding_number(f, found->held), finding->root_kind,
                                           finding->root_name ? finding->root_name : ""));
    if (many->label) found->verdict = labels_tell(&found->labels, f, finding, many->label_noun, many->label_is_secret);
    reason = (found->verdict == LABELS_SAME && !many->label_is_no_reason) || found->verdict == LABELS_STEM;
    finding->certainty = found->verdict == LABELS_VARY           ? CERTAINTY_HINT
                         : found->held >= many->proven && reason ? CERTAINTY_PROVEN
                                                                 : CERTAINTY_LIKELY;
    if (many->tell) TRY(many->tell(found, finding, drop_ret));
    if (*drop_ret) return NULL;
    if (finding->certainty == CERTAINTY_HINT) finding->severity = SEVERITY_NOTE;
    TRY(retained_sum(found->session, addrs, found->live.count, &bytes));
    finding_cost(finding, "gc heap", bytes);
    finding_type(finding, finding_text(f, "%s", clr_object_type_name(found->clr, addrs[0])), found->live.count, bytes, bytes != 0);
    finding_claim_many(finding, addrs, found->live.count);
    finding_look(finding, finding_text(f, "object_fields %llx", (unsigned long long)addrs[0]));
    finding_look(finding, finding_text(f, "gcroot %llx", (unsigned long long)addrs[0]));
    return many->call_count ? call_sites_find(found->session, f, finding, many->calls, many->call_count) : NULL;
}

/* Do other findings claim what keeps most of a sample of them? Then they are a part of that leak. */
static struct error *is_explained(struct many_found *found, bool *ret)
{
    size_t step = found->live.count / CLAIMS + 1, sample = 0, explained = 0;
    const struct retained *retained;
    struct map claims;
    bool ok = true;
    struct error *err;

    map_init(&claims);
    for (size_t i = 0; i < found->findings->list.count; i++)
        for (size_t k = 0; k < found->findings->list.data[i].claims.count && ok; k++)
            ok = map_put(&claims, found->findings->list.data[i].claims.data[k], 1);
    err = !ok ? &error_enomem : claims.count ? session_retained(found->session, &retained) : NULL;
    for (size_t i = 0; claims.count && !err && i < found->live.count; i += step, sample++) {
        uint64_t addr = found->live.data[i], ignored;

        for (unsigned depth = 0; addr && depth < DOMINATORS_MAX; depth++) {
            if (map_get(&claims, addr, &ignored)) {
                explained++;
                break;
            }
            addr = retained_dominator(retained, addr);
        }
    }
    map_deinit(&claims);
    *ret = !err && sample && explained * 2 >= sample;
    return err;
}

static struct error *report(struct many_found *found)
{
    const struct many *many = found->many;
    bool explained;
    struct finding *finding = findings_add(found->findings,
                                           &(struct finding) { .rule = many->rule, .kind = many->kind, .doc = many->doc });
    bool drop;

    if (!finding) return &error_enomem;
    TRY(is_explained(found, &explained));
    TRY(holder_of_list(found->session, found->findings, finding, found->live.data, found->live.count, &found->held));
    drop = explained || found->held < many->least;
    if (!drop) TRY(fill(found, finding, &drop));
    if (drop) findings_drop_last(found->findings);
    return NULL;
}

struct error *many_run(struct session *session, struct findings *findings, const struct many *many)
{
    struct many_found found = { .session = session, .findings = findings, .many = many };
    struct error *err;

    TRY(session_clr(session, &found.clr));
    labels_init(&found.labels);
    err = find(&found);
    if (!err && found.live.count >= many->least) err = report(&found);
    labels_deinit(&found.labels);
    vec_deinit(&found.live);
    return err;
}
