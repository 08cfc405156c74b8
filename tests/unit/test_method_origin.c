#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "clr/method_origin.h"
#include "support/metadata_writer.h"

static const uint8_t of_nothing[] = { 0x20, 0x00, 0x01 };

/* Types from the outermost inwards, NULL at the end, and the method of the innermost. */
static const struct {
    const char *types[4], *method, *origin;
} cases[] = {
    { { "Locator" }, "Resolve", "His.Locator.Resolve" },
    { { "Locator" }, ".ctor", "His.Locator..ctor" },
    { { "Locator" }, "<Resolve>g__Local|4_0", "His.Locator.Resolve" },
    { { "Locator", "<>c" }, "<Resolve>b__0_1", "His.Locator.Resolve" },
    { { "Locator", "<>c" }, "<.cctor>b__0_1", "His.Locator..cctor" },
    { { "Locator", "<>c__DisplayClass3_0" }, "<Resolve>b__1", "His.Locator.Resolve" },
    { { "Locator", "<>c__DisplayClass3_0" }, ".ctor", "His.Locator..ctor" },
    { { "Locator", "<Resolve>d__4" }, "MoveNext", "His.Locator.Resolve" },
    { { "Locator", "<>c", "<<Resolve>b__0_1>d" }, "MoveNext", "His.Locator.Resolve" },
    { { "Program" }, "<Main>$", "His.Program.Main" },
    { { "Program", "<>c" }, "<<Main>$>b__0_0", "His.Program.Main" },
    { { "Locator", "Inner", "<>c" }, "<Resolve>b__0", "His.Locator+Inner.Resolve" },
    { { "Locator", "VB$StateMachine_4_Resolve" }, "MoveNext", "His.Locator.Resolve" },
    { { "Locator", "resolve@41-1" }, "Invoke", "His.Locator.resolve" },
    { { "<PrivateImplementationDetails>" }, "ComputeStringHash", "His.<PrivateImplementationDetails>.ComputeStringHash" },
    { { "Locator", "<>" }, "<", "His.Locator.<" },
    { { "Locator", "<<>>" }, "<<", "His.Locator.<>" },
    { { "Locator", "VB$StateMachine_" }, "MoveNext", "His.Locator.MoveNext" },
    { { "Locator", "VB$StateMachine_4_" }, "", "His.Locator." },
    { { "Locator", "@4" }, "Invoke", "His.Locator.Invoke" },
};

static void made_methods_lead_to_the_written_one(void **state)
{
    struct metadata_writer w;
    struct metadata md;
    uint32_t rids[sizeof(cases) / sizeof(cases[0])];

    (void)state;
    metadata_writer_init(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t outer = 0, type = 0;

        for (size_t k = 0; cases[i].types[k]; k++) {
            type = metadata_writer_type(&w, k ? 3 : 1, k ? "" : "His", cases[i].types[k], 0); /* nested private, public */
            if (k) metadata_writer_nest(&w, type, outer);
            outer = type;
        }
        rids[i] = metadata_writer_method(&w, cases[i].method, of_nothing, sizeof(of_nothing));
    }
    assert_null(metadata_open(metadata_writer_finish(&w), &md));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text;

        text_init(&text);
        method_origin_text(&md, rids[i], &text);
        assert_string_equal(text_cstr(&text), cases[i].origin);
        text_deinit(&text);
    }
    metadata_writer_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(made_methods_lead_to_the_written_one) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
