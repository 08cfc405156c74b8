#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/vec.h"
#include "dump/diagnostics_port.h"

static struct error *check(const char *bytes, size_t size)
{
    return port_check_response((struct span) { (const uint8_t *)bytes, size });
}

static void assert_refused(const char *bytes, size_t size, enum error_code code, const char *part)
{
    struct error *err = check(bytes, size);

    assert_non_null(err);
    assert_int_equal(err->code, code);
    assert_non_null(strstr(error_message(err), part));
    error_destroy(err);
}

static void a_request_is_as_the_protocol_says(void **state)
{
    static const char wanted[] = "DOTNET_IPC_V1\0\x26\0\x01\x01\0\0" /* header, 38 bytes in all */
                                 "\x03\0\0\0/\0a\0\0\0"
                                 "\x04\0\0\0\0\0\0\0";
    struct text request = { 0 };

    (void)state;
    port_request_dump(&request, "/a", PORT_DUMP_FULL);
    assert_int_equal(request.length, sizeof(wanted) - 1);
    assert_memory_equal(request.data, wanted, request.length);
    text_deinit(&request);
}

static void success_is_silent(void **state)
{
    (void)state;
    assert_null(check("DOTNET_IPC_V1\0\x18\0\xff\x00\0\0\0\0\0\0", 24));
}

static void failures_carry_the_runtime_s_code(void **state)
{
    (void)state;
    assert_refused("DOTNET_IPC_V1\0\x18\0\xff\xff\0\0\x05\x40\x00\x80", 24, ERROR_IO, "0x80004005");
    assert_refused("DOTNET_IPC_V1\0\x18\0\xff\x00\0\0\x05\x40\x00\x80", 24, ERROR_IO, "0x80004005");
}

static void nonsense_is_told_from_answers(void **state)
{
    (void)state;
    assert_refused("HTTP/1.1 400 Bad Request", 24, ERROR_BAD_DATA, "something else");
    assert_refused("DOTNET_IPC_V1\0\x18\0\x07\x07\0\0\0\0\0\0", 24, ERROR_BAD_DATA, "unknown message 07 07");
    assert_refused("DOTNET_IPC_V1\0\x03\0\xff\x00\0\0\0\0\0\0", 24, ERROR_BAD_DATA, "message of 3 bytes");
    assert_refused("DOT", 3, ERROR_BAD_DATA, "something else");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_as_the_protocol_says),
        cmocka_unit_test(success_is_silent),
        cmocka_unit_test(failures_carry_the_runtime_s_code),
        cmocka_unit_test(nonsense_is_told_from_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
