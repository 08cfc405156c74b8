#include "clr/code_manager.h"
#include "clr/method_desc.h"
#include "clr/precode.h"
#include "managed/collection.h"
#include "relations/relation.h"
#include "session/session.h"

/*
 * What a delegate calls: a row for each of its targets.
 *
 *     _target, _methodPtr           a method of an object: code, or a stub that leads to it
 *     _target, _methodPtrAux        a static method: _methodPtr is then a stub that shifts the arguments, _target the delegate
 * itself _invocationList, _invocationCount   several: an array of delegates
 *
 * Source: System.Private.CoreLib, Delegate.CoreCLR.cs and MulticastDelegate.CoreCLR.cs.
 */
enum { TARGETS_MAX = 1 << 20 };

struct delegate_targets_cursor {
    struct clr *clr;
    VEC(uint64_t) delegates;
    size_t next;
    struct text name;
};

enum { DELEGATE, TARGET, TARGET_TYPE, METHOD, METHOD_DESC, CODE };

static struct error *add_list(struct delegate_targets_cursor *cursor, uint64_t array_addr, int64_t count)
{
    struct clr_object array;

    if (!clr_object_try(cursor->clr, array_addr, &array) || !clr_type_is_array(array.type)) return NULL;
    for (uint32_t i = 0; i < array.count && i < count && i < TARGETS_MAX; i++) {
        uint64_t addr;

        if (!memory_try_u64(cursor->clr->memory, array_addr + ARRAY_DATA_OFF + 8ull * i, &addr) || !addr) continue;
        if (!vec_push(&cursor->delegates, addr)) return &error_enomem;
    }
    return NULL;
}

static struct error *delegate_targets_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct delegate_targets_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u, list;
    struct managed_value pointer;
    int64_t count = 0;

    text_init(&cursor->name);
    TRY(session_clr(session, &cursor->clr));
    if (!managed_follow(cursor->clr, addr, "_methodPtr", &pointer))
        return error_fault(addr, "no delegate at '%llx'", (unsigned long long)addr);
    list = managed_follow_object(cursor->clr, addr, "_invocationList");
    if (list && managed_follow_number(cursor->clr, addr, "_invocationCount", &count) && count > 0)
        TRY(add_list(cursor, list, count));
    return cursor->delegates.count || vec_push(&cursor->delegates, addr) ? NULL : &error_enomem;
}

/* The method whose code, or a stub to it, is at `addr`; 0: not known. */
static uint64_t method_desc_at(struct clr *clr, uint64_t addr)
{
    struct code_block block;
    struct stub stub;

    if (code_find(clr, addr, &block)) return block.method_desc_addr;
    if (!stub_at(clr, addr, &stub)) return 0;
    if (stub.method_desc_addr) return stub.method_desc_addr;
    return code_find(clr, stub.target_addr, &block) ? block.method_desc_addr : 0;
}

static uint64_t pointer_in(struct clr *clr, uint64_t delegate, const char *field)
{
    struct managed_value value;
    uint64_t ret;

    return managed_follow(clr, delegate, field, &value) && memory_try_u64(clr->memory, value.addr, &ret) ? ret : 0;
}

static void fill_method(struct delegate_targets_cursor *cursor, uint64_t code, struct value *row)
{
    uint64_t addr = method_desc_at(cursor->clr, code);
    struct clr_method method;

    value_u64(&row[CODE], code);
    if (!addr || !clr_method_at(cursor->clr, addr, &method)) return;
    value_u64(&row[METHOD_DESC], addr);
    text_clear(&cursor->name);
    if (clr_method_name(cursor->clr, &method, &cursor->name)) value_text(&row[METHOD], text_cstr(&cursor->name));
}

static struct error *delegate_targets_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct delegate_targets_cursor *cursor = cursor_;
    uint64_t addr, target, aux;

    *more_ret = cursor->next < cursor->delegates.count;
    if (!*more_ret) return NULL;
    addr = cursor->delegates.data[cursor->next++];
    target = managed_follow_object(cursor->clr, addr, "_target");
    aux = pointer_in(cursor->clr, addr, "_methodPtrAux");
    value_u64(&row[DELEGATE], addr);
    fill_method(cursor, aux ? aux : pointer_in(cursor->clr, addr, "_methodPtr"), row);
    if (!target || target == addr) return NULL;
    value_u64(&row[TARGET], target);
    value_text(&row[TARGET_TYPE], clr_object_type_name(cursor->clr, target));
    return NULL;
}

static void delegate_targets_end(void *cursor_)
{
    struct delegate_targets_cursor *cursor = cursor_;

    vec_deinit(&cursor->delegates);
    text_deinit(&cursor->name);
}

static const struct column columns[] = {
    { "delegate", COLUMN_ADDRESS, "the delegate: the one asked for, or one of those that it calls" },
    { "target", COLUMN_ADDRESS, "object whose method is called; none: a static method" },
    { "target_type", COLUMN_TEXT, "its type" },
    { "method", COLUMN_TEXT, "the method" },
    { "method_desc", COLUMN_ADDRESS, "identity of the method", COLUMN_VERBOSE },
    { "code", COLUMN_ADDRESS, "where the call goes: code, or a stub", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "delegate", NULL, PARAMETER_ADDRESS, true, "the delegate" },
};

const struct relation relation_delegate_targets = {
    .name = "delegate_targets",
    .summary = "what a delegate calls: objects and methods",
    .topic = "GC heap",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "delegate_targets" }, { "dumpdelegate", .help = "as SOS names it" } },
    .cursor_size = sizeof(struct delegate_targets_cursor),
    .begin = delegate_targets_begin,
    .next = delegate_targets_next,
    .end = delegate_targets_end,
};
