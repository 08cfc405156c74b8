#include "dump/process_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/proc_file.h"

enum { MAPS_MAX = 64 << 20, STATUS_MAX = 16 << 10, COMMAND_MAX = 4096, THREADS_LOOKED_AT = 256 };

struct error *process_list_begin(struct process_list *list)
{
    *list = (struct process_list) { .dir = opendir("/proc"), .info = { .proc = -1 } };
    return list->dir ? NULL : error_create(ERROR_IO, "cannot open '/proc': %s", strerror(errno));
}

static void forget(struct process_list *list)
{
    if (list->info.proc >= 0) close(list->info.proc);
    list->info = (struct process_info) { .proc = -1 };
    text_clear(&list->maps);
    text_clear(&list->status);
    text_clear(&list->command);
    text_clear(&list->library);
}

void process_list_end(struct process_list *list)
{
    forget(list);
    if (list->dir) closedir(list->dir);
    text_deinit(&list->maps);
    text_deinit(&list->status);
    text_deinit(&list->command);
    text_deinit(&list->library);
}

/* ---- is it one? ---- */

/* "7f00-7f10 r-xp ...": may it be run? Who only looks at the file, as this program does, maps it to be read. */
static bool is_code(const char *line)
{
    const char *protection = strchr(line, ' ');

    return protection && strnlen(protection, 4) == 4 && protection[3] == 'x';
}

/* The path of the first mapping of libcoreclr.so as code. */
static bool find_library(struct process_list *list)
{
    static const char name[] = "/libcoreclr.so";
    const char *at = text_cstr(&list->maps);

    while ((at = strstr(at, name)) != NULL) {
        const char *end = at + sizeof(name) - 1, *line = at, *path;
        while (line > list->maps.data && line[-1] != '\n')
            line--;
        path = line + strcspn(line, "/\n"); /* nothing before the path has a slash */
        if (is_code(line) && (*end == '\n' || !strncmp(end, " (deleted)\n", 11))) {
            text_append(&list->library, path, (size_t)(end - path));
            return true;
        }
        at = end;
    }
    return false;
}

/* Has it a thread whose name begins so? */
static bool any_thread(const struct process_info *info, const char *prefix)
{
    int fd = openat(info->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct text name = { 0 };
    struct dirent *entry;
    bool ret = false;

    if (!dir && fd >= 0) close(fd);
    for (int i = 0; dir && !ret && i < THREADS_LOOKED_AT && (entry = readdir(dir)) != NULL; i++) {
        char path[sizeof(entry->d_name) + 8];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof(path), "%s/comm", entry->d_name);
        text_clear(&name);
        ret = proc_read(fd, path, 64, &name) && !strncmp(text_cstr(&name), prefix, strlen(prefix));
    }
    if (dir) closedir(dir);
    text_deinit(&name);
    return ret;
}

/* False: it is no .NET process, or nothing can be told. */
static bool recognise(struct process_list *list)
{
    struct process_info *info = &list->info;
    if (proc_read(info->proc, "maps", MAPS_MAX, &list->maps)) {
        info->evidence = PROCESS_LIBRARY;
        if (find_library(list)) return true;
        info->evidence = PROCESS_DOUBLE_MAPPED;
        return strstr(text_cstr(&list->maps), "/memfd:doublemapper") != NULL;
    }
    if (errno != EACCES && errno != EPERM) return false;
    info->evidence = PROCESS_THREAD_NAMES;
    if (any_thread(info, ".NET ")) return true;
    list->refused_count++;
    return false;
}

/* ---- what is told of it ---- */

static void read_gc(struct process_info *info)
{
    /* The GC names the threads of its server mode (.NET 5); that others have names tells that names are given at all. */
    if (any_thread(info, ".NET Server GC"))
        info->gc = PROCESS_GC_SERVER;
    else if (any_thread(info, ".NET "))
        info->gc = PROCESS_GC_WORKSTATION;
}

static void read_status(struct process_list *list)
{
    struct process_info *info = &list->info;
    uint64_t kilobytes = 0;
    const char *line;

    if (!proc_read(info->proc, "status", STATUS_MAX, &list->status)) return;
    line = strstr(text_cstr(&list->status), "\nUid:");
    if (line) info->uid = (uid_t)strtoul(line + 5, NULL, 10);
    info->has_status = line && proc_status_number(&list->status, "VmRSS", &kilobytes) &&
                       proc_status_number(&list->status, "Threads", &info->thread_count);
    info->resident_size = kilobytes * 1024;
}

static void read_command(struct process_list *list)
{
    char *p;

    if (proc_read(list->info.proc, "cmdline", COMMAND_MAX, &list->command)) {
        while (list->command.length && !list->command.data[list->command.length - 1])
            list->command.length--;
        for (size_t i = 0; i < list->command.length; i++)
            if (!list->command.data[i]) list->command.data[i] = ' ';
    }
    if (!list->command.length && proc_read(list->info.proc, "comm", 64, &list->command)) {
        p = list->command.length ? strchr(list->command.data, '\n') : NULL;
        if (p) *p = 0;
    }
    list->info.command = list->command.length ? text_cstr(&list->command) : NULL;
}

static void read_namespace(struct process_info *info)
{
    struct stat own, other;

    info->is_elsewhere_known = stat("/proc/self/ns/mnt", &own) == 0 && fstatat(info->proc, "ns/mnt", &other, 0) == 0;
    info->is_elsewhere = info->is_elsewhere_known && own.st_ino != other.st_ino;
}

const struct process_info *process_list_next(struct process_list *list)
{
    struct dirent *entry;

    while ((entry = readdir(list->dir)) != NULL) {
        forget(list);
        if (!proc_parse_pid(entry->d_name, &list->info.pid)) continue;
        list->info.proc = proc_open(list->info.pid);
        if (list->info.proc < 0 || !recognise(list)) continue;
        read_gc(&list->info);
        read_status(list);
        read_command(list);
        read_namespace(&list->info);
        list->info.library = list->library.length ? text_cstr(&list->library) : NULL;
        return &list->info;
    }
    return NULL;
}
