/*
 * Many paths from roots as one tree: steps with the same words are one node, whatever objects they pass.
 *
 *     3  static His.Registry.sessions           what the root is, and how many paths begin there
 *     3    List._items
 *     2      [*]                                where they part
 *     2        Session.patient
 *     1      [*].owner
 *
 * Words are those of path_texts, without the number of repetitions of a step, so that a linked list is one node however long it is.
 */
#ifndef CLRTRAIL_HEAP_MERGED_PATHS_H
#define CLRTRAIL_HEAP_MERGED_PATHS_H

#include "base/text_map.h"
#include "heap/paths.h"

struct merged_step {
    size_t text;                /* its words: number in `words` */
    uint32_t first_child, next; /* indices; 0: none, which is the node above all roots */
    uint64_t path_count;        /* that pass here */
    uint64_t example;           /* the object at the end of the first of them */
    const struct root *root;    /* of that path; NULL: a frozen segment */
};

struct merged_paths {
    VEC(struct merged_step) steps; /* the first one stands above all roots */
    struct text_map words;
    struct map children; /* parent << 32 | words -> index */
};

void merged_paths_init(struct merged_paths *paths);
void merged_paths_deinit(struct merged_paths *paths);
static inline const char *merged_step_words(const struct merged_paths *paths, const struct merged_step *step)
{
    return paths->words.texts.data[step->text];
}
/* Adds a path that has objects. Errors: out of memory. */
struct error *merged_paths_add(struct merged_paths *paths, const struct graph *graph, const struct path *path);
/* Children by number of paths, most first, then by words. False: out of memory. */
bool merged_paths_sort(struct merged_paths *paths);

#endif
