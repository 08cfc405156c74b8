#include "rules/labels.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"
#include "clr/field_value.h"
#include "rules/rule.h"

enum { LABEL_MAX = 120 /* characters that are compared */, LABELS_MAX = 1 << 20 };

void labels_init(struct labels *labels)
{
    *labels = (struct labels) { 0 };
    text_map_init(&labels->texts);
    text_map_init(&labels->stems);
    text_init(&labels->scratch);
    text_init(&labels->stem);
}

void labels_deinit(struct labels *labels)
{
    text_map_deinit(&labels->texts);
    text_map_deinit(&labels->stems);
    vec_deinit(&labels->text_counts);
    vec_deinit(&labels->stem_counts);
    text_deinit(&labels->scratch);
    text_deinit(&labels->stem);
}

static bool is_number_part(char c)
{
    return isxdigit((unsigned char)c) || c == '-';
}

/* Runs of hexadecimal digits and dashes with a digit in them are numbers, GUIDs or dates: one # each. */
static void make_stem(struct text *stem, const char *s)
{
    text_clear(stem);
    while (*s) {
        bool has_digit = false;
        const char *end = s;

        for (; is_number_part(*end); end++)
            has_digit |= isdigit((unsigned char)*end) != 0;
        if (end == s) end++;
        if (has_digit)
            text_putc(stem, '#');
        else
            text_append(stem, s, (size_t)(end - s));
        s = end;
    }
}

static bool count_text(struct text_map *map, label_counts *counts, const char *s, size_t length, size_t *index_ret)
{
    if (!text_map_add(map, s, length, index_ret)) return false;
    if (*index_ret == counts->count && !vec_push(counts, 0)) return false;
    counts->data[*index_ret]++;
    return true;
}

bool labels_add_text(struct labels *labels, const char *s)
{
    size_t text, stem, length = strlen(s);
    uint64_t known = labels->text_counts.count;

    if (labels->total >= LABELS_MAX) return true;
    make_stem(&labels->stem, s);
    if (labels->stem.failed || !count_text(&labels->texts, &labels->text_counts, s, length, &text) ||
        !count_text(&labels->stems, &labels->stem_counts, text_cstr(&labels->stem), labels->stem.length, &stem))
        return false;
    if (text == known && !labels->examples[1]) labels->examples[labels->examples[0] != NULL] = labels->texts.texts.data[text];
    labels->total++;
    return true;
}

bool labels_add(struct labels *labels, struct clr *clr, uint64_t addr)
{
    struct clr_object object;

    if (!clr_object_try(clr, addr, &object) || !clr_type_is_string(clr, object.type)) return true;
    text_clear(&labels->scratch);
    if (!clr_string_characters(clr, &object, LABEL_MAX, &labels->scratch)) return true;
    return !labels->scratch.failed && labels_add_text(labels, text_cstr(&labels->scratch));
}

static size_t most_frequent(const uint64_t *counts, size_t count)
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (counts[i] > counts[best]) best = i;
    return best;
}

enum labels_verdict labels_verdict(const struct labels *labels)
{
    if (!labels->total) return LABELS_NONE;
    if (labels->text_counts.data[most_frequent(labels->text_counts.data, labels->text_counts.count)] * 2 >= labels->total)
        return LABELS_SAME;
    if (labels->stem_counts.data[most_frequent(labels->stem_counts.data, labels->stem_counts.count)] * 2 >= labels->total)
        return LABELS_STEM;
    return LABELS_VARY;
}

/* ": \"one\"", or two of them; "" when they are secret. */
static const char *examples(struct findings *f, const char *before, const char *one, const char *other, bool are_secret)
{
    if (are_secret || !one) return "";
    return other ? finding_text(f, "%s\"%s\" and \"%s\"", before, one, other) : finding_text(f, "%s\"%s\"", before, one);
}

enum labels_verdict labels_tell(const struct labels *labels, struct findings *f, struct finding *finding, const char *noun,
                                bool are_secret)
{
    enum labels_verdict verdict = labels_verdict(labels);
    const char *total = finding_number(f, labels->total), *one = labels->examples[0], *other = labels->examples[1];
    size_t text, stem;

    if (verdict == LABELS_NONE) return verdict;
    text = most_frequent(labels->text_counts.data, labels->text_counts.count);
    stem = most_frequent(labels->stem_counts.data, labels->stem_counts.count);
    finding_key(finding, noun, labels->text_counts.count, labels->total);
    if (verdict == LABELS_SAME)
        finding_evidence(finding, finding_text(f, "%s of %s %s are the same%s", finding_number(f, labels->text_counts.data[text]),
                                               total, noun, examples(f, ": ", labels->texts.texts.data[text], NULL, are_secret)));
    else if (verdict == LABELS_STEM)
        finding_evidence(finding, finding_text(f, "%s of %s %s differ by numbers only%s%s",
                                               finding_number(f, labels->stem_counts.data[stem]), total, noun,
                                               examples(f, ": ", labels->stems.texts.data[stem], NULL, are_secret),
                                               examples(f, ", like ", one, other, are_secret)));
    else
        finding_evidence(finding, finding_text(f, "%s of %s %s are different%s", finding_number(f, labels->text_counts.count),
                                               total, noun, examples(f, ", like ", one, other, are_secret)));
    return verdict;
}
