/*
 * SipHash-2-4: a keyed hash that nobody without the key can predict (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * 2012).
 */
#ifndef CLRTRAIL_BASE_SIPHASH_H
#define CLRTRAIL_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t size);

#endif
