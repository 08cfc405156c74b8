#include "dump/live_pages.h"
#include "relations/relation.h"
#include "session/session.h"
#include "target/target.h"

/* Native modules: ELF and PE images as the system mapped them. */
struct images_cursor {
    const struct target *target;
    const struct live_pages *pages;
    size_t index;
    bool with_memory;
    struct text identity;
};

enum { BASE, END, SIZE, NAME, IDENTITY, SHARED, PRIVATE, WRITTEN, PATH };
enum { PAGE = 4096 };

static struct error *images_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct images_cursor *cursor = cursor_;

    cursor->with_memory = request->columns_needed & (1u << SHARED | 1u << PRIVATE | 1u << WRITTEN);
    text_init(&cursor->identity);
    cursor->target = session_target(session);
    cursor->pages = session_live_pages(session);
    return NULL;
}

/* What of it can be shared with other processes and what cannot, as far as the dump describes it; of a running process also what
 * was written. */
static void fill_memory(const struct images_cursor *cursor, const struct target_module *module, struct value *row)
{
    const struct dump *dump = cursor->target->dump;
    struct live_pages_sum sum = { 0 };
    /* Files end where they end, mappings with a page. */
    uint64_t end = (module->end + PAGE - 1) & ~(uint64_t)(PAGE - 1), shared = 0, private = 0;

    for (size_t i = dump_range_from(dump, module->base); i < dump->ranges.count && dump->ranges.data[i].start < end; i++) {
        const struct dump_range *range = &dump->ranges.data[i];
        uint64_t from = range->start > module->base ? range->start : module->base;
        uint64_t to = range->end < end ? range->end : end;

        if (range->state == RANGE_COMMIT) *(range->protection & PROTECTION_WRITE ? &private : &shared) += to - from;
    }
    value_u64(&row[SHARED], shared);
    value_u64(&row[PRIVATE], private);
    if (!cursor->pages->ranges.count) return;
    live_pages_add(cursor->pages, module->base, end, &sum);
    value_u64(&row[WRITTEN], sum.private_dirty);
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
    if (cursor->with_memory) fill_memory(cursor, module, row);
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
    { "shared", COLUMN_BYTES, "read-only memory of it that the dump describes: processes share it", COLUMN_VERBOSE },
    { "private", COLUMN_BYTES, "memory of it that can be written", COLUMN_VERBOSE },
    { "written", COLUMN_BYTES, "of a running process: pages that it wrote, relocations included", COLUMN_VERBOSE },
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
