#include "relations/relation.h"
#include "session/ledger.h"
#include "session/session.h"
#include "target/target.h"

/* The address space as the dump describes it: one row a range, split where another file begins. */
struct mappings_cursor {
    struct session *session;
    const struct target *target;
    const struct ledger *ledger;
    size_t range, file;
    uint64_t at; /* next address in the current range */
    char protection[8];
    uint64_t committed, present;
};

enum { START, END, SIZE, COMMITTED, PRESENT, USE, KIND, STATE, PROTECTION, PATH };

static struct error *mappings_begin(struct session *session, const struct request *request, void *cursor_)
{
    struct mappings_cursor *cursor = cursor_;

    (void)request;
    cursor->session = session;
    cursor->target = session_target(session);
    return session_ledger(session, &cursor->ledger);
}

/* The file mapped at cursor->at, and where the piece that starts there ends. */
static const struct dump_file_map *piece_file(struct mappings_cursor *cursor, uint64_t range_end, uint64_t *end_ret)
{
    const struct dump *dump = cursor->target->dump;

    while (cursor->file < dump->file_maps.count && dump->file_maps.data[cursor->file].end <= cursor->at)
        cursor->file++;
    *end_ret = range_end;
    if (cursor->file == dump->file_maps.count) return NULL;
    if (dump->file_maps.data[cursor->file].start > cursor->at) {
        if (dump->file_maps.data[cursor->file].start < range_end) *end_ret = dump->file_maps.data[cursor->file].start;
        return NULL;
    }
    if (dump->file_maps.data[cursor->file].end < range_end) *end_ret = dump->file_maps.data[cursor->file].end;
    return &dump->file_maps.data[cursor->file];
}

static const char *range_kind(const struct dump_range *range, const struct dump_file_map *file)
{
    if (range->type == RANGE_IMAGE) return "image";
    if (range->type == RANGE_MAPPED || file) return "mapped";
    return range->state == RANGE_FREE ? NULL : "private";
}

static uint64_t overlap(uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
    uint64_t low = start > from ? start : from, high = end < to ? end : to;
    return high > low ? high - low : 0;
}

static void fill_protection(struct mappings_cursor *cursor, const struct dump_range *range, struct value *value)
{
    char *p = cursor->protection;

    *p++ = range->protection & PROTECTION_READ ? 'r' : '-';
    *p++ = range->protection & PROTECTION_WRITE ? 'w' : '-';
    *p++ = range->protection & PROTECTION_EXEC ? 'x' : '-';
    if (range->protection & PROTECTION_GUARD) *p++ = 'g';
    if (range->protection & PROTECTION_COPY) *p++ = 'c';
    *p = 0;
    value_text(value, cursor->protection);
}

/* Committed bytes of the piece as the ledger counts them; the use with most of them. */
static uint64_t fill_use(struct mappings_cursor *cursor, uint64_t end, struct value *value)
{
    uint64_t bytes[USE_COUNT] = { 0 }, sum = 0;
    unsigned most = 0;

    ledger_range_uses(cursor->ledger, cursor->at, end, bytes);
    for (unsigned use = 0; use < USE_COUNT; use++) {
        if (use != USE_DOUBLE_MAPPED) sum += bytes[use];
        if (bytes[use] > bytes[most]) most = use;
    }
    if (bytes[most]) value_text(value, ledger_use_name((enum ledger_use)most));
    return sum;
}

static void fill(struct mappings_cursor *cursor, const struct dump_range *range, const struct dump_file_map *file, uint64_t end,
                 struct value *row)
{
    static const char *const states[] = { "commit", "reserve", "free" };
    const struct target_module *module = target_module_at(cursor->target, cursor->at);
    uint64_t present = overlap(cursor->at, end, range->start, range->start + range->file_size);
    uint64_t committed = fill_use(cursor, end, &row[USE]);

    fill_protection(cursor, range, &row[PROTECTION]);
    value_u64(&row[START], cursor->at);
    value_u64(&row[END], end);
    value_u64(&row[SIZE], end - cursor->at);
    value_u64(&row[COMMITTED], committed);
    value_u64(&row[PRESENT], present);
    value_text(&row[KIND], range_kind(range, file));
    value_text(&row[STATE], states[range->state]);
    value_text(&row[PATH], file ? file->path : module ? module->path : NULL);
    cursor->present += present;
    cursor->committed += committed;
}

static struct error *mappings_next(void *cursor_, struct value *row, bool *more_ret)
{
    struct mappings_cursor *cursor = cursor_;
    const struct dump *dump = cursor->target->dump;
    const struct dump_range *range;
    const struct dump_file_map *file;
    uint64_t end;

    *more_ret = cursor->range < dump->ranges.count;
    if (!*more_ret) return NULL;
    range = &dump->ranges.data[cursor->range];
    if (cursor->at < range->start) cursor->at = range->start;
    file = piece_file(cursor, range->end, &end);
    fill(cursor, range, file, end, row);
    cursor->at = end;
    if (end >= range->end) cursor->range++;
    return NULL;
}

static void mappings_footer(void *cursor_, struct text *ret)
{
    const struct mappings_cursor *cursor = cursor_;

    text_printf(
        ret, "%llu bytes committed, %llu of them in the dump%s", (unsigned long long)cursor->committed,
        (unsigned long long)cursor->present,
        cursor->target->dump->has_memory_info || cursor->target->is_windows ? "" : "; a core does not list what was only reserved");
    if (cursor->target->dump->left_out_size)
        text_printf(ret, "; %llu bytes were left out on purpose when the file was written",
                    (unsigned long long)cursor->target->dump->left_out_size);
}

static const struct column columns[] = {
    { "start", COLUMN_ADDRESS, "first byte" },
    { "end", COLUMN_ADDRESS, "first byte behind" },
    { "size", COLUMN_BYTES, "address space" },
    { "committed", COLUMN_BYTES, "committed, as the ledger counts it: second views of executable memory are 0" },
    { "present", COLUMN_BYTES, "bytes of it in the dump", COLUMN_VERBOSE },
    { "use", COLUMN_TEXT, "what most of it is used for, in the words of the ledger" },
    { "kind", COLUMN_TEXT, "private, mapped, image" },
    { "state", COLUMN_TEXT, "commit, reserve, free" },
    { "protection", COLUMN_TEXT, "r, w, x; g: guard page, c: copied when written" },
    { "path", COLUMN_TEXT, "mapped file, or the image at this place" },
};

const struct relation relation_mappings = {
    .name = "mappings",
    .summary = "the address space: ranges, their protection, the files behind them",
    .topic = "process",
    .columns = columns,
    .column_count = ARRAY_COUNT(columns),
    .commands = { { "mappings" }, { "address", .help = "as WinDbg calls it" }, { "maddress -list", .help = "as SOS calls it" } },
    .group_by = "kind",
    .empty = "the dump describes no memory",
    .cursor_size = sizeof(struct mappings_cursor),
    .begin = mappings_begin,
    .next = mappings_next,
    .footer = mappings_footer,
};
