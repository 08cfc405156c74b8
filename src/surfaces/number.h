/*
 * Numbers as people write and read them.
 */
#ifndef CLRTRAIL_SURFACES_NUMBER_H
#define CLRTRAIL_SURFACES_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/*
 * "1000", "1,000", "0x3e8", "1.5 GiB": decimal digits with a fraction and a unit, or hexadecimal digits. K, M, G, T and KiB, MiB,
 * GiB, TiB count by 1024, KB, MB, GB, TB by 1000. False when it is anything else or does not fit.
 */
bool number_parse(const char *s, size_t length, uint64_t *ret);
/* Hexadecimal with or without 0x; WinDbg's backtick may stand between the halves ("00007ffe`2b1f2aa0"). */
bool number_parse_address(const char *s, size_t length, uint64_t *ret);
/* "0.25" or "25%". */
bool number_parse_share(const char *s, size_t length, double *ret);

/* 1234567 as "1,234,567". */
void number_append_grouped(struct text *text, uint64_t value);
/* 3237711872 as "3.02 GiB", 512 as "512 B". */
void number_append_units(struct text *text, uint64_t bytes);
void number_append_decimal(struct text *text, uint64_t value);
/* At least `digits` lower case hexadecimal digits. */
void number_append_hex(struct text *text, uint64_t value, unsigned digits);
/* 0.3901 as "39.0 %". */
void number_append_percent(struct text *text, double share);

#endif
