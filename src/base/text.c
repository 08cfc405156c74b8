#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void text_init(struct text *text)
{
    *text = (struct text) { 0 };
}

void text_deinit(struct text *text)
{
    free(text->data);
    *text = (struct text) { 0 };
}

void text_clear(struct text *text)
{
    text->length = 0;
    text->failed = false;
    if (text->data) text->data[0] = 0;
}

static bool text_reserve(struct text *text, size_t more)
{
    size_t wanted, capacity = text->capacity ? text->capacity : 64;
    char *data;

    if (text->failed) return false;
    if (__builtin_add_overflow(text->length, more, &wanted) || wanted >= SIZE_MAX / 2) goto fail;
    wanted++;
    if (wanted <= text->capacity) return true;
    while (capacity < wanted)
        capacity *= 2;
    data = realloc(text->data, capacity);
    if (!data) goto fail;
    text->data = data;
    text->capacity = capacity;
    return true;
fail:
    text->failed = true;
    return false;
}

void text_cut(struct text *text, size_t length)
{
    if (length >= text->length) return;
    text->length = length;
    text->data[length] = 0;
}

void text_append(struct text *text, const char *s, size_t length)
{
    if (!text_reserve(text, length)) return;
    if (length) memcpy(text->data + text->length, s, length);
    text->length += length;
    text->data[text->length] = 0;
}

void text_puts(struct text *text, const char *s)
{
    text_append(text, s, strlen(s));
}

void text_putc(struct text *text, char c)
{
    text_append(text, &c, 1);
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list again;
    int length;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0 && text_reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

void text_number(struct text *text, uint64_t number)
{
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);

    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) text_putc(text, ',');
        text_putc(text, digits[i]);
    }
}

const char *text_cstr(const struct text *text)
{
    return text->data && !text->failed ? text->data : "";
}

void utf8_append(struct text *text, uint32_t c)
{
    char out[4];

    if (c < 0x80) {
        text_putc(text, (char)c);
    } else if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        text_append(text, out, 2);
    } else if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        text_append(text, out, 3);
    } else {
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3f));
        out[2] = (char)(0x80 | (c >> 6 & 0x3f));
        out[3] = (char)(0x80 | (c & 0x3f));
        text_append(text, out, 4);
    }
}

void text_append_utf16(struct text *text, const void *units, size_t count)
{
    const uint8_t *p = units;

    for (size_t i = 0; i < count; i++) {
        uint32_t c = (uint32_t)(p[2 * i] | p[2 * i + 1] << 8);

        if (c >= 0xd800 && c < 0xdc00 && i + 1 < count) {
            uint32_t low = (uint32_t)(p[2 * i + 2] | p[2 * i + 3] << 8);

            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i++;
            }
        }
        if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
        utf8_append(text, c);
    }
}

size_t utf8_decode(const char *s, size_t length, uint32_t *ret)
{
    const uint8_t *p = (const uint8_t *)s;
    size_t size;
    uint32_t c;

    if (length == 0) return 0;
    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
    if (size == 0 || p[0] > 0xf4 || length < size) return 0;
    c = p[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if ((size == 3 && c < 0x800) || (size == 4 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000)) return 0;
    *ret = c;
    return size;
}

/* Controls, and the invisible characters with which text can disguise itself (Unicode bidirectional algorithm, 2.1-2.6). */
static bool is_hostile(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

void text_append_safe(struct text *text, const char *s, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint32_t c;
        size_t size = utf8_decode(s + i, length - i, &c);

        if (size == 0) {
            text_printf(text, "\\x%02x", (unsigned)(uint8_t)s[i]);
            i++;
            continue;
        }
        if (is_hostile(c))
            text_printf(text, "\\u{%x}", (unsigned)c);
        else
            text_append(text, s + i, size);
        i += size;
    }
}

void text_append_json(struct text *text, const char *s, size_t length)
{
    text_putc(text, '"');
    for (size_t i = 0; i < length;) {
        uint32_t c;
        size_t size = utf8_decode(s + i, length - i, &c);

        if (size == 0) {
            utf8_append(text, 0xfffd);
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            text_putc(text, '\\');
            text_putc(text, (char)c);
        } else if (c == '\n') {
            text_puts(text, "\\n");
        } else if (c == '\t') {
            text_puts(text, "\\t");
        } else if (c == '<' || c == '>' || c == '&' || (is_hostile(c) && c < 0x10000)) {
            text_printf(text, "\\u%04x", (unsigned)c);
        } else {
            text_append(text, s + i, size);
        }
        i += size;
    }
    text_putc(text, '"');
}

size_t text_width(const char *s, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length;) {
        uint32_t c;
        size_t size = utf8_decode(s + i, length - i, &c);

        if (size == 0) {
            i++;
            width++;
            continue;
        }
        if (c < 0x300) {
            width++;
        } else {
            int w = wcwidth((wchar_t)c);
            width += w < 0 ? 1 : (size_t)w;
        }
        i += size;
    }
    return width;
}
