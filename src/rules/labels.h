/*
 * What the names of many like things say: are they all the same, or the same but for numbers?
 *
 *     "tenant-1", "tenant-2", ...      500 texts, one stem "tenant#": made from data, so they go on without end
 *     "Hospital.Wards" 500 times       one text: made again and again, where one would do
 */
#ifndef CLRTRAIL_RULES_LABELS_H
#define CLRTRAIL_RULES_LABELS_H

#include "base/text_map.h"
#include "managed/place.h"

struct findings;
struct finding;

typedef VEC(uint64_t) label_counts;

struct labels {
    struct text_map texts, stems;
    label_counts text_counts, stem_counts; /* by number of the text */
    uint64_t total;
    const char *examples[2]; /* of the first stem; borrowed from texts */
    struct text scratch, stem;
};
void labels_init(struct labels *labels);
void labels_deinit(struct labels *labels);
/* Adds the string object at `addr`; anything else is not counted. False: out of memory. */
bool labels_add(struct labels *labels, struct clr *clr, uint64_t addr);

/* The same for a text. */
bool labels_add_text(struct labels *labels, const char *s);

enum labels_verdict {
    LABELS_NONE, /* there are no names */
    LABELS_SAME, /* half of them or more are one text */
    LABELS_STEM, /* half of them or more are alike but for numbers */
    LABELS_VARY,
};
enum labels_verdict labels_verdict(const struct labels *labels);
/*
 * Says it as a sentence of evidence and a key of the finding. `noun` is their plural: "patterns". `are_secret`: without the texts
 * themselves, which hold passwords.
 */
enum labels_verdict labels_tell(const struct labels *labels, struct findings *findings, struct finding *finding, const char *noun,
                                bool are_secret);

#endif
