/*
 * Whether a series of measurements grows, how fast, and what it looks like.
 *
 * Memory of a .NET process goes up and down with the GC: neither its last value nor a fitted line says much. The slope is Theil and
 * Sen's (the median of the slopes between all pairs of points), which a few peaks do not move, and growth is claimed only when Mann
 * and Kendall's test finds that later points are higher more often than chance would have it.
 */
#ifndef CLRTRAIL_SURFACES_TREND_H
#define CLRTRAIL_SURFACES_TREND_H

#include "base/text.h"
#include "base/vec.h"

enum { TREND_POINTS = 48, SPARKLINE_WIDTH = 24 };

struct trend_point {
    double time; /* seconds */
    double value;
};

struct trend_series {
    VEC(struct trend_point) points; /* by time */
};

struct trend {
    double slope; /* per second */
    bool grows;   /* and not by chance */
};

/* Fewer than five points never grow. */
struct trend trend_of(const struct trend_series *series);
/* The whole series in at most SPARKLINE_WIDTH characters, from its lowest value to its highest. */
void trend_append_sparkline(const struct trend_series *series, bool utf8, struct text *text);
/* "3 h 20 min", "12 days 4 h". */
void trend_append_duration(struct text *text, double seconds);

#endif
