/*
 * Why a process may not be read, in one line that names the right and how to grant it.
 */
#ifndef CLRTRAIL_DUMP_LIVE_RIGHTS_H
#define CLRTRAIL_DUMP_LIVE_RIGHTS_H

#include <sys/types.h>

#include "base/text.h"

/* What decides whether a process may be read (linux kernel/ptrace.c, security/yama). */
struct live_rights {
    uid_t own_uid, uid;  /* ours and the process's */
    bool has_sys_ptrace; /* ours */
    int yama_scope;      /* kernel.yama.ptrace_scope, -1: no such thing */
    pid_t tracer;        /* of the process, 0: none */
};

/* Looks at process `pid`, whose /proc directory is `proc`. */
void live_rights_get(int proc, struct live_rights *ret);
/* "it belongs to user 1000 ...: run as ..., or grant ..." */
void live_rights_describe(const struct live_rights *rights, struct text *ret);

#endif
