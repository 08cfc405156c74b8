#include "surfaces/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "surfaces/command_line.h"

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t\r\n")] == 0 || line[0] == '#';
}

static bool is_end(const char *line)
{
    static const char *const words[] = { "exit", "quit", "q" };
    size_t length = strcspn(line, " \t\r\n");

    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (name_equaln(words[i], line, length)) return true;
    return false;
}

static struct error *run_line(struct run *run, const struct options *options, const char *line)
{
    struct command_line command;
    struct error *err = command_line_from_text(&command, run, options, line);

    if (!err && command.builtin && command.builtin->run == run_shell) err = error_create(ERROR_USAGE, "this is the shell already");
    if (!err) err = command_line_run(&command, run);
    command_line_deinit(&command);
    return err;
}

struct error *shell_read(struct run *run, const struct options *options, FILE *file, const char *prompt)
{
    struct error *err = NULL;
    char *line = NULL;
    size_t capacity = 0;

    while (!err && !output_failed(&run->output)) {
        progress_line_catch_interrupt(&run->line);
        if (prompt) output_puts(&run->output, prompt);
        err = output_flush(&run->output);
        if (err) break;
        errno = 0;
        if (getline(&line, &capacity, file) < 0) {
            if (errno != EINTR) break;
            /* Ctrl-C at the prompt drops the line. */
            clearerr(file);
            output_puts(&run->output, "\n");
            atomic_store(&run->line.progress.cancelled, false);
            continue;
        }
        if (is_end(line)) break;
        if (is_blank(line)) continue;
        err = run_line(run, options, line);
        if (!err) err = output_flush(&run->output);
        /* Only a broken output ends the shell. */
        if (err && !output_failed(&run->output)) {
            run_print_error(run, err);
            error_destroy(err);
            err = NULL;
        }
        run_print_gaps(run);
        atomic_store(&run->line.progress.cancelled, false);
    }
    free(line);
    return err;
}

struct error *run_shell(struct run *run, const struct options *options, const struct words *words)
{
    bool prompt = isatty(STDIN_FILENO) && run->output.terminal;

    (void)words;
    return shell_read(run, options, stdin, prompt ? "> " : NULL);
}
