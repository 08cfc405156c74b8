/*
 * What happens when a mapped file shrinks, or its disk fails, while we read it: the page reads as zeros and is counted, instead of
 * the signal SIGBUS ending the process.
 *
 * The handler is process-wide and installed with the first registration. Any other SIGBUS goes to whoever handled it before.
 */
#ifndef CLRTRAIL_DUMP_SIGBUS_H
#define CLRTRAIL_DUMP_SIGBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { SIGBUS_MAPPINGS = 512 };

/*
 * Watches the mapping [addr, addr + size), page aligned, until sigbus_unregister; adds every lost page to *lost_pages, which must
 * live as long. False when SIGBUS_MAPPINGS are watched already: the mapping works, unprotected.
 */
bool sigbus_register(const void *addr, size_t size, atomic_uint_fast64_t *lost_pages);
/* Before the mapping is removed. Unknown addresses are ignored. */
void sigbus_unregister(const void *addr);

#endif
