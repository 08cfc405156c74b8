#include "managed/instances.h"

#include "relations/relation.h"
#include "session/session.h"

/* System.RuntimeType objects: the types that code has asked for as objects. */
enum { RUNTIME_TYPES_MAX = 1 << 24 };

struct runtime_types_cursor {
    struct clr *clr;
    address_list list;
    size_t next;
    struct text name;
};

enum { ADDRESS, TYPE_HANDLE, NAME, COLLECTIBLE };

static struct error *runtime_types_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct runtime_types_cursor *cursor = cursor_;
    const struct gc_heaps *heaps;

    (void)request;
    text_init(&cursor->name);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_gc_heaps(session, &heaps));
    return instances_find_named(cursor->clr, heaps, "System.RuntimeType", RUNTIME_TYPES_MAX, &cursor->list);
}

static struct error *runtime_types_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct runtime_types_cursor *cursor = cursor_;
    struct managed_value handle;
    struct clr_type *type;
    uint64_t addr;

    *more_ret = cursor->next < cursor->list.count;
    if (!*more_ret) return NULL;
    value_u64(&row[ADDRESS], cursor->list.data[cursor->next++]);
    if (!managed_follow(cursor->clr, row[ADDRESS].u, "m_handle", &handle) ||
        !memory_try_u64(cursor->clr->memory, handle.addr, &addr))
        return NULL;
    value_u64(&row[TYPE_HANDLE], addr);
    text_clear(&cursor->name);
    if (clr_type_handle_name(cursor->clr, addr, 0, &cursor->name)) value_text(&row[NAME], text_cstr(&cursor->name));
    type = clr_type_get(cursor->clr, addr);
    if (type) value_u64(&row[COLLECTIBLE], clr_type_is_collectible(cursor->clr, type));
    return NULL;
}

static void runtime_types_end(void *cursor_)
{
    struct runtime_types_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    text_deinit(&cursor->name);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the System.RuntimeType object" },
    { "type_handle", COLUMN_ADDRESS, "the type that it stands for: a MethodTable, or a TypeDesc of pointers, type variables, ..." },
    { "name", COLUMN_TEXT, "name of that type" },
    { "collectible", COLUMN_BOOL, "of an assembly that can be unloaded; such an object keeps it loaded" },
};

const struct relation relation_runtime_types = {
    .name = "runtime_types",
    .summary = "System.RuntimeType objects, with the types that they stand for",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "runtime_types" }, { "dumpruntimetypes", .help = "as SOS names it" } },
    .empty = "the GC heap is not in this dump",
    .cursor_size = sizeof(struct runtime_types_cursor),
    .begin = runtime_types_begin,
    .next = runtime_types_next,
    .end = runtime_types_end,
};
