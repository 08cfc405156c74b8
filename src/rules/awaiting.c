#include "rules/awaiting.h"

#include "clr/code_lines.h"
#include "managed/async.h"
#include "session/session.h"

struct waiters {
    uint64_t machine_mt, count;
    int64_t state;
};

typedef VEC(struct waiters) waiters_list;

/* Method and await, of those boxes that wait for one of the tasks. */
static bool count_waiters(struct clr *clr, const struct async_boxes *boxes, const struct map *tasks, waiters_list *ret)
{
    struct map by_machine;
    bool ok = true;

    map_init(&by_machine);
    for (size_t i = 0; i < boxes->list.count && ok; i++) {
        const struct async_box *box = &boxes->list.data[i];
        uint64_t ignored, *slot;

        if (!map_get(tasks, async_awaited_object(clr, box), &ignored)) continue;
        slot = map_slot(&by_machine, box->machine_mt ^ ((uint64_t)box->state << 48), NULL);
        ok = slot && (*slot || vec_push(ret, (struct waiters) { box->machine_mt, 0, box->state }));
        if (!ok) break;
        if (!*slot) *slot = ret->count;
        ret->data[*slot - 1].count++;
    }
    map_deinit(&by_machine);
    return ok;
}

static void describe(struct many_found *found, struct finding *finding, const struct waiters *most)
{
    struct findings *f = found->findings;
    struct code_lines lines;
    struct code_place place;

    code_lines_init(&lines, found->clr);
    code_place_init(&place);
    code_lines_describe_await(&lines, most->machine_mt, most->state, &place);
    if (place.method.length) {
        const char *method = finding_text(f, "%s", text_cstr(&place.method));
        const char *file = place.file ? finding_text(f, "%s", code_lines_file_name(place.file)) : NULL;

        finding_evidence(finding, finding_text(f, "%s of them are awaited by %s", finding_number(f, most->count), method));
        finding_code(finding, method, "await", file, file ? place.line : 0);
    }
    code_place_deinit(&place);
    code_lines_deinit(&lines);
}

struct error *awaiting_tell(struct many_found *found, struct finding *finding, const char *task)
{
    const struct gc_heaps *heaps;
    waiters_list waiters = { 0 };
    const struct waiters *most = NULL;
    struct async_boxes boxes;
    struct map tasks;
    bool ok = true;

    TRY(session_gc_heaps(found->session, &heaps));
    TRY(async_boxes_find(found->clr, heaps, &boxes));
    map_init(&tasks);
    for (size_t i = 0; i < found->live.count && ok; i++) {
        uint64_t addr = found->live.data[i];

        addr = task ? managed_follow_object(found->clr, addr, task) : addr;
        if (addr) ok = map_put(&tasks, addr, 1);
    }
    ok = ok && count_waiters(found->clr, &boxes, &tasks, &waiters);
    for (size_t i = 0; ok && i < waiters.count; i++)
        if (!most || waiters.data[i].count > most->count) most = &waiters.data[i];
    if (ok && most) describe(found, finding, most);
    vec_deinit(&waiters);
    map_deinit(&tasks);
    async_boxes_deinit(&boxes);
    return ok ? NULL : &error_enomem;
}
