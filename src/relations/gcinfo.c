#include <stdio.h>

#include "clr/code_gc_info.h"
#include "relations/code_at.h"
#include "relations/relation.h"
#include "session/session.h"

/* The GC info of one method: what its header says, its slots, then where which are live. */
enum gcinfo_step { STEP_HEADER, STEP_SLOTS, STEP_RANGES, STEP_LIVE, STEP_DONE };

struct gcinfo_cursor {
    struct clr *clr;
    struct code_block code;
    struct code_gc_info info;
    bool is_open;
    enum gcinfo_step step;
    size_t index;    /* of the slot, the range */
    uint32_t offset; /* where live slots are looked for next */
    bool was_safe;
    bool *live, *live_before;
    struct text text;
};

enum { KIND, OFFSET, END, ADDRESS, SLOTS };

static const char *const registers[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };

static struct error *gcinfo_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct gcinfo_cursor *cursor = cursor_;
    uint64_t addr = request->arguments[0].u;

    text_init(&cursor->text);
    TRY(session_clr(session, &cursor->clr));
    TRY(code_at(cursor->clr, addr, &cursor->code));
    cursor->is_open = code_gc_info_open(cursor->clr, &cursor->code, &cursor->info);
    if (!cursor->is_open) return error_fault(addr, "the GC info of '%llx' is not in the dump", (unsigned long long)addr);
    cursor->live = calloc((size_t)cursor->info.info.tracked_count + 1, sizeof(*cursor->live));
    cursor->live_before = calloc((size_t)cursor->info.info.tracked_count + 1, sizeof(*cursor->live));
    return cursor->live && cursor->live_before ? NULL : &error_enomem;
}

/* "rbx", "[rbp-0x18] interior" */
static void slot_text(const struct gc_info *info, size_t index, struct text *ret)
{
    const struct gc_slot *slot = &info->slots.data[index];
    const char *base = slot->base == GC_SLOT_CALLER_SP ? "caller rsp" : slot->base == GC_SLOT_SP ? "rsp" : NULL;

    if (slot->base == GC_SLOT_REGISTER)
        text_puts(ret, registers[slot->reg]);
    else
        text_printf(ret, "[%s%c0x%x]", base ? base : registers[info->frame_register], slot->off < 0 ? '-' : '+',
                    slot->off < 0 ? (uint32_t) - (int64_t)slot->off : (uint32_t)slot->off);
    if (slot->flags & GC_SLOT_INTERIOR) text_puts(ret, " interior");
    if (slot->flags & GC_SLOT_PINNED) text_puts(ret, " pinned");
}

static void fill_header(struct gcinfo_cursor *cursor, struct value *row)
{
    static const char *const contexts[] = { "", "MethodTable", "MethodDesc", "this" };
    const struct gc_info *info = &cursor->info.info;
    struct text *text = &cursor->text;

    value_text(&row[KIND], "header");
    value_u64(&row[OFFSET], 0);
    value_u64(&row[END], info->code_length);
    value_u64(&row[ADDRESS], cursor->code.start);
    text_printf(text, "version %u, %s", info->version, info->is_slim ? "slim" : "fat");
    if (info->has_frame_register) text_printf(text, ", frame register %s", registers[info->frame_register]);
    if (info->outgoing_size) text_printf(text, ", outgoing arguments %u", info->outgoing_size);
    if (info->has_generic_context)
        text_printf(text, ", generic context %s at %d", contexts[info->generic_context], info->generic_context_off);
    if (info->has_cookie) text_printf(text, ", cookie at %d", info->cookie_off);
    if (info->has_reverse_pinvoke) text_printf(text, ", reverse P/Invoke frame at %d", info->reverse_pinvoke_off);
    if (info->leaf_funclet_only) text_puts(text, ", handlers report for the method");
    text_printf(text, ", %zu safe points", info->safe_points.count);
}

static bool fill_slot(struct gcinfo_cursor *cursor, struct value *row)
{
    const struct gc_info *info = &cursor->info.info;

    if (cursor->index >= info->slots.count) return false;
    value_text(&row[KIND], cursor->index < info->register_count  ? "register"
                           : cursor->index < info->tracked_count ? "slot"
                                                                 : "untracked");
    slot_text(info, cursor->index++, &cursor->text);
    return true;
}

static bool fill_range(struct gcinfo_cursor *cursor, struct value *row)
{
    const struct gc_info *info = &cursor->info.info;

    if (cursor->index >= info->ranges.count) return false;
    value_text(&row[KIND], "interruptible");
    value_u64(&row[OFFSET], info->ranges.data[cursor->index].start);
    value_u64(&row[END], info->ranges.data[cursor->index].end);
    value_u64(&row[ADDRESS], cursor->code.start + info->ranges.data[cursor->index].start);
    cursor->index++;
    return true;
}

/* Is there something to say of this offset: a safe point, or a change inside of a range? */
static bool is_told(struct gcinfo_cursor *cursor, bool safe)
{
    const struct gc_info *info = &cursor->info.info;
    bool changed = !cursor->was_safe;

    for (uint32_t i = 0; i < info->tracked_count; i++) {
        if (cursor->live[i] != cursor->live_before[i]) changed = true;
        cursor->live_before[i] = cursor->live[i];
    }
    cursor->was_safe = safe && info->ranges.count;
    return safe && changed;
}

static bool fill_live(struct gcinfo_cursor *cursor, struct value *row)
{
    const struct gc_info *info = &cursor->info.info;

    for (; cursor->offset <= info->code_length; cursor->offset++) {
        bool safe;

        if (code_gc_info_live(cursor->clr, &cursor->code, &cursor->info, cursor->offset, cursor->live, &safe) != GC_INFO_OK)
            return false;
        if (is_told(cursor, safe)) break;
    }
    if (cursor->offset > info->code_length) return false;
    value_text(&row[KIND], info->ranges.count ? "live" : "safe point");
    value_u64(&row[OFFSET], cursor->offset);
    value_u64(&row[ADDRESS], cursor->code.start + cursor->offset);
    for (uint32_t i = 0; i < info->tracked_count; i++) {
        if (!cursor->live[i]) continue;
        if (cursor->text.length) text_puts(&cursor->text, ", ");
        slot_text(info, i, &cursor->text);
    }
    cursor->offset++;
    return true;
}

static bool fill_step(struct gcinfo_cursor *cursor, struct value *row)
{
    switch (cursor->step) {
    case STEP_HEADER:
        if (cursor->index++) return false;
        fill_header(cursor, row);
        return true;
    case STEP_SLOTS:
        return fill_slot(cursor, row);
    case STEP_RANGES:
        return fill_range(cursor, row);
    default:
        return fill_live(cursor, row);
    }
}

static struct error *gcinfo_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct gcinfo_cursor *cursor = cursor_;

    text_clear(&cursor->text);
    for (; cursor->step != STEP_DONE; cursor->step++, cursor->index = 0)
        if (fill_step(cursor, row)) break;
    *more_ret = cursor->step != STEP_DONE;
    if (*more_ret && cursor->text.length) value_text(&row[SLOTS], text_cstr(&cursor->text));
    return NULL;
}

static void gcinfo_end(void *cursor_)
{
    struct gcinfo_cursor *cursor = cursor_;

    if (cursor->is_open) code_gc_info_close(&cursor->info);
    free(cursor->live);
    free(cursor->live_before);
    text_deinit(&cursor->text);
}

static const struct column columns[] = {
    { "kind", COLUMN_TEXT,
      "header; register, slot, untracked: places; interruptible: code that can be stopped anywhere; "
      "safe point, live: which places hold references there, or from there on" },
    { "offset", COLUMN_NUMBER, "in the code; before 10.0 a safe point is the last byte of its call" },
    { "end", COLUMN_NUMBER, "of a range, exclusive; of the code" },
    { "address", COLUMN_ADDRESS, "of the offset" },
    { "slots", COLUMN_TEXT, "registers and places on the stack; what the header says" },
};

static const struct parameter parameters[] = {
    { "address", NULL, PARAMETER_ADDRESS, true, "of code, or of a MethodDesc" },
};

const struct relation relation_gcinfo = {
    .name = "gcinfo",
    .summary = "where the code of a method keeps references, and when they are live",
    .topic = "code",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .parameters = parameters,
    .parameter_count = ARRAY_COUNT(parameters),
    .commands = { { "gcinfo" } },
    .cursor_size = sizeof(struct gcinfo_cursor),
    .begin = gcinfo_begin,
    .next = gcinfo_next,
    .end = gcinfo_end,
};
