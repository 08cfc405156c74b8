#include "dump/process_usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump/proc_file.h"

enum { STATUS_MAX = 16 << 10, STAT_MAX = 1 << 20, CGROUP_MAX = 64 << 10, NUMBER_MAX = 64, CGROUP_DEPTH_MAX = 64 };

/* Field 22 of stat, in clock ticks since the machine started, counted behind the name, which may hold anything (proc_pid_stat(5)).
 */
static void read_started(struct process_usage *usage, int proc)
{
    struct text own = { 0 }, machine = { 0 };
    const char *behind, *line;
    unsigned long long ticks = 0, machine_started = 0;
    long second = sysconf(_SC_CLK_TCK);

    if (proc_read(proc, "stat", STATUS_MAX, &own) && (behind = strrchr(text_cstr(&own), ')')) != NULL &&
        sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) == 1 &&
        proc_read(AT_FDCWD, "/proc/stat", STAT_MAX, &machine) && (line = strstr(text_cstr(&machine), "\nbtime ")) != NULL &&
        sscanf(line + 7, "%llu", &machine_started) == 1 && second > 0)
        usage->started = machine_started + ticks / (unsigned long long)second;
    text_deinit(&own);
    text_deinit(&machine);
}

static void lower(struct process_usage *usage, uint64_t limit, const char *limit_of)
{
    if (!limit || (usage->limit_of && limit >= usage->limit)) return;
    usage->limit = limit;
    usage->limit_of = limit_of;
}

static void read_machine(struct process_usage *usage)
{
    struct text text = { 0 };
    uint64_t kilobytes = 0;

    if (proc_read(AT_FDCWD, "/proc/meminfo", STATUS_MAX, &text) && proc_status_number(&text, "MemTotal", &kilobytes))
        lower(usage, kilobytes << 10, "machine");
    text_deinit(&text);
}

/* "max", or a number of bytes; no limit is a number near 2^63 in version 1. */
static void read_limit(struct process_usage *usage, const struct text *path)
{
    struct text text = { 0 };
    unsigned long long limit;

    if (proc_read(AT_FDCWD, text_cstr(path), NUMBER_MAX, &text)) {
        limit = strtoull(text_cstr(&text), NULL, 10);
        if (limit < UINT64_C(1) << 60) lower(usage, limit, "cgroup");
    }
    text_deinit(&text);
}

/* A group is bound by the groups around it as well. */
static void read_cgroup(struct process_usage *usage, bool is_v1, const char *group, size_t length)
{
    struct text path = { 0 };

    for (int depth = 0; depth < CGROUP_DEPTH_MAX; depth++) {
        text_clear(&path);
        text_puts(&path, is_v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup");
        text_append(&path, group, length);
        text_puts(&path, is_v1 ? "/memory.limit_in_bytes" : "/memory.max");
        if (path.failed) break;
        read_limit(usage, &path);
        if (!length) break;
        while (length > 0 && group[--length] != '/')
            ;
    }
    text_deinit(&path);
}

bool cgroup_line_path(const char *line, size_t length, bool *is_v1_ret, const char **path_ret, size_t *path_length_ret)
{
    const char *end = line + length, *controllers = memchr(line, ':', length), *path;
    size_t size;

    if (!controllers) return false;
    controllers++;
    path = memchr(controllers, ':', (size_t)(end - controllers));
    if (!path || path + 1 >= end || path[1] != '/') return false;
    size = (size_t)(path - controllers);
    *is_v1_ret = size != 0;
    if (size && (size != 6 || memcmp(controllers, "memory", 6) != 0)) return false;
    *path_ret = path + 1;
    *path_length_ret = (size_t)(end - path - 1);
    /* The root is "/": no part of a name. */
    if (*path_length_ret == 1) *path_length_ret = 0;
    return true;
}

static void read_cgroups(struct process_usage *usage, int proc)
{
    struct text text = { 0 };
    const char *line, *end, *path = NULL;
    size_t length = 0;
    bool is_v1 = false;

    if (proc_read(proc, "cgroup", CGROUP_MAX, &text)) {
        for (line = text_cstr(&text); *line; line = *end ? end + 1 : end) {
            end = line + strcspn(line, "\n");
            if (cgroup_line_path(line, (size_t)(end - line), &is_v1, &path, &length)) read_cgroup(usage, is_v1, path, length);
        }
    }
    text_deinit(&text);
}

bool process_usage_read(pid_t pid, struct process_usage *ret)
{
    struct text status = { 0 };
    uint64_t resident = 0, swapped = 0;
    int proc = proc_open(pid);
    bool ok = proc >= 0 && proc_read(proc, "status", STATUS_MAX, &status) && proc_status_number(&status, "VmRSS", &resident) &&
              proc_status_number(&status, "Threads", &ret->thread_count);

    if (ok) {
        proc_status_number(&status, "VmSwap", &swapped);
        ret->resident_size = resident << 10;
        ret->swapped_size = swapped << 10;
        ret->limit_of = NULL;
        ret->started = 0;
        read_started(ret, proc);
        read_machine(ret);
        read_cgroups(ret, proc);
    }
    if (proc >= 0) close(proc);
    text_deinit(&status);
    return ok;
}
