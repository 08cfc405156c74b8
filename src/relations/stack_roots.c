#include "clr/stack_roots.h"
#include "clr/method_desc.h"
#include "clr/object.h"
#include "heap/stack_words.h"
#include "relations/relation.h"
#include "session/session.h"

/* What the GC would find on the stacks, thread by thread. */
struct stack_roots_cursor {
    struct clr *clr;
    struct clr_thread *threads;
    size_t thread_count, thread_index; /* the one whose roots are being listed is before thread_index */
    struct stack stack;
    struct stack_roots found;
    size_t index;
    uint64_t only_id;
    bool has_only, has_words;
    struct stack_words words;
    struct text name;
    size_t count, whole_count, walked_count;
    const char *last_broken;
    uint64_t last_broken_addr;
};

enum { MANAGED_ID, OS_ID, SP, IP, METHOD, PLACE, REGISTER, OBJECT, TYPE, INTERIOR, PINNED, CERTAIN, WHOLE, SOURCE, VALUE };

static const char *const registers[UNWIND_X64_REGISTERS] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                                             "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip" };

static struct error *stack_roots_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct stack_roots_cursor *cursor = cursor_;
    const struct heap_starts *starts;

    text_init(&cursor->name);
    cursor->has_only = request->arguments[0].given;
    cursor->only_id = request->arguments[0].u;
    TRY(session_clr(session, &cursor->clr));
    TRY(session_starts(session, &starts));
    cursor->has_words = stack_words_init(&cursor->words, cursor->clr, starts);
    if (!cursor->has_words) return &error_enomem;
    return clr_threads(cursor->clr, session_arena(session), &cursor->threads, &cursor->thread_count);
}

/* Goes on to the next thread; *more_ret false when there is none. */
static struct error *next_thread(struct stack_roots_cursor *cursor, bool *more_ret)
{
    while (cursor->thread_index < cursor->thread_count) {
        const struct clr_thread *thread = &cursor->threads[cursor->thread_index++];

        if (cursor->has_only && thread->managed_id != cursor->only_id) continue;
        stack_deinit(&cursor->stack);
        stack_roots_deinit(&cursor->found);
        cursor->index = 0;
        TRY(stack_walk(cursor->clr, thread, stack_native_thread(cursor->clr, thread->os_id), &cursor->stack));
        TRY(stack_roots_find(cursor->clr, thread, &cursor->stack, &cursor->found));
        cursor->walked_count++;
        cursor->whole_count += cursor->found.broken == NULL;
        if (cursor->found.broken) {
            cursor->last_broken = cursor->found.broken;
            cursor->last_broken_addr = cursor->found.broken_addr;
        }
        *more_ret = true;
        return NULL;
    }
    *more_ret = false;
    return NULL;
}

static void fill_frame(struct stack_roots_cursor *cursor, const struct stack_root *root, struct value *row)
{
    const struct stack_frame *frame;
    struct clr_method method;

    if (root->frame >= cursor->stack.frames.count) {
        value_text(&row[SOURCE], root->addr ? "GCFrame" : "exception");
        return;
    }
    frame = &cursor->stack.frames.data[root->frame];
    value_u64(&row[SP], frame->sp);
    value_u64(&row[IP], frame->ip);
    value_text(&row[SOURCE], frame->kind == STACK_MANAGED ? "method" : frame->name);
    text_clear(&cursor->name);
    if (clr_method_at(cursor->clr, frame->method_desc_addr, &method) && clr_method_name(cursor->clr, &method, &cursor->name))
        value_text(&row[METHOD], text_cstr(&cursor->name));
}

static void fill(struct stack_roots_cursor *cursor, const struct stack_root *root, uint64_t object, struct value *row)
{
    const struct clr_thread *thread = &cursor->threads[cursor->thread_index - 1];

    cursor->count++;
    value_u64(&row[MANAGED_ID], thread->managed_id);
    if (thread->os_id) value_u64(&row[OS_ID], thread->os_id);
    fill_frame(cursor, root, row);
    if (root->addr)
        value_u64(&row[PLACE], root->addr);
    else if (root->reg < UNWIND_X64_REGISTERS)
        value_text(&row[REGISTER], registers[root->reg]);
    value_u64(&row[OBJECT], object);
    value_text(&row[TYPE], clr_object_type_name(cursor->clr, object));
    value_u64(&row[INTERIOR], root->is_interior);
    value_u64(&row[PINNED], root->is_pinned);
    value_u64(&row[CERTAIN], root->is_certain);
    value_u64(&row[WHOLE], cursor->found.broken == NULL);
    value_u64(&row[VALUE], root->value);
}

/* Skips what points at no object: references to the stack, to statics, words of any kind. */
static struct error *stack_roots_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct stack_roots_cursor *cursor = cursor_;
    uint64_t object;
    bool interior;

    for (;;) {
        const struct stack_root *root;

        while (cursor->index >= cursor->found.list.count) {
            TRY(next_thread(cursor, more_ret));
            if (!*more_ret) return NULL;
        }
        root = &cursor->found.list.data[cursor->index++];
        if (!stack_words_object(&cursor->words, root->value, &object, &interior)) continue;
        if (interior && root->is_certain && !root->is_interior) continue;
        fill(cursor, root, object, row);
        *more_ret = true;
        return NULL;
    }
}

static void stack_roots_end(void *cursor_)
{
    struct stack_roots_cursor *cursor = cursor_;

    stack_deinit(&cursor->stack);
    stack_roots_deinit(&cursor->found);
    if (cursor->has_words) stack_words_deinit(&cursor->words);
    text_deinit(&cursor->name);
}

static void stack_roots_footer(void *cursor_, struct text *ret)
{
    const struct stack_roots_cursor *cursor = cursor_;

    text_printf(ret, "%zu roots; the stacks of %zu of %zu threads could be walked whole", cursor->count, cursor->whole_count,
                cursor->walked_count);
    if (cursor->last_broken)
        text_printf(ret, " (else: %s, at %llx)", cursor->last_broken, (unsigned long long)cursor->last_broken_addr);
}

static const struct column columns[] = {
    { "managed_id", COLUMN_NUMBER, "Thread.ManagedThreadId" },
    { "os_id", COLUMN_NUMBER, "thread id of the system", COLUMN_VERBOSE },
    { "sp", COLUMN_ADDRESS, "stack pointer of the frame; address of an explicit frame" },
    { "ip", COLUMN_ADDRESS, "where the frame stands", COLUMN_VERBOSE },
    { "method", COLUMN_TEXT, "type, name and parameters of the frame's method" },
    { "place", COLUMN_ADDRESS, "slot on the stack" },
    { "register", COLUMN_TEXT, "that holds it, instead" },
    { "object", COLUMN_ADDRESS, "that it points at, or into" },
    { "type", COLUMN_TEXT, "of the object" },
    { "interior", COLUMN_BOOL, "may point into the object", COLUMN_VERBOSE },
    { "pinned", COLUMN_BOOL, "the object must not be moved", COLUMN_VERBOSE },
    { "certain", COLUMN_BOOL, "no: a word among arguments, which may be anything else than a reference", COLUMN_VERBOSE },
    { "whole", COLUMN_BOOL, "the thread's stack could be walked whole; else roots are missing, and others may be dead",
      COLUMN_VERBOSE },
    { "source", COLUMN_TEXT, "method, kind of an explicit frame, GCFrame (the runtime's own code), exception", COLUMN_VERBOSE },
    { "value", COLUMN_ADDRESS, "what the slot holds", COLUMN_VERBOSE },
};

static const struct parameter parameters[] = {
    { "thread", NULL, PARAMETER_NUMBER, false, "only the thread with this managed id" },
};

const struct relation relation_stack_roots = {
    .name = "stack_roots",
    .summary = "objects that the methods on the stacks keep alive",
    .description = "What the GC itself would find: registers and slots that the GC info of a method calls live where it stands, "
                   "variables of the runtime's own code, exceptions in flight.",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "stack_roots" },
                  { "clrstack -gc", .columns = "managed_id,sp,place,register,object,type,method",
                    .titles = "Thread|Child SP|Slot|Reg|Object|Name|Call Site", .help = "as SOS calls it" } },
    .empty = "no stack keeps an object alive, or there is no such thread (threads lists them)",
    .cursor_size = sizeof(struct stack_roots_cursor),
    .begin = stack_roots_begin,
    .next = stack_roots_next,
    .end = stack_roots_end,
    .footer = stack_roots_footer,
};
