/*
 * What the JIT says of compiled code: which IL each piece of it came from.
 *
 *     nibble stream   3 bits a nibble, the low nibble of a byte first, bit 3: more follow; the most significant group first
 *     head            nibbles: size of the bounds, size of the variables; the bounds begin at the next whole byte.
 *                     A bounds size of all ones: instrumented code; sizes of the bounds and of the uninstrumented ones follow
 *     bounds          before .NET 10 nibbles: count, {native delta, IL offset + 3, source}[count]
 *                     since then packed: count, native bits - 1, IL bits - 1 in nibbles; from the next byte on
 *                     {source: 2, native delta, IL offset + 3}[count] in bits, the lowest first
 *
 * IL offsets -1, -2 and -3 stand for no mapping, prolog and epilog. Source: src/coreclr/vm/debuginfostore.cpp, inc/nibblestream.h,
 * debug/daccess; docs/design/datacontracts/DebugInfo.md.
 */
#ifndef CLRTRAIL_FORMATS_DEBUG_INFO_H
#define CLRTRAIL_FORMATS_DEBUG_INFO_H

#include "base/span.h"

enum { DEBUG_INFO_HEAD_MAX = 32 };

/* Where the bounds lie, relative to the head. False when it makes no sense. */
bool debug_info_bounds(struct span head, uint32_t *off_ret, uint32_t *size_ret);
/*
 * IL offset of the code at `native_off` from the method's start: that of the last piece at or before it that has one.
 * False when there is none.
 */
bool debug_info_il_offset(struct span bounds, bool is_packed, uint32_t native_off, uint32_t *ret);

#endif
