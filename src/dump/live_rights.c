#include "dump/live_rights.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/proc_file.h"

enum { CAP_SYS_PTRACE_BIT = 19 /* linux capability.h */, STATUS_MAX = 16 << 10 };

static const char how_to_grant[] =
    "sudo, `docker run --cap-add SYS_PTRACE`, or in Kubernetes `kubectl debug --profile=sysadmin` or "
    "securityContext.capabilities.add: [SYS_PTRACE]";

static bool own_capability(void)
{
    struct text status = { 0 };
    const char *line;
    bool ret = false;

    if (proc_read(AT_FDCWD, "/proc/thread-self/status", STATUS_MAX, &status) && (line = strstr(text_cstr(&status), "\nCapEff:")))
        ret = strtoull(line + 8, NULL, 16) >> CAP_SYS_PTRACE_BIT & 1;
    text_deinit(&status);
    return ret;
}

static int yama_scope(void)
{
    struct text text = { 0 };
    int ret = -1;

    if (proc_read(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", 16, &text) && text.length) ret = atoi(text_cstr(&text));
    text_deinit(&text);
    return ret;
}

void live_rights_get(int proc, struct live_rights *ret)
{
    struct text status = { 0 };
    uint64_t number;
    const char *line;

    *ret = (struct live_rights) {
        .own_uid = geteuid(), .uid = geteuid(), .has_sys_ptrace = own_capability(), .yama_scope = yama_scope()
    };
    if (proc_read(proc, "status", STATUS_MAX, &status)) {
        line = strstr(text_cstr(&status), "\nUid:");
        if (line) ret->uid = (uid_t)strtoul(line + 5, NULL, 10);
        if (proc_status_number(&status, "TracerPid", &number)) ret->tracer = (pid_t)number;
    }
    text_deinit(&status);
}

void live_rights_describe(const struct live_rights *rights, struct text *ret)
{
    if (rights->yama_scope >= 3) {
        text_puts(ret, "kernel.yama.ptrace_scope is 3, which forbids it to everybody until the next boot");
    } else if (rights->has_sys_ptrace) {
        text_puts(ret,
                  "it lies in another user namespace, or a security module (AppArmor, SELinux, seccomp) forbids it: run in its "
                  "container, or from the host");
    } else if (rights->uid != rights->own_uid) {
        text_printf(ret, "it belongs to user %u and you are %u: run as that user, or with CAP_SYS_PTRACE (%s)", rights->uid,
                    rights->own_uid, how_to_grant);
    } else if (rights->yama_scope == 2) {
        text_printf(ret, "kernel.yama.ptrace_scope is 2: CAP_SYS_PTRACE is needed (%s)", how_to_grant);
    } else if (rights->yama_scope == 1) {
        text_printf(ret, "kernel.yama.ptrace_scope is 1: CAP_SYS_PTRACE is needed (%s), or `sysctl kernel.yama.ptrace_scope=0`",
                    how_to_grant);
    } else {
        text_printf(ret, "it has capabilities that you lack, or is not dumpable: CAP_SYS_PTRACE is needed (%s)", how_to_grant);
    }
}
