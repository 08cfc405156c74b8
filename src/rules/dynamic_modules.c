#include "rules/dynamic_modules.h"

#include <stdlib.h>
#include <string.h>

#include "clr/loader_heap.h"
#include "heap/histogram.h"
#include "session/session.h"

enum { TYPES_PER_MODULE = 1 << 16, PATTERNS_MAX = 4096, INTERFACES_SHOWN = 8 };

const struct generator_kind generator_castle = {
    .name = "Castle DynamicProxy",
    .assembly = "DynamicProxyGenAssembly2",
    .interface = "Castle.DynamicProxy.IProxyTargetAccessor",
};

/* Libraries that make assemblies at run time, by what they call them. Each makes one or a few in a healthy process. */
static const struct generator_kind generator_kinds[] = {
    { .name = "XmlSerializer",
      .name_space = "Microsoft.Xml.Serialization.GeneratedAssembly",
      .why =
          "only XmlSerializer(Type) and XmlSerializer(Type, string) cache what they generate; every other constructor makes a new "
          "assembly at each call",
      .fix = "keep the XmlSerializer objects made with XmlRootAttribute, XmlAttributeOverrides or extra types in a static "
             "dictionary" },
    { .name = "DispatchProxy",
      .assembly = "ProxyBuilder",
      .why = "DispatchProxy keeps one assembly for each load context",
      .fix = "create proxies for the same interface from the same load context" },
    { .name = "Entity Framework or another user of TypeBuilder", .assembly = "EntityFrameworkDynamicProxies-" },
    { .name = "compiled scripts",
      .name_space = NULL,
      .assembly = "\xe2\x84\x9b*", /* Roslyn scripting names its submissions so */
      .why = "each script or submission is compiled into an assembly of its own",
      .fix = "compile a script once and keep the delegate; load what has to go away into a collectible AssemblyLoadContext" },
    { .name = "System.Linq.Expressions", .assembly = "Snippets" },
};

static const struct generator_kind *kind_of(const char *assembly, const struct metadata *md)
{
    const struct generator_kind *kind = NULL;

    if (!strncmp(assembly, generator_castle.assembly, strlen(generator_castle.assembly))) return &generator_castle;
    for (size_t i = 0; i < ARRAY_LENGTH(generator_kinds) && !kind; i++) {
        const struct generator_kind *candidate = &generator_kinds[i];
        uint32_t types = metadata_row_count(md, METADATA_TYPE_DEF);

        if (candidate->assembly && !strncmp(assembly, candidate->assembly, strlen(candidate->assembly))) kind = candidate;
        for (uint32_t rid = 2; !kind && candidate->name_space && rid <= types && rid < 10; rid++)
            if (!strcmp(metadata_column_string(md, METADATA_TYPE_DEF_NAMESPACE, rid), candidate->name_space)) kind = candidate;
    }
    return kind;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of a run of hexadecimal digits and dashes that is long enough, and digital enough, to be a GUID or a hash; else 0. */
static size_t hex_run(const char *s)
{
    enum { SHORTEST = 8 };
    size_t length = 0;
    bool digit = false;

    while (is_digit(s[length]) || (s[length] >= 'a' && s[length] <= 'f') || (s[length] >= 'A' && s[length] <= 'F') ||
           (length && s[length] == '-'))
        digit |= is_digit(s[length++]);
    return length >= SHORTEST && digit ? length : 0;
}

/* Running numbers and GUIDs as #; a trailing _# goes, since the first of a row has none ("IFooProxy", "IFooProxy_1"). */
static void fold(const char *name, struct text *ret)
{
    text_clear(ret);
    while (*name) {
        size_t run = hex_run(name);

        if (run == 0 && is_digit(*name))
            while (is_digit(name[run]))
                run++;
        if (run)
            text_putc(ret, '#');
        else
            text_putc(ret, *name);
        name += run ? run : 1;
    }
    while (ret->length > 2 && ret->data[ret->length - 1] == '#' && ret->data[ret->length - 2] == '_')
        ret->data[ret->length -= 2] = 0;
}

static uint64_t hash_text(const char *s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *s; s++)
        hash = (hash ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
    return hash;
}

struct surveyor {
    struct dynamic_survey *survey;
    struct text name, folded, interfaces, other;
    struct map by_name; /* hash of the generator's name -> index + 1 */
};

/* The generator that a module belongs to; NULL: no memory. */
static struct dynamic_generator *generator_get(struct surveyor *s, const struct clr_module *module, const char *assembly,
                                               const struct generator_kind *kind)
{
    struct dynamic_survey *survey = s->survey;
    const char *name = kind ? kind->name : assembly;
    struct dynamic_generator generator = { .kind = kind, .from_bytes = module->is_from_bytes, .example_module = module->addr };
    uint64_t *slot;
    bool added;

    fold(name, &s->folded);
    slot = map_slot(&s->by_name, hash_text(text_cstr(&s->folded)) + module->is_from_bytes, &added);
    if (!slot) return NULL;
    if (added) {
        generator.name = arena_strdup(&survey->arena, name);
        generator.assembly = arena_strdup(&survey->arena, assembly);
        if (!generator.name || !generator.assembly || !vec_push(&survey->generators, generator)) return NULL;
        *slot = survey->generators.count;
    }
    return &survey->generators.data[*slot - 1];
}

/* Interfaces of a type_def into s->interfaces; true when `wanted` is among them (it is left out of the text), or there is no such
 * wish. */
static bool collect_interfaces(struct surveyor *s, const struct metadata *md, uint32_t rid, const char *wanted)
{
    struct metadata_rows rows = metadata_rows_where(md, METADATA_INTERFACE_IMPL_CLASS, rid);
    bool found = wanted == NULL;
    unsigned shown = 0;

    text_clear(&s->interfaces);
    while (metadata_rows_next(md, &rows)) {
        text_clear(&s->other);
        if (!metadata_type_token_name(md, metadata_column_token(md, METADATA_INTERFACE_IMPL_INTERFACE, rows.rid), &s->other))
            continue;
        if (wanted && !strcmp(text_cstr(&s->other), wanted)) {
            found = true;
        } else if (shown++ < INTERFACES_SHOWN) {
            if (s->interfaces.length) text_puts(&s->interfaces, ", ");
            text_puts(&s->interfaces, text_cstr(&s->other));
        }
    }
    return found;
}

/*
 * What makes two types the same thing made twice: name without running numbers, and interfaces. (Castle numbers the proxies of
 * IRepository<A> and IRepository<B> like two of one kind; their interfaces tell them apart.) s->interfaces has been collected;
 * leaves s->folded.
 */
static uint64_t pattern_key(struct surveyor *s, const struct metadata *md, uint32_t rid)
{
    text_clear(&s->name);
    metadata_type_def_name(md, rid, &s->name);
    fold(text_cstr(&s->name), &s->folded);
    return hash_text(text_cstr(&s->folded)) * 31 + hash_text(text_cstr(&s->interfaces));
}

static bool add_pattern(struct surveyor *s, struct dynamic_generator *generator, const struct metadata *md, uint32_t rid,
                        uint64_t module)
{
    struct arena *arena = &s->survey->arena;
    struct dynamic_pattern pattern = { .key = pattern_key(s, md, rid), .extends = "" }, *known;
    uint64_t *slot;
    bool added;

    slot = map_slot(&generator->by_key, pattern.key, &added);
    if (!slot) return false;
    if (added && generator->patterns.count >= PATTERNS_MAX) return true;
    if (added) {
        text_clear(&s->other);
        metadata_type_token_name(md, metadata_column_token(md, METADATA_TYPE_DEF_EXTENDS, rid), &s->other);
        pattern.name = arena_strdup(arena, text_cstr(&s->name));
        pattern.folded = arena_strdup(arena, text_cstr(&s->folded));
        pattern.interfaces = arena_strdup(arena, text_cstr(&s->interfaces));
        if (strcmp(text_cstr(&s->other), "System.Object") != 0) pattern.extends = arena_strdup(arena, text_cstr(&s->other));
        if (!pattern.name || !pattern.folded || !pattern.interfaces || !pattern.extends || !vec_push(&generator->patterns, pattern))
            return false;
        *slot = generator->patterns.count;
    }
    if (*slot == 0) return true;
    known = &generator->patterns.data[*slot - 1];
    known->type_count++;
    if (known->last_module != module) known->module_count++;
    known->last_module = module;
    return true;
}

/* Compiler-made and nested helpers say little; `<Module>` nothing. */
static bool is_telling(const struct metadata *md, uint32_t rid)
{
    return metadata_string(md, metadata_column(md, METADATA_TYPE_DEF_NAME, rid), NULL)[0] != '<' &&
           !metadata_enclosing_type(md, rid);
}

static struct error *survey_module(struct surveyor *s, struct clr_module *module)
{
    struct dynamic_survey *survey = s->survey;
    struct dynamic_generator *generator;
    struct metadata_assembly assembly;
    struct metadata md;
    uint32_t types;

    if (!clr_module_try_metadata(survey->clr, module, &md) || !metadata_assembly(&md, &assembly)) {
        survey->unread_count++;
        return NULL;
    }
    generator = generator_get(s, module, assembly.name, kind_of(assembly.name, &md));
    if (!generator || !map_put(&survey->generator_of_module, module->addr, (uint64_t)(generator - survey->generators.data)))
        return &error_enomem;
    types = metadata_row_count(&md, METADATA_TYPE_DEF);
    generator->module_count++;
    generator->metadata_bytes += md.root.size;
    generator->collectible_count += module->is_collectible;
    if (types > generator->largest_module_types) {
        generator->largest_module_types = types;
        generator->largest_module = module->addr;
    }
    for (uint32_t rid = 2; rid <= types && rid < TYPES_PER_MODULE; rid++) {
        if (!is_telling(&md, rid) || !collect_interfaces(s, &md, rid, generator->kind ? generator->kind->interface : NULL))
            continue;
        generator->type_count++;
        if (!add_pattern(s, generator, &md, rid, module->addr)) return &error_enomem;
    }
    return NULL;
}

static int compare_patterns(const void *a, const void *b)
{
    const struct dynamic_pattern *left = a, *right = b;

    if (left->type_count != right->type_count) return left->type_count > right->type_count ? -1 : 1;
    return strcmp(left->folded, right->folded);
}

/* Most frequent patterns first; what leads to them follows. */
static void finish_generator(struct dynamic_generator *generator)
{
    vec_sort(&generator->patterns, compare_patterns);
    for (size_t i = 0; i < generator->patterns.count; i++)
        map_put(&generator->by_key, generator->patterns.data[i].key, i + 1);
}

static struct error *survey_run(struct surveyor *s, struct session *session)
{
    struct clr_module_iterator iterator;

    TRY(session_clr(session, &s->survey->clr));
    TRY(clr_module_iterator_init(s->survey->clr, &iterator));
    for (;;) {
        struct clr_module *module;
        bool more;

        TRY(clr_module_iterator_next(&iterator, &module, &more));
        if (!more) break;
        s->survey->module_count++;
        s->survey->dynamic_count += module->is_dynamic;
        if (module->is_dynamic || module->is_from_bytes) TRY(survey_module(s, module));
    }
    for (size_t i = 0; i < s->survey->generators.count; i++)
        finish_generator(&s->survey->generators.data[i]);
    return NULL;
}

struct error *dynamic_survey_init(struct session *session, struct dynamic_survey *ret)
{
    struct surveyor surveyor = { .survey = ret };
    struct error *err;

    *ret = (struct dynamic_survey) { 0 };
    arena_init(&ret->arena);
    map_init(&ret->generator_of_module);
    err = survey_run(&surveyor, session);
    text_deinit(&surveyor.name);
    text_deinit(&surveyor.folded);
    text_deinit(&surveyor.interfaces);
    text_deinit(&surveyor.other);
    map_deinit(&surveyor.by_name);
    if (err) dynamic_survey_deinit(ret);
    return err;
}

void dynamic_survey_deinit(struct dynamic_survey *survey)
{
    for (size_t i = 0; i < survey->generators.count; i++) {
        vec_deinit(&survey->generators.data[i].patterns);
        map_deinit(&survey->generators.data[i].by_key);
        map_deinit(&survey->generators.data[i].instance_types);
    }
    vec_deinit(&survey->generators);
    map_deinit(&survey->generator_of_module);
    arena_deinit(&survey->arena);
}

/* Adds the objects of one type to the pattern that its type_def belongs to. False: no memory. */
static bool count_instances(struct surveyor *s, struct dynamic_generator *generator, const struct clr_type *type,
                            const struct histogram_row *row)
{
    struct clr_module *module = clr_module_get(s->survey->clr, type->module_addr);
    uint32_t rid = metadata_token_rid(type->token);
    struct dynamic_pattern *pattern;
    struct metadata md;
    uint64_t at;

    if (!module || !clr_module_try_metadata(s->survey->clr, module, &md)) return true;
    if (!collect_interfaces(s, &md, rid, generator->kind ? generator->kind->interface : NULL)) return true;
    if (!map_get(&generator->by_key, pattern_key(s, &md, rid), &at) || at == 0) return true;
    pattern = &generator->patterns.data[at - 1];
    pattern->loaded_count++;
    pattern->instance_count += row->count;
    pattern->instance_bytes += row->bytes;
    return map_put(&generator->instance_types, row->mt_addr, at);
}

struct error *dynamic_survey_instances(struct session *session, struct dynamic_survey *survey, struct dynamic_generator *generator)
{
    struct surveyor surveyor = { .survey = survey };
    const struct histogram *histogram;
    bool ok = true;

    TRY(session_histogram(session, &histogram));
    for (size_t i = 0; ok && i < histogram->rows.count; i++) {
        const struct histogram_row *row = &histogram->rows.data[i];
        struct clr_type *type = clr_type_get(survey->clr, row->mt_addr);
        uint64_t index;

        if (type && !clr_type_is_array(type) && map_get(&survey->generator_of_module, type->module_addr, &index) &&
            &survey->generators.data[index] == generator)
            ok = count_instances(&surveyor, generator, type, row);
    }
    text_deinit(&surveyor.name);
    text_deinit(&surveyor.folded);
    text_deinit(&surveyor.interfaces);
    text_deinit(&surveyor.other);
    return ok ? NULL : &error_enomem;
}

static int compare_blocks(const void *a, const void *b)
{
    const struct loader_heap_block *left = *(const struct loader_heap_block *const *)a,
                                   *right = *(const struct loader_heap_block *const *)b;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* Index of the block that holds `addr`, or `count`. */
static size_t block_at(const struct loader_heap_block *const *blocks, size_t count, uint64_t addr)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (blocks[middle]->start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low && addr - blocks[low - 1]->start < blocks[low - 1]->reserved_size ? low - 1 : count;
}

static void mark_module(struct dynamic_survey *survey, struct clr_module *module, const struct loader_heap_block *const *blocks,
                        size_t count, uint8_t *marked)
{
    struct clr_type_map_iterator types;
    uint64_t mt;
    uint32_t rid;

    marked[block_at(blocks, count, module->addr)] = 1;
    clr_type_map_begin(survey->clr, module, &types);
    while (clr_type_map_next(&types, &mt, &rid)) {
        uint64_t class_addr;

        marked[block_at(blocks, count, mt)] = 1;
        if (clr_try_u64(survey->clr, mt, FIELD_MethodTable_EEClassOrCanonMT, &class_addr))
            marked[block_at(blocks, count, class_addr & ~UINT64_C(3))] = 1;
    }
}

struct error *dynamic_survey_loader_bytes(struct session *session, struct dynamic_survey *survey,
                                          const struct dynamic_generator *generator, uint64_t *ret)
{
    const struct loader_heap_blocks *heaps;
    const struct loader_heap_block **blocks;
    uint8_t *marked;
    size_t count;

    TRY(session_loader_heaps(session, &heaps));
    count = heaps->list.count;
    blocks = calloc(count + 1, sizeof(*blocks));
    marked = calloc(count + 1, 1);
    if (!blocks || !marked) {
        free(blocks);
        free(marked);
        return &error_enomem;
    }
    for (size_t i = 0; i < count; i++)
        blocks[i] = &heaps->list.data[i];
    qsort(blocks, count, sizeof(*blocks), compare_blocks);
    for (size_t i = 0; survey->generator_of_module.slots && i <= survey->generator_of_module.mask; i++) {
        const struct map_slot *slot = &survey->generator_of_module.slots[i];
        struct clr_module *module;

        if (slot->key == MAP_EMPTY || &survey->generators.data[slot->value] != generator) continue;
        module = clr_module_get(survey->clr, slot->key);
        if (module) mark_module(survey, module, blocks, count, marked);
    }
    *ret = 0;
    for (size_t i = 0; i < count; i++)
        if (marked[i]) *ret += blocks[i]->committed_size;
    free(blocks);
    free(marked);
    return NULL;
}
