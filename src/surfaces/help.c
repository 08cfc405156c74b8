#include "surfaces/help.h"

#include <string.h>

#include "surfaces/builtin.h"
#include "surfaces/command_match.h"
#include "surfaces/paragraph.h"
#include "surfaces/words.h"

enum { NAME_WIDTH = 18, COLUMN_WIDTH = 18, OPTION_WIDTH = 30 };

static const char *const more_topic = "more";

const struct help_example help_examples[] = {
    { "clrtrail app.core", "where the memory went and what leaks it" },
    { "clrtrail app.core explain 1", "all evidence of the first finding" },
    { "clrtrail app.core modules --where dynamic --group name", "dynamic modules, counted by name" },
    { "clrtrail app.core type_histogram --where 'type ~ Patient' --sort count:desc", "objects of some types" },
    { "clrtrail app.core dumpheap -stat -min 85000", "SOS's words work too" },
    { "clrtrail app.core -c 'eeheap -gc' -c 'eeheap -loader'", "two commands, the dump is opened once" },
    { "clrtrail app.core.zst --json --fail-on likely", "for scripts" },
    { NULL },
};

/* ---- topics ---- */

bool help_in_topic(const struct relation *relation, const char *topic)
{
    return !relation->hidden && !strcmp(relation->topic ? relation->topic : more_topic, topic);
}

static bool knows_topic(const struct help_topics *topics, const char *name)
{
    for (unsigned i = 0; i < topics->count; i++)
        if (!strcmp(topics->names[i], name)) return true;
    return false;
}

void help_topics(const struct relation *const *relations, struct help_topics *ret)
{
    bool more = false;

    *ret = (struct help_topics) { 0 };
    for (; *relations; relations++) {
        const char *topic = (*relations)->topic;

        if ((*relations)->hidden) continue;
        if (!topic)
            more = true;
        else if (ret->count + 1 < ARRAY_COUNT(ret->names) && !knows_topic(ret, topic))
            ret->names[ret->count++] = topic;
    }
    if (more && !knows_topic(ret, more_topic)) ret->names[ret->count++] = more_topic;
}

/* ---- lines ---- */

static void append_entry(const struct output *output, struct text *text, const char *name, unsigned width, const char *what)
{
    unsigned length = (unsigned)strlen(name);

    text_puts(text, "  ");
    text_puts(text, name);
    for (unsigned i = length; i < width; i++)
        text_putc(text, ' ');
    text_puts(text, length < width ? "" : "  ");
    output_append_shown(output, text, what, strlen(what));
    text_putc(text, '\n');
}

static void append_heading(const struct output *output, struct text *text, const char *heading)
{
    text_putc(text, '\n');
    output_append_bold(output, text, heading);
    text_putc(text, '\n');
}

static struct error *print(struct run *run, struct text *text)
{
    struct error *err = text->failed ? &error_enomem : NULL;

    output_text(&run->output, text);
    text_deinit(text);
    return err;
}

/* The summary, and the SOS names behind it. */
static void append_relation(const struct output *output, struct text *text, const struct relation *relation)
{
    struct text what = { 0 };
    const char *before = "  (";

    text_puts(&what, relation->summary);
    for (unsigned i = 1; i < RELATION_MAX_COMMANDS && relation->commands[i].name; i++) {
        text_printf(&what, "%s%s", before, relation->commands[i].name);
        before = ", ";
    }
    if (*before == ',') text_putc(&what, ')');
    append_entry(output, text, relation_main_name(relation), NAME_WIDTH, text_cstr(&what));
    text_deinit(&what);
}

static void append_builtins(const struct output *output, struct text *text)
{
    for (const struct builtin *b = builtins; b->name; b++) {
        struct text name = { 0 };

        text_printf(&name, "%s%s%s", b->name, *b->usage ? " " : "", b->usage);
        append_entry(output, text, text_cstr(&name), NAME_WIDTH, b->summary);
        text_deinit(&name);
    }
}

static void append_options(const struct output *output, struct text *text)
{
    for (const struct option *o = options_table; o->name; o++) {
        struct text name = { 0 };

        text_printf(&name, "%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
        append_entry(output, text, text_cstr(&name), OPTION_WIDTH, o->help);
        text_deinit(&name);
    }
}

static void append_examples(const struct output *output, struct text *text)
{
    for (const struct help_example *e = help_examples; e->command; e++) {
        text_printf(text, "  %s\n", e->command);
        append_entry(output, text, "", 4, e->what);
    }
}

struct error *help_overview(struct run *run)
{
    const struct output *output = &run->output;
    struct help_topics topics;
    struct text text = { 0 };

    text_puts(&text, "clrtrail opens a dump of a .NET process and says where its memory went and what leaks it.\n\n"
                     "usage: clrtrail TARGET [COMMAND [ARGUMENT...]] [OPTION...]\n"
                     "TARGET: a dump file, plain or packed (zstd, gzip, lz4, xz), or - for standard input\n");
    append_heading(output, &text, "commands");
    append_builtins(output, &text);
    help_topics(run->relations, &topics);
    for (unsigned i = 0; i < topics.count; i++) {
        append_heading(output, &text, topics.names[i]);
        for (const struct relation *const *r = run->relations; *r; r++)
            if (help_in_topic(*r, topics.names[i])) append_relation(output, &text, *r);
    }
    append_heading(output, &text, "options");
    append_options(output, &text);
    append_heading(output, &text, "examples");
    append_examples(output, &text);
    text_puts(&text, "\nclrtrail help COMMAND explains one. Exit status: 0 done, 1 wrong usage, 2 the dump cannot be read,\n"
                     "3 parts of it cannot (--strict), 4 findings (--fail-on).\n");
    return print(run, &text);
}

/* ---- one command ---- */

static void append_parameters(const struct output *output, struct text *text, const struct relation *relation)
{
    if (relation->parameter_count) append_heading(output, text, "arguments");
    for (unsigned i = 0; i < relation->parameter_count; i++) {
        const struct parameter *p = &relation->parameters[i];
        struct text name = { 0 };

        text_printf(&name, "%s%s%s", p->flag ? p->flag : p->name, p->flag && p->kind != PARAMETER_SWITCH ? " " : "",
                    p->flag && p->kind != PARAMETER_SWITCH ? p->name : "");
        append_entry(output, text, text_cstr(&name), COLUMN_WIDTH, p->help ? p->help : "");
        text_deinit(&name);
    }
}

static void append_columns(const struct output *output, struct text *text, const struct relation *relation)
{
    append_heading(output, text, "columns");
    for (unsigned i = 0; i < relation->column_count; i++) {
        const struct column *c = &relation->columns[i];
        struct text what = { 0 };

        text_printf(&what, "%-8s %s%s", column_kind_name(c->kind), c->help ? c->help : "",
                    c->flags & COLUMN_VERBOSE ? " (with --verbose or --columns)" : "");
        append_entry(output, text, c->name, COLUMN_WIDTH, text_cstr(&what));
        text_deinit(&what);
    }
}

static void append_aliases(const struct output *output, struct text *text, const struct relation *relation)
{
    if (!relation->commands[0].name || !relation->commands[1].name) return;
    append_heading(output, text, "also known as");
    for (unsigned i = 1; i < RELATION_MAX_COMMANDS && relation->commands[i].name; i++) {
        const struct command *command = &relation->commands[i];

        append_entry(output, text, command->name, COLUMN_WIDTH, command->help ? command->help : "");
    }
}

static struct error *help_relation(struct run *run, const struct relation *relation)
{
    const struct output *output = &run->output;
    struct text text = { 0 };

    text_puts(&text, relation->without_dump ? "usage: clrtrail " : "usage: clrtrail TARGET ");
    command_append_usage(&text, relation, relation_main_command(relation));
    text_printf(&text, " [OPTION...]\n\n%s\n", relation->summary);
    if (relation->description) {
        text_putc(&text, '\n');
        paragraph_append_plain(output, &text, relation->description);
    }
    append_parameters(output, &text, relation);
    append_columns(output, &text, relation);
    append_aliases(output, &text, relation);
    return print(run, &text);
}

static struct error *help_builtin(struct run *run, const struct builtin *builtin)
{
    struct text text = { 0 };

    text_printf(&text, "usage: clrtrail %s%s%s%s\n\n%s\n", builtin->needs_dump ? "TARGET " : "", builtin->name,
                *builtin->usage ? " " : "", builtin->usage, builtin->summary);
    if (builtin->description) {
        text_putc(&text, '\n');
        paragraph_append_plain(&run->output, &text, builtin->description);
    }
    return print(run, &text);
}

static struct error *unknown(struct run *run, const char *word)
{
    struct suggestion suggestion;

    suggestion_init(&suggestion, word);
    for (const struct relation *const *r = run->relations; *r; r++) {
        suggestion_add(&suggestion, (*r)->name);
        for (unsigned i = 0; i < RELATION_MAX_COMMANDS && (*r)->commands[i].name; i++)
            suggestion_add(&suggestion, (*r)->commands[i].name);
    }
    for (const struct builtin *b = builtins; b->name; b++)
        suggestion_add(&suggestion, b->name);
    return suggestion_error(&suggestion, "command");
}

struct error *help_command(struct run *run, const char *word)
{
    const struct builtin *builtin = builtin_find(word);
    bool found = false;

    if (builtin) return help_builtin(run, builtin);
    /* Several relations may share an SOS name (dumpmt, dumpmt -md). */
    for (const struct relation *const *r = run->relations; *r; r++) {
        if (!relation_is_called(*r, word)) continue;
        if (found) output_puts(&run->output, "\n");
        TRY(help_relation(run, *r));
        found = true;
    }
    return found ? NULL : unknown(run, word);
}
