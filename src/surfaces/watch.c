#include "surfaces/watch.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "surfaces/number.h"
#include "surfaces/watch_options.h"
#include "surfaces/watch_sample.h"
#include "surfaces/watch_text.h"

/* Of a processor, with the account of all memory as often as there is room for it. */
static const double share = 0.001;

enum { WAKE_MS = 200 };

struct watch {
    struct run *run;
    const struct options *common;
    struct watch_options options;
    struct watch_sample sample;
    uint64_t pid, started;            /* of the process that is watched */
    bool is_over;                     /* it has ended */
    double first, cost, account_cost; /* seconds: when the first measurement began; processor time of all, of an account */
    uint64_t count, accounts;
    bool holds, is_taken; /* the condition; its snapshot */
    uint64_t resident, total;
};

static double clock_of(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double processor_time(void)
{
    return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

static void see(void *user, const char *metric, uint64_t value)
{
    struct watch *watch = user;

    if (!strcmp(metric, "resident")) watch->resident = value;
    if (!strcmp(metric, "total")) watch->total = value;
    if (watch_condition_holds(&watch->options.when, metric, value)) watch->holds = true;
}

/* ---- a measurement ---- */

static bool wants_account(const struct watch *watch)
{
    double elapsed = clock_of(CLOCK_MONOTONIC) - watch->first;

    if (watch->options.full || !watch->accounts) return true;
    return watch->cost + watch->account_cost <= share * elapsed;
}

static struct error *open_process(struct watch *watch, struct session **ret)
{
    const struct options *common = watch->common;
    struct session_options how = { .path = watch->run->target,
                                   .image_dirs = common->images.list.data,
                                   .image_dir_count = common->images.list.count,
                                   .sysroot = common->sysroot,
                                   .threads = 1,
                                   .runtime = (unsigned)common->runtime,
                                   .any_runtime = !common->runtime_given,
                                   .progress = &watch->run->line.progress };

    return session_open(&how, ret);
}

/* Another process may have got the number meanwhile. */
static struct error *identify(struct watch *watch)
{
    struct watch_sample *sample = &watch->sample;
    bool is_alive = false;

    TRY(watch_sample_identify(watch->run, sample, &is_alive));
    if (is_alive && !watch->count) {
        watch->pid = sample->pid;
        watch->started = sample->started;
        return watch_store_begin(sample->store, sample->pid, sample->started,
                                 sample->command.length ? text_cstr(&sample->command) : NULL);
    }
    /* The kernel's clock may be put right by a second. */
    watch->is_over = !is_alive || sample->started > watch->started + 2;
    return NULL;
}

static struct error *take(struct watch *watch, double cost_before)
{
    struct watch_sample *sample = &watch->sample;
    struct error *err;
    double cost;

    TRY(identify(watch));
    if (watch->is_over) return NULL;
    sample->with_ledger = wants_account(watch);
    TRY(watch_store_begin_sample(sample->store, clock_of(CLOCK_REALTIME)));
    err = watch_sample_take(watch->run, sample);
    cost = processor_time() - cost_before;
    if (!err) err = watch_store_end_sample(sample->store, cost);
    if (err) {
        watch_store_drop_sample(sample->store);
        return err;
    }
    watch->count++;
    watch->cost += cost;
    if (sample->with_ledger) {
        watch->accounts++;
        watch->account_cost = cost;
    }
    return NULL;
}

static struct error *measure(struct watch *watch)
{
    struct run *run = watch->run;
    struct session *session = run->session;
    struct gaps *gaps = run->gaps;
    double cost_before = processor_time();
    struct error *err;

    run->session = NULL;
    err = open_process(watch, &run->session);
    if (err && watch->count && err->code != ERROR_CANCELLED && err->code != ERROR_NOMEM) {
        watch->is_over = true;
        error_destroy(err);
        err = NULL;
    } else if (!err) {
        run->gaps = session_gaps(run->session);
        err = take(watch, cost_before);
        session_close(run->session);
    }
    run->session = session;
    run->gaps = gaps;
    return err;
}

/* ---- what is shown ---- */

static struct error *show_table(struct watch *watch)
{
    const struct watch_sample *sample = &watch->sample;
    struct watch_text shown = { .command = sample->command.length ? text_cstr(&sample->command) : NULL,
                                .pid = watch->pid,
                                .limit = sample->limit,
                                .limit_of = sample->limit_of,
                                .count = watch->count,
                                .accounts = watch->accounts,
                                .cost = watch->cost,
                                .elapsed = clock_of(CLOCK_MONOTONIC) - watch->first };

    return watch_text_print(&shown, sample->store, &watch->run->output);
}

/* A line a measurement, for logs. */
static struct error *show_line(struct watch *watch)
{
    struct output *output = &watch->run->output;
    struct text line = { 0 };
    time_t now = time(NULL);
    struct tm local;
    char when[32];

    if (!localtime_r(&now, &local) || !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local)) *when = 0;
    text_printf(&line, "%s  resident ", when);
    number_append_units(&line, watch->resident);
    if (watch->sample.with_ledger) {
        text_puts(&line, "  committed ");
        number_append_units(&line, watch->total);
    }
    text_putc(&line, '\n');
    output_text(output, &line);
    text_deinit(&line);
    return output_flush(output);
}

static struct error *show(struct watch *watch)
{
    struct output *output = &watch->run->output;

    if (watch->is_over) return NULL;
    if (!output->terminal) return show_line(watch);
    output_puts(output, "\033[H\033[J");
    TRY(show_table(watch));
    return output_flush(output);
}

/* ---- the snapshot ---- */

static void take_snapshot(struct watch *watch)
{
    struct run *run = watch->run;
    struct snapshot_options how = { .target = run->target,
                                    .output = watch->options.output,
                                    .heap_only = true,
                                    .run_on = watch->common->no_stop,
                                    .progress = &run->line.progress };
    struct session_written written = { 0 };
    struct gaps gaps;
    struct error *err;

    watch->is_taken = true;
    gaps_init(&gaps);
    err = session_snapshot(&how, &gaps, &written);
    gaps_deinit(&gaps);
    if (err) {
        run_print_error(run, err);
        error_destroy(err);
        return;
    }
    run_print_note(run, "%s: snapshot of %llu bytes of memory written to %s", watch->options.when.text,
                   (unsigned long long)written.memory_size, watch->options.output);
}

/* ---- again and again ---- */

/* False: interrupted. */
static bool wait_until(const struct watch *watch, double end)
{
    while (!progress_is_cancelled(&watch->run->line.progress)) {
        double rest = end - clock_of(CLOCK_MONOTONIC);
        struct timespec ts = { 0, WAKE_MS * 1000000 };

        if (rest <= 0) return true;
        if (rest < WAKE_MS / 1000.0) ts.tv_nsec = (long)(rest * 1e9);
        nanosleep(&ts, NULL);
    }
    return false;
}

static struct error *watch_on(struct watch *watch)
{
    uint64_t ticks = 0;

    watch->first = clock_of(CLOCK_MONOTONIC);
    for (;;) {
        double every = (double)watch->options.every_ms / 1000, now;

        TRY(measure(watch));
        if (watch->is_over) return NULL;
        TRY(show(watch));
        if (watch->holds && !watch->is_taken) take_snapshot(watch);
        if (output_failed(&watch->run->output) || (watch->options.count && watch->count >= watch->options.count)) return NULL;
        /* Measurements that took longer than the time between them are left out, not made up for. */
        now = clock_of(CLOCK_MONOTONIC) - watch->first;
        ticks = (uint64_t)(now / every) + 1 > ticks + 1 ? (uint64_t)(now / every) + 1 : ticks + 1;
        if (!wait_until(watch, watch->first + (double)ticks * every)) return NULL;
    }
}

static struct error *watch_process(struct watch *watch)
{
    struct run *run = watch->run;
    struct error *err;

    if (run->target == NULL || strncmp(run->target, "pid:", 4) != 0)
        return error_create(ERROR_USAGE, "watch is for a running process: clrtrail pid:N watch");
    TRY(watch_store_open(watch->options.database, &watch->sample.store));
    progress_line_catch_interrupt(&run->line);
    progress_line_pause(&run->line);
    err = watch_on(watch);
    if (err && err->code == ERROR_CANCELLED && watch->count) {
        error_destroy(err);
        err = NULL;
    }
    if (!err && !run->output.terminal) output_puts(&run->output, "\n");
    if (!err && (!run->output.terminal || watch->is_over)) err = show_table(watch);
    if (watch->is_over) run_print_note(run, "the process has ended");
    return err;
}

struct error *run_watch(struct run *run, const struct options *options, const struct words *words)
{
    struct watch watch = { .run = run, .common = options };
    struct error *err = watch_options_parse(&watch.options, words);

    if (err) return err;
    if (options->format != FORMAT_TEXT)
        return error_create(ERROR_USAGE, "watch prints text; its numbers for programs are in the database of --db");
    watch.sample.type_count = watch.options.types;
    watch.sample.seen = see;
    watch.sample.user = &watch;
    /* A condition on the account wants it each time. */
    if (watch.options.when.text && name_equal(watch.options.when.metric, "total")) watch.options.full = true;
    err = watch_process(&watch);
    watch_store_close(watch.sample.store);
    text_deinit(&watch.sample.command);
    return err;
}
