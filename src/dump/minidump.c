/*
 * Windows minidumps as a dump: who wrote it of what, threads, modules; memory is in minidump_memory.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/text.h"
#include "dump/dump.h"
#include "dump/minidump_command.h"
#include "dump/minidump_memory.h"
#include "formats/minidump.h"

struct reader {
    struct dump *dump;
    struct gaps *gaps;
    struct minidump md;
    const struct context_shape *context; /* NULL: registers of this architecture are not read */
    /* Strings may share bytes, so a file that lies could ask for far more text than it has bytes. */
    uint64_t string_budget;
};

/* ---- strings ---- */

static const char *reader_utf16(struct reader *reader, struct span units)
{
    struct text text;
    const char *ret = NULL;

    text_init(&text);
    text_append_utf16(&text, units.data, units.size / 2);
    if (!text.failed) ret = arena_strndup(&reader->dump->arena, text_cstr(&text), text.length);
    text_deinit(&text);
    return ret;
}

/* The string at `off` as UTF-8, NULL (and a gap for `what`) when it cannot be read. */
static const char *reader_string(struct reader *reader, uint64_t off, const char *what, uint64_t addr)
{
    const char *why = "its text is not in the file";
    struct span units;

    if (minidump_string(&reader->md, off, LIMIT_PATH_LENGTH, &units)) {
        why = "the texts of this dump are longer than its file";
        if (units.size <= reader->string_budget) {
            reader->string_budget -= units.size;
            return reader_utf16(reader, units);
        }
    }
    gaps_add(reader->gaps, what, addr, 1, "%s", why);
    return NULL;
}

/* The list of that type, empty when there is none; `what` it lacks is a gap. */
static struct minidump_list reader_list(struct reader *reader, enum minidump_stream type, const char *what)
{
    struct minidump_list list;

    if (!minidump_list(&reader->md, type, &list)) {
        if (reader->md.streams[type].size) gaps_add(reader->gaps, what, 0, 1, "the head of the list makes no sense");
        return (struct minidump_list) { 0 };
    }
    if (list.count < list.promised)
        gaps_add(reader->gaps, what, 0, list.promised - list.count, "the list promises %llu records and holds %llu",
                 (unsigned long long)list.promised, (unsigned long long)list.count);
    return list;
}

/* ---- process ---- */

static const char *architecture_name(uint16_t architecture)
{
    static const struct {
        uint16_t architecture;
        const char *name;
    } rows[] = { { 0, "x86" }, { 5, "arm" }, { 9, "x64" }, { 12, "arm64" } };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].architecture == architecture) return rows[i].name;
    return "unknown";
}

/* Breakpad and crashpad write minidumps on other systems too. Source: breakpad, minidump_format.h, MDOSPlatform. */
static const char *platform_name(uint32_t platform)
{
    if (platform == 0x8201 || platform == 0x8203) return "linux";
    return platform == 0x8101 ? "macos" : "windows";
}

static void read_system_info(struct reader *reader)
{
    struct dump *dump = reader->dump;
    struct minidump_system_info info;
    const char *pack = NULL;

    if (!minidump_system_info(&reader->md, &info)) {
        gaps_add(reader->gaps, "architecture and version of the system", 0, 1, "the dump has no system info");
        return;
    }
    dump->arch = architecture_name(info.architecture);
    dump->os = platform_name(info.platform);
    if (info.service_pack_off) pack = reader_string(reader, info.service_pack_off, "service pack", 0);
    dump->os_version = arena_printf(&dump->arena, "%u.%u.%u%s%s", info.major, info.minor, info.build, pack && *pack ? " " : "",
                                    pack ? pack : "");
}

static void read_misc_info(struct reader *reader)
{
    struct minidump_misc_info info;

    if (minidump_misc_info(&reader->md, &info) && info.has_pid)
        reader->dump->pid = info.pid;
    else
        gaps_add(reader->gaps, "process id", 0, 1, "the dump does not tell it");
}

/* The flags say what was asked for; some writers leave them 0, then only the lists tell. */
static const char *dump_kind(const struct minidump *md)
{
    bool has_memory64 = md->streams[MINIDUMP_MEMORY64_LIST].size > 0;
    bool has_memory = has_memory64 || md->streams[MINIDUMP_MEMORY_LIST].size;

    if ((md->flags & MINIDUMP_WITH_FULL_MEMORY) && has_memory) return "full";
    if (!md->flags && has_memory64) return "full";
    if (md->flags & MINIDUMP_FILTER_TRIAGE) return "triage";
    return (md->flags & MINIDUMP_WITH_PRIVATE_READ_WRITE) && has_memory ? "heap" : "mini";
}

/* ---- threads ---- */

/*
 * Where the registers lie in a CONTEXT record. Source: winnt.h; x64 keeps all integer registers and rip in the order of
 * dump_thread.registers from +0x78 on.
 */
struct context_shape {
    const char *arch;
    uint16_t flags_off, size; /* size: as far as we read */
    uint32_t flags;           /* architecture and "control registers are valid" */
    uint16_t ip_off, sp_off, registers_off;
    bool wide;
};

static const struct context_shape context_shapes[] = {
    { "x64", .flags_off = 0x30, .size = 0x100, .flags = 0x100001, .ip_off = 0xf8, .sp_off = 0x98, .registers_off = 0x78,
      .wide = true },
    { "arm64", .flags_off = 0, .size = 0x110, .flags = 0x400001, .ip_off = 0x108, .sp_off = 0x100, .wide = true },
    { "x86", .flags_off = 0, .size = 0xcc, .flags = 0x10001, .ip_off = 0xb8, .sp_off = 0xc4 },
};

enum { CONTEXT_INTEGER = 2 };

static const struct context_shape *context_shape_of(const char *arch)
{
    for (size_t i = 0; i < ARRAY_LENGTH(context_shapes); i++)
        if (!strcmp(context_shapes[i].arch, arch)) return &context_shapes[i];
    return NULL;
}

static uint64_t context_word(const struct context_shape *shape, const uint8_t *context, uint16_t off)
{
    return shape->wide ? load_u64(context + off) : load_u32(context + off);
}

/* False when the record is too short for a context or says that it holds no control registers. */
static bool read_context(const struct reader *reader, struct minidump_location at, struct dump_thread *thread)
{
    const struct context_shape *shape = reader->context;
    struct span context;
    uint32_t flags;

    if (!at.off || at.size < shape->size || !minidump_bytes(&reader->md, at.off, shape->size, &context)) return false;
    flags = load_u32(context.data + shape->flags_off);
    if ((flags & shape->flags) != shape->flags) return false;
    thread->ip = context_word(shape, context.data, shape->ip_off);
    thread->sp = context_word(shape, context.data, shape->sp_off);
    if (!shape->registers_off || !(flags & CONTEXT_INTEGER)) return true;
    memcpy(thread->registers, context.data + shape->registers_off, sizeof(thread->registers));
    thread->has_registers = true;
    return true;
}

static bool read_threads(struct reader *reader)
{
    struct minidump_list list = reader_list(reader, MINIDUMP_THREAD_LIST, "threads");
    uint64_t count = list.count < LIMIT_THREADS ? list.count : LIMIT_THREADS;

    if (count < list.count) gaps_add(reader->gaps, "threads", 0, list.count - count, "more than %d threads", LIMIT_THREADS);
    for (uint64_t i = 0; i < count; i++) {
        struct minidump_thread from = minidump_thread(&list, i);
        struct dump_thread thread = { .os_id = from.id, .tls_base = from.teb };
        if (reader->context && !read_context(reader, from.context, &thread))
            gaps_add(reader->gaps, "registers of a thread", 0, 1, "the dump has no context for it");
        if (!vec_push(&reader->dump->threads, thread)) return false;
    }
    return true;
}

/* The thread of that id in `by_id`, NULL if none. */
static struct dump_thread *thread_of(const struct reader *reader, const struct map *by_id, uint32_t id)
{
    uint64_t i;

    return map_get(by_id, id, &i) ? &reader->dump->threads.data[i] : NULL;
}

/* The dump's writer says of some threads that it could not look at them: then what stands there is not theirs. */
static void read_thread_infos(struct reader *reader, const struct map *by_id)
{
    struct minidump_list list = reader_list(reader, MINIDUMP_THREAD_INFO_LIST, "thread information");

    for (uint64_t i = 0; i < list.count; i++) {
        struct minidump_thread_info info = minidump_thread_info(&list, i);
        struct dump_thread *thread = thread_of(reader, by_id, info.id);
        if (!thread) continue;
        if (info.dump_flags & MINIDUMP_THREAD_INVALID_TEB) thread->tls_base = 0;
        if (!(info.dump_flags & MINIDUMP_THREAD_INVALID_CONTEXT)) continue;
        *thread = (struct dump_thread) { .os_id = thread->os_id, .tls_base = thread->tls_base, .name = thread->name };
        gaps_add(reader->gaps, "registers of a thread", 0, 1, "the dump's writer could not read them");
    }
}

static void read_thread_names(struct reader *reader, const struct map *by_id)
{
    struct minidump_list list = reader_list(reader, MINIDUMP_THREAD_NAMES, "thread names");

    for (uint64_t i = 0; i < list.count; i++) {
        struct minidump_thread_name from = minidump_thread_name(&list, i);
        struct dump_thread *thread = thread_of(reader, by_id, from.id);
        if (thread && !thread->name && from.name_off) thread->name = reader_string(reader, from.name_off, "thread name", 0);
        if (thread && thread->name && !*thread->name) thread->name = NULL;
    }
}

/* A thread without a context of its own has at least that of its exception. */
static void read_exception(struct reader *reader, const struct map *by_id)
{
    struct minidump_exception exception;
    struct dump_thread *thread;

    if (!reader->context || !minidump_exception(&reader->md, &exception)) return;
    thread = thread_of(reader, by_id, exception.thread_id);
    if (thread && !thread->ip && !thread->sp) read_context(reader, exception.context, thread);
}

static struct error *read_thread_details(struct reader *reader)
{
    struct map by_id;
    struct error *err = NULL;

    map_init(&by_id);
    for (size_t i = 0; i < reader->dump->threads.count && !err; i++)
        if (!map_put(&by_id, reader->dump->threads.data[i].os_id, i)) err = &error_enomem;
    if (!err) {
        read_thread_infos(reader, &by_id);
        read_thread_names(reader, &by_id);
        read_exception(reader, &by_id);
    }
    map_deinit(&by_id);
    return err;
}

/* ---- modules ---- */

/* GUID and age are 20 bytes, an ELF build id at most 64; records may share bytes, so a longer one is not believed. */
enum { BUILD_ID_LIMIT = 64 };

static void read_build_id(struct reader *reader, const struct minidump_module *from, struct dump_module *module)
{
    struct minidump_code_view view;
    uint8_t *copy;

    if (!from->code_view.size || !minidump_code_view(&reader->md, from->code_view, &view)) return;
    if (view.id.size > BUILD_ID_LIMIT) view.id.size = BUILD_ID_LIMIT;
    copy = arena_alloc(&reader->dump->arena, view.id.size);
    if (!copy) return;
    memcpy(copy, view.id.data, view.id.size);
    module->build_id = copy;
    module->build_id_size = (uint32_t)view.id.size;
}

static bool read_modules(struct reader *reader)
{
    struct minidump_list list = reader_list(reader, MINIDUMP_MODULE_LIST, "modules");

    for (uint64_t i = 0; i < list.count; i++) {
        struct minidump_module from = minidump_module(&list, i);
        struct dump_module module = {
            .base = from.base, .size = from.size, .timestamp = from.timestamp, .checksum = from.checksum
        };
        module.path = reader_string(reader, from.name_off, "name of a native module", from.base);
        if (!module.path) module.path = "";
        if (from.has_version)
            module.version = arena_printf(&reader->dump->arena, "%u.%u.%u.%u", from.version[0], from.version[1], from.version[2],
                                          from.version[3]);
        read_build_id(reader, &from, &module);
        if (!vec_push(&reader->dump->modules, module)) return false;
    }
    return true;
}

/* ---- the dump ---- */

static bool ensure(void *user, uint64_t off, uint64_t size)
{
    return byte_file_ensure(user, off, size);
}

static const char *stream_name(int type)
{
    static const char *const names[MINIDUMP_STREAM_COUNT] = {
        [MINIDUMP_THREAD_LIST] = "threads",
        [MINIDUMP_MODULE_LIST] = "modules",
        [MINIDUMP_MEMORY_LIST] = "memory",
        [MINIDUMP_EXCEPTION] = "exception",
        [MINIDUMP_SYSTEM_INFO] = "system info",
        [MINIDUMP_MEMORY64_LIST] = "memory (64-bit)",
        [MINIDUMP_HANDLE_DATA] = "handles",
        [MINIDUMP_UNLOADED_MODULE_LIST] = "unloaded modules",
        [MINIDUMP_MISC_INFO] = "misc info",
        [MINIDUMP_MEMORY_INFO_LIST] = "regions",
        [MINIDUMP_THREAD_INFO_LIST] = "thread information",
        [MINIDUMP_THREAD_NAMES] = "thread names",
    };

    return names[type] ? names[type] : "another";
}

/* What the directory promises and the file does not have. */
static void report_directory(struct reader *reader)
{
    const struct minidump *md = &reader->md;

    if ((md->version & 0xffff) != MINIDUMP_VERSION)
        gaps_add(reader->gaps, "minidump", 0, 1, "unknown version 0x%x, read like 0x%x", md->version, MINIDUMP_VERSION);
    if (md->entry_count < md->stream_count) {
        reader->dump->truncated = true;
        gaps_add(reader->gaps, "streams of the minidump", 0, md->stream_count - md->entry_count,
                 "the directory promises %u, %u could be read", md->stream_count, md->entry_count);
    }
    for (int type = 0; type < MINIDUMP_STREAM_COUNT; type++) {
        if (!(md->clipped_mask >> type & 1)) continue;
        reader->dump->truncated = true;
        gaps_add(reader->gaps, "stream of the minidump", 0, 1, "the file ends in or before stream %d (%s)", type,
                 stream_name(type));
    }
}

/* minidump_memory.c reads what these lists hold; here is told what they lack. */
static void report_memory_lists(struct reader *reader)
{
    reader_list(reader, MINIDUMP_MEMORY64_LIST, "list of memory");
    reader_list(reader, MINIDUMP_MEMORY_LIST, "list of memory");
    reader_list(reader, MINIDUMP_MEMORY_INFO_LIST, "list of regions");
}

static struct error *read_process(struct reader *reader)
{
    struct dump *dump = reader->dump;

    report_directory(reader);
    dump->time = reader->md.timestamp;
    dump->kind = dump_kind(&reader->md);
    read_system_info(reader);
    read_misc_info(reader);
    reader->context = context_shape_of(dump->arch);
    if (!read_threads(reader) || !read_modules(reader)) return &error_enomem;
    TRY(read_thread_details(reader));
    report_memory_lists(reader);
    TRY(minidump_read_memory(dump, &reader->md, reader->gaps));
    /* Windows lists the program first. */
    if (dump->modules.count && *dump->modules.data[0].path) dump->command = dump->modules.data[0].path;
    minidump_read_command(dump);
    return NULL;
}

static struct error *minidump_open(struct dump *dump, struct gaps *gaps)
{
    struct reader reader = { .dump = dump, .gaps = gaps, .string_budget = limit_from_size(dump->file->bytes.size, 1) };

    dump->format = "minidump";
    dump->os = "windows";
    dump->arch = "unknown";
    dump->truncated = dump->file->truncated;
    TRY(minidump_parse(dump->file->bytes, ensure, dump->file, &reader.md));
    return read_process(&reader);
}

const struct dump_format dump_format_minidump = {
    .name = "minidump",
    .probe = minidump_probe,
    .open = minidump_open,
};
