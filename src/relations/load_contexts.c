#include "clr/loader.h"
#include "clr/method_table.h"
#include "relations/relation.h"
#include "session/session.h"

/* AssemblyLoadContexts: those that assemblies are loaded into, in the order in which they are met. */
struct load_context {
    uint64_t object_addr;
    uint64_t assembly_count;
    bool is_collectible;
};

struct load_contexts_cursor {
    struct clr *clr;
    struct map index; /* object -> index in list */
    VEC(struct load_context) list;
    size_t next;
};

enum { ADDRESS, NAME, COLLECTIBLE, ASSEMBLY_COUNT, TYPE };

static struct error *load_contexts_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct load_contexts_cursor *cursor = cursor_;
    struct clr_module *const *modules;
    size_t count;

    (void)request;
    map_init(&cursor->index);
    TRY(session_clr(session, &cursor->clr));
    TRY(clr_modules(cursor->clr, &modules, &count));
    for (size_t i = 0; i < count; i++) {
        struct load_context context = { .object_addr = clr_module_load_context(cursor->clr, modules[i]) };
        uint64_t *slot;
        bool added;

        slot = map_slot(&cursor->index, context.object_addr, &added);
        if (!slot) return &error_enomem;
        if (added) {
            *slot = cursor->list.count;
            if (!vec_push(&cursor->list, context)) return &error_enomem;
        }
        cursor->list.data[*slot].assembly_count++;
        cursor->list.data[*slot].is_collectible |= modules[i]->is_collectible;
    }
    return NULL;
}

static struct error *load_contexts_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct load_contexts_cursor *cursor = cursor_;
    const struct load_context *context;
    uint64_t mt;

    *more_ret = cursor->next < cursor->list.count;
    if (!*more_ret) return NULL;
    context = &cursor->list.data[cursor->next++];
    value_u64(&row[COLLECTIBLE], context->is_collectible);
    value_u64(&row[ASSEMBLY_COUNT], context->assembly_count);
    if (!context->object_addr) return NULL;
    value_u64(&row[ADDRESS], context->object_addr);
    if (!memory_try_u64(cursor->clr->memory, context->object_addr, &mt)) return NULL;
    value_text(&row[TYPE], clr_type_name(cursor->clr, mt & ~UINT64_C(7)));
    return NULL;
}

static void load_contexts_end(void *cursor_)
{
    struct load_contexts_cursor *cursor = cursor_;

    map_deinit(&cursor->index);
    vec_deinit(&cursor->list);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "managed AssemblyLoadContext object; none for assemblies whose context is not known" },
    { "name", COLUMN_TEXT, "name given to it; not read yet", COLUMN_VERBOSE },
    { "collectible", COLUMN_BOOL, "can be unloaded" },
    { "assembly_count", COLUMN_COUNT, "assemblies loaded into it" },
    { "type", COLUMN_TEXT, "its type: the default one, or the application's own" },
};

const struct relation relation_load_contexts = {
    .name = "load_contexts",
    .summary = "assembly load contexts",
    .topic = "loader",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "load_contexts" } },
    .empty = "no load context is on the GC heap, or it is not in this dump",
    .cursor_size = sizeof(struct load_contexts_cursor),
    .begin = load_contexts_begin,
    .next = load_contexts_next,
    .end = load_contexts_end,
};
