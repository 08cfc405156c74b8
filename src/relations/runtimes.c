#include "clr/clr.h"
#include "clr/gc_heap.h"
#include "relations/relation.h"
#include "session/session.h"

/* The .NET runtimes in the process, with what could be made of each. */
struct runtimes_cursor {
    struct session *session;
    const struct target *target;
    size_t indices[CLR_RUNTIMES_MAX];
    size_t count, index;
    struct text text, problem;
    struct clr *clr; /* of the last row */
};

enum { NUMBER, VERSION, PATH, BASE, BUILD_ID, SINGLE_FILE, LAYOUT, DESCRIPTOR, GLOBALS, GC, HEAPS, PROBLEM };

static struct error *runtimes_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct runtimes_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->text);
    text_init(&cursor->problem);
    cursor->session = session;
    cursor->target = session_target(session);
    cursor->count = clr_find_runtimes(cursor->target, cursor->indices, ARRAY_LENGTH(cursor->indices));
    if (cursor->count > ARRAY_LENGTH(cursor->indices)) cursor->count = ARRAY_LENGTH(cursor->indices);
    return NULL;
}

static void fill_clr(struct clr *clr, struct value *row)
{
    static const char *const sources[] = { "unknown", "descriptor", "DAC table", "DAC table found by its shape", "shape" };
    struct gc_heaps heaps;
    struct error *err;

    value_text(&row[VERSION], clr->version);
    value_text(&row[LAYOUT], clr->layout_name);
    value_u64(&row[SINGLE_FILE], clr->is_single_file);
    if (clr->descriptor_addr) value_u64(&row[DESCRIPTOR], clr->descriptor_addr);
    value_text(&row[GLOBALS], sources[clr->global_source[GLOBAL_AppDomain]]);
    err = gc_heaps_init(clr, &heaps);
    if (!err) {
        value_text(&row[GC], heaps.is_server ? "server" : "workstation");
        value_u64(&row[HEAPS], heaps.heap_count);
        gc_heaps_deinit(&heaps);
    }
    error_destroy(err);
}

static struct error *runtimes_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct runtimes_cursor *cursor = cursor_;
    const struct target_module *module;
    struct error *err;

    *more_ret = cursor->index < cursor->count;
    if (!*more_ret) return NULL;
    clr_close(cursor->clr);
    cursor->clr = NULL;
    module = &cursor->target->modules.data[cursor->indices[cursor->index]];
    value_u64(&row[NUMBER], cursor->index);
    value_text(&row[PATH], module->path);
    value_u64(&row[BASE], module->base);
    text_clear(&cursor->text);
    for (uint32_t i = 0; i < module->build_id_size; i++)
        text_printf(&cursor->text, "%02x", module->build_id[i]);
    if (!module->build_id_size && module->timestamp) text_printf(&cursor->text, "%08x%x", module->timestamp, module->image_size);
    value_text(&row[BUILD_ID], cursor->text.length ? text_cstr(&cursor->text) : NULL);
    err = clr_open((struct target *)cursor->target, (unsigned)cursor->index++, &cursor->clr);
    if (!err) {
        fill_clr(cursor->clr, row);
        return NULL;
    }
    if (err == &error_enomem) return err;
    value_text(&row[VERSION], clr_file_version(cursor->target, module));
    text_clear(&cursor->problem);
    text_puts(&cursor->problem, error_message(err));
    error_destroy(err);
    value_text(&row[PROBLEM], text_cstr(&cursor->problem));
    return NULL;
}

static void runtimes_end(void *cursor_)
{
    struct runtimes_cursor *cursor = cursor_;

    clr_close(cursor->clr);
    text_deinit(&cursor->text);
    text_deinit(&cursor->problem);
}

static const struct column columns[] = {
    { "number", COLUMN_NUMBER, "for --runtime" },
    { "version", COLUMN_TEXT, "of .NET" },
    { "path", COLUMN_TEXT, "its library, or the single-file executable" },
    { "base", COLUMN_ADDRESS, "where it is loaded" },
    { "build_id", COLUMN_TEXT, "ELF build-id, or PE timestamp and size" },
    { "single_file", COLUMN_BOOL, "the executable is its own runtime" },
    { "layout", COLUMN_TEXT, "built-in table in use" },
    { "descriptor", COLUMN_ADDRESS, "its own contract descriptor; none when its pages are not in the dump or it has none" },
    { "globals", COLUMN_TEXT, "how its global variables were found" },
    { "gc", COLUMN_TEXT, "workstation or server" },
    { "heaps", COLUMN_COUNT, "GC heaps" },
    { "problem", COLUMN_TEXT, "why it cannot be read" },
};

const struct relation relation_runtimes = {
    .name = "runtimes",
    .summary = "the .NET runtimes of the process",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "runtimes", .layout = LAYOUT_RECORD },
                  { "eeversion", .layout = LAYOUT_RECORD, .columns = "version,gc,heaps,path,build_id",
                    .help = "version and GC mode" } },
    .empty = "no module of the process is a .NET runtime",
    .cursor_size = sizeof(struct runtimes_cursor),
    .begin = runtimes_begin,
    .next = runtimes_next,
    .end = runtimes_end,
};
