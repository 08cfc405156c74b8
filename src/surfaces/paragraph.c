#include "surfaces/paragraph.h"

#include <string.h>

enum { PIPE_WIDTH = 120, WIDEST = 140 };

unsigned paragraph_width(const struct output *output)
{
    if (!output->terminal || output->width == 0) return PIPE_WIDTH;
    return output->width > WIDEST ? WIDEST : output->width;
}

static void append_indent(struct text *text, const char *label, unsigned columns)
{
    size_t used = strlen(label);

    for (unsigned i = 0; i < PARAGRAPH_INDENT; i++)
        text_putc(text, ' ');
    text_puts(text, label);
    do
        text_putc(text, ' ');
    while (++used < columns);
}

/* Bytes of `s` that fit into `width` columns without breaking a word; a word that is too long stays whole. */
static size_t fitting(const char *s, size_t width)
{
    size_t best = 0;

    for (size_t i = 0;; i++) {
        if (s[i] && s[i] != ' ') continue;
        if (best && text_width(s, i) > width) return best;
        best = i;
        if (!s[i]) return best;
    }
}

/* The next line of `*s`, which then points behind it. */
static void append_line(const struct output *output, struct text *text, const char **s, size_t width)
{
    size_t length = fitting(*s, width);

    output_append_shown(output, text, *s, length);
    text_putc(text, '\n');
    *s += length;
    while (**s == ' ')
        ++*s;
}

void paragraph_append(const struct output *output, struct text *text, const char *label, const char *s)
{
    do {
        append_indent(text, label, PARAGRAPH_LABEL);
        append_line(output, text, &s, paragraph_width(output) - PARAGRAPH_INDENT - PARAGRAPH_LABEL);
        label = "";
    } while (*s);
}

void paragraph_append_plain(const struct output *output, struct text *text, const char *s)
{
    do
        append_line(output, text, &s, paragraph_width(output));
    while (*s);
}
