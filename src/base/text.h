/*
 * A growing, NUL-terminated string, and the ways in which hostile text from a dump is made safe.
 * Out of memory is remembered in `failed` and checked once, when the text is used.
 */
#ifndef CLRTRAIL_BASE_TEXT_H
#define CLRTRAIL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* owned; never NULL after the first append that worked */
    size_t length, capacity;
    bool failed;
};

void text_init(struct text *text);
void text_deinit(struct text *text);
void text_clear(struct text *text);
/* Keeps only the first `length` bytes. */
void text_cut(struct text *text, size_t length);
void text_append(struct text *text, const char *s, size_t length);
void text_puts(struct text *text, const char *s);
void text_putc(struct text *text, char c);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
/* Digits in groups of three, as people read them: "190,214". */
void text_number(struct text *text, uint64_t number);
/* The string, "" when empty or out of memory. Borrowed until the next change. */
const char *text_cstr(const struct text *text);

/* Appends UTF-16 (little endian, `count` units, unaligned) as UTF-8; a lone surrogate becomes U+FFFD. */
void text_append_utf16(struct text *text, const void *units, size_t count);
/*
 * Appends UTF-8 so that it can do no harm on a terminal: C0, C1, DEL, bidirectional controls, line separators and invalid
 * bytes are written as \u{..} or \x... `\` itself stays, it is common in paths.
 */
void text_append_safe(struct text *text, const char *s, size_t length);
/* Appends a JSON string with its quotes; invalid UTF-8 becomes U+FFFD, controls and <>& are escaped as \u00... */
void text_append_json(struct text *text, const char *s, size_t length);

/* Columns that UTF-8 text takes on a terminal (wide characters count 2, combining ones 0). */
size_t text_width(const char *s, size_t length);
/* Decodes one UTF-8 code point of at most `length` bytes; returns its size, or 0 when invalid. */
size_t utf8_decode(const char *s, size_t length, uint32_t *ret);
void utf8_append(struct text *text, uint32_t code_point);

#endif
