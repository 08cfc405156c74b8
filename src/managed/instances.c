#include "managed/instances.h"

#include <string.h>

#include "clr/statics.h"
#include "clr/type_lookup.h"
#include "heap/walk.h"

/* Of a type met before in this search the answer is kept where a histogram would count. */
enum { ANSWER_NO = 1, ANSWER_YES = 2 };

static bool is_wanted(struct object_type *type, bool (*wanted)(void *user, uint64_t mt_addr), void *user)
{
    if (!type->count) type->count = !type->is_free && wanted(user, type->mt_addr) ? ANSWER_YES : ANSWER_NO;
    return type->count == ANSWER_YES;
}

static struct error *find_in_segment(struct walk *walk, bool (*wanted)(void *user, uint64_t mt_addr), void *user, size_t max,
                                     address_list *ret)
{
    struct object object;

    while (walk_next(walk, &object) && ret->count < max)
        if (is_wanted((struct object_type *)object.type, wanted, user) && !vec_push(ret, object.addr)) return &error_enomem;
    return NULL;
}

struct error *instances_find(struct clr *clr, const struct gc_heaps *heaps, bool (*wanted)(void *user, uint64_t mt_addr),
                             void *user, size_t max, address_list *ret)
{
    struct object_types types;
    struct error *err = NULL;

    if (!object_types_init(&types, clr)) return &error_enomem;
    for (size_t i = 0; i < heaps->segments.count && !err; i++) {
        struct walk walk;

        walk_init(&walk, clr, &types, heaps, &heaps->segments.data[i]);
        err = find_in_segment(&walk, wanted, user, max, ret);
    }
    object_types_deinit(&types);
    return err;
}

struct named {
    struct clr *clr;
    const char *name;
};

static bool is_named(void *user, uint64_t mt_addr)
{
    const struct named *named = user;

    return !strcmp(clr_type_name(named->clr, mt_addr), named->name);
}

struct error *instances_find_named(struct clr *clr, const struct gc_heaps *heaps, const char *name, size_t max, address_list *ret)
{
    struct named named = { clr, name };

    return instances_find(clr, heaps, is_named, &named, max, ret);
}

static uint64_t static_object(struct clr *clr, struct clr_module *module, const char *type_name, const char *fields)
{
    const struct metadata *md = clr_module_metadata(clr, module);
    uint32_t rid = md ? metadata_find_type_by_name(md, type_name) : 0;
    uint64_t mt_addr = rid ? clr_token_type(clr, module, metadata_token(METADATA_TYPE_DEF, rid)) : 0, object;
    struct clr_type *type = mt_addr ? clr_type_get(clr, mt_addr) : NULL;
    struct clr_statics statics;
    struct clr_field field;

    if (!type || !clr_type_statics(clr, type, &statics)) return 0;
    while (fields && *fields) {
        char name[128];
        size_t length = strcspn(fields, "|");

        if (length < sizeof(name)) {
            memcpy(name, fields, length);
            name[length] = 0;
            if (clr_static_find(clr, mt_addr, name, &field))
                return memory_try_u64(clr->memory, clr_static_addr(clr, &statics, &field), &object) ? object : 0;
        }
        fields += length;
        fields += *fields == '|';
    }
    return 0;
}

uint64_t managed_static_object(struct clr *clr, const char *assembly, const char *type, const char *fields)
{
    struct clr_module *const *modules;
    struct error *err;
    size_t count;

    err = clr_modules(clr, &modules, &count);
    if (err) {
        error_destroy(err);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t object;

        /* Where assemblies are made without end, these are not the ones that are asked for. */
        if (modules[i]->is_dynamic || modules[i]->is_from_bytes) continue;
        if (strcmp(clr_module_simple_name(clr, modules[i]), assembly)) continue;
        object = static_object(clr, modules[i], type, fields);
        if (object) return object;
    }
    return 0;
}
