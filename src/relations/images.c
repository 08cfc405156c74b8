#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* Native modules: ELF and PE images as the system mapped them. */
struct images_cursor {
    const struct target *target;
    size_t index;
    struct text identity;
};

enum { BASE, END, SIZE, NAME, IDENTITY, PATH };

static struct error *images_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct images_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->identity);
    cursor->target = session_target(session);
    return NULL;
}

static struct error *images_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct images_cursor *cursor = cursor_;
    const struct target_module *module;

    *more_ret = cursor->index < cursor->target->modules.count;
    if (!*more_ret) return NULL;
    module = &cursor->target->modules.data[cursor->index++];
    text_clear(&cursor->identity);
    for (uint32_t i = 0; i < module->build_id_size; i++)
        text_printf(&cursor->identity, "%02x", module->build_id[i]);
    if (!module->build_id_size && module->timestamp)
        text_printf(&cursor->identity, "%08x%x", module->timestamp, module->image_size);
    value_u64(&row[BASE], module->base);
    value_u64(&row[END], module->end);
    value_u64(&row[SIZE], module->end - module->base);
    value_text(&row[NAME], module->name);
    if (cursor->identity.length) value_text(&row[IDENTITY], text_cstr(&cursor->identity));
    value_text(&row[PATH], module->path);
    return NULL;
}

static void images_end(void *cursor_)
{
    struct images_cursor *cursor = cursor_;

    text_deinit(&cursor->identity);
}

static const struct column columns[] = {
    { "base", COLUMN_ADDRESS, "where it is mapped" },
    { "end", COLUMN_ADDRESS, "its end" },
    { "size", COLUMN_BYTES, "address space" },
    { "name", COLUMN_TEXT, "file name" },
    { "identity", COLUMN_TEXT, "ELF build-id, or PE timestamp and size", COLUMN_VERBOSE },
    { "path", COLUMN_TEXT, "as the process saw it" },
};

const struct relation relation_images = {
    .name = "images",
    .summary = "native modules: ELF and PE images as the system mapped them",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "images" },
                  { "lm", .columns = "base,end,name,path", .titles = "start|end|module name|path",
                    .help = "as WinDbg prints it" } },
    .empty = "the dump lists no mapped files",
    .cursor_size = sizeof(struct images_cursor),
    .begin = images_begin,
    .next = images_next,
    .end = images_end,
};
