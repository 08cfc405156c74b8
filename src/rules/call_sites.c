#include "rules/call_sites.h"

#include <string.h>

#include "session/session.h"

enum { SITES_SHOWN = 20, ONCE_SHOWN = 3, UNREAD_SHOWN = 3 };

struct sites {
    struct findings *findings;
    struct finding *finding;
    struct call_description description;
    const char *once; /* those that run once, as one text */
    size_t once_count;
};

static const char *kept(const struct sites *sites, const struct text *text)
{
    return finding_text(sites->findings, "%s", text_cstr(text));
}

static void add_once(struct sites *sites)
{
    const struct call_description *d = &sites->description;
    const char *file = call_description_file(d), *before = sites->once ? ", " : "";

    if (sites->once_count++ >= ONCE_SHOWN) return;
    if (!sites->once) sites->once = "";
    if (file)
        sites->once = finding_text(sites->findings, "%s%s%s (%s:%u)", sites->once, before, text_cstr(&d->method), file, d->line);
    else
        sites->once = finding_text(sites->findings, "%s%s%s", sites->once, before, text_cstr(&d->method));
}

static void add_site(struct sites *sites, const struct call_site *site)
{
    const struct call_description *d = &sites->description;
    const char *file;

    if (sites->finding->code.count >= SITES_SHOWN) return;
    call_describe(&sites->description, site);
    if (site->runs_once) {
        add_once(sites);
        return;
    }
    file = call_description_file(d);
    finding_code(sites->finding, kept(sites, &d->method), kept(sites, &d->brief),
                 file ? finding_text(sites->findings, "%s", file) : NULL, d->line);
}

static void tell_once(struct sites *sites)
{
    struct findings *f = sites->findings;
    const char *more = sites->once_count > ONCE_SHOWN ? finding_text(f, " and %zu more", sites->once_count - ONCE_SHOWN) : "";

    if (!sites->once_count) return;
    finding_evidence(
        sites->finding,
        finding_text(f, "%s where they run once (a static constructor, a static Lazy), which is not what repeats: %s%s",
                     sites->finding->code.count ? "other calls stand" : "the only calls found stand", sites->once, more));
}

/* "his.dll" of a path; of an assembly without one its name. */
static const char *file_of(struct clr *clr, struct clr_module *module)
{
    const char *slash = strrchr(module->path, '/'), *backslash = strrchr(module->path, '\\');
    const char *name = slash > backslash ? slash + 1 : backslash ? backslash + 1 : module->path;

    return *name ? name : clr_module_simple_name(clr, module);
}

static void tell_unread(struct sites *sites, const struct call_search *search)
{
    struct findings *f = sites->findings;
    const char *names = "";
    size_t count = 0;

    for (size_t i = 0; i < search->unread.count; i++) {
        const char *name = file_of(search->clr, search->unread.data[i]);

        if (strstr(names, name)) continue;
        if (count++ < UNREAD_SHOWN) names = finding_text(f, "%s%s%s", names, count > 1 ? ", " : "", name);
    }
    if (count > UNREAD_SHOWN) names = finding_text(f, "%s and %zu more", names, count - UNREAD_SHOWN);
    if (count)
        finding_evidence(sites->finding, finding_text(f, "call sites: pass --images DIR with %s to see which code does it", names));
}

struct error *call_sites_find_in(struct session *session, struct findings *findings, struct finding *finding,
                                 const struct call_pattern *patterns, size_t pattern_count, enum call_scope scope)
{
    struct sites sites = { .findings = findings, .finding = finding };
    struct call_search search = { 0 };
    struct clr *clr;
    struct error *err = session_clr(session, &clr);

    if (!err) err = call_search_run(clr, patterns, pattern_count, scope, &search);
    if (err) {
        if (err == &error_enomem || err->code == ERROR_CANCELLED) return err;
        gaps_add_error(session_gaps(session), "call sites", err);
        return NULL;
    }
    call_description_init(&sites.description, clr);
    for (size_t i = 0; i < search.sites.count; i++)
        add_site(&sites, &search.sites.data[i]);
    tell_once(&sites);
    tell_unread(&sites, &search);
    call_description_deinit(&sites.description);
    call_search_deinit(&search);
    return NULL;
}

struct error *call_sites_find(struct session *session, struct findings *findings, struct finding *finding,
                              const struct call_pattern *patterns, size_t pattern_count)
{
    return call_sites_find_in(session, findings, finding, patterns, pattern_count, CALLS_FROM_OUTSIDE);
}
