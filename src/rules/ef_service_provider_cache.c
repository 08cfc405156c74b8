/*
 * EF Core's cache of internal service providers, when it grows.
 *
 *     static ServiceProviderCache.Instance -> _configurations: ConcurrentDictionary<key, (provider, DebugInfo)>
 *
 * EF builds a container of its own services for each set of options that it takes for different, and keeps it for ever. What is
 * different is what the options' extensions say by their hash: of EF's own part mostly the IMemoryCache, replaced services,
 * warnings, logging switches; of others whatever they like. DebugInfo is what each extension writes down of its hash, so comparing
 * these dictionaries names the part of the key, and comparing the keys themselves names the objects behind it.
 *
 * Up to 5 the key is a hash (long), from 6 on the options (IDbContextOptions). The container's own memory cache and logger factory
 * entered the key up to 2.x; since 3.0 only what is handed to the options does, so the code's pattern alone proves nothing.
 * Source: dotnet/efcore src/EFCore/Internal/ServiceProviderCache.cs, Infrastructure/CoreOptionsExtension.cs, 2.1 to 10.0.
 */
#include <string.h>

#include "clr/gc_heap.h"
#include "heap/graph.h"
#include "managed/differ.h"
#include "managed/instances.h"
#include "rules/call_sites.h"
#include "rules/heap_types.h"
#include "rules/rule.h"
#include "session/session.h"

/* One to three are normal; from 20 on EF Core itself warns, or refuses (CoreEventId.ManyServiceProvidersCreatedWarning). */
enum { PROVIDERS_MANY = 20, PROVIDERS_MAX = 1 << 20, EXTENSIONS_SHOWN = 4 };

#define CACHE_ASSEMBLY "Microsoft.EntityFrameworkCore"
#define CACHE_TYPE "Microsoft.EntityFrameworkCore.Internal.ServiceProviderCache"
#define CACHE_FIELD "<Instance>k__BackingField"
#define PROVIDER_TYPE "Microsoft.Extensions.DependencyInjection.ServiceProvider"

/* Parts of EF's own extension: the name in DebugInfo, the field, how it comes to differ, and what to do. */
static const struct core_part {
    const char *debug, *field, *cause, *fix;
    const char *call;    /* the builder's method that brings it in */
    bool from_container; /* a new one comes from a new container, as a rule */
} core_parts[] = {
    { "Core:UseMemoryCache", "_memoryCache",
      "each set of options brings an IMemoryCache object of its own, as it happens when a container is built per call "
      "(BuildServiceProvider) and its cache is handed to UseMemoryCache",
      "build the container once for the process, or leave UseMemoryCache out: EF Core has a cache of its own", "UseMemoryCache",
      true },
    { "Core:UseLoggerFactory", "_loggerFactory",
      "each set of options brings an ILoggerFactory object of its own, as it happens when a container is built per call "
      "(BuildServiceProvider)",
      "use one ILoggerFactory for the process (a static field, or a singleton of a container that is built once)",
      "UseLoggerFactory", true },
    { "Core:UseRootApplicationServiceProvider", "_rootApplicationServiceProvider",
      "each set of options names another root service provider: a container is built per call (BuildServiceProvider)",
      "build the container once for the process", "UseRootApplicationServiceProvider", true },
    { "Core:ReplaceService", "_replacedServices", "the options replace a service by another type each time",
      "replace services by the same types in all options", "ReplaceService", false },
    { "Core:ConfigureWarnings", "_warningsConfiguration", "the options configure warnings in another way each time",
      "configure warnings once, the same in all options", "ConfigureWarnings", false },
    { "Core:AddInterceptors", "_singletonInterceptors", "each set of options brings a singleton interceptor object of its own",
      "keep singleton interceptors in static fields", "AddInterceptors", false },
};

struct ef {
    struct session *session;
    struct findings *findings;
    struct clr *clr;
    const struct gc_heaps *heaps;
    struct collection_types *types;
    struct collection configurations;
    VEC(struct managed_value) keys, debug_infos;
    address_list providers, held; /* held: providers and keys */
    struct differ keys_differ, debug_differ;
    const struct core_part *core; /* the part of EF's own extension that differs most */
    const char *part;             /* the part of the key that differs most, by its name in DebugInfo or its field */
    uint64_t part_distinct;
};

/* ---- the cache ---- */

static uint64_t referent(const struct clr *clr, const struct managed_value *slot)
{
    uint64_t addr = 0;

    return slot->element_type == ELEMENT_CLASS && memory_try_u64(clr->memory, slot->addr, &addr) ? addr : 0;
}

/* Of a pair (provider, debug info), or of the provider alone, as in versions that wrote nothing down. */
static bool add_configuration(struct ef *ef, const struct collection_element *element)
{
    struct managed_value provider = element->value;
    struct place place;
    uint64_t addr;

    if (element->value.element_type == ELEMENT_VALUETYPE && element->value.value_mt) {
        place = place_find(ef->clr, element->value.value_mt, false, "Item2");
        if (place.known && !vec_push(&ef->debug_infos, place_value(&place, element->value.addr))) return false;
        place = place_find(ef->clr, element->value.value_mt, false, "Item1");
        provider = place.known ? place_value(&place, element->value.addr) : provider;
    }
    addr = referent(ef->clr, &provider);
    if (addr && (!vec_push(&ef->providers, addr) || !vec_push(&ef->held, addr))) return false;
    addr = referent(ef->clr, &element->key);
    return (!addr || vec_push(&ef->held, addr)) && vec_push(&ef->keys, element->key);
}

static struct error *read_cache(struct ef *ef)
{
    struct collection_iterator it;
    struct collection_element element;

    collection_begin(&ef->configurations, &it);
    while (collection_next(&it, &element) && ef->keys.count < PROVIDERS_MAX)
        if (!add_configuration(ef, &element)) return &error_enomem;
    if (it.damaged)
        gaps_add(session_gaps(ef->session), "EF Core's service provider cache", ef->configurations.object.addr, 1,
                 "it is damaged, or was being changed: not all entries are seen");
    return NULL;
}

/* ---- why the keys differ ---- */

/* The name in `["name"]...` of a path that ends there; false when the path goes on. */
static bool debug_name(const struct differ_row *row, const char **ret, size_t *length_ret)
{
    size_t length = strlen(row->path);

    if (length < 5 || strncmp(row->path, "[\"", 2) || strcmp(row->path + length - 2, "\"]")) return false;
    *ret = row->path + 2;
    *length_ret = length - 4;
    return true;
}

static const struct core_part *core_part_of_debug(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(core_parts); i++)
        if (!strncmp(name, core_parts[i].debug, strlen(core_parts[i].debug))) return &core_parts[i];
    return NULL;
}

static void note_part(struct ef *ef, const char *name, const struct core_part *core, uint64_t distinct)
{
    if (distinct <= ef->part_distinct) return;
    ef->part = name;
    ef->core = core;
    ef->part_distinct = distinct;
}

/* What EF and the other extensions wrote down of the keys. */
static void compare_debug_infos(struct ef *ef, struct finding *finding)
{
    for (size_t i = 0; i < ef->debug_differ.rows.count; i++) {
        const struct differ_row *row = &ef->debug_differ.rows.data[i];
        const struct core_part *core;
        const char *name, *field;
        size_t length;

        if (row->verdict == DIFFER_EQUAL || !debug_name(row, &name, &length)) continue;
        name = finding_text(ef->findings, "%.*s", (int)length, name);
        core = core_part_of_debug(name);
        field = core ? finding_text(ef->findings, "CoreOptionsExtension.%s", core->field) : name;
        finding_key(finding, field, row->distinct, row->of);
        finding_evidence(finding,
                         finding_text(ef->findings, "EF Core's note of each key (DebugInfo): %s has %s values in %s keys", name,
                                      finding_number(ef->findings, row->distinct), finding_number(ef->findings, row->of)));
        note_part(ef, name, core, row->distinct);
    }
}

/* "CoreOptionsExtension" and "_memoryCache" of "_extensionsMap[CoreOptionsExtension].Item1._memoryCache", field NULL of the
 * extension itself. */
static bool split_path(struct ef *ef, const char *path, const char **extension_ret, const char **field_ret)
{
    const char *open, *close;

    if (strncmp(path, "_extensions", 11) || !(open = strchr(path, '[')) || !(close = strchr(open, ']'))) return false;
    *extension_ret = finding_text(ef->findings, "%.*s", (int)(close - open - 1), open + 1);
    close++;
    if (!strncmp(close, ".Item1", 6)) close += 6;
    if (*close && *close != '.') return false;
    *field_ret = *close ? close + 1 : NULL;
    return !*field_ret || !strpbrk(*field_ret, ".[(");
}

static const struct core_part *core_part_of_field(const char *field)
{
    for (size_t i = 0; i < ARRAY_LENGTH(core_parts); i++)
        if (!strcmp(field, core_parts[i].field)) return &core_parts[i];
    return NULL;
}

static const char *row_text(struct ef *ef, const char *field, const struct differ_row *row)
{
    return finding_text(ef->findings, "%s: %s different %s in %s keys, compared by %s%s", field,
                        finding_number(ef->findings, row->distinct), *row->type ? row->type : "values",
                        finding_number(ef->findings, row->of), differ_equality_names[row->equality],
                        row->verdict == DIFFER_IDENTITY ? "; their content is the same" : "");
}

/* A field of EF's own extension: in the key, or beside it. */
static void compare_core_field(struct ef *ef, struct finding *finding, const char *field, const struct differ_row *row, bool in_key)
{
    const struct core_part *part = core_part_of_field(field);
    const char *name = finding_text(ef->findings, "CoreOptionsExtension.%s", field);
    bool is_in_key = part == ef->core || !ef->debug_infos.count;

    /* Warnings count by their content. */
    if (!part || (row->verdict == DIFFER_IDENTITY && !strcmp(field, "_warningsConfiguration"))) return;
    if (is_in_key != in_key) return;
    if (!is_in_key) {
        finding_evidence(finding, finding_text(ef->findings,
                                               "%s differs, too, but EF's note says that it does not tell these keys apart", name));
        return;
    }
    finding_evidence(finding, row_text(ef, name, row));
    if (ef->debug_infos.count) return;
    finding_key(finding, name, row->distinct, row->of);
    note_part(ef, name, part, row->distinct);
}

/* The objects behind the keys; `in_key` false: those that differ for nothing. */
static void compare_keys(struct ef *ef, struct finding *finding, bool in_key)
{
    for (size_t i = 0; i < ef->keys_differ.rows.count; i++) {
        const struct differ_row *row = &ef->keys_differ.rows.data[i];
        const char *extension, *field;

        if (row->verdict == DIFFER_EQUAL || !split_path(ef, row->path, &extension, &field)) continue;
        if (!strcmp(extension, "CoreOptionsExtension")) {
            if (field) compare_core_field(ef, finding, field, row, in_key);
        } else if (in_key && !field && strncmp(row->type, "Microsoft.EntityFrameworkCore.", 30)) {
            finding_evidence(finding, row_text(ef, finding_text(ef->findings, "options extension %s", row->type), row));
            if (!ef->core) finding_key(finding, extension, row->distinct, row->of);
        }
    }
}

static struct error *compare(struct ef *ef)
{
    struct differ_options debug_options = { .depth = 2 }, key_options = { .depth = DIFFER_DEPTH };

    if (ef->debug_infos.count)
        TRY(differ_init(&ef->debug_differ, ef->types, ef->debug_infos.data, ef->debug_infos.count, &debug_options));
    if (ef->keys.data[0].element_type != ELEMENT_CLASS) return NULL;
    return differ_init(&ef->keys_differ, ef->types, ef->keys.data, ef->keys.count, &key_options);
}

/* ---- what it costs, and what else is there ---- */

/* Bytes that all entries hold beyond what one of them holds: what they share is in both. */
static struct error *add_costs(struct ef *ef, struct finding *finding)
{
    struct progress *progress = session_progress(ef->session);
    const struct heap_starts *starts;
    const struct dependents *dependents;
    struct clr *clr;
    uint64_t count, all = 0, one = 0;
    size_t per_entry = ef->providers.count ? ef->held.count / ef->providers.count : 0;
    struct error *err = session_clr(ef->session, &clr);

    if (!err) err = session_starts(ef->session, &starts);
    if (!err) err = session_dependents(ef->session, &dependents);
    if (!err) err = reachable_size(clr, starts, dependents, ef->held.data, ef->held.count, progress, &count, &all);
    if (!err) err = reachable_size(clr, starts, dependents, ef->held.data, per_entry, progress, &count, &one);
    if (err && (err == &error_enomem || err->code == ERROR_CANCELLED)) return err;
    gaps_add_error(session_gaps(ef->session), "what EF Core's service provider cache holds", err);
    if (all > one) finding_cost(finding, "gc heap", all - one);
    return NULL;
}

/* Root providers of the app: who made another one for each call. */
static struct error *count_providers(struct ef *ef, struct finding *finding)
{
    address_list all = { 0 };
    uint64_t disposed = 0, others = 0;
    struct map internal;
    struct error *err;

    map_init(&internal);
    err = instances_find_named(ef->clr, ef->heaps, PROVIDER_TYPE, PROVIDERS_MAX, &all);
    for (size_t i = 0; i < ef->providers.count && !err; i++)
        if (!map_put(&internal, ef->providers.data[i], 1)) err = &error_enomem;
    for (size_t i = 0; i < all.count && !err; i++) {
        uint64_t ignored;
        int64_t flag = 0;

        if (map_get(&internal, all.data[i], &ignored)) continue;
        others++;
        if (managed_follow_number(ef->clr, all.data[i], "_disposed", &flag)) disposed += flag != 0;
    }
    if (!err && others)
        finding_evidence(finding,
                         finding_text(ef->findings,
                                      "%s root ServiceProvider%s of the app %s on the heap, %s of them disposed: one for each "
                                      "BuildServiceProvider()",
                                      finding_number(ef->findings, others), others == 1 ? "" : "s", others == 1 ? "is" : "are",
                                      finding_number(ef->findings, disposed)));
    map_deinit(&internal);
    vec_deinit(&all);
    return err;
}

/* The physical connections behind those of the app. */
static const char *const connection_types[] = {
    "Microsoft.Data.Sqlite.SqliteConnectionInternal",    "Npgsql.Internal.NpgsqlConnector",
    "Microsoft.Data.SqlClient.SqlInternalConnectionTds", "Microsoft.Data.SqlClient.Connection.SqlConnectionInternal",
    "System.Data.SqlClient.SqlInternalConnectionTds",    "MySqlConnector.Core.ServerSession",
};

static void count_connections(struct ef *ef, struct finding *finding, const struct histogram *histogram)
{
    for (size_t i = 0; i < ARRAY_LENGTH(connection_types); i++) {
        struct heap_sum sum = heap_sum_by_name(ef->clr, histogram, connection_types[i]);

        if (!sum.count || sum.count >= ef->providers.count) continue;
        finding_evidence(finding,
                         finding_text(ef->findings, "connections are not what leaks: %s %s object%s on the heap",
                                      finding_number(ef->findings, sum.count), connection_types[i], sum.count == 1 ? "" : "s"));
    }
}

static void add_types(struct ef *ef, struct finding *finding, const struct histogram *histogram)
{
    static const char *const names[] = { PROVIDER_TYPE, "Microsoft.EntityFrameworkCore.Infrastructure.CoreOptionsExtension",
                                         "Microsoft.Extensions.Caching.Memory.MemoryCache",
                                         "Microsoft.Extensions.Logging.LoggerFactory" };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct heap_sum sum = heap_sum_by_name(ef->clr, histogram, names[i]);
        if (sum.count) finding_type(finding, names[i], sum.count, sum.bytes, true);
    }
}

/* ---- the finding ---- */

static void describe(struct ef *ef, struct finding *finding)
{
    struct findings *f = ef->findings;
    bool is_proven = ef->part_distinct * 10 >= ef->keys.count * 9;

    finding->certainty = is_proven ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->severity = is_proven ? SEVERITY_CRITICAL : SEVERITY_WARNING;
    finding->title = finding_text(f, "EF Core builds internal service providers without end: %s are cached",
                                  finding_number(f, ef->keys.count));
    if (ef->core) {
        finding->cause = finding_text(
            f, "%s: EF Core takes the options for new ones, and keeps what it built for them in a static cache", ef->core->cause);
        finding->fix = ef->core->fix;
    } else if (ef->part) {
        finding->cause = finding_text(
            f,
            "an options extension tells EF Core that it is another one each time (\"%s\" in its key): EF takes the "
            "options for new ones, and keeps what it built for them in a static cache",
            ef->part);
        finding->fix =
            "give the extension's Info a GetServiceProviderHashCode and ShouldUseSameServiceProvider that compare its content, or "
            "use one extension object";
    } else {
        finding->cause =
            "EF Core takes the options of each context for new ones, and keeps what it built for them in a static cache; which "
            "part of them differs is not to be seen in this dump";
        finding->fix = "compare what the options are made of: differ says which part of them differs";
    }
}

static bool add_holder(struct finding *finding)
{
    finding->root_kind = "static";
    finding->root_name = CACHE_TYPE "." CACHE_FIELD;
    return vec_push(&finding->path, finding->root_name) && vec_push(&finding->path, "ServiceProviderCache._configurations") &&
           vec_push(&finding->path, "ConcurrentDictionary[*].Item1") && vec_push(&finding->path, PROVIDER_TYPE);
}

/* The calls that bring the part in; a container built per call is what is behind most. */
static struct error *add_code(struct ef *ef, struct finding *finding)
{
    struct call_pattern patterns[2] = { { .method = ef->core ? ef->core->call : "AddOrUpdateExtension" } };
    size_t count = 1;

    if (ef->core && ef->core->from_container)
        patterns[count++] = (struct call_pattern) { .type = "ServiceCollectionContainerBuilderExtensions",
                                                    .method = "BuildServiceProvider" };
    return call_sites_find(ef->session, ef->findings, finding, patterns, count);
}

static struct error *report(struct ef *ef)
{
    const struct histogram *histogram;
    struct finding *finding;

    TRY(compare(ef));
    TRY(session_histogram(ef->session, &histogram));
    finding = findings_add(ef->findings, &(struct finding) { .rule = "ef-service-provider-cache",
                                                             .kind = "managed",
                                                             .doc = "docs/causes/ef-service-provider-cache.md" });
    if (!finding || !add_holder(finding)) return &error_enomem;
    finding->count = ef->keys.count;
    finding_evidence(finding,
                     finding_text(ef->findings, "EF Core's static ServiceProviderCache holds %s entries; 1 to 3 are normal",
                                  finding_number(ef->findings, ef->keys.count)));
    compare_debug_infos(ef, finding);
    compare_keys(ef, finding, true);
    compare_keys(ef, finding, false);
    describe(ef, finding);
    TRY(count_providers(ef, finding));
    count_connections(ef, finding, histogram);
    add_types(ef, finding, histogram);
    TRY(add_code(ef, finding));
    finding_look(finding, finding_text(ef->findings, "differ -keys-of %llx", (unsigned long long)ef->configurations.object.addr));
    finding_look(finding, finding_text(ef->findings, "elements %llx", (unsigned long long)ef->configurations.object.addr));
    return add_costs(ef, finding);
}

static void ef_deinit(struct ef *ef)
{
    differ_deinit(&ef->keys_differ);
    differ_deinit(&ef->debug_differ);
    vec_deinit(&ef->keys);
    vec_deinit(&ef->debug_infos);
    vec_deinit(&ef->providers);
    vec_deinit(&ef->held);
}

static struct error *ef_run(struct session *session, struct findings *findings)
{
    struct ef ef = { .session = session, .findings = findings };
    struct collection_types types;
    struct error *err = NULL;
    uint64_t cache;

    TRY(session_clr(session, &ef.clr));
    cache = managed_static_object(ef.clr, CACHE_ASSEMBLY, CACHE_TYPE, CACHE_FIELD);
    if (!cache) return NULL;
    TRY(session_gc_heaps(session, &ef.heaps));
    collection_types_init(&types, ef.clr);
    ef.types = &types;
    if (collection_open(&types, managed_follow_object(ef.clr, cache, "_configurations"), &ef.configurations)) err = read_cache(&ef);
    if (!err && ef.keys.count > PROVIDERS_MANY) err = report(&ef);
    ef_deinit(&ef);
    collection_types_deinit(&types);
    return err;
}

const struct rule rule_ef_service_provider_cache = {
    .name = "ef-service-provider-cache",
    .summary = "EF Core builds internal service providers without end",
    .run = ef_run,
};
