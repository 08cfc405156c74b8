/*
 * Arrays of many megabytes that are read at random: on huge pages where the system gives them, so that most look-ups need no walk
 * through page tables. Released with free().
 */
#ifndef CLRTRAIL_BASE_LARGE_ARRAY_H
#define CLRTRAIL_BASE_LARGE_ARRAY_H

#include <stddef.h>

/* `count` elements with undefined content; NULL when memory is exhausted or the product overflows. */
void *large_array(size_t count, size_t size);
/* The same, zeroed. */
void *large_array_zeroed(size_t count, size_t size);

#endif
