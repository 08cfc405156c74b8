#include "rules/thread_site.h"

#include <string.h>

const char *thread_site_text(struct findings *findings, struct code_lines *lines, const struct blocked_thread *blocked)
{
    struct code_place place;
    const char *text;

    code_place_init(&place);
    code_lines_describe(lines, blocked->site_method, blocked->site_ip, blocked->site_is_leaf, &place);
    text = finding_text(findings, place.file ? "%s (%s)" : "%s", text_cstr(&place.method), text_cstr(&place.source));
    code_place_deinit(&place);
    return text;
}

const char *thread_method_name(struct findings *findings, struct clr *clr, uint64_t method_desc_addr)
{
    struct clr_method method;
    struct text name;
    const char *ret = NULL;

    text_init(&name);
    if (clr_method_at(clr, method_desc_addr, &method) && clr_method_name(clr, &method, &name))
        ret = finding_text(findings, "%.*s", (int)strcspn(text_cstr(&name), "("), text_cstr(&name));
    text_deinit(&name);
    return ret;
}

void thread_site_add(struct findings *findings, struct finding *finding, struct code_lines *lines,
                     const struct blocked_thread *blocked, const char *calls)
{
    struct code_place place;
    const char *method = thread_method_name(findings, lines->clr, blocked->site_method);

    code_place_init(&place);
    code_lines_describe(lines, blocked->site_method, blocked->site_ip, blocked->site_is_leaf, &place);
    if (method)
        finding_code(finding, method, calls, place.file ? finding_text(findings, "%s", code_lines_file_name(place.file)) : NULL,
                     place.file ? place.line : 0);
    code_place_deinit(&place);
}

static int compare_sites(const void *a_, const void *b_)
{
    const struct thread_site *a = a_, *b = b_;

    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return a->first->thread < b->first->thread ? -1 : a->first->thread > b->first->thread;
}

struct error *thread_sites_find(const struct blocked_threads *threads, bool (*wanted)(const struct blocked_thread *thread),
                                thread_sites *ret)
{
    for (size_t i = 0; i < threads->count; i++) {
        const struct blocked_thread *blocked = &threads->list[i];
        struct thread_site *site = NULL;

        if (!blocked->site_method || !blocked->in || !wanted(blocked)) continue;
        for (size_t k = 0; k < ret->count && !site; k++) {
            const struct blocked_thread *first = ret->data[k].first;

            if (first->site_method == blocked->site_method && first->site_ip == blocked->site_ip && first->in == blocked->in &&
                first->outer_method == blocked->outer_method)
                site = &ret->data[k];
        }
        if (site)
            site->count++;
        else if (!vec_push(ret, (struct thread_site) { blocked, 1 }))
            return &error_enomem;
    }
    vec_sort(ret, compare_sites);
    return NULL;
}
