#include "dump/live_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dump/byte_file_internal.h"
#include "dump/live_memory.h"
#include "dump/live_rights.h"
#include "dump/live_threads.h"
#include "dump/proc_file.h"
#include "dump/proc_maps.h"
#include "formats/elf.h"

enum { MAPS_MAX = 1 << 30, SMALL_MAX = 64 << 10, PAGE = 4096, TORN_TICKS = 3 };

struct live {
    pid_t pid;
    int proc; /* /proc/N */
    struct gaps *gaps;
    struct live_threads threads;
    struct live_memory memory;
    uint64_t started_ticks; /* processor time that it had used when it was opened, in clock ticks */
    atomic_bool is_torn;
};

bool live_is_target(const char *path)
{
    return !strncmp(path, "pid:", 4);
}

void live_root(const struct dump *dump, char *ret, size_t size)
{
    snprintf(ret, size, "/proc/%u/root", dump->pid);
}

static void live_destroy(struct live *live)
{
    live_threads_release(&live->threads);
    live_memory_deinit(&live->memory);
    if (live->proc >= 0) close(live->proc);
    free(live);
}

/* ---- does it run on? ---- */

/* Fields 14 and 15 of stat, counted behind the name, which may hold anything (proc_pid_stat(5)). */
static uint64_t used_ticks(const struct live *live)
{
    struct text stat = { 0 };
    unsigned long long user = 0, kernel = 0;
    const char *behind;

    if (proc_read(live->proc, "stat", SMALL_MAX, &stat) && (behind = strrchr(text_cstr(&stat), ')')) != NULL)
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &kernel);
    text_deinit(&stat);
    return user + kernel;
}

/* What a process does that works while it is read tears the picture: objects move, lists change. */
static void check_torn(void *user)
{
    struct live *live = user;

    if (atomic_load_explicit(&live->is_torn, memory_order_relaxed) || used_ticks(live) < live->started_ticks + TORN_TICKS) return;
    if (!atomic_exchange(&live->is_torn, true))
        gaps_add(live->gaps, "live process", 0, 1, "it worked while it was read, so that numbers may be torn: --stop holds it");
}

/* ---- the byte file ---- */

static bool file_ensure(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct live *live = file->state;

    return live_memory_ensure(&live->memory, off, size);
}

static void file_release(struct byte_file *file, uint64_t off, uint64_t size)
{
    struct live *live = file->state;

    live_memory_release(&live->memory, off, size);
}

static void file_close(struct byte_file *file)
{
    live_destroy(file->state);
}

/* ---- opening ---- */

static struct error *denied(const struct live *live)
{
    struct live_rights rights;
    struct text why = { 0 };
    struct error *err;

    live_rights_get(live->proc, &rights);
    live_rights_describe(&rights, &why);
    err = error_create(ERROR_IO, "it may not be read: %s", text_cstr(&why));
    text_deinit(&why);
    return err;
}

static struct error *open_error(const struct live *live, const char *name)
{
    if (errno == EACCES || errno == EPERM) return denied(live);
    if (errno == ENOENT || errno == ESRCH) return error_create(ERROR_NOT_FOUND, "no process %d", (int)live->pid);
    return error_create(ERROR_IO, "%s: %s", name, strerror(errno));
}

static struct error *open_memory(struct live *live)
{
    int mem = openat(live->proc, "mem", O_RDONLY | O_CLOEXEC);

    if (mem < 0) return open_error(live, "mem");
    live_memory_init(&live->memory, mem, openat(live->proc, "pagemap", O_RDONLY | O_CLOEXEC), live->gaps);
    return NULL;
}

/* The first bytes of the program file say for which machine it is. */
static struct error *read_machine(struct live *live, struct dump *dump)
{
    uint8_t header[ELF_HEADER_SIZE];
    struct elf elf = { .machine = sizeof(void *) == 8 ? ELF_MACHINE_X64 : 0 };
    int exe = openat(live->proc, "exe", O_RDONLY | O_CLOEXEC);
    ssize_t got = exe < 0 ? -1 : pread(exe, header, sizeof(header), 0);

    if (exe >= 0) close(exe);
        /* A deleted file in another namespace may not open; then it is taken to be what we are. */
#ifdef __aarch64__
    elf.machine = ELF_MACHINE_ARM64;
#endif
    if (got == sizeof(header)) TRY(elf_open((struct span) { header, sizeof(header) }, &elf));
    dump->arch = elf_machine_name(elf.machine);
    if (elf.machine != ELF_MACHINE_X64 && elf.machine != ELF_MACHINE_ARM64)
        return error_create(ERROR_UNSUPPORTED, "a process of machine %u (%s), only x64 and arm64 are supported", elf.machine,
                            dump->arch ? dump->arch : "unknown");
    return NULL;
}

static char *small_file(struct live *live, struct dump *dump, const char *name, size_t *length_ret)
{
    struct text text = { 0 };
    char *ret = NULL;

    if (proc_read(live->proc, name, SMALL_MAX, &text) && text.length) {
        ret = arena_strndup(&dump->arena, text.data, text.length);
        *length_ret = text.length;
    }
    text_deinit(&text);
    return ret;
}

/* The command line with spaces between its words; of a process without one its name. */
static void read_command(struct live *live, struct dump *dump)
{
    size_t length = 0;
    char *command = small_file(live, dump, "cmdline", &length);

    while (length && !command[length - 1])
        length--;
    for (size_t i = 0; i < length; i++)
        if (!command[i]) command[i] = ' ';
    if (!length) {
        command = small_file(live, dump, "comm", &length);
        if (length && command[length - 1] == '\n') command[length - 1] = 0;
    }
    dump->command = command;
}

static void read_process(struct live *live, struct dump *dump)
{
    size_t length = 0;
    char *auxv = small_file(live, dump, "auxv", &length);

    if (auxv) dump->auxv = (struct span) { (const uint8_t *)auxv, length };
    read_command(live, dump);
}

/* ---- maps ---- */

struct map_reader {
    struct live *live;
    struct dump *dump;
    const char *path; /* of the last file, in the arena: mappings of a file follow each other */
    size_t path_size;
};

static const char *keep_path(struct map_reader *reader, struct span path)
{
    if (reader->path && reader->path_size == path.size && !memcmp(reader->path, path.data, path.size)) return reader->path;
    reader->path = arena_strndup(&reader->dump->arena, (const char *)path.data, path.size);
    reader->path_size = path.size;
    return reader->path;
}

static struct error *add_map(struct map_reader *reader, const struct proc_map *map)
{
    struct dump_range range = {
        .start = map->start,
        .end = map->end,
        .protection = map->protection,
        .state = map->protection ? RANGE_COMMIT : RANGE_RESERVE,
    };
    bool is_file = proc_map_is_file(map), is_private = map->inode == 0 && !map->is_shared && !is_file;

    if (proc_map_is_special(map) || map->start % PAGE || map->end % PAGE) return NULL;
    if (map->protection & PROTECTION_READ) {
        range.file_size = map->end - map->start;
        TRY(live_memory_add(&reader->live->memory, map->start, range.file_size, is_private, &range.file_off));
    }
    if (!vec_push(&reader->dump->ranges, range)) return &error_enomem;
    if (is_file) {
        struct dump_file_map file = { map->start, map->end, map->file_off, keep_path(reader, map->path) };
        if (!file.path || !vec_push(&reader->dump->file_maps, file)) return &error_enomem;
    }
    return NULL;
}

static struct error *add_maps(struct map_reader *reader, struct span text)
{
    struct proc_maps iter;
    struct proc_map map;
    uint64_t end = 0;

    proc_maps_begin(&iter, text);
    while (proc_maps_next(&iter, &map)) {
        /* Read page by page while the process runs, the list may tell of a place twice. */
        if (map.start < end) map.start = end;
        if (map.start >= map.end) continue;
        end = map.end;
        TRY(add_map(reader, &map));
    }
    if (iter.bad_count) gaps_add(reader->live->gaps, "memory range", 0, iter.bad_count, "lines of /proc/N/maps that make no sense");
    return NULL;
}

static struct error *read_maps(struct live *live, struct dump *dump)
{
    struct map_reader reader = { .live = live, .dump = dump };
    struct text text = { 0 };
    struct error *err;

    if (!proc_read(live->proc, "maps", MAPS_MAX, &text))
        err = open_error(live, "maps");
    else if (text.length == 0)
        err = error_create(ERROR_IO, "it has no memory: it has ended, or is a thread of the kernel");
    else
        err = add_maps(&reader, (struct span) { (const uint8_t *)text.data, text.length });
    text_deinit(&text);
    return err;
}

static struct error *fill(struct live *live, struct dump *dump, bool hold)
{
    TRY(open_memory(live));
    if (hold) TRY(live_threads_hold(&live->threads));
    TRY(read_machine(live, dump));
    TRY(read_maps(live, dump));
    TRY(live_threads_read(&live->threads, dump));
    if (!hold) {
        live->started_ticks = used_ticks(live);
        live->memory.user = live;
        live->memory.on_filled = check_torn;
    }
    read_process(live, dump);
    return live_memory_reserve(&live->memory);
}

static struct error *live_create(pid_t pid, struct gaps *gaps, struct live **ret)
{
    struct live *live = calloc(1, sizeof(*live));

    if (!live) return &error_enomem;
    live->pid = pid;
    live->gaps = gaps;
    live->proc = proc_open(pid);
    live_memory_init(&live->memory, -1, -1, gaps);
    live_threads_init(&live->threads, live->proc, gaps);
    *ret = live;
    return NULL;
}

static struct error *open_pid(const char *path, pid_t pid, bool hold, struct gaps *gaps, struct dump **ret)
{
    struct byte_file *file;
    struct dump *dump;
    struct live *live = NULL;
    struct error *err;

    TRY(byte_file_create(path, &file));
    err = live_create(pid, gaps, &live);
    file->state = live;
    if (!err) file->close = file_close;
    if (err || (err = dump_create(file, &dump))) {
        byte_file_close(file);
        return err;
    }
    dump->format = dump->kind = file->container = "live";
    dump->os = "linux";
    dump->pid = (uint32_t)pid;
    dump->time = (uint64_t)time(NULL);
    err = live->proc < 0 ? open_error(live, "/proc") : fill(live, dump, hold);
    if (err) {
        dump_close(dump);
        return err;
    }
    file->bytes = (struct span) { live->memory.content, live->memory.size };
    file->stored_size = live->memory.size;
    file->ensure = file_ensure;
    file->release = file_release;
    *ret = dump;
    return NULL;
}

struct error *live_open(const char *path, bool hold, struct gaps *gaps, struct dump **ret)
{
    pid_t pid;

    if (!proc_parse_pid(path + 4, &pid))
        return error_create(ERROR_USAGE, "cannot open '%s': 'pid:' and a number is a process", path);
    return error_prefix(open_pid(path, pid, hold, gaps, ret), "cannot open '%s'", path);
}
