#include "dump/live_threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/elf.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "dump/elf_core_notes.h"
#include "dump/live_rights.h"
#include "dump/proc_file.h"

enum {
    STOP_EVENT = 128, /* PTRACE_EVENT_STOP of linux ptrace.h, which glibc's header hides */
    WAIT_MS = 500,    /* for a thread to stop; one in the kernel's hands (a slow disk, vfork) takes its time */
    SPINS = 64,
    NAP_NS = 50000,
    HOLD_PASSES = 100,
    REGISTERS_MAX = 512,
    STATUS_MAX = 16 << 10,
};

void live_threads_init(struct live_threads *threads, int proc, struct gaps *gaps)
{
    *threads = (struct live_threads) { .proc = proc, .gaps = gaps };
}

/* ---- stopping one thread ---- */

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

enum stop_result { STOP_DONE, STOP_GONE, STOP_LATE };

/* Looks once. A stop for a signal is as good as the one asked for, but the signal must not be lost. */
static enum stop_result poll_stop(struct live_thread *thread)
{
    int status;
    pid_t got = waitpid(thread->tid, &status, __WALL | WNOHANG);

    if (got == 0 || (got < 0 && errno == EINTR)) return STOP_LATE;
    if (got < 0 || !WIFSTOPPED(status)) return STOP_GONE;
    thread->signal = status >> 16 == STOP_EVENT ? 0 : WSTOPSIG(status);
    thread->state = LIVE_HELD;
    return STOP_DONE;
}

static enum stop_result wait_for_stop(struct live_thread *thread)
{
    const struct timespec nap = { .tv_nsec = NAP_NS };
    uint64_t until = now_ms() + WAIT_MS;
    enum stop_result result;

    for (unsigned i = 0; (result = poll_stop(thread)) == STOP_LATE; i++) {
        if (i < SPINS)
            sched_yield();
        else if (now_ms() < until)
            nanosleep(&nap, NULL);
        else
            break;
    }
    return result;
}

/* False and errno when it may not be traced, or has ended. */
static bool seize(struct live_thread *thread)
{
    thread->state = LIVE_LATE;
    thread->signal = 0;
    if (ptrace(PTRACE_SEIZE, thread->tid, NULL, NULL) != 0) return false;
    ptrace(PTRACE_INTERRUPT, thread->tid, NULL, NULL);
    return true;
}

static void let_go(const struct live_thread *thread)
{
    ptrace(PTRACE_DETACH, thread->tid, NULL, (void *)(intptr_t)thread->signal);
}

/* ---- lists of threads ---- */

struct task_list {
    DIR *dir;
};

static bool task_list_begin(struct task_list *list, int proc)
{
    int fd = openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    list->dir = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !list->dir) close(fd);
    return list->dir != NULL;
}

static bool task_list_next(struct task_list *list, pid_t *ret)
{
    struct dirent *entry;

    while ((entry = readdir(list->dir)) != NULL)
        if (proc_parse_pid(entry->d_name, ret)) return true;
    return false;
}

static void task_list_end(struct task_list *list)
{
    closedir(list->dir);
}

static struct live_thread *find_seized(struct live_threads *threads, pid_t tid)
{
    for (size_t i = 0; i < threads->seized.count; i++)
        if (threads->seized.data[i].tid == tid) return &threads->seized.data[i];
    return NULL;
}

static struct error *no_right(const struct live_threads *threads, const char *what)
{
    struct live_rights rights;
    struct text why = { 0 };
    struct error *err;

    live_rights_get(threads->proc, &rights);
    if (rights.tracer)
        text_printf(&why, "process %d traces it already (a debugger, strace?)", (int)rights.tracer);
    else
        live_rights_describe(&rights, &why);
    err = error_create(ERROR_IO, "cannot %s: %s", what, text_cstr(&why));
    text_deinit(&why);
    return err;
}

/* ---- holding ---- */

/* Asks every thread that is not yet known to stop; `added_ret` is how many. */
static struct error *hold_pass(struct live_threads *threads, size_t *added_ret)
{
    struct task_list list;
    struct live_thread thread;

    *added_ret = 0;
    if (!task_list_begin(&list, threads->proc)) return error_create(ERROR_IO, "the process ended");
    while (task_list_next(&list, &thread.tid)) {
        if (find_seized(threads, thread.tid)) continue;
        if (!vec_reserve(&threads->seized, threads->seized.count + 1)) break;
        if (seize(&thread)) {
            threads->seized.data[threads->seized.count++] = thread;
            ++*added_ret;
        } else if (errno == EPERM) {
            /* One that is about to end answers so, too. */
            if (threads->seized.count == 0) break;
        }
    }
    task_list_end(&list);
    return threads->seized.count ? NULL : no_right(threads, "hold the process");
}

static void wait_for_all(struct live_threads *threads)
{
    size_t kept = 0;

    for (size_t i = 0; i < threads->seized.count; i++) {
        struct live_thread *thread = &threads->seized.data[i];
        if (thread->state == LIVE_LATE && wait_for_stop(thread) == STOP_GONE) continue;
        threads->seized.data[kept++] = *thread;
    }
    threads->seized.count = kept;
}

struct error *live_threads_hold(struct live_threads *threads)
{
    size_t added = 1;

    for (int pass = 0; added && pass < HOLD_PASSES; pass++) {
        struct error *err = hold_pass(threads, &added);
        if (err) {
            live_threads_release(threads);
            return err;
        }
        wait_for_all(threads);
    }
    for (size_t i = 0; i < threads->seized.count; i++)
        if (threads->seized.data[i].state == LIVE_LATE)
            gaps_add(threads->gaps, "thread", 0, 1, "it did not stop within %d ms: it is inside the kernel", WAIT_MS);
    return NULL;
}

void live_threads_release(struct live_threads *threads)
{
    for (size_t i = 0; i < threads->seized.count; i++) {
        struct live_thread *thread = &threads->seized.data[i];
        if (thread->state == LIVE_LATE && poll_stop(thread) != STOP_DONE) continue; /* the kernel lets it go when we end */
        let_go(thread);
    }
    vec_deinit(&threads->seized);
}

/* ---- registers ---- */

static bool get_set(pid_t tid, int set, struct span *registers, void *buffer, size_t size)
{
    struct iovec iov = { buffer, size };

    if (ptrace(PTRACE_GETREGSET, tid, (void *)(intptr_t)set, &iov) != 0) return false;
    *registers = (struct span) { buffer, iov.iov_len };
    return true;
}

static void read_registers(struct dump *dump, pid_t tid, uint16_t machine, struct dump_thread *ret)
{
    uint8_t buffer[REGISTERS_MAX], tls[16];
    struct span registers, set;
    char *kept;

    if (!get_set(tid, NT_PRSTATUS, &registers, buffer, sizeof(buffer))) return;
    kept = arena_strndup(&dump->arena, (const char *)registers.data, registers.size);
    if (!kept) return;
    dump_thread_set_registers(ret, (struct span) { (const uint8_t *)kept, registers.size }, machine);
    if (machine == ELF_MACHINE_ARM64 && get_set(tid, 0x401 /* NT_ARM_TLS */, &set, tls, sizeof(tls)))
        span_u64(set, 0, &ret->tls_base);
}

/* "0 0x7 ... 0x7ffe64de6e08 0x7f4c8244b503": the last two are stack and code; "running" for a thread that does. */
static bool read_syscall(int task, struct dump_thread *ret)
{
    struct text text = { 0 };
    unsigned long long words[9];
    bool known = false;
    int count;

    if (proc_read(task, "syscall", 512, &text)) {
        count = sscanf(text_cstr(&text), "%llx %llx %llx %llx %llx %llx %llx %llx %llx", &words[0], &words[1], &words[2], &words[3],
                       &words[4], &words[5], &words[6], &words[7], &words[8]);
        known = count >= 3 && text_cstr(&text)[0] != 'r';
        if (known) ret->sp = words[count - 2], ret->ip = words[count - 1];
    }
    text_deinit(&text);
    return known;
}

/* The number that the thread has inside its own pid namespace: what gettid told the runtime. */
static uint32_t inner_id(int task, pid_t tid)
{
    struct text status = { 0 };
    uint64_t number = (uint64_t)tid;

    if (proc_read(task, "status", STATUS_MAX, &status)) proc_status_number(&status, "NSpid", &number);
    text_deinit(&status);
    return (uint32_t)number;
}

static const char *thread_name(struct dump *dump, int task)
{
    struct text name = { 0 };
    const char *ret = NULL;

    if (proc_read(task, "comm", 64, &name) && name.length)
        ret = arena_strndup(&dump->arena, name.data, name.length - (name.data[name.length - 1] == '\n'));
    text_deinit(&name);
    return ret;
}

struct reader {
    struct live_threads *threads;
    struct dump *dump;
    uint16_t machine;
    bool may_not; /* a thread could not be seized */
    uint64_t without_count, late_count;
};

static void read_free_thread(struct reader *reader, pid_t tid, struct dump_thread *ret)
{
    struct live_thread thread = { .tid = tid };

    if (reader->may_not) return;
    if (!seize(&thread)) {
        reader->may_not = errno == EPERM;
        return;
    }
    switch (wait_for_stop(&thread)) {
    case STOP_DONE:
        read_registers(reader->dump, tid, reader->machine, ret);
        let_go(&thread);
        break;
    case STOP_LATE:
        /* It cannot be let go before it stops. */
        reader->late_count++;
        if (!vec_push(&reader->threads->seized, thread)) gaps_add(reader->threads->gaps, "thread", 0, 1, "out of memory");
        break;
    case STOP_GONE:
        break;
    }
}

static struct error *read_thread(struct reader *reader, pid_t tid)
{
    const struct live_thread *held = find_seized(reader->threads, tid);
    struct dump_thread thread = { 0 };
    char path[32];
    int task;

    snprintf(path, sizeof(path), "task/%d", (int)tid);
    task = openat(reader->threads->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (task < 0) return NULL; /* it ended */
    thread.os_id = inner_id(task, tid);
    thread.name = thread_name(reader->dump, task);
    if (held && held->state == LIVE_HELD)
        read_registers(reader->dump, tid, reader->machine, &thread);
    else if (!held)
        read_free_thread(reader, tid, &thread);
    if (!thread.sp && !read_syscall(task, &thread)) reader->without_count++;
    close(task);
    if (reader->dump->threads.count >= LIMIT_THREADS) return NULL;
    return vec_push(&reader->dump->threads, thread) ? NULL : &error_enomem;
}

/* Threads that were late are given another chance, and let go. */
static void release_late(struct live_threads *threads)
{
    size_t kept = 0;

    for (size_t i = 0; i < threads->seized.count; i++) {
        struct live_thread *thread = &threads->seized.data[i];
        if (thread->state != LIVE_LATE || wait_for_stop(thread) == STOP_LATE)
            threads->seized.data[kept++] = *thread;
        else if (thread->state == LIVE_HELD)
            let_go(thread);
    }
    threads->seized.count = kept;
}

static void report(const struct reader *reader)
{
    struct error *err;

    if (reader->may_not) {
        err = no_right(reader->threads, "stop them");
        gaps_add(reader->threads->gaps, "registers of threads", 0, reader->dump->threads.count, "%s", error_message(err));
        error_destroy(err);
    } else if (reader->without_count) {
        gaps_add(reader->threads->gaps, "registers of threads", 0, reader->without_count, "they ended, or did not stop in time");
    }
}

struct error *live_threads_read(struct live_threads *threads, struct dump *dump)
{
    struct reader reader = { .threads = threads, .dump = dump };
    bool holds = threads->seized.count > 0;
    struct error *err = NULL;
    struct task_list list;
    pid_t tid;

    reader.machine = dump->arch && !strcmp(dump->arch, "arm64") ? ELF_MACHINE_ARM64 : ELF_MACHINE_X64;
    if (!task_list_begin(&list, threads->proc)) {
        gaps_add(threads->gaps, "thread", 0, 1, "the process ended while it was read");
        return NULL;
    }
    while (!err && task_list_next(&list, &tid))
        err = read_thread(&reader, tid);
    task_list_end(&list);
    if (!holds) release_late(threads);
    report(&reader);
    return err;
}
