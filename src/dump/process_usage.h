/*
 * What a running process uses, and what it may use, by what the kernel tells of it (proc_pid_status(5), cgroups(7)).
 */
#ifndef CLRTRAIL_DUMP_PROCESS_USAGE_H
#define CLRTRAIL_DUMP_PROCESS_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_usage {
    uint64_t resident_size, swapped_size, thread_count;
    uint64_t started; /* seconds since 1970; 0: not known */
    uint64_t limit;   /* bytes of memory that it may have: the smallest that is set for its cgroups, else what the machine has */
    const char *limit_of; /* "cgroup", "machine"; NULL: not known */
};

/* False when the process has ended or tells nothing. */
bool process_usage_read(pid_t pid, struct process_usage *ret);
/* The path in a line of /proc/N/cgroup that counts memory: "0::/path" (version 2) or "9:memory:/path". Borrowed, not terminated. */
bool cgroup_line_path(const char *line, size_t length, bool *is_v1_ret, const char **path_ret, size_t *path_length_ret);

#endif
