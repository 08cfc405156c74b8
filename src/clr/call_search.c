#include "clr/call_search.h"

#include <string.h>

#include "clr/method_body.h"
#include "formats/signature.h"

/* So many calls are found at most; who asks for more asks for the calls of System.Object's constructor. */
enum { SITES_MAX = 1 << 20 };

/* What a token means to the search of one module: index of a pattern, or this. */
enum { MAKES_LAZY = 0x10000 };

/* Does the Lazy itself live as long as the process? */
enum lazy_life { LAZY_ONCE, LAZY_REPEATS };

static const struct call_pattern lazy_makers[] = {
    { .type = "System.Lazy`1", .method = ".ctor" },
    { .type = "System.Threading.LazyInitializer", .method = "EnsureInitialized" },
};

/* ---- which modules ---- */

/* Assembly-level attribute {u16 1, text} (II.23.3). */
static bool is_company(const struct metadata *md, const char *company)
{
    uint32_t assembly = metadata_token(METADATA_ASSEMBLY, 1), length;
    uint32_t attribute = metadata_find_attribute(md, assembly, "System.Reflection", "AssemblyCompanyAttribute");
    struct span value = span_from(metadata_column_blob(md, METADATA_CUSTOM_ATTRIBUTE_VALUE, attribute), 2);

    return metadata_compressed(&value, &length) && length == strlen(company) && length <= value.size &&
           !memcmp(value.data, company, length);
}

bool clr_module_is_framework(struct clr *clr, struct clr_module *module)
{
    const char *name;
    struct metadata md;

    if (strstr(module->path, "/shared/Microsoft.") || strstr(module->path, "\\shared\\Microsoft.")) return true;
    name = clr_module_simple_name(clr, module);
    if (!strcmp(name, "mscorlib") || !strcmp(name, "netstandard") || !strcmp(name, "System")) return true;
    if (strncmp(name, "System.", 7) != 0 && strncmp(name, "Microsoft.", 10) != 0) return false;
    return clr_module_try_metadata(clr, module, &md) && is_company(&md, "Microsoft Corporation");
}

/* ---- one module ---- */

struct module_search {
    struct call_search *search;
    struct clr_module *module;
    const struct metadata *md;
    struct map tokens; /* method_def, member_ref, method_spec -> index of pattern, or MAKES_LAZY */
    struct map lazy;   /* rids of methods that are handed to a Lazy -> enum lazy_life */
    size_t first_site;
    uint64_t failed_count;
    bool in_static_constructor;
    struct text scratch;
    /* What was loaded last: ldftn and then newobj of a delegate lead to a Lazy's constructor. */
    uint32_t delegate_rid;
    bool delegate_is_made;
    bool field_is_static; /* the field whose address was loaded last, for LazyInitializer */
};

static bool note_token(struct module_search *m, uint32_t token)
{
    const struct call_search *search = m->search;

    for (size_t i = 0; i < search->pattern_count; i++)
        if (call_pattern_matches(&search->patterns[i], m->md, token, &m->scratch)) return map_put(&m->tokens, token, i);
    return true;
}

static bool note_tokens(struct module_search *m, enum metadata_table table)
{
    uint32_t count = metadata_row_count(m->md, table);

    for (uint32_t rid = 1; rid <= count; rid++)
        if (!note_token(m, metadata_token(table, rid))) return false;
    return true;
}

/* Instances of generic methods stand for the method. */
static bool note_specs(struct module_search *m)
{
    uint32_t count = metadata_row_count(m->md, METADATA_METHOD_SPEC);

    for (uint32_t rid = 1; rid <= count; rid++) {
        uint32_t method = metadata_column_token(m->md, METADATA_METHOD_SPEC_METHOD, rid);
        uint64_t found;

        if (!map_get(&m->tokens, method, &found)) continue;
        if (!map_put(&m->tokens, metadata_token(METADATA_METHOD_SPEC, rid), found)) return false;
    }
    return true;
}

static bool note_lazy_makers(struct module_search *m)
{
    uint32_t count = metadata_row_count(m->md, METADATA_MEMBER_REF);

    for (uint32_t rid = 1; rid <= count; rid++) {
        uint32_t token = metadata_token(METADATA_MEMBER_REF, rid);
        bool makes = false, added = true;
        uint64_t *value;

        for (size_t i = 0; i < ARRAY_LENGTH(lazy_makers) && !makes; i++)
            makes = call_pattern_matches(&lazy_makers[i], m->md, token, &m->scratch);
        if (!makes) continue;
        value = map_slot(&m->tokens, token, &added);
        if (!value) return false;
        if (added) *value = MAKES_LAZY;
    }
    return true;
}

/* The method_def of this module that an ldftn loads, also when it is named as a member of a generic type; 0: of another one. */
static uint32_t loaded_method(const struct metadata *md, uint32_t token)
{
    struct signature_type type;
    struct metadata_member_ref ref;

    if (metadata_token_table(token) == METADATA_METHOD_SPEC)
        token = metadata_column_token(md, METADATA_METHOD_SPEC_METHOD, metadata_token_rid(token));
    if (metadata_token_table(token) == METADATA_METHOD_DEF) return metadata_token_rid(token);
    if (metadata_token_table(token) != METADATA_MEMBER_REF || !metadata_member_ref(md, metadata_token_rid(token), &ref)) return 0;
    if (metadata_token_table(ref.parent_token) != METADATA_TYPE_SPEC ||
        !signature_type(metadata_type_spec(md, metadata_token_rid(ref.parent_token)), &type) ||
        metadata_token_table(type.token) != METADATA_TYPE_DEF)
        return 0;
    return metadata_find_method(md, metadata_token_rid(type.token), ref.name);
}

/* One that is made in a static constructor, or kept in a static field, is made once. */
static bool note_lazy(struct module_search *m)
{
    bool is_once = m->in_static_constructor || m->field_is_static, added;
    uint64_t *life = map_slot(&m->lazy, m->delegate_rid, &added);

    if (life && !is_once) *life = LAZY_REPEATS;
    return life != NULL;
}

/* Follows ldftn, newobj delegate, newobj Lazy; anything else that is called lets go of the delegate. */
static bool track_delegate(struct module_search *m, const struct il_instruction *instruction, bool makes_lazy)
{
    switch (instruction->code) {
    case IL_LDFTN:
        m->delegate_rid = loaded_method(m->md, (uint32_t)instruction->value);
        m->delegate_is_made = false;
        return true;
    case IL_NEWOBJ:
        if (!m->delegate_is_made && !makes_lazy) {
            m->delegate_is_made = true;
            return true;
        }
        break;
    default:
        break;
    }
    if (makes_lazy && m->delegate_rid && !note_lazy(m)) return false;
    m->delegate_rid = 0;
    m->field_is_static = false;
    return true;
}

static bool add_site(struct module_search *m, uint32_t method_rid, const struct il_instruction *instruction, uint32_t pattern)
{
    struct call_site site = { .module = m->module,
                              .method_rid = method_rid,
                              .callee_token = (uint32_t)instruction->value,
                              .il_offset = instruction->offset,
                              .pattern = pattern,
                              .opcode = instruction->name,
                              .in_static_constructor = m->in_static_constructor };

    return vec_push(&m->search->sites, site);
}

static bool search_body(struct module_search *m, uint32_t method_rid, struct span code)
{
    struct il_instruction instruction;
    uint32_t offset = 0;
    uint64_t found;

    m->delegate_rid = 0;
    m->delegate_is_made = m->field_is_static = false;
    while (il_next(code, &offset, &instruction)) {
        bool is_known;

        if (instruction.code == IL_LDFLDA || instruction.code == IL_LDSFLDA) m->field_is_static = instruction.code == IL_LDSFLDA;
        if (instruction.operand != IL_OPERAND_METHOD) continue;
        is_known = map_get(&m->tokens, instruction.value, &found);
        if (is_known && found != MAKES_LAZY && m->search->sites.count < SITES_MAX &&
            !add_site(m, method_rid, &instruction, (uint32_t)found))
            return false;
        if (!track_delegate(m, &instruction, is_known && found == MAKES_LAZY)) return false;
    }
    return true;
}

static bool search_bodies(struct module_search *m, struct method_bodies *bodies)
{
    uint32_t count = metadata_row_count(m->md, METADATA_METHOD_DEF);
    struct metadata_method_def method;
    struct il_body body;

    for (uint32_t rid = 1; rid <= count; rid++) {
        if (!metadata_method_def(m->md, rid, &method) || !method_has_body(&method)) continue;
        if (!bodies || !method_bodies_read(bodies, method.rva, &body)) {
            m->failed_count++;
            continue;
        }
        m->search->method_count++;
        m->in_static_constructor = !strcmp(method.name, ".cctor");
        if (!search_body(m, rid, body.code)) return false;
    }
    return true;
}

static void mark_lazy(struct module_search *m)
{
    for (size_t i = m->first_site; i < m->search->sites.count; i++) {
        struct call_site *site = &m->search->sites.data[i];
        uint64_t life = LAZY_REPEATS;

        site->in_lazy = map_get(&m->lazy, site->method_rid, &life);
        site->runs_once = site->in_static_constructor || life == LAZY_ONCE;
    }
}

static bool search_il(struct module_search *m)
{
    struct call_search *search = m->search;
    struct method_bodies bodies;
    bool has_image = method_bodies_init(search->clr, m->module, &bodies), ok = search_bodies(m, has_image ? &bodies : NULL);

    method_bodies_deinit(&bodies);
    if (!ok) return false;
    mark_lazy(m);
    if (!m->failed_count) return true;
    gaps_add(search->clr->gaps, "il", m->module->base, m->failed_count,
             "methods not in the dump, and no file with them was found: %s",
             *m->module->path ? m->module->path : "(loaded from bytes)");
    return vec_push(&search->unread, m->module);
}

static bool search_module(struct call_search *search, struct clr_module *module, const struct metadata *md)
{
    struct module_search m = { .search = search, .module = module, .md = md, .first_site = search->sites.count };
    bool ok;

    map_init(&m.tokens);
    map_init(&m.lazy);
    text_init(&m.scratch);
    ok = (search->scope == CALLS_FROM_OUTSIDE || note_tokens(&m, METADATA_METHOD_DEF)) && note_tokens(&m, METADATA_MEMBER_REF);
    if (ok && m.tokens.count) ok = note_lazy_makers(&m) && note_specs(&m) && search_il(&m);
    text_deinit(&m.scratch);
    map_deinit(&m.tokens);
    map_deinit(&m.lazy);
    search->module_count++;
    return ok;
}

/* ---- all ---- */

static struct error *search_modules(struct call_search *search)
{
    struct clr_module_iterator iterator;
    struct clr_module *module;
    struct metadata md;
    bool more;

    TRY(clr_module_iterator_init(search->clr, &iterator));
    for (;;) {
        TRY(clr_module_iterator_next(&iterator, &module, &more));
        if (!more) break;
        if (module->is_dynamic || (search->scope != CALLS_OF_ALL && clr_module_is_framework(search->clr, module))) continue;
        if (!clr_module_try_metadata(search->clr, module, &md)) {
            const struct metadata *kept = clr_module_metadata(search->clr, module); /* gathered from pieces; else a gap */
            if (!kept) continue;
            md = *kept;
        }
        if (!search_module(search, module, &md)) return &error_enomem;
    }
    if (search->sites.count >= SITES_MAX)
        gaps_add(search->clr->gaps, "calls", 0, 1, "more than %d calls: the rest is left out", SITES_MAX);
    return NULL;
}

struct error *call_search_run(struct clr *clr, const struct call_pattern *patterns, size_t pattern_count, enum call_scope scope,
                              struct call_search *ret)
{
    struct error *err;

    *ret = (struct call_search) { .clr = clr, .patterns = patterns, .pattern_count = pattern_count, .scope = scope };
    err = search_modules(ret);
    if (err) call_search_deinit(ret);
    return err;
}

void call_search_deinit(struct call_search *search)
{
    vec_deinit(&search->sites);
    vec_deinit(&search->unread);
}
