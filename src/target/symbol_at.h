/*
 * The exported symbol that covers an address of an ELF image: the way back from a vtable's or a function's address to its name.
 */
#ifndef CLRTRAIL_TARGET_SYMBOL_AT_H
#define CLRTRAIL_TARGET_SYMBOL_AT_H

#include "base/text.h"
#include "target/target.h"

/*
 * Appends "module!symbol+0x10", or "module+0x1234" when no symbol of .dynsym covers it; false when no module does. Looks at every
 * symbol of the module: for hundreds of addresses, not for millions.
 */
bool target_describe_addr(const struct target *target, uint64_t addr, struct text *ret);

#endif
