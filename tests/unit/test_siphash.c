#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/siphash.h"

/* From the authors' paper, appendix A, and their table of vectors. */
static void published_vectors(void **state)
{
    static const struct siphash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
    uint8_t data[16];

    (void)state;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    assert_true(siphash(&key, data, 15) == UINT64_C(0xa129ca6149be45e5));
    assert_true(siphash(&key, data, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(siphash(&key, data, 8) == UINT64_C(0x93f5f5799a932462));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(published_vectors) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
