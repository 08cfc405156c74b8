/*
 * Stacks searched word by word: everything that looks like the address of an object, or of a place in one (conservative). More
 * than the GC itself would find, also what a method left behind; never less.
 */
#ifndef CLRTRAIL_HEAP_STACK_WORDS_H
#define CLRTRAIL_HEAP_STACK_WORDS_H

#include "heap/roots.h"

struct stack_words {
    struct clr *clr;
    const struct heap_starts *starts;
    struct reference_types types; /* for the sizes of objects that words point into */
};

/* False: out of memory. */
bool stack_words_init(struct stack_words *words, struct clr *clr, const struct heap_starts *starts);
void stack_words_deinit(struct stack_words *words);
/* The object that `word` points at or into; false when it does neither. */
bool stack_words_object(struct stack_words *words, uint64_t word, uint64_t *object_ret, bool *interior_ret);
/* Appends what the thread's registers and stack point at. Errors: out of memory; a stack whose end is not known is a gap. */
struct error *stack_words_add(struct stack_words *words, const struct dump_thread *thread, struct roots *ret);

#endif
