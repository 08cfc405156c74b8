#include "surfaces/watch_text.h"

#include <math.h>
#include <string.h>

#include "relations/relation.h"
#include "surfaces/number.h"

/* Growth that is less than this a day is noise. */
enum { LEAST_BYTES = 1 << 20, LEAST_COUNT = 24, GROWING_MAX = 8, NAME_MAX = 64, NAME_WIDTH = 28 };

struct growing {
    char name[NAME_MAX];
    bool is_bytes;
    double slope; /* per second */
};

struct printer {
    const struct output *output;
    struct text text;
    struct growing growing[GROWING_MAX]; /* the fastest first; bytes before counts */
    unsigned growing_count;
    double resident, resident_slope; /* slope 0: does not grow */
};

static void append_amount(struct text *text, bool is_bytes, double amount)
{
    uint64_t value = amount < 1e18 ? (uint64_t)amount : UINT64_C(1000000000000000000);

    if (is_bytes)
        number_append_units(text, value);
    else
        number_append_grouped(text, value);
}

/* "+1.2 MiB", "-12". */
static void append_change(struct text *text, bool is_bytes, double change)
{
    text_putc(text, change < 0 ? '-' : '+');
    append_amount(text, is_bytes, fabs(change));
}

static void append_padded(struct text *text, const struct text *word, size_t width, bool right)
{
    size_t own = text_width(text_cstr(word), word->length), space = own < width ? width - own : 0;

    if (right) text_printf(text, "%*s", (int)space, "");
    text_append(text, word->data, word->length);
    if (!right) text_printf(text, "%*s", (int)space, "");
}

static void remember(struct printer *printer, const char *name, bool is_bytes, double slope)
{
    struct growing *list = printer->growing;
    unsigned at = printer->growing_count;

    while (at > 0 && (list[at - 1].is_bytes == is_bytes ? list[at - 1].slope < slope : is_bytes))
        at--;
    if (at >= GROWING_MAX) return;
    if (printer->growing_count < GROWING_MAX) printer->growing_count++;
    memmove(list + at + 1, list + at, (printer->growing_count - at - 1) * sizeof(*list));
    list[at] = (struct growing) { .is_bytes = is_bytes, .slope = slope };
    strncpy(list[at].name, name, sizeof(list[at].name) - 1);
}

static struct error *print_row(void *user, const char *metric, bool is_bytes, const struct trend_series *series)
{
    struct printer *printer = user;
    double first = series->points.data[0].value, last = series->points.data[series->points.count - 1].value;
    struct trend trend = trend_of(series);
    struct text cells[4] = { { 0 } };
    bool failed = false;

    if (trend.slope * 86400 < (is_bytes ? LEAST_BYTES : LEAST_COUNT)) trend.grows = false;
    output_append_shown(printer->output, &cells[0], metric, strlen(metric));
    append_amount(&cells[1], is_bytes, last);
    if (series->points.count > 1) append_change(&cells[2], is_bytes, last - first);
    if (trend.grows) append_change(&cells[3], is_bytes, trend.slope * 3600);
    for (unsigned i = 0; i < ARRAY_COUNT(cells); i++) {
        /* A name that is too long has a line of its own. */
        if (i == 1 && text_width(text_cstr(&cells[0]), cells[0].length) >= NAME_WIDTH)
            text_printf(&printer->text, "\n%*s", NAME_WIDTH, "");
        append_padded(&printer->text, &cells[i], i ? 12 : NAME_WIDTH, i > 0);
        failed |= cells[i].failed;
    }
    for (unsigned i = 0; i < ARRAY_COUNT(cells); i++)
        text_deinit(&cells[i]);
    text_puts(&printer->text, "  ");
    trend_append_sparkline(series, printer->output->utf8, &printer->text);
    text_putc(&printer->text, '\n');
    /* The total is no use of its own; the resident size is told of with its limit. */
    if (!strcmp(metric, "resident")) {
        printer->resident = last;
        printer->resident_slope = trend.grows ? trend.slope : 0;
    } else if (trend.grows && strcmp(metric, "total") != 0) {
        remember(printer, metric, is_bytes, trend.slope);
    }
    return failed || printer->text.failed ? &error_enomem : NULL;
}

static void print_growing(struct printer *printer)
{
    struct text *text = &printer->text;

    for (unsigned i = 0; i < printer->growing_count; i++) {
        const struct growing *growing = &printer->growing[i];

        text_puts(text, i ? ", " : "grows: ");
        output_append_shown(printer->output, text, growing->name, strlen(growing->name));
        text_puts(text, " by ");
        append_amount(text, growing->is_bytes, growing->slope * 3600);
        text_puts(text, " an hour");
    }
    text_puts(text, printer->growing_count ? "\n" : "grows: nothing, as far as was measured\n");
}

static void print_limit(struct printer *printer, const struct watch_text *shown)
{
    struct text *text = &printer->text;

    if (!shown->limit) return;
    text_puts(text, "limit: ");
    number_append_units(text, shown->limit);
    text_printf(text, " (%s)", shown->limit_of);
    if (printer->resident >= (double)shown->limit) {
        text_puts(text, " is reached");
    } else if (printer->resident_slope > 0) {
        text_puts(text, ", which its resident memory reaches in ");
        trend_append_duration(text, ((double)shown->limit - printer->resident) / printer->resident_slope);
        text_puts(text, " at this rate");
    } else {
        text_puts(text, "; its resident memory does not grow");
    }
    text_putc(text, '\n');
}

static void print_cost(struct printer *printer, const struct watch_text *shown)
{
    text_printf(
        &printer->text,
        "own cost: %.0f ms of processor time a measurement, %.3f %% of a processor; the account was taken %llu of %llu times\n",
        shown->cost * 1000 / (double)shown->count, shown->elapsed > 0 ? shown->cost * 100 / shown->elapsed : 0,
        (unsigned long long)shown->accounts, (unsigned long long)shown->count);
}

struct error *watch_text_print(const struct watch_text *shown, struct watch_store *store, struct output *output)
{
    struct printer *printer = calloc(1, sizeof(*printer));
    struct error *err;

    if (!printer) return &error_enomem;
    if (!shown->count) {
        free(printer);
        return NULL;
    }
    printer->output = output;
    text_printf(&printer->text, "process %llu", (unsigned long long)shown->pid);
    if (shown->command) {
        text_puts(&printer->text, ": ");
        output_append_shown(output, &printer->text, shown->command, strlen(shown->command));
    }
    text_printf(&printer->text, "\n\n%-*s%12s%12s%12s  course\n", NAME_WIDTH, "what", "now", "change", "an hour");
    err = watch_store_each(store, print_row, printer);
    text_putc(&printer->text, '\n');
    print_growing(printer);
    print_limit(printer, shown);
    print_cost(printer, shown);
    if (!err && printer->text.failed) err = &error_enomem;
    if (!err) output_text(output, &printer->text);
    text_deinit(&printer->text);
    free(printer);
    return err;
}
