#include "clr/method_desc.h"
#include "managed/collection.h"
#include "managed/delegate.h"
#include "managed/timer_queue.h"
#include "relations/relation.h"
#include "session/session.h"

/* Timers that are started: TimerQueue.Instances[] -> chains of TimerQueueTimer. */
struct timers_cursor {
    struct clr *clr;
    address_list list;
    size_t index, periodic;
    struct text callback, state;
};

enum { ADDRESS, DUE, PERIOD, CALLBACK, TARGET, TARGET_TYPE, STATE, STATE_OBJECT, CANCELED, SHORT };

static struct error *timers_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct timers_cursor *cursor = cursor_;

    (void)request;
    text_init(&cursor->callback);
    text_init(&cursor->state);
    TRY(session_clr(session, &cursor->clr));
    return timer_queue_find(cursor->clr, &cursor->list);
}

static void fill_callback(struct timers_cursor *cursor, uint64_t delegate, struct value *row)
{
    uint64_t target = managed_follow_object(cursor->clr, delegate, "_target");
    struct clr_method method;

    text_clear(&cursor->callback);
    if (clr_method_at(cursor->clr, delegate_method(cursor->clr, delegate), &method) &&
        clr_method_name(cursor->clr, &method, &cursor->callback))
        value_text(&row[CALLBACK], text_cstr(&cursor->callback));
    if (!target || target == delegate) return;
    value_u64(&row[TARGET], target);
    value_text(&row[TARGET_TYPE], clr_object_type_name(cursor->clr, target));
}

static void fill_milliseconds(struct timers_cursor *cursor, uint64_t timer, const char *path, struct value *value)
{
    int64_t number;

    /* UINT32_MAX: never (Timeout.Infinite). */
    if (managed_follow_number(cursor->clr, timer, path, &number) && (uint32_t)number != UINT32_MAX)
        value_u64(value, (uint32_t)number);
}

static void fill_state(struct timers_cursor *cursor, uint64_t timer, struct value *row)
{
    struct managed_value value;
    uint64_t state = managed_follow_object(cursor->clr, timer, "_state|m_state");

    if (!state || !managed_follow(cursor->clr, timer, "_state|m_state", &value)) return;
    text_clear(&cursor->state);
    managed_text(cursor->clr, &value, &cursor->state);
    value_text(&row[STATE], text_cstr(&cursor->state));
    value_u64(&row[STATE_OBJECT], state);
}

static struct error *timers_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct timers_cursor *cursor = cursor_;
    uint64_t timer;
    int64_t flag;

    *more_ret = cursor->index < cursor->list.count;
    if (!*more_ret) return NULL;
    timer = cursor->list.data[cursor->index++];
    value_u64(&row[ADDRESS], timer);
    fill_milliseconds(cursor, timer, "_dueTime|m_dueTime", &row[DUE]);
    fill_milliseconds(cursor, timer, "_period|m_period", &row[PERIOD]);
    cursor->periodic += row[PERIOD].known;
    fill_callback(cursor, managed_follow_object(cursor->clr, timer, "_timerCallback|m_timerCallback"), row);
    fill_state(cursor, timer, row);
    if (managed_follow_number(cursor->clr, timer, "_canceled|m_canceled", &flag)) value_u64(&row[CANCELED], flag != 0);
    if (managed_follow_number(cursor->clr, timer, "_short", &flag)) value_u64(&row[SHORT], flag != 0);
    return NULL;
}

static void timers_end(void *cursor_)
{
    struct timers_cursor *cursor = cursor_;

    vec_deinit(&cursor->list);
    text_deinit(&cursor->callback);
    text_deinit(&cursor->state);
}

static void timers_footer(void *cursor_, struct text *ret)
{
    const struct timers_cursor *cursor = cursor_;

    text_printf(ret, "%zu timers are started, %zu of them periodic", cursor->list.count, cursor->periodic);
}

static const struct column columns[] = {
    { "address", COLUMN_ADDRESS, "the TimerQueueTimer" },
    { "due_ms", COLUMN_NUMBER, "milliseconds from its start until it is due" },
    { "period_ms", COLUMN_NUMBER, "milliseconds between calls; none: it is called once" },
    { "callback", COLUMN_TEXT, "method that it calls" },
    { "target", COLUMN_ADDRESS, "object whose method it is", COLUMN_VERBOSE },
    { "target_type", COLUMN_TEXT, "type of that object" },
    { "state", COLUMN_TEXT, "what it hands to the method" },
    { "state_object", COLUMN_ADDRESS, "the same", COLUMN_VERBOSE },
    { "canceled", COLUMN_BOOL, "disposed already", COLUMN_VERBOSE },
    { "short", COLUMN_BOOL, "in the queue's list of those that are due soon", COLUMN_VERBOSE },
};

const struct relation relation_timers = {
    .name = "timers",
    .summary = "timers that are started: due, period, what they call",
    .topic = "threads",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "timers" }, { "timerinfo", .help = "as SOS calls it" }, { "ti", .help = "as SOS calls it" } },
    .group_by = "callback",
    .empty = "no timer is started, or their queues are not in the dump",
    .cursor_size = sizeof(struct timers_cursor),
    .begin = timers_begin,
    .next = timers_next,
    .end = timers_end,
    .footer = timers_footer,
};
