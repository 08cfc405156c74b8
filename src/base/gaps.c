#include "base/gaps.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void gaps_init(struct gaps *gaps)
{
    *gaps = (struct gaps) { 0 };
    pthread_mutex_init(&gaps->lock, NULL);
}

void gaps_deinit(struct gaps *gaps)
{
    for (size_t i = 0; i < gaps->list.count; i++) {
        free(gaps->list.data[i].what);
        free(gaps->list.data[i].why);
    }
    vec_deinit(&gaps->list);
    pthread_mutex_destroy(&gaps->lock);
}

/* Position of (what, why) in the list, which is kept in order, so that it is the same whichever thread came first. */
static size_t gaps_find(const struct gaps *gaps, const char *what, const char *why, bool *found_ret)
{
    size_t low = 0, high = gaps->list.count;

    *found_ret = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(gaps->list.data[middle].what, what);

        if (order == 0) order = strcmp(gaps->list.data[middle].why, why);
        if (order == 0) *found_ret = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void gaps_count(struct gaps *gaps, const char *what, uint64_t addr, uint64_t count, const char *why)
{
    bool found;
    size_t at = gaps_find(gaps, what, why, &found);
    struct gap gap;

    if (found) {
        gaps->list.data[at].count += count;
        if (addr && (!gaps->list.data[at].addr || addr < gaps->list.data[at].addr)) gaps->list.data[at].addr = addr;
        return;
    }
    gap = (struct gap) { .what = strdup(what), .why = strdup(why), .count = count, .addr = addr };
    if (gaps->list.count >= GAPS_MAX || !gap.what || !gap.why || !vec_push(&gaps->list, gap)) {
        free(gap.what);
        free(gap.why);
        gaps->not_kept++;
        return;
    }
    memmove(&gaps->list.data[at + 1], &gaps->list.data[at], (gaps->list.count - 1 - at) * sizeof(gap));
    gaps->list.data[at] = gap;
}

void gaps_add(struct gaps *gaps, const char *what, uint64_t addr, uint64_t count, const char *why_format, ...)
{
    char why[512];
    va_list args;

    if (!gaps) return;
    va_start(args, why_format);
    vsnprintf(why, sizeof(why), why_format, args);
    va_end(args);
    pthread_mutex_lock(&gaps->lock);
    gaps_count(gaps, what, addr, count, why);
    gaps->added++;
    pthread_mutex_unlock(&gaps->lock);
}

uint64_t gaps_added(struct gaps *gaps)
{
    uint64_t ret;

    pthread_mutex_lock(&gaps->lock);
    ret = gaps->added;
    pthread_mutex_unlock(&gaps->lock);
    return ret;
}

void gaps_add_error(struct gaps *gaps, const char *what, struct error *err)
{
    if (!err) return;
    gaps_add(gaps, what, err->addr, 1, "%s", error_message(err));
    error_destroy(err);
}
