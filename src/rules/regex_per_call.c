/*
 * Regular expressions compiled at each call, and kept.
 *
 *     Regex {pattern, roptions, factory: what Compile made}
 *
 * A compiled expression has dynamic methods of its own: tens of kilobytes, and milliseconds to make. Static fields hold a few
 * hundred in a large program, each by itself; many in one place are a cache keyed by data. Without Compiled they are cheap, but
 * kept all the same.
 */
#include "rules/many.h"

enum { REGEXES_MIN = 100, REGEXES_PROVEN = 200, OPTION_COMPILED = 8 };

static const char *const types[] = { "System.Text.RegularExpressions.Regex", NULL };
static const struct call_pattern calls[] = { { .type = "System.Text.RegularExpressions.Regex", .method = ".ctor" } };

static struct error *tell(struct many_found *found, struct finding *finding, bool *drop_ret)
{
    uint64_t compiled = 0;

    (void)drop_ret;
    for (size_t i = 0; i < found->live.count; i++) {
        int64_t options;

        compiled += managed_follow_number(found->clr, found->live.data[i], "roptions", &options) && (options & OPTION_COMPILED);
    }
    if (compiled)
        finding_evidence(finding, finding_text(found->findings, "%s of them are RegexOptions.Compiled: each has code of its own",
                                               finding_number(found->findings, compiled)));
    return NULL;
}

static const struct many regexes = {
    .rule = "regex-per-call",
    .doc = "docs/causes/regex-per-call.md",
    .kind = "managed",
    .types = types,
    .least = REGEXES_MIN,
    .proven = REGEXES_PROVEN,
    .noun = "regular expressions",
    .state = "are alive",
    .cause = "a Regex is made at each call, with a pattern that holds data or has been compiled before, and kept",
    .fix = "make each pattern once (static readonly, or [GeneratedRegex]); data belongs into the text that is searched, or bound "
           "the cache",
    .label = "pattern",
    .label_noun = "patterns",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .tell = tell,
};

static struct error *regexes_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &regexes);
}

const struct rule rule_regex_per_call = {
    .name = "regex-per-call",
    .summary = "regular expressions are compiled again and again, and kept",
    .refines = "accumulation",
    .run = regexes_run,
};
