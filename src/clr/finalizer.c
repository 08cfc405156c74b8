#include "clr/finalizer.h"

#include "base/limits.h"

enum { EXTRA_PARTS = 2, PARTS_MAX = 10 };

void finalizables_deinit(struct finalizables *finalizables)
{
    vec_deinit(&finalizables->list);
}

static struct error *read_part(struct clr *clr, uint64_t start, uint64_t end, struct finalizable like, struct finalizables *ret)
{
    for (uint64_t at = start; at < end; at += 8) {
        struct finalizable entry = like;

        if (!memory_try_u64(clr->memory, at, &entry.object)) {
            gaps_add(clr->gaps, "finalization queue", at, (end - at) / 8, "objects of the queue not in the dump");
            return NULL;
        }
        entry.slot_addr = at;
        if (entry.object && !vec_push(&ret->list, entry)) return &error_enomem;
    }
    return NULL;
}

static struct error *read_queue(struct clr *clr, const struct gc_heaps *heaps, uint32_t heap, uint64_t queue,
                                struct finalizables *ret)
{
    unsigned parts = heaps->generation_count + EXTRA_PARTS;
    uint64_t words[PARTS_MAX + 2], start, limit = clr->target->dump->file ? clr->target->dump->file->bytes.size : UINT64_MAX;

    if (parts > PARTS_MAX || !memory_try_read(clr->memory, queue, words, (parts + 2) * sizeof(*words))) {
        gaps_add(clr->gaps, "finalization queue", queue, 1, "queue not in the dump");
        return NULL;
    }
    start = words[parts];
    for (unsigned i = 0; i < parts; i++) {
        struct finalizable like = { .heap = heap };

        if (words[i] < start || words[i] > words[parts + 1] || words[i] - start > limit || (words[i] - start) % 8) {
            gaps_add(clr->gaps, "finalization queue", queue, 1, "parts of the queue are out of order");
            return NULL;
        }
        like.is_f_reachable = i >= heaps->generation_count;
        like.is_critical = i == heaps->generation_count;
        like.generation = like.is_f_reachable ? 0 : (uint8_t)(heaps->generation_count - 1 - i);
        TRY(read_part(clr, start, words[i], like, ret));
        start = words[i];
    }
    return NULL;
}

struct error *finalizables_init(struct clr *clr, const struct gc_heaps *heaps, struct finalizables *ret)
{
    struct error *err = NULL;

    *ret = (struct finalizables) { 0 };
    for (size_t i = 0; !err && i < heaps->finalize_queues.count; i++)
        err = read_queue(clr, heaps, (uint32_t)i, heaps->finalize_queues.data[i], ret);
    if (err) finalizables_deinit(ret);
    return err;
}
