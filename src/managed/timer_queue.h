/*
 * Timers that are started.
 *
 *     static TimerQueue.Instances[] -> _shortTimers, _longTimers -> TimerQueueTimer -> _next -> ...
 *
 * Source: Timer.cs of System.Private.CoreLib.
 */
#ifndef CLRTRAIL_MANAGED_TIMER_QUEUE_H
#define CLRTRAIL_MANAGED_TIMER_QUEUE_H

#include "managed/instances.h"

#define TIMER_QUEUE "System.Threading.TimerQueue"

/* Appends the TimerQueueTimers; a queue that leads back into itself is a gap. Errors: out of memory. Fills caches. */
struct error *timer_queue_find(struct clr *clr, address_list *ret);

#endif
