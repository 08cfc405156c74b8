#include "surfaces/trend.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_POINTS = 5 };

/* Of the normal distribution: one series in forty that only wavers is taken for one that grows. */
static const double certain = 1.96;

/* ---- fewer points ---- */

/* Means of `count` parts of the series, each with as many of its points as the others. */
static size_t reduce(const struct trend_series *series, size_t count, struct trend_point *ret)
{
    size_t n = series->points.count;

    if (n < count) count = n;
    for (size_t i = 0; i < count; i++) {
        size_t first = i * n / count, end = (i + 1) * n / count;
        struct trend_point sum = { 0 };

        for (size_t k = first; k < end; k++) {
            sum.time += series->points.data[k].time;
            sum.value += series->points.data[k].value;
        }
        ret[i] = (struct trend_point) { sum.time / (double)(end - first), sum.value / (double)(end - first) };
    }
    return count;
}

/* ---- slope ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Variance of the test's sum, smaller where values are equal (Kendall's correction for ties); `values` are sorted. */
static double variance(const double *values, size_t count)
{
    double n = (double)count, ret = n * (n - 1) * (2 * n + 5);

    for (size_t i = 0, end; i < count; i = end) {
        double t;

        for (end = i + 1; end < count && values[end] <= values[i]; end++)
            ;
        t = (double)(end - i);
        ret -= t * (t - 1) * (2 * t + 5);
    }
    return ret / 18;
}

struct trend trend_of(const struct trend_series *series)
{
    struct trend_point points[TREND_POINTS];
    double slopes[TREND_POINTS * (TREND_POINTS - 1) / 2], values[TREND_POINTS], spread;
    size_t count = reduce(series, TREND_POINTS, points), slope_count = 0;
    struct trend ret = { 0 };
    long sum = 0;

    if (count < 2) return ret;
    for (size_t i = 0; i < count; i++) {
        values[i] = points[i].value;
        for (size_t k = 0; k < i; k++) {
            double rise = points[i].value - points[k].value, time = points[i].time - points[k].time;

            sum += (rise > 0) - (rise < 0);
            if (time > 0) slopes[slope_count++] = rise / time;
        }
    }
    if (!slope_count) return ret;
    qsort(slopes, slope_count, sizeof(slopes[0]), compare);
    qsort(values, count, sizeof(values[0]), compare);
    ret.slope = (slopes[slope_count / 2] + slopes[(slope_count - 1) / 2]) / 2;
    spread = variance(values, count);
    ret.grows = count >= LEAST_POINTS && ret.slope > 0 && spread > 0 && (double)(sum - 1) / sqrt(spread) > certain;
    return ret;
}

/* ---- for people ---- */

void trend_append_sparkline(const struct trend_series *series, bool utf8, struct text *text)
{
    static const char ascii[] = "_.-:=+*#";
    struct trend_point points[SPARKLINE_WIDTH];
    size_t count = reduce(series, SPARKLINE_WIDTH, points);
    double low = INFINITY, high = -INFINITY;

    for (size_t i = 0; i < count; i++) {
        low = fmin(low, points[i].value);
        high = fmax(high, points[i].value);
    }
    for (size_t i = 0; i < count; i++) {
        unsigned level = high > low ? (unsigned)((points[i].value - low) / (high - low) * 7.999) : 0;

        if (utf8)
            utf8_append(text, 0x2581 + level); /* LOWER ONE EIGHTH BLOCK and the seven behind it */
        else
            text_putc(text, ascii[level]);
    }
}

void trend_append_duration(struct text *text, double seconds)
{
    static const struct {
        const char *name, *plural;
        double seconds;
    } units[] = {
        { "year", "years", 31557600 }, { "day", "days", 86400 }, { "h", "h", 3600 }, { "min", "min", 60 }, { "s", "s", 1 }
    };
    double rest = floor(seconds);
    size_t i = 0;

    while (i < 4 && rest < units[i].seconds)
        i++;
    for (size_t last = i < 3 ? i + 1 : i; i <= last; i++) {
        double number = floor(rest / units[i].seconds);

        rest -= number * units[i].seconds;
        text_printf(text, "%.0f %s", number, number >= 2 ? units[i].plural : units[i].name);
        if (i == last || rest < units[i + 1].seconds) break;
        text_putc(text, ' ');
    }
}
