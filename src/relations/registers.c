#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* General registers of threads, one a row. */
struct registers_cursor {
    const struct dump *dump;
    size_t thread;
    unsigned index;
    uint64_t only;
    bool has_only;
};

enum { OS_ID, NAME, VALUE };

static const char *const names[DUMP_REGISTER_COUNT] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                                        "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip" };

static struct error *registers_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct registers_cursor *cursor = cursor_;

    cursor->dump = session_target(session)->dump;
    cursor->has_only = !request->arguments[1].given;
    cursor->only = cursor->dump->threads.count ? cursor->dump->threads.data[0].os_id : 0;
    if (request->arguments[0].given) cursor->only = request->arguments[0].u;
    return NULL;
}

static struct error *registers_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct registers_cursor *cursor = cursor_;

    for (; cursor->thread < cursor->dump->threads.count; cursor->thread++, cursor->index = 0) {
        const struct dump_thread *thread = &cursor->dump->threads.data[cursor->thread];

        if (!thread->has_registers || (cursor->has_only && thread->os_id != cursor->only) || cursor->index >= DUMP_REGISTER_COUNT)
            continue;
        value_u64(&row[OS_ID], thread->os_id);
        value_text(&row[NAME], names[cursor->index]);
        value_u64(&row[VALUE], thread->registers[cursor->index++]);
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static const struct column columns[] = {
    { "os_id", COLUMN_NUMBER, "thread id of the system" },
    { "register", COLUMN_TEXT, "name" },
    { "value", COLUMN_ADDRESS, "content" },
};

static const struct parameter parameters[] = {
    { "thread", NULL, PARAMETER_NUMBER, false, "the system's id of the thread (default: the one that the dump names first)" },
    { "all", "-all", PARAMETER_SWITCH, false, "every thread" },
};

const struct relation relation_registers = {
    .name = "registers",
    .summary = "general registers of a thread",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "registers" }, { "r", .help = "as SOS calls it" } },
    .empty = "the dump has no registers of such a thread (threads -all lists them)",
    .cursor_size = sizeof(struct registers_cursor),
    .begin = registers_begin,
    .next = registers_next,
};
