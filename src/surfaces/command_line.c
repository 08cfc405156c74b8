#include "surfaces/command_line.h"

#include <string.h>

#include "surfaces/csv.h"
#include "surfaces/help.h"
#include "surfaces/json.h"
#include "surfaces/run_query.h"
#include "surfaces/text_table.h"

/* ---- checking ---- */

static struct query_options query_options(struct run *run, const struct command_line *command)
{
    const struct options *options = &command->options;
    bool text = options->format == FORMAT_TEXT;
    struct query_options ret = { .where = options->where,
                                 .sort = options->sort,
                                 .columns = options->columns,
                                 .group = options->group,
                                 .limit = options->limit,
                                 .view = !text              ? QUERY_DATA
                                         : options->verbose ? QUERY_TEXT_VERBOSE
                                                            : QUERY_TEXT,
                                 .gaps = run->gaps,
                                 .progress = &run->line.progress,
                                 .arguments = command->match.arguments };

    if (text && run->output.terminal && !options->limit_given) ret.window = TEXT_TABLE_WINDOW;
    run_watch_certainty(run, command->match.relation, &ret);
    return ret;
}

static struct error *prepare_builtin(const struct command_line *command)
{
    const struct builtin *builtin = command->builtin;
    const struct options *options = &command->options;
    size_t arguments = command->words.list.count - 1;

    /* What stands before several -c is for those that can use it. */
    if (!options->commands.list.count &&
        (options->where || options->sort || options->columns || options->group || options->limit_given))
        return error_create(ERROR_USAGE,
                            "%s has no rows to choose from: --where, --sort, --columns, --group and --limit are for others",
                            builtin->name);
    if (arguments < builtin->least || arguments > builtin->most)
        return error_create(ERROR_USAGE, "how to write it: %s %s", builtin->name, builtin->usage);
    return NULL;
}

/* Do its rows, or what it prints, have a certainty? */
static bool tells_findings(const struct command_line *command)
{
    if (command->builtin) return !strcmp(command->builtin->name, "diagnose");
    return relation_column(command->match.relation, "certainty") >= 0;
}

static struct error *match_relation(struct command_line *command, struct run *run, const char *const *words, size_t count)
{
    const char *names[16] = { NULL };

    for (size_t i = 0; builtins[i].name && i + 1 < ARRAY_COUNT(names); i++)
        names[i] = builtins[i].name;
    return command_match(run->relations, names, words, count, &command->match);
}

static struct error *prepare(struct command_line *command, struct run *run)
{
    const char *const *words = command->words.list.data;
    struct query_options options;

    command->builtin = builtin_find(words[0]);
    if (command->builtin)
        TRY(prepare_builtin(command));
    else
        TRY(match_relation(command, run, words, command->words.list.count));
    if (command->options.fail_on && !command->options.commands.list.count && !tells_findings(command))
        return error_create(ERROR_USAGE, "--fail-on is for diagnose, findings and diff");
    if (command->builtin) return NULL;
    options = query_options(run, command);
    return query_create(command->match.relation, command->match.command, &options, &command->query);
}

static void command_line_init(struct command_line *command, const struct options *options)
{
    *command = (struct command_line) { .options = *options };
    arena_init(&command->arena);
}

struct error *command_line_from_words(struct command_line *command, struct run *run, const struct options *options,
                                      const char *const *words, size_t count)
{
    command_line_init(command, options);
    for (size_t i = 0; i < count; i++)
        if (!vec_push(&command->words.list, words[i])) return &error_enomem;
    return prepare(command, run);
}

struct error *command_line_from_text(struct command_line *command, struct run *run, const struct options *options, const char *line)
{
    command_line_init(command, options);
    command->line = line;
    TRY(words_split(&command->split, &command->arena, line));
    TRY(options_parse(&command->options, command->split.list.data, command->split.list.count, true, &command->words));
    if (command->words.list.count == 0) return error_create(ERROR_USAGE, "there is no command in '%s'", line);
    return prepare(command, run);
}

void command_line_deinit(struct command_line *command)
{
    query_destroy(command->query);
    words_deinit(&command->split);
    words_deinit(&command->words);
    text_deinit(&command->more_help);
    arena_deinit(&command->arena);
}

void command_line_append(const struct command_line *command, struct text *text)
{
    if (command->line) text_append_safe(text, command->line, strlen(command->line));
    for (size_t i = 0; !command->line && i < command->words.list.count; i++) {
        if (i) text_putc(text, ' ');
        text_append_safe(text, command->words.list.data[i], strlen(command->words.list.data[i]));
    }
}

bool command_line_needs_dump(const struct command_line *command)
{
    if (command->options.help) return false;
    return command->builtin ? command->builtin->needs_dump && !command->builtin->opens_itself
                            : !command->match.relation->without_dump;
}

/* ---- printing ---- */

/* A terminal is better served by groups when the rows themselves would flood it and the user has not said what to show. */
static bool wants_groups(const struct command_line *command)
{
    const struct options *options = &command->options;
    const struct query *query = command->query;

    return query->hidden && query->relation->group_by && !query->grouped && !query->command->group && !options->sort &&
           !options->columns && !options->group && query->command->layout == LAYOUT_TABLE;
}

static struct error *print_table(struct command_line *command, struct run *run, bool *flood_ret)
{
    struct text_table table;
    struct error *err = text_table_init(&table, command->query, &run->output);

    if (!err) err = text_table_read_ahead(&table);
    *flood_ret = !err && wants_groups(command);
    if (!err && !*flood_ret) err = text_table_print(&table, text_cstr(&command->more_help));
    text_table_deinit(&table);
    return err;
}

static struct error *print_groups(struct command_line *command, struct run *run)
{
    struct query_options options = query_options(run, command);
    const char *group = command->query->relation->group_by;
    struct text line = { 0 };
    struct error *err;
    bool flood;

    query_destroy(command->query);
    command->query = NULL;
    options.group = group;
    text_clear(&command->more_help);
    text_printf(&command->more_help, "--group %s --limit 0 prints them all", group);
    TRY(query_create(command->match.relation, command->match.command, &options, &command->query));
    TRY(query_begin(command->query, run->session));
    TRY(print_table(command, run, &flood));
    text_printf(&line, "grouped by %s; --limit 0 prints every row, --where chooses among them\n", group);
    err = line.failed ? &error_enomem : NULL;
    output_text(&run->output, &line);
    text_deinit(&line);
    return err;
}

static struct error *print_text(struct command_line *command, struct run *run)
{
    bool flood = false;

    text_puts(&command->more_help, "--limit 0 prints them all, --where chooses");
    TRY(print_table(command, run, &flood));
    return flood ? print_groups(command, run) : NULL;
}

static struct error *run_relation(struct command_line *command, struct run *run)
{
    TRY(query_begin(command->query, run->session));
    switch (command->options.format) {
    case FORMAT_JSON:
        return json_print(command->query, run_info(run), run->gaps, &run->output);
    case FORMAT_JSONL:
        return json_print_lines(command->query, run_info(run), &run->output);
    case FORMAT_CSV:
        return csv_print(command->query, &run->output);
    default:
        return print_text(command, run);
    }
}

struct error *command_line_run(struct command_line *command, struct run *run)
{
    struct error *err;

    run->output.started = false;
    progress_line_resume(&run->line);
    if (command->options.help && strcmp(command->words.list.data[0], "help") != 0)
        err = help_command(run, command->words.list.data[0]);
    else if (command->builtin)
        err = command->builtin->run(run, &command->options, &command->words);
    else
        err = run_relation(command, run);
    progress_line_pause(&run->line);
    return err;
}
