/*
 * Where printed data goes, and what that place can show.
 */
#ifndef CLRTRAIL_SURFACES_OUTPUT_H
#define CLRTRAIL_SURFACES_OUTPUT_H

#include <stdio.h>

#include "base/error.h"
#include "base/text.h"

struct output {
    FILE *file;    /* borrowed */
    bool terminal; /* a person reads along: clip and stop before the screen floods */
    bool color;
    bool utf8;
    unsigned width; /* columns of the terminal, 0 when there is none */
    /* Called once before the first byte of a command's output, to take the progress line away. May be NULL. */
    void (*before)(void *user);
    void *user;
    bool started;
    int error; /* errno of the first write that failed, 0: none */
};

enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* `utf8`: whether the user's locale is. */
void output_init(struct output *output, FILE *file, enum color_choice color, bool utf8);
void output_text(struct output *output, const struct text *text);
void output_puts(struct output *output, const char *s);
/* Errors: ERROR_IO when anything that was written did not arrive; none when the reader only went away (see output_closed). */
struct error *output_flush(struct output *output);
bool output_failed(const struct output *output);
/* The reader of the pipe has gone: what is still to be said interests nobody. */
bool output_closed(const struct output *output);

/* Appends `s` in bold where colours are on. `s` is safe text. */
void output_append_bold(const struct output *output, struct text *text, const char *s);
/* The ellipsis that this place can show. */
const char *output_ellipsis(const struct output *output);
/* Rewrites text for a terminal that shows only ASCII: everything else becomes \u{..}. */
void output_append_shown(const struct output *output, struct text *text, const char *s, size_t length);

#endif
