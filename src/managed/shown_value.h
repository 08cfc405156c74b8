/*
 * Values as their users see them: 2026-11-25 09:31:37 of a DateTime, the text of a StringBuilder, what a Lazy holds. By the names
 * of fields (values.def); a layout that is not as expected shows nothing, and its fields stand for themselves.
 */
#ifndef CLRTRAIL_MANAGED_SHOWN_VALUE_H
#define CLRTRAIL_MANAGED_SHOWN_VALUE_H

#include "managed/collection.h"

/*
 * Appends the object at `addr`: a known type, a box, the count of a collection or array, a type object's name, a
 * delegate's method. False: none of these, and nothing
 * appended.
 */
bool shown_object(struct collection_types *types, uint64_t addr, struct text *ret);
/* The same of a struct of the type that lies at `addr`. */
bool shown_struct(struct clr *clr, uint64_t mt_addr, uint64_t addr, struct text *ret);

/* The forms by themselves. False: no value of that type has these bits. */
bool shown_date_time(uint64_t date_data, struct text *ret); /* 62 bits of 100 ns since year 1, 2 bits of kind */
bool shown_time_span(int64_t ticks, struct text *ret);
bool shown_decimal(uint32_t flags, uint32_t hi, uint64_t lo, struct text *ret);
void shown_half(uint16_t bits, struct text *ret);
void shown_int128(uint64_t upper, uint64_t lower, bool is_signed, struct text *ret);
void shown_guid(const uint8_t bytes[16], struct text *ret);

#endif
