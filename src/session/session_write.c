/*
 * Dumps that we write: of a live process, and a smaller one of a dump.
 */
#include <string.h>
#include <time.h>

#include "dump/core_write.h"
#include "dump/diagnostics_port.h"
#include "dump/live_linux.h"
#include "dump/proc_file.h"
#include "session/session.h"
#include "target/target.h"

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

enum { LEVEL = 1 };

static struct error *finish(struct core_output *output, struct error *err, struct session_written *ret)
{
    if (!err) err = core_output_finish(output);
    if (!err) ret->stored_size = output->stored_size;
    core_output_close(output);
    return err;
}

static struct error *write_dump(struct dump *dump, const struct core_write_options *options, const char *path, struct gaps *gaps,
                                struct progress *progress, struct session_written *ret)
{
    struct core_write_result result = { 0 };
    struct core_output output;
    struct error *err;

    TRY(core_output_open(&output, path, LEVEL));
    if (!strcmp(dump->format, "minidump"))
        err = core_repack(dump, &output, gaps, progress, &result);
    else
        err = core_write(dump, options, &output, gaps, progress, &result);
    ret->memory_size = result.memory_size;
    ret->left_out_size = result.left_out_size;
    return finish(&output, err, ret);
}

/* `*may_read_ret`: the process could be opened, whatever went wrong later. */
static struct error *by_reading(const struct snapshot_options *options, struct gaps *gaps, bool *may_read_ret,
                                struct session_written *ret)
{
    struct core_write_options how = { .everything = !options->heap_only, .kind = options->heap_only ? "heap" : "full" };
    uint64_t started = now_ms();
    struct dump *dump;
    struct error *err;

    err = live_open(options->target, !options->run_on, gaps, &dump);
    *may_read_ret = !err || err->code != ERROR_IO;
    if (err) return err;
    err = write_dump(dump, &how, options->output, gaps, options->progress, ret);
    dump_close(dump);
    ret->held_ms = options->run_on ? 0 : now_ms() - started;
    ret->by_port = false;
    return err;
}

static struct error *by_port(const struct snapshot_options *options, struct session_written *ret)
{
    uint64_t started = now_ms();
    struct core_output output;
    struct error *err;
    pid_t pid;

    if (!proc_parse_pid(options->target + 4, &pid)) return error_create(ERROR_USAGE, "'%s' is no process", options->target);
    TRY(core_output_open(&output, options->output, LEVEL));
    err = port_dump(pid, options->heap_only, &output, options->progress);
    ret->memory_size = output.size;
    ret->held_ms = now_ms() - started;
    ret->by_port = true;
    return error_prefix(finish(&output, err, ret), "cannot dump '%s'", options->target);
}

/* Reading needs no file of its own and nothing of the process; the port needs fewer rights. */
struct error *session_snapshot(const struct snapshot_options *options, struct gaps *gaps, struct session_written *ret)
{
    struct error *err = NULL, *port_err;
    bool may_read = false;

    if (options->source != SNAPSHOT_BY_PORT) {
        err = by_reading(options, gaps, &may_read, ret);
        if (!err || options->source == SNAPSHOT_BY_READING || may_read) return err;
    }
    port_err = by_port(options, ret);
    if (port_err && err && port_err->code == ERROR_NOT_FOUND) {
        error_destroy(port_err);
        return err;
    }
    if (port_err && err) {
        err = error_prefix(err, "%s; by reading it", error_message(port_err));
        error_destroy(port_err);
        return err;
    }
    error_destroy(err);
    return port_err;
}

/* A dump of its own is opened, since what the session has borrowed from its dump must stay. */
struct error *session_slim(struct session *session, const char *output, struct session_written *ret)
{
    const struct dump *own = session_target(session)->dump;
    struct core_write_options how = { .kind = own->kind };
    struct dump *dump;
    struct error *err;

    if (!strcmp(own->format, "live"))
        return error_create(ERROR_USAGE, "a live process has no dump to make smaller: clrtrail snapshot %u --heap -o FILE",
                            own->pid);
    if (!strcmp(own->file->path, "-")) return error_create(ERROR_USAGE, "standard input can be read only once: slim a file");
    TRY(dump_open(own->file->path, session_gaps(session), session_progress(session), &dump));
    err = write_dump(dump, &how, output, session_gaps(session), session_progress(session), ret);
    dump_close(dump);
    return err;
}
