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

static void gaps_count(struct gaps *gaps, const char *what, uint64_t addr, uint64_t count, const char *why)
{
    struct gap gap;

    for (size_t i = 0; i < gaps->list.count; i++) {
        struct gap *known = &gaps->list.data[i];
        if (!strcmp(known->what, what) && !strcmp(known->why, why)) {
            known->count += count;
            return;
        }
    }
    gap = (struct gap) { .what = strdup(what), .why = strdup(why), .count = count, .addr = addr };
    if (gaps->list.count >= GAPS_MAX || !gap.what || !gap.why || !vec_push(&gaps->list, gap)) {
        free(gap.what);
        free(gap.why);
        gaps->not_kept++;
    }
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
    pthread_mutex_unlock(&gaps->lock);
}

void gaps_add_error(struct gaps *gaps, const char *what, struct error *err)
{
    if (!err) return;
    gaps_add(gaps, what, err->addr, 1, "%s", error_message(err));
    error_destroy(err);
}
