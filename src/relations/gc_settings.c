#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clr/gc_heap.h"
#include "dump/process_usage.h"
#include "managed/collection.h"
#include "managed/instances.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/environment.h"

/* What shapes the GC's memory: what is in effect, as far as its structures tell, and what was asked for and where. */
struct setting {
    const char *name, *value, *source, *note; /* session arena, or static */
    uint64_t bytes;
    bool has_bytes;
};

struct gc_settings_cursor {
    struct session *session;
    struct arena *arena;
    struct environment environment;
    VEC(struct setting) list;
    size_t asked_count; /* the first ones were asked for, the others are in effect */
    size_t index;
    bool failed;
};

enum { SETTING, VALUE, BYTES, SOURCE, NOTE };

static const char in_effect[] = "in effect", derived[] = "derived", from_environment[] = "environment",
                  from_configuration[] = "runtimeconfig";

/* Numbers of the GC that are bytes, and what the others mean. Source: src/coreclr/gc/gcconfig.h, the two columns of names. */
static const struct {
    const char *variable, *property, *note;
    bool is_bytes;
} known_settings[] = {
    { "gcServer", "System.GC.Server", "server GC, a heap a processor", false },
    { "gcConcurrent", "System.GC.Concurrent", "background GCs", false },
    { "GCHeapCount", "System.GC.HeapCount", "number of heaps of a server GC", false },
    { "GCMaxHeapCount", "System.GC.MaxHeapCount", "most heaps that DATAS may use", false },
    { "GCDynamicAdaptationMode", "System.GC.DynamicAdaptationMode", "DATAS: the number of heaps follows the load", false },
    { "GCConserveMemory", "System.GC.ConserveMemory", "0 to 9: how much fragmentation is worth a compaction", false },
    { "GCHeapHardLimit", "System.GC.HeapHardLimit", "the GC commits no more than that", true },
    { "GCHeapHardLimitPercent", "System.GC.HeapHardLimitPercent", "the same in per cent of the memory of machine or container",
      false },
    { "GCHeapHardLimitSOH", "System.GC.HeapHardLimitSOH", "for small objects", true },
    { "GCHeapHardLimitLOH", "System.GC.HeapHardLimitLOH", "for large objects", true },
    { "GCHeapHardLimitPOH", "System.GC.HeapHardLimitPOH", "for pinned objects", true },
    { "GCTotalPhysicalMemory", NULL, "what the GC takes the machine's memory for", true },
    { "GCHighMemPercent", "System.GC.HighMemoryPercent", "memory load from which full GCs compact", false },
    { "GCRegionRange", "System.GC.RegionRange", "address space that the GC reserves", true },
    { "GCRegionSize", "System.GC.RegionSize", "of a region", true },
    { "GCgen0size", NULL, "smallest budget of generation 0", true },
    { "GCGen0MaxBudget", "System.GC.Gen0MaxBudget", "largest budget of generation 0", true },
    { "GCLOHThreshold", "System.GC.LOHThreshold", "objects from this size on are large", true },
    { "GCRetainVM", "System.GC.RetainVM", "memory is kept rather than given back", false },
    { "GCNoAffinitize", "System.GC.NoAffinitize", "threads of a server GC run on any processor", false },
};

static void add(struct gc_settings_cursor *cursor, struct setting setting)
{
    if (!setting.name || !setting.value || !vec_push(&cursor->list, setting)) cursor->failed = true;
}

/* ---- in effect ---- */

static const char *asked(const struct gc_settings_cursor *cursor, const char *variable, char *buffer, size_t size)
{
    static const char *const prefixes[] = { "DOTNET_", "COMPlus_" };
    const char *value = NULL;

    for (size_t i = 0; i < ARRAY_COUNT(prefixes) && !value; i++) {
        snprintf(buffer, size, "%s%s", prefixes[i], variable);
        value = environment_get(&cursor->environment, buffer);
    }
    return value;
}

static const char *decimal(struct gc_settings_cursor *cursor, uint64_t number)
{
    return arena_printf(cursor->arena, "%llu", (unsigned long long)number);
}

/* What the reservation tells when nobody asked for a limit: see add_limits. */
static void add_default_limits(struct gc_settings_cursor *cursor, const struct gc_heaps *heaps, uint64_t reserved)
{
    enum { TIMES = 5, CONTAINER_PERCENT = 75 };
    const uint64_t unlimited = UINT64_C(256) << 30;
    uint64_t limit = reserved / TIMES, container = limit / CONTAINER_PERCENT * 100;

    if (!heaps->is_server && reserved < unlimited) {
        add(cursor, (struct setting) {
                        .name = "hard limit",
                        .value = "not known",
                        .source = derived,
                        .note = arena_printf(
                            cursor->arena, "none if the machine has %.1f GiB of memory; %.1f GiB if its container has %.1f GiB",
                            (double)reserved / 2 / (1 << 30), (double)limit / (1 << 30), (double)container / (1 << 30)) });
    } else if (reserved >= unlimited) {
        add(cursor, (struct setting) { .name = "hard limit",
                                       .value = "none",
                                       .source = derived,
                                       .note = "the reservation is that of a GC without a limit" });
    } else {
        add(cursor, (struct setting) { .name = "hard limit",
                                       .value = decimal(cursor, limit),
                                       .source = derived,
                                       .note = "a fifth of the reservation",
                                       .bytes = limit,
                                       .has_bytes = true });
        add(cursor, (struct setting) { .name = "container limit",
                                       .value = decimal(cursor, container),
                                       .source = derived,
                                       .note = "nobody asked for a hard limit: by default it is 75 % of the container's memory",
                                       .bytes = container,
                                       .has_bytes = true });
    }
}

/*
 * With regions, the GC reserves five times its hard limit; without a limit twice the memory of the machine, a server GC at least
 * 256 GB. In a container with a limit of its own, the hard limit is 75 % of that unless another is asked for.
 * Source: src/coreclr/gc, GCHeap::Initialize (regions_range) and compute_hard_limit.
 */
static void add_limits(struct gc_settings_cursor *cursor, const struct gc_heaps *heaps, bool limit_is_asked_for)
{
    uint64_t reserved = heaps->highest - heaps->lowest;
    char buffer[64];

    if (!reserved) return;
    add(cursor, (struct setting) { .name = "reservation",
                                   .value = decimal(cursor, reserved),
                                   .source = in_effect,
                                   .note = "address space of the GC",
                                   .bytes = reserved,
                                   .has_bytes = true });
    if (heaps->has_regions && !limit_is_asked_for && !asked(cursor, "GCRegionRange", buffer, sizeof(buffer)))
        add_default_limits(cursor, heaps, reserved);
}

/* Of a running process the kernel tells what its cgroups allow; the environment's limits are the GC's own affair. */
static void add_memory_limit(struct gc_settings_cursor *cursor, const struct dump *dump)
{
    struct process_usage usage = { 0 };

    if (strcmp(dump->kind, "live") != 0 || !process_usage_read((pid_t)dump->pid, &usage) || !usage.limit_of) return;
    add(cursor, (struct setting) { .name = "memory limit",
                                   .value = decimal(cursor, usage.limit),
                                   .source = usage.limit_of,
                                   .note = strcmp(usage.limit_of, "cgroup") ? "no cgroup of the process has a lower one"
                                                                            : "the lowest of the cgroups that the process is in",
                                   .bytes = usage.limit,
                                   .has_bytes = true });
}

static void add_effective(struct gc_settings_cursor *cursor, const struct gc_heaps *heaps, bool limit_is_asked_for)
{
    static const char *const modes[] = { "off", "on" };

    add(cursor, (struct setting) { .name = "gc", .value = heaps->is_server ? "server" : "workstation", .source = in_effect });
    add(cursor, (struct setting) {
                    .name = "heap count", .value = arena_printf(cursor->arena, "%u", heaps->heap_count), .source = in_effect });
    add(cursor, (struct setting) { .name = "memory", .value = heaps->has_regions ? "regions" : "segments", .source = in_effect });
    if (heaps->adaptation_mode >= 0)
        add(cursor, (struct setting) { .name = "DATAS",
                                       .value = modes[heaps->adaptation_mode],
                                       .source = in_effect,
                                       .note = heaps->is_server ? "the number of heaps follows the load" : "of server GC only" });
    add_limits(cursor, heaps, limit_is_asked_for);
}

/* ---- asked for ---- */

/* Numbers in the environment are hexadecimal with or without 0x; in the configuration only with it. */
static void add_asked(struct gc_settings_cursor *cursor, const char *name, const char *bare, const char *value, const char *source)
{
    struct setting setting = { .name = name, .value = value, .source = source };
    bool in_environment = source == from_environment;

    for (size_t i = 0; i < ARRAY_COUNT(known_settings); i++) {
        const char *other = in_environment ? known_settings[i].variable : known_settings[i].property;
        char *end;

        if (!other || strcasecmp(bare, other)) continue;
        setting.note = known_settings[i].note;
        if (!known_settings[i].is_bytes) break;
        setting.bytes = strtoull(value, &end, in_environment || !strncasecmp(value, "0x", 2) ? 16 : 10);
        setting.has_bytes = *value && !*end;
        break;
    }
    add(cursor, setting);
}

static void add_environment(struct gc_settings_cursor *cursor)
{
    for (size_t i = 0; i < cursor->environment.list.count; i++) {
        const char *variable = cursor->environment.list.data[i], *value = strchr(variable, '=');
        size_t prefix = !strncasecmp(variable, "DOTNET_", 7) ? 7 : !strncasecmp(variable, "COMPlus_", 8) ? 8 : 0;
        const char *name;

        if (!prefix || !value) continue;
        name = arena_strndup(cursor->arena, variable, (size_t)(value - variable));
        value = arena_strdup(cursor->arena, value + 1);
        if (!name || !value)
            cursor->failed = true;
        else
            add_asked(cursor, name, name + prefix, value, from_environment);
    }
}

/* The words of a string object; NULL when it is none. */
static const char *string_at(struct gc_settings_cursor *cursor, struct clr *clr, uint64_t addr)
{
    enum { LONGEST = 1000 };
    struct clr_object object;
    struct text text;
    const uint8_t *units;
    const char *copy = NULL;
    uint64_t target;

    if (!memory_try_u64(clr->memory, addr, &target) || !clr_object_try(clr, target, &object)) return NULL;
    if (!clr_type_is_string(clr, object.type) || object.count > LONGEST) return NULL;
    units = memory_try_span(clr->memory, target + STRING_DATA_OFF, 2ull * object.count);
    if (!units) return NULL;
    text_init(&text);
    text_append_utf16(&text, units, object.count);
    if (!text.failed) copy = arena_strdup(cursor->arena, text_cstr(&text));
    text_deinit(&text);
    return copy;
}

/* "System.GC.Server", not the host's "TRUSTED_PLATFORM_ASSEMBLIES". */
static bool is_setting(const char *key)
{
    return strchr(key, '.') || !strncasecmp(key, "GC", 2);
}

/* What the host told the runtime: System.AppContext keeps it, strings by name. */
static void add_configuration(struct gc_settings_cursor *cursor, struct clr *clr)
{
    uint64_t store = managed_static_object(clr, "System.Private.CoreLib", "System.AppContext", "s_dataStore");
    struct collection_types types;
    struct collection collection;

    collection_types_init(&types, clr);
    if (store && collection_open(&types, store, &collection)) {
        struct collection_iterator it;
        struct collection_element element;

        collection_begin(&collection, &it);
        while (collection_next(&it, &element)) {
            const char *key = element.has_key ? string_at(cursor, clr, element.key.addr) : NULL;
            const char *value = key && is_setting(key) ? string_at(cursor, clr, element.value.addr) : NULL;

            if (value) add_asked(cursor, key, key, value, from_configuration);
        }
    } else {
        gaps_add(session_gaps(cursor->session), "runtimeconfig", 0, 1,
                 "the statics of this runtime, or System.AppContext's, are not readable");
    }
    collection_types_deinit(&types);
}

static bool asks_for_limit(const struct gc_settings_cursor *cursor)
{
    for (size_t i = 0; i < cursor->list.count; i++)
        if (strcasestr(cursor->list.data[i].name, "HeapHardLimit")) return true;
    return false;
}

static struct error *gc_settings_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct gc_settings_cursor *cursor = cursor_;
    const struct gc_heaps *heaps = NULL;
    struct clr *clr;

    (void)request;
    cursor->session = session;
    cursor->arena = session_arena(session);
    TRY(environment_init(session_target(session), &cursor->environment));
    if (!cursor->environment.found)
        gaps_add(session_gaps(session), "environment", 0, 1, "the block that the process was started with is not in the dump");
    TRY(session_clr(session, &clr));
    gaps_add_error(session_gaps(session), "GC heap", session_gc_heaps(session, &heaps));
    add_environment(cursor);
    add_configuration(cursor, clr);
    cursor->asked_count = cursor->list.count;
    add_memory_limit(cursor, session_target(session)->dump);
    if (heaps) add_effective(cursor, heaps, asks_for_limit(cursor));
    return cursor->failed ? &error_enomem : NULL;
}

static struct error *gc_settings_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct gc_settings_cursor *cursor = cursor_;
    const struct setting *setting;

    *more_ret = cursor->index < cursor->list.count;
    if (!*more_ret) return NULL;
    /* What is in effect comes first. */
    setting = &cursor->list.data[(cursor->asked_count + cursor->index++) % cursor->list.count];
    value_text(&row[SETTING], setting->name);
    value_text(&row[VALUE], setting->value);
    if (setting->has_bytes) value_u64(&row[BYTES], setting->bytes);
    value_text(&row[SOURCE], setting->source);
    value_text(&row[NOTE], setting->note);
    return NULL;
}

static void gc_settings_end(void *cursor_)
{
    struct gc_settings_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    environment_deinit(&cursor->environment);
}

static const struct column columns[] = {
    { "setting", COLUMN_TEXT, "what is in effect; variable of the environment; property of runtimeconfig.json" },
    { "value", COLUMN_TEXT, "as it stands there: numbers of the environment are hexadecimal" },
    { "bytes", COLUMN_BYTES, "of settings that are a size" },
    { "source", COLUMN_TEXT, "in effect (the GC's structures), derived (from them), environment, runtimeconfig" },
    { "note", COLUMN_TEXT, "what it does" },
};

const struct relation relation_gc_settings = {
    .name = "gc_settings",
    .summary = "limits and settings that shape the GC's memory",
    .description =
        "The environment goes before runtimeconfig.json. Variables that begin with DOTNET_ or COMPlus_ are listed, as the "
        "process was started with them, and all properties that are no paths of the host.",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "gc_settings" } },
    .cursor_size = sizeof(struct gc_settings_cursor),
    .begin = gc_settings_begin,
    .next = gc_settings_next,
    .end = gc_settings_end,
};
