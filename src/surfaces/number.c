#include "surfaces/number.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { FRACTION_DIGITS = 6 };

static const struct {
    const char *name;
    uint64_t factor;
} units[] = {
    { "", 1 },
    { "B", 1 },
    { "K", UINT64_C(1) << 10 },
    { "KiB", UINT64_C(1) << 10 },
    { "KB", UINT64_C(1000) },
    { "M", UINT64_C(1) << 20 },
    { "MiB", UINT64_C(1) << 20 },
    { "MB", UINT64_C(1000000) },
    { "G", UINT64_C(1) << 30 },
    { "GiB", UINT64_C(1) << 30 },
    { "GB", UINT64_C(1000000000) },
    { "T", UINT64_C(1) << 40 },
    { "TiB", UINT64_C(1) << 40 },
    { "TB", UINT64_C(1000000000000) },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool has_hex_prefix(const char *s, size_t length)
{
    return length > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
}

static bool parse_hex(const char *s, size_t length, uint64_t *ret)
{
    uint64_t value = 0;
    size_t digits = 0;

    for (size_t i = 0; i < length; i++) {
        int digit = hex_digit(s[i]);

        if (s[i] == '`' && digits > 0) continue;
        if (digit < 0 || value >> 60) return false;
        value = value << 4 | (uint64_t)digit;
        digits++;
    }
    if (digits == 0) return false;
    *ret = value;
    return true;
}

bool number_parse_address(const char *s, size_t length, uint64_t *ret)
{
    return has_hex_prefix(s, length) ? parse_hex(s + 2, length - 2, ret) : parse_hex(s, length, ret);
}

static bool parse_unit(const char *s, size_t length, uint64_t *ret)
{
    while (length > 0 && *s == ' ') {
        s++;
        length--;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == length && !strncasecmp(units[i].name, s, length)) {
            *ret = units[i].factor;
            return true;
        }
    }
    return false;
}

/* Digits with thousands separators; the number of characters taken, 0 for none or too large. */
static size_t parse_digits(const char *s, size_t length, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < length; i++) {
        bool separator = (s[i] == ',' || s[i] == '_') && i > 0 && i + 1 < length && is_digit(s[i + 1]);

        if (separator) continue;
        if (!is_digit(s[i])) break;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value)) return 0;
    }
    *ret = value;
    return i;
}

/* ".25" as millionths; digits beyond the sixth are dropped. */
static size_t parse_fraction(const char *s, size_t length, uint64_t *ret)
{
    size_t i = 1;
    unsigned digits = 0;
    uint64_t value = 0;

    *ret = 0;
    if (length < 2 || s[0] != '.' || !is_digit(s[1])) return 0;
    for (; i < length && is_digit(s[i]); i++) {
        if (digits == FRACTION_DIGITS) continue;
        value = value * 10 + (uint64_t)(s[i] - '0');
        digits++;
    }
    for (; digits < FRACTION_DIGITS; digits++)
        value *= 10;
    *ret = value;
    return i;
}

bool number_parse(const char *s, size_t length, uint64_t *ret)
{
    uint64_t whole, fraction, factor, value;
    size_t used;

    if (has_hex_prefix(s, length)) return parse_hex(s + 2, length - 2, ret);
    used = parse_digits(s, length, &whole);
    if (used == 0) return false;
    used += parse_fraction(s + used, length - used, &fraction);
    if (!parse_unit(s + used, length - used, &factor)) return false;
    if (fraction && factor == 1) return false;
    if (__builtin_mul_overflow(whole, factor, &value)) return false;
    if (__builtin_add_overflow(value, fraction * factor / 1000000, &value)) return false;
    *ret = value;
    return true;
}

bool number_parse_share(const char *s, size_t length, double *ret)
{
    uint64_t whole, fraction;
    size_t used = parse_digits(s, length, &whole);
    double value;

    if (used == 0) return false;
    used += parse_fraction(s + used, length - used, &fraction);
    value = (double)whole + (double)fraction / 1e6;
    while (used < length && s[used] == ' ')
        used++;
    if (used < length && s[used] == '%') {
        value /= 100;
        used++;
    }
    if (used != length) return false;
    *ret = value;
    return true;
}

void number_append_decimal(struct text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_append(text, digits + at, sizeof(digits) - at);
}

void number_append_grouped(struct text *text, uint64_t value)
{
    char digits[27];
    size_t at = sizeof(digits);
    unsigned count = 0;

    do {
        if (count > 0 && count % 3 == 0) digits[--at] = ',';
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
        count++;
    } while (value);
    text_append(text, digits + at, sizeof(digits) - at);
}

void number_append_units(struct text *text, uint64_t bytes)
{
    static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes / 1024;
    unsigned unit = 0;

    if (bytes < 1024) {
        text_printf(text, "%u B", (unsigned)bytes);
        return;
    }
    while (value >= 1023.995 && unit < 5) {
        value /= 1024;
        unit++;
    }
    text_printf(text, "%.*f %s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, names[unit]);
}

void number_append_hex(struct text *text, uint64_t value, unsigned digits)
{
    char out[16];
    unsigned at = sizeof(out);

    while (at > 0 && (value || digits > sizeof(out) - at)) {
        out[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    if (at == sizeof(out)) out[--at] = '0';
    text_append(text, out + at, sizeof(out) - at);
}

void number_append_percent(struct text *text, double share)
{
    if (!isfinite(share)) {
        text_putc(text, '-');
        return;
    }
    text_printf(text, "%.1f %%", share * 100);
}
