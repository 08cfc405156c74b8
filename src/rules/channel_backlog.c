/*
 * A queue between producer and consumer that has no bound.
 *
 *     UnboundedChannel {_items: ConcurrentQueue, _doneWriting}, BlockingCollection {_collection, _boundedCapacity -1}
 *
 * The producer is faster than the consumer, or the consumer has ended.
 */
#include "rules/hoard.h"

enum { BACKLOG_MIN = 10000 };

static const char *const owners[] = { "System.Threading.Channels.UnboundedChannel<*>",
                                      "System.Threading.Channels.SingleConsumerUnboundedChannel<*>",
                                      "System.Collections.Concurrent.BlockingCollection<*>", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.Threading.Channels.Channel", .method = "CreateUnbounded" },
    { .type = "System.Collections.Concurrent.BlockingCollection`1", .method = ".ctor", .params = "()" },
    { .type = "System.Threading.Channels.ChannelWriter`1", .method = "*Write*" },
};

static bool is_unbounded(struct clr *clr, uint64_t owner)
{
    int64_t bound;

    return !managed_follow_number(clr, owner, "_boundedCapacity", &bound) || bound < 0;
}

static struct error *tell(struct hoard_found *found, struct finding *finding, bool *drop_ret)
{
    (void)drop_ret;
    if (!managed_follow_object(found->clr, found->owner, "_waitingReadersHead|_waitingReadersTail|_waitingReader") &&
        !managed_follow_object(found->clr, found->owner, "_blockedReadersHead|_blockedReaders|_blockedReader"))
        finding_evidence(finding, "no reader waits for the next item: it is busy, or there is none");
    return NULL;
}

static const struct hoard backlog = {
    .rule = "channel-backlog",
    .doc = "docs/causes/channel-backlog.md",
    .kind = "managed",
    .owners = owners,
    .path = "_items|_collection",
    .least = BACKLOG_MIN,
    .proven = UINT64_MAX,
    .noun = "items",
    .place = "wait in a queue without bound",
    .cause = "items are written into a channel (or BlockingCollection) without bound faster than they are read",
    .fix = "bound the queue (Channel.CreateBounded), so that writers wait or items are dropped, and see why the reader is slow or "
           "has ended",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_unbounded,
    .tell = tell,
};

static struct error *backlog_run(struct session *session, struct findings *findings)
{
    return hoard_run(session, findings, &backlog);
}

const struct rule rule_channel_backlog = {
    .name = "channel-backlog",
    .summary = "a queue without bound is written faster than it is read",
    .refines = "accumulation",
    .run = backlog_run,
};
