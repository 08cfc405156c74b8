/*
 * Blocks of native memory that nobody points at any more.
 *
 * A scan of all memory finds every word that holds an address in malloc's heaps (session/native_references.h). Blocks without such
 * a word cannot be freed by anybody, but for addresses that are hidden. Grouped by what lies in them, they name who made them: a
 * C++ class by its vtable, a text by its beginning.
 */
#include <string.h>

#include "rules/call_sites.h"
#include "rules/rule.h"
#include "session/ledger.h"
#include "session/native_groups.h"
#include "session/session.h"
#include "target/symbol_at.h"
#include "target/target.h"

enum {
    USED_MIN = 4 << 20, /* in use by malloc, and this part of all memory: else the scan is not worth its time */
    USED_PART = 20,
    BLOCKS_MIN = 1000,
    BLOCKS_PROVEN = 5000,
    BYTES_MIN = 1 << 20,
    NOBODY_TENTHS = 9, /* of a group's blocks; words that look like addresses by chance are few */
    REPORTS_MAX = 4,
};

static const struct call_pattern calls[] = {
    { .type = "System.Runtime.InteropServices.NativeMemory", .method = "*Alloc*" },
    { .type = "System.Runtime.InteropServices.Marshal", .method = "AllocHGlobal" },
    { .type = "System.Runtime.InteropServices.Marshal", .method = "StringTo*" },
};

static const char *describe(struct session *session, struct findings *f, const struct native_group *group)
{
    struct target *target = session_target(session);
    struct text name;
    const char *ret;

    text_init(&name);
    if (group->content == NATIVE_VTABLE) {
        target_describe_addr(target, group->word, &name);
    } else if (group->content == NATIVE_TEXT && group->word) {
        for (unsigned i = 0; i < 8 && group->word >> (8 * i) & 0xff; i++)
            text_putc(&name, (char)(group->word >> (8 * i)));
    }
    ret = name.length ? finding_text(f, group->content == NATIVE_TEXT ? "%s \"%s...\"" : "%s %s",
                                     native_content_name(group->content), text_cstr(&name))
                      : native_content_name(group->content);
    text_deinit(&name);
    return ret;
}

static struct error *report(struct session *session, struct findings *f, const struct native_group *group)
{
    const char *content = describe(session, f, group), *number = finding_number(f, group->from_nowhere);
    struct finding *finding = findings_add(
        f, &(struct finding) { .rule = "native-blocks", .kind = "native", .doc = "docs/causes/native-blocks.md" });

    if (!finding) return &error_enomem;
    finding->count = group->from_nowhere;
    finding->severity = SEVERITY_WARNING;
    finding->certainty = group->from_nowhere >= BLOCKS_PROVEN ? CERTAINTY_PROVEN : CERTAINTY_LIKELY;
    finding->title = finding_text(f, "%s blocks of native memory are not freed, and nobody points at them", number);
    finding->cause =
        "native code, or code that calls it, allocates and loses the pointer: an owner that is not closed or not disposed";
    finding->fix = "find who makes them by what is in them, and free them: a SafeHandle for what native code returns, "
                   "NativeMemory.Free in finally, Dispose of the wrapper";
    finding_evidence(
        finding, finding_text(f, "%s of %s blocks of %s to %s bytes begin alike (%s) and are pointed at by nothing in the process",
                              number, finding_number(f, group->count), finding_number(f, group->size_min),
                              finding_number(f, group->size_max), content));
    finding_cost(finding, "native heap", group->count ? group->bytes / group->count * group->from_nowhere : 0);
    finding_look(finding, "native");
    finding_look(finding, "malloc_chunks --where 'pointed_by = nothing' --columns address,size,content");
    return call_sites_find(session, f, finding, calls, ARRAY_LENGTH(calls));
}

static bool is_lost(const struct native_group *group)
{
    return group->from_nowhere >= BLOCKS_MIN && group->from_nowhere * 10 >= group->count * NOBODY_TENTHS &&
           group->bytes / group->count * group->from_nowhere >= BYTES_MIN;
}

/* The runtime's own native memory for assemblies without end: who leaks them is told, and millions of blocks more say nothing new.
 */
static bool is_explained(const struct findings *findings)
{
    for (size_t i = 0; i < findings->list.count; i++) {
        const struct finding *finding = &findings->list.data[i];

        if (!strcmp(finding->kind, "loader") && finding->severity == SEVERITY_CRITICAL && finding->certainty == CERTAINTY_PROVEN)
            return true;
    }
    return false;
}

static struct error *blocks_run(struct session *session, struct findings *findings)
{
    struct native_groups groups;
    const struct ledger *ledger;
    struct error *err = NULL;
    unsigned told = 0;

    if (is_explained(findings)) return NULL;
    TRY(session_ledger(session, &ledger));
    if (ledger->rows[USE_MALLOC_USED].committed < USED_MIN ||
        ledger->rows[USE_MALLOC_USED].committed < ledger->committed / USED_PART)
        return NULL;
    TRY(native_groups_init(session, &groups));
    for (size_t i = 0; i < groups.list.count && told < REPORTS_MAX && !err; i++) {
        if (!is_lost(&groups.list.data[i])) continue;
        told++;
        err = report(session, findings, &groups.list.data[i]);
    }
    native_groups_deinit(&groups);
    return err;
}

const struct rule rule_native_blocks = {
    .name = "native-blocks",
    .summary = "blocks of native memory that nobody points at",
    .is_general = true,
    .run = blocks_run,
};
