/* rules/heap_types.c: patterns of type names. */
#include "rules/heap_types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_patterns(void **state)
{
    static const struct {
        const char *name, *pattern;
        bool matches;
    } cases[] = {
        { "System.Threading.ThreadLocal<System.Byte[]>", "System.Threading.ThreadLocal<*>", true },
        { "System.Threading.ThreadLocal<System.Byte[]>[]", "System.Threading.ThreadLocal<*>", false },
        { "System.Threading.ThreadLocal<System.Int32>+IdManager", "System.Threading.ThreadLocal<*>", false },
        { "Options.OptionsMonitor<A<B>>+ChangeTrackerDisposable", "Options.OptionsMonitor<*>+ChangeTrackerDisposable", true },
        { "Regex", "Regex", true },
        { "RegexRunner", "Regex", false },
        { "RegexRunner", "Regex*", true },
        { "App.Shop+<>c__DisplayClass2_0", "*+<>c__DisplayClass*", true },
        { "App.<>c__DisplayClass2_0", "*+<>c__DisplayClass*", false },
        { "aab", "*ab", true },
        { "aaba", "*ab", false },
        { "", "*", true },
        { "", "a*", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const patterns[] = { "never", cases[i].pattern, NULL };

        if (type_name_matches(cases[i].name, patterns) != cases[i].matches)
            fail_msg("'%s' and '%s'", cases[i].name, cases[i].pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_patterns) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
