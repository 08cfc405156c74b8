#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/process_list.h"
#include "relations/relation.h"
#include "target/elf_image.h"

/* The .NET processes of the machine. */
struct ps_cursor {
    struct process_list list;
    struct text version;
};

enum { PID, VERSION, HOSTING, GC, MEMORY, THREADS, USER, CONTAINER, COMMAND, RUNTIME };

/* dotnet/runtime src/coreclr/inc/runtimeinfo.h: signature, version of the structure, three indices of 24 bytes, four version
 * numbers. */
enum { INFO_VERSION_OFF = 20, INFO_NUMBERS_OFF = 96, INFO_SIZE = 112, INFO_WITH_NUMBERS = 2 };
static const char info_name[] = "DotNetRuntimeInfo";

static struct error *ps_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct ps_cursor *cursor = cursor_;

    (void)session;
    (void)request;
    return process_list_begin(&cursor->list);
}

/* "10.0.12" of .../Microsoft.NETCore.App/10.0.12/libcoreclr.so */
static bool version_of_path(const char *path, struct text *ret)
{
    static const char folder[] = "/Microsoft.NETCore.App/";
    const char *at = path ? strstr(path, folder) : NULL;

    if (!at) return false;
    at += sizeof(folder) - 1;
    text_append(ret, at, strcspn(at, "/"));
    return true;
}

/* The file version 10.0.1226.42308 is of release 10.0.12: the build number is 100 times it, and the year. */
static bool version_of_image(struct span file, struct text *ret)
{
    struct elf_image image;
    uint8_t info[INFO_SIZE];
    uint64_t vaddr;

    if (!elf_image_from_file(file, &image) || !elf_image_symbol(&image, info_name, &vaddr)) return false;
    if (!elf_image_read(&image, vaddr, info, sizeof(info)) || memcmp(info, info_name, sizeof(info_name))) return false;
    if (load_u32(info + INFO_VERSION_OFF) >= INFO_WITH_NUMBERS)
        text_printf(ret, "%u.%u.%u", load_u32(info + INFO_NUMBERS_OFF), load_u32(info + INFO_NUMBERS_OFF + 4),
                    load_u32(info + INFO_NUMBERS_OFF + 8) / 100);
    return true;
}

/* Is the program itself a runtime? */
static bool version_of_program(int proc, struct text *ret)
{
    int fd = openat(proc, "exe", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat status;
    bool is_runtime = false;
    void *map;

    if (fd < 0) return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            is_runtime = version_of_image((struct span) { map, (size_t)status.st_size }, ret);
            munmap(map, (size_t)status.st_size);
        }
    }
    close(fd);
    return is_runtime;
}

static void fill(struct ps_cursor *cursor, const struct process_info *info, struct value *row)
{
    static const char *const modes[] = { NULL, "workstation", "server" };

    value_u64(&row[PID], (uint64_t)info->pid);
    if (cursor->version.length) value_text(&row[VERSION], text_cstr(&cursor->version));
    if (info->evidence != PROCESS_THREAD_NAMES)
        value_text(&row[HOSTING], !info->library                                     ? "single file"
                                  : strstr(info->library, "/Microsoft.NETCore.App/") ? "shared"
                                                                                     : "self-contained");
    value_text(&row[GC], modes[info->gc]);
    if (info->has_status) {
        value_u64(&row[MEMORY], info->resident_size);
        value_u64(&row[THREADS], info->thread_count);
        value_u64(&row[USER], info->uid);
    }
    if (info->is_elsewhere_known) value_u64(&row[CONTAINER], info->is_elsewhere);
    value_text(&row[COMMAND], info->command);
    value_text(&row[RUNTIME], info->library);
}

static struct error *ps_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct ps_cursor *cursor = cursor_;
    const struct process_info *info;

    *more_ret = false;
    while ((info = process_list_next(&cursor->list)) != NULL) {
        text_clear(&cursor->version);
        if (!version_of_path(info->library, &cursor->version) && info->evidence == PROCESS_DOUBLE_MAPPED &&
            !version_of_program(info->proc, &cursor->version))
            continue;
        fill(cursor, info, row);
        *more_ret = true;
        return cursor->version.failed ? &error_enomem : NULL;
    }
    return NULL;
}

static void ps_end(void *cursor_)
{
    struct ps_cursor *cursor = cursor_;

    process_list_end(&cursor->list);
    text_deinit(&cursor->version);
}

static void ps_footer(void *cursor_, struct text *ret)
{
    const struct ps_cursor *cursor = cursor_;

    if (cursor->list.refused_count)
        text_printf(ret, "not allowed to look at %llu other processes (CAP_SYS_PTRACE, sudo)",
                    (unsigned long long)cursor->list.refused_count);
}

static const struct column columns[] = {
    { "pid", COLUMN_NUMBER, "for `clrtrail pid:N` and `clrtrail snapshot N`" },
    { "version", COLUMN_TEXT, "of .NET" },
    { "hosting", COLUMN_TEXT, "shared, self-contained, single file", COLUMN_VERBOSE },
    { "gc", COLUMN_TEXT, "workstation or server, by the names of its threads" },
    { "memory", COLUMN_BYTES, "resident in memory, with shared pages" },
    { "threads", COLUMN_COUNT, "all of them" },
    { "user", COLUMN_NUMBER, "its user id" },
    { "container", COLUMN_BOOL, "it sees other mounts than this program" },
    { "command", COLUMN_TEXT, "its command line" },
    { "runtime", COLUMN_TEXT, "libcoreclr.so, as the process sees it", COLUMN_VERBOSE },
};

const struct relation relation_ps = {
    .name = "ps",
    .summary = "the .NET processes of this machine",
    .description = "Found by their mappings and the names of their threads, also in containers; none of them is stopped or opened.",
    .topic = "live processes",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "ps" } },
    .empty = "no .NET process is running, or none that you may look at",
    .cursor_size = sizeof(struct ps_cursor),
    .without_dump = true,
    .begin = ps_begin,
    .next = ps_next,
    .end = ps_end,
    .footer = ps_footer,
};
