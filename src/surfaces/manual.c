#include <string.h>

#include "surfaces/builtin.h"
#include "surfaces/command_match.h"
#include "surfaces/help.h"

/* ---- manual page: roff with the macros of man(7) ---- */

/* Backslashes, minus signs, and controls at the start of a line would be taken as roff's own. */
static void append_roff(struct text *text, const char *s)
{
    if (*s == '.' || *s == '\'') text_puts(text, "\\&");
    for (; *s; s++) {
        if (*s == '\\')
            text_puts(text, "\\e");
        else if (*s == '-')
            text_puts(text, "\\-");
        else
            text_putc(text, *s);
    }
}

static void append_line(struct text *text, const char *macro, const char *s)
{
    text_puts(text, macro);
    append_roff(text, s);
    text_putc(text, '\n');
}

static void append_item(struct text *text, const char *name, const char *argument, const char *what)
{
    text_puts(text, ".TP\n\\fB");
    append_roff(text, name);
    text_puts(text, "\\fR");
    if (argument && *argument) {
        text_puts(text, " \\fI");
        append_roff(text, argument);
        text_puts(text, "\\fR");
    }
    text_putc(text, '\n');
    append_line(text, "", what);
}

static void append_names(struct text *text, const struct relation *relation)
{
    for (unsigned i = 1; i < RELATION_MAX_COMMANDS && relation->commands[i].name; i++) {
        text_puts(text, i == 1 ? "SOS: \\fB" : ", \\fB");
        append_roff(text, relation->commands[i].name);
        text_puts(text, "\\fR");
    }
    if (relation->commands[0].name && relation->commands[1].name) text_puts(text, "\n.br\n");
}

static void append_relation(struct text *text, const struct relation *relation)
{
    struct text usage = { 0 };

    command_append_usage(&usage, relation, relation_main_command(relation));
    append_item(text, text_cstr(&usage), NULL, relation->summary);
    text_deinit(&usage);
    text_puts(text, ".br\n");
    if (relation->description) append_line(text, "", relation->description);
    if (relation->description) text_puts(text, ".br\n");
    append_names(text, relation);
    text_puts(text, "Columns: ");
    for (unsigned i = 0; i < relation->column_count; i++) {
        if (i) text_puts(text, ", ");
        append_roff(text, relation->columns[i].name);
    }
    text_puts(text, ".\n");
}

static void append_commands(struct text *text, const struct relation *const *relations)
{
    struct help_topics topics;

    text_puts(text, ".SH COMMANDS\n");
    for (const struct builtin *b = builtins; b->name; b++)
        append_item(text, b->name, b->usage, b->summary);
    help_topics(relations, &topics);
    for (unsigned i = 0; i < topics.count; i++) {
        append_line(text, ".SS ", topics.names[i]);
        for (const struct relation *const *r = relations; *r; r++)
            if (help_in_topic(*r, topics.names[i])) append_relation(text, *r);
    }
}

static const struct {
    const char *status, *what;
} statuses[] = {
    { "0", "Done; findings do not change that unless --fail-on is given." },
    { "1", "The command line is wrong, or names something that the dump does not have." },
    { "2", "The dump cannot be opened or read at all, or the output cannot be written." },
    { "3", "Done, but parts of the dump could not be read (with --strict only)." },
    { "4", "There are findings at or above the certainty that --fail-on names." },
};

struct error *help_manual(struct run *run)
{
    struct text text = { 0 };
    struct error *err;

    text_puts(&text,
              ".TH CLRTRAIL 1 \"\" \"clrtrail " CLRTRAIL_VERSION "\" \"User Commands\"\n.SH NAME\n"
              "clrtrail \\- say where the memory of a .NET process went, from its dump\n.SH SYNOPSIS\n"
              ".B clrtrail\n\\fITARGET\\fR [\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]] [\\fIOPTION\\fR...]\n.SH DESCRIPTION\n"
              "TARGET is a dump file, an ELF core or a Windows minidump, plain or packed with zstd, gzip, lz4 or xz, or\n"
              ".B \\-\nfor standard input. Without a command it is diagnosed. Data goes to standard output, everything else to\n"
              "standard error. Addresses are accepted with and without 0x.\n");
    append_commands(&text, run->relations);
    text_puts(&text, ".SH OPTIONS\n");
    for (const struct option *o = options_table; o->name; o++)
        append_item(&text, o->name, o->argument, o->help);
    text_puts(&text, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_COUNT(statuses); i++)
        append_item(&text, statuses[i].status, NULL, statuses[i].what);
    text_puts(&text, ".SH ENVIRONMENT\n");
    append_item(&text, "NO_COLOR", NULL, "When set and not empty, nothing is bold unless --color always is given.");
    text_puts(&text, ".SH EXAMPLES\n");
    for (const struct help_example *e = help_examples; e->command; e++)
        append_item(&text, e->command, NULL, e->what);
    err = text.failed ? &error_enomem : NULL;
    output_text(&run->output, &text);
    text_deinit(&text);
    return err;
}

/* ---- completion ---- */

static void append_words(struct text *text, const struct relation *const *relations)
{
    for (const struct builtin *b = builtins; b->name; b++)
        text_printf(text, "%s ", b->name);
    for (; *relations; relations++) {
        if ((*relations)->hidden) continue;
        for (unsigned i = 0; i < RELATION_MAX_COMMANDS && (*relations)->commands[i].name; i++) {
            const char *name = (*relations)->commands[i].name;

            if (!strchr(name, ' ')) text_printf(text, "%s ", name);
        }
    }
}

static void append_targetless(struct text *text, const struct relation *const *relations)
{
    for (const struct builtin *b = builtins; b->name; b++)
        if (!b->needs_dump) text_printf(text, "%s ", b->name);
    for (; *relations; relations++)
        if ((*relations)->without_dump) text_printf(text, "%s ", relation_main_name(*relations));
}

/* What may follow the options that take a value. */
static void append_values(struct text *text)
{
    for (const struct option *o = options_table; o->name; o++) {
        if (!o->argument) continue;
        text_printf(text, "    %s) ", o->name);
        if (o->choices) {
            text_puts(text, "COMPREPLY=($(compgen -W '");
            for (unsigned i = 0; o->choices[i]; i++)
                text_printf(text, "%s ", o->choices[i]);
            text_puts(text, "' -- \"$cur\"))");
        } else {
            text_puts(text, strcmp(o->argument, "DIR") ? ":" : "COMPREPLY=($(compgen -d -- \"$cur\"))");
        }
        text_puts(text, "; return ;;\n");
    }
}

static void append_columns(struct text *text, const struct relation *const *relations)
{
    for (; *relations; relations++) {
        if ((*relations)->hidden) continue;
        text_printf(text, "    %s) columns='", relation_main_name(*relations));
        for (unsigned i = 0; i < (*relations)->column_count; i++)
            text_printf(text, "%s ", (*relations)->columns[i].name);
        text_puts(text, "' ;;\n");
    }
}

struct error *help_completion(struct run *run, const char *shell)
{
    struct text text = { 0 };
    struct error *err;

    if (strcmp(shell, "bash") != 0) return error_create(ERROR_USAGE, "there is no completion for '%s', only for bash", shell);
    text_puts(&text, "# bash completion for clrtrail, written by: clrtrail help --completion bash\n_clrtrail() {\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} columns=\n"
                     "    local commands='");
    append_words(&text, run->relations);
    text_puts(&text, "'\n    local first='");
    append_targetless(&text, run->relations);
    text_puts(&text, "'\n    case ${COMP_WORDS[2]} in\n");
    append_columns(&text, run->relations);
    text_puts(&text, "    esac\n    case $prev in\n"
                     "    --columns|--sort|--where|--group) COMPREPLY=($(compgen -W \"$columns\" -- \"$cur\")); return ;;\n"
                     "    help) COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")); return ;;\n");
    append_values(&text);
    text_puts(&text, "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '");
    for (const struct option *o = options_table; o->name; o++)
        text_printf(&text, "%s ", o->name);
    text_puts(&text, "' -- \"$cur\"))\n    elif ((COMP_CWORD == 1)); then\n"
                     "        COMPREPLY=($(compgen -f -- \"$cur\") $(compgen -W \"$first\" -- \"$cur\"))\n"
                     "    else\n        COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n    fi\n}\n"
                     "complete -o filenames -F _clrtrail clrtrail\n");
    err = text.failed ? &error_enomem : NULL;
    output_text(&run->output, &text);
    text_deinit(&text);
    return err;
}
