#include <string.h>
#include <strings.h>

#include "clr/object.h"
#include "heap/roots.h"
#include "relations/relation.h"
#include "session/session.h"

struct roots_cursor {
    struct clr *clr;
    const struct roots *roots;
    size_t index;
    const char *kind, *name;
    uint64_t object, thread;
    bool with_queue;
    struct text text;
    uint64_t columns_needed, count;
};

enum { ADDRESS, OBJECT, KIND, NAME, THREAD, TYPE };
enum { PARAMETER_KIND, PARAMETER_OBJECT, PARAMETER_THREAD };

static struct error *roots_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct roots_cursor *cursor = cursor_;
    const struct argument *arguments = request->arguments;

    text_init(&cursor->text);
    cursor->columns_needed = request->columns_needed;
    if (arguments[PARAMETER_KIND].given) cursor->kind = arguments[PARAMETER_KIND].s;
    if (arguments[PARAMETER_OBJECT].given) cursor->object = arguments[PARAMETER_OBJECT].u;
    if (arguments[PARAMETER_THREAD].given) cursor->thread = arguments[PARAMETER_THREAD].u;
    TRY(session_clr(session, &cursor->clr));
    return session_roots(session, &cursor->roots);
}

static bool is_asked(const struct roots_cursor *cursor, const struct root *root)
{
    if (cursor->object && root->object != cursor->object) return false;
    if (cursor->thread && root->os_id != cursor->thread) return false;
    return !cursor->kind || !strncasecmp(root_kind_name(root), cursor->kind, strlen(cursor->kind));
}

static void fill_row(struct roots_cursor *cursor, const struct root *root, struct value *row)
{
    if (root->addr) value_u64(&row[ADDRESS], root->addr);
    value_u64(&row[OBJECT], root->object);
    value_text(&row[KIND], root_kind_name(root));
    if (root->os_id) value_u64(&row[THREAD], root->os_id);
    if (cursor->columns_needed & 1 << NAME) {
        text_clear(&cursor->text);
        root_name(cursor->clr, root, &cursor->text);
        if (cursor->text.length) value_text(&row[NAME], text_cstr(&cursor->text));
    }
    if (cursor->columns_needed & 1 << TYPE) value_text(&row[TYPE], clr_object_type_name(cursor->clr, root->object));
}

static struct error *roots_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct roots_cursor *cursor = cursor_;

    for (*more_ret = false; !*more_ret && cursor->index < cursor->roots->list.count; cursor->index++) {
        const struct root *root = &cursor->roots->list.data[cursor->index];

        if (!is_asked(cursor, root)) continue;
        fill_row(cursor, root, row);
        cursor->count++;
        *more_ret = true;
    }
    return NULL;
}

static void roots_end(void *cursor_)
{
    struct roots_cursor *cursor = cursor_;

    text_deinit(&cursor->text);
}

static void roots_footer(void *cursor_, struct text *ret)
{
    const struct roots_cursor *cursor = cursor_;

    text_printf(ret, "Total %llu roots", (unsigned long long)cursor->count);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "of the slot; none for a register" },
    { "object", COLUMN_ADDRESS, "what it holds" },
    { "kind", COLUMN_TEXT,
      "static, thread_static, strong and other handles, stack, stack (conservative), finalizer, finalizer_queue" },
    { "name", COLUMN_TEXT, "declaring type and name of a static field; thread, register and method of a stack" },
    { "thread", COLUMN_NUMBER, "the system's id of the thread" },
    { "type", COLUMN_TEXT, "of the object" },
};

static const struct parameter parameters[] = {
    { "kind", "-kind", PARAMETER_TEXT, false, "only roots whose kind begins like this" },
    { "object", "-object", PARAMETER_ADDRESS, false, "only roots of this object" },
    { "thread", "-thread", PARAMETER_NUMBER, false, "only roots of the thread with this id of the system" },
};

const struct relation relation_roots = {
    .name = "roots",
    .summary = "what keeps objects alive from outside of the heap",
    .description =
        "Static fields by name, handles, thread statics, stacks, objects that wait for their finalizer. Of "
        "stacks what the GC itself would find, by the GC info of their methods; a stack that cannot be walked whole is "
        "searched for words that look like addresses of objects (conservative): more than that, never less. Objects of the "
        "finalizer_queue have a finalizer that has not run; the queue alone does not keep them alive.",
    .topic = "references",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "roots" } },
    .group_by = "kind",
    .empty = "no roots match, or the GC heap is not in this dump",
    .cursor_size = sizeof(struct roots_cursor),
    .begin = roots_begin,
    .next = roots_next,
    .end = roots_end,
    .footer = roots_footer,
};
