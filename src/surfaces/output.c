#include "surfaces/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_WIDTH = 80, LEAST_WIDTH = 40 };

static unsigned terminal_width(int fd)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    unsigned width = columns ? (unsigned)strtoul(columns, NULL, 10) : 0;

    if (width == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) width = size.ws_col;
    if (width == 0) width = DEFAULT_WIDTH;
    return width < LEAST_WIDTH ? LEAST_WIDTH : width;
}

/* See no-color.org: set and not empty means no colour, unless the user asks for it on the command line. */
static bool wants_color(enum color_choice choice, bool terminal)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    if (choice != COLOR_AUTO) return choice == COLOR_ALWAYS;
    if (!terminal || (no_color && *no_color)) return false;
    return term && *term && strcmp(term, "dumb") != 0;
}

void output_init(struct output *output, FILE *file, enum color_choice color, bool utf8)
{
    int fd = fileno(file);
    bool terminal = fd >= 0 && isatty(fd);

    *output = (struct output) { .file = file, .terminal = terminal, .utf8 = utf8 || !terminal };
    output->color = wants_color(color, terminal);
    if (terminal) output->width = terminal_width(fd);
}

static void output_write(struct output *output, const char *s, size_t length)
{
    if (!output->started && output->before) output->before(output->user);
    output->started = true;
    if (length && fwrite(s, 1, length, output->file) != length && !output->error) output->error = errno ? errno : EIO;
}

void output_text(struct output *output, const struct text *text)
{
    output_write(output, text_cstr(text), text->failed ? 0 : text->length);
}

void output_puts(struct output *output, const char *s)
{
    output_write(output, s, strlen(s));
}

bool output_failed(const struct output *output)
{
    return output->error != 0;
}

bool output_closed(const struct output *output)
{
    return output->error == EPIPE;
}

struct error *output_flush(struct output *output)
{
    if (fflush(output->file) != 0 && !output->error) output->error = errno ? errno : EIO;
    if (!output->error || output_closed(output)) return NULL;
    return error_create(ERROR_IO, "cannot write the output: %s", strerror(output->error));
}

void output_append_bold(const struct output *output, struct text *text, const char *s)
{
    if (output->color) text_puts(text, "\033[1m");
    text_puts(text, s);
    if (output->color) text_puts(text, "\033[0m");
}

const char *output_ellipsis(const struct output *output)
{
    return output->utf8 ? "\u2026" : "...";
}

void output_append_shown(const struct output *output, struct text *text, const char *s, size_t length)
{
    uint32_t c;

    if (output->utf8) {
        text_append(text, s, length);
        return;
    }
    for (size_t i = 0, size; i < length; i += size) {
        size = utf8_decode(s + i, length - i, &c);
        if (size <= 1) {
            size = 1;
            text_append(text, s + i, 1);
        } else {
            text_printf(text, "\\u{%x}", (unsigned)c);
        }
    }
}
