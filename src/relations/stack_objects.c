#include "clr/object.h"
#include "clr/stack_walk.h"
#include "heap/stack_words.h"
#include "managed/place.h"
#include "relations/relation.h"
#include "session/session.h"

/* Objects that the registers and the stack of a thread point at. */
struct stack_objects_cursor {
    struct clr *clr;
    struct roots roots;
    struct map managed_ids; /* OS id -> managed id */
    size_t index, count;
    uint32_t only_os_id;
    bool has_only;
    struct text value;
};

enum { MANAGED_ID, OS_ID, PLACE, REGISTER, OBJECT, TYPE, VALUE };
enum { ARGUMENT_THREAD, ARGUMENT_ALL };

static const char *const registers[DUMP_REGISTER_COUNT] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                                            "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip" };

/* Appends those of the threads that were asked for. */
static struct error *collect(struct stack_objects_cursor *cursor, const struct heap_starts *starts)
{
    const struct dump *dump = cursor->clr->target->dump;
    struct error *err = NULL;
    struct stack_words words;

    if (!stack_words_init(&words, cursor->clr, starts)) err = &error_enomem;
    for (size_t i = 0; !err && i < dump->threads.count; i++)
        if (!cursor->has_only || dump->threads.data[i].os_id == cursor->only_os_id)
            err = stack_words_add(&words, &dump->threads.data[i], &cursor->roots);
    stack_words_deinit(&words);
    return err;
}

static struct error *stack_objects_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct stack_objects_cursor *cursor = cursor_;
    const struct heap_starts *starts;
    struct clr_thread *threads;
    size_t count;

    map_init(&cursor->managed_ids);
    text_init(&cursor->value);
    TRY(session_clr(session, &cursor->clr));
    TRY(session_starts(session, &starts));
    TRY(clr_threads(cursor->clr, session_arena(session), &threads, &count));
    for (size_t i = 0; i < count; i++) {
        if (!map_put(&cursor->managed_ids, threads[i].os_id, threads[i].managed_id)) return &error_enomem;
        if (request->arguments[ARGUMENT_THREAD].given && threads[i].managed_id == request->arguments[ARGUMENT_THREAD].u)
            cursor->only_os_id = threads[i].os_id;
    }
    cursor->has_only = !request->arguments[ARGUMENT_ALL].given;
    /* As SOS does: the thread that the dump names first. */
    if (!request->arguments[ARGUMENT_THREAD].given && cursor->clr->target->dump->threads.count)
        cursor->only_os_id = cursor->clr->target->dump->threads.data[0].os_id;
    return collect(cursor, starts);
}

static void fill(struct stack_objects_cursor *cursor, const struct root *root, struct value *row)
{
    struct managed_value value = { root->object, ELEMENT_OBJECT, 0 };
    uint64_t managed_id;

    cursor->count++;
    value_u64(&row[OS_ID], root->os_id);
    if (map_get(&cursor->managed_ids, root->os_id, &managed_id)) value_u64(&row[MANAGED_ID], managed_id);
    if (root->addr)
        value_u64(&row[PLACE], root->addr);
    else if (root->handle_kind < DUMP_REGISTER_COUNT)
        value_text(&row[REGISTER], registers[root->handle_kind]);
    value_u64(&row[OBJECT], root->object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, root->object));
    text_clear(&cursor->value);
    managed_text(cursor->clr, &value, &cursor->value);
    value_textn(&row[VALUE], text_cstr(&cursor->value), cursor->value.length);
}

static struct error *stack_objects_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct stack_objects_cursor *cursor = cursor_;

    *more_ret = cursor->index < cursor->roots.list.count;
    if (*more_ret) fill(cursor, &cursor->roots.list.data[cursor->index++], row);
    return NULL;
}

static void stack_objects_end(void *cursor_)
{
    struct stack_objects_cursor *cursor = cursor_;

    roots_deinit(&cursor->roots);
    map_deinit(&cursor->managed_ids);
    text_deinit(&cursor->value);
}

static void stack_objects_footer(void *cursor_, struct text *ret)
{
    const struct stack_objects_cursor *cursor = cursor_;

    text_printf(ret, "%zu places on stacks point at objects; some may be leftovers", cursor->count);
}

static const struct column columns[] = {
    { "managed_id", COLUMN_NUMBER, "Thread.ManagedThreadId; none for native threads" },
    { "os_id", COLUMN_NUMBER, "thread id of the system", COLUMN_VERBOSE },
    { "sp", COLUMN_ADDRESS, "place on the stack" },
    { "register", COLUMN_TEXT, "register that points at it, instead" },
    { "object", COLUMN_ADDRESS, "that it points at, or into" },
    { "type", COLUMN_TEXT, "of the object" },
    { "value", COLUMN_TEXT, "text of strings, else type and address", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "thread", NULL, PARAMETER_NUMBER, false, "managed id (default: the thread that the dump names first)" },
    { "all", "-all", PARAMETER_SWITCH, false, "every thread" },
};

const struct relation relation_stack_objects = {
    .name = "stack_objects",
    .summary = "objects that a thread's stack and registers point at",
    .description = "Found conservatively: every word that points at an object, also one that a method left behind.",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "stack_objects" },
                  { "dumpstackobjects", .columns = "sp,register,object,type", .titles = "SP|REG|Object|Name",
                    .help = "as SOS calls it" },
                  { "dso", .columns = "sp,register,object,type", .titles = "SP|REG|Object|Name", .help = "as SOS calls it" } },
    .empty = "no word of the stack points at an object, or there is no such thread (threads lists them)",
    .cursor_size = sizeof(struct stack_objects_cursor),
    .begin = stack_objects_begin,
    .next = stack_objects_next,
    .end = stack_objects_end,
    .footer = stack_objects_footer,
};
