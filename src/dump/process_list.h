/*
 * The .NET processes of this machine, by what /proc tells of them; none is opened, stopped or waited for.
 *
 *     a mapping of libcoreclr.so             a runtime of its own library
 *     a mapping of /memfd:doublemapper       a runtime inside the executable (single file): only a hint, the caller looks at the
 * file a thread named ".NET ..."              where the mappings may not be read (another user's process)
 */
#ifndef CLRTRAIL_DUMP_PROCESS_LIST_H
#define CLRTRAIL_DUMP_PROCESS_LIST_H

#include <dirent.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

enum process_evidence { PROCESS_LIBRARY, PROCESS_DOUBLE_MAPPED, PROCESS_THREAD_NAMES };
enum process_gc { PROCESS_GC_UNKNOWN, PROCESS_GC_WORKSTATION, PROCESS_GC_SERVER };

struct process_info {
    pid_t pid;
    int proc; /* its /proc directory, open until the next one is asked for */
    enum process_evidence evidence;
    enum process_gc gc; /* by the names of its threads */
    uid_t uid;
    uint64_t resident_size, thread_count;
    bool has_status;                       /* uid, resident_size and thread_count are known */
    bool is_elsewhere_known, is_elsewhere; /* in another mount namespace than ours: a container */
    const char *library;                   /* path of libcoreclr.so as the process sees it; NULL: none */
    const char *command;                   /* its words with spaces between; borrowed until the next one */
};

struct process_list {
    DIR *dir;
    struct text maps, status, command, library;
    struct process_info info;
    uint64_t refused_count; /* processes of which nothing could be told */
};

/* Errors: ERROR_IO when there is no /proc. */
struct error *process_list_begin(struct process_list *list);
/* The next one, borrowed until the call after; NULL behind the last. */
const struct process_info *process_list_next(struct process_list *list);
void process_list_end(struct process_list *list);

#endif
