#include "surfaces/options.h"

#include <string.h>
#include <strings.h>

#include "relations/relation.h"
#include "surfaces/number.h"
#include "surfaces/output.h"

static const char *const color_choices[] = { [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL };
static const char *const fail_on_choices[] = { "never", "hint", "likely", "proven", NULL };

#define AT(field) offsetof(struct options, field)

const struct option options_table[] = {
    { "--json", OPTION_SET, AT(format), FORMAT_JSON, .per_command = true, .help = "print one JSON document" },
    { "--jsonl", OPTION_SET, AT(format), FORMAT_JSONL, .per_command = true,
      .help = "print a JSON line for the head and one for each row" },
    { "--csv", OPTION_SET, AT(format), FORMAT_CSV, .per_command = true, .help = "print comma-separated values" },
    { "--columns", OPTION_TEXT, AT(columns), .argument = "A,B", .per_command = true,
      .help = "show these columns; `all` for every one" },
    { "--where", OPTION_TEXT, AT(where), .argument = "CONDITION", .per_command = true,
      .help = "rows that match, such as 'size > 64K and type ~ Patient'; == != < <= > >= ~ !~, and or not, is null" },
    { "--sort", OPTION_TEXT, AT(sort), .argument = "A[:desc],B", .per_command = true, .help = "order of the rows" },
    { "--limit", OPTION_NUMBER, AT(limit), .argument = "N", .per_command = true,
      .help = "at most N rows; 0 for all, also on a terminal" },
    { "--group", OPTION_TEXT, AT(group), .argument = "A,B", .per_command = true,
      .help = "one row for each different A and B, with sums" },
    { "--fail-on", OPTION_CHOICE, AT(fail_on), .argument = "CERTAINTY", .choices = fail_on_choices,
      .help = "exit with 4 when a finding is at least hint, likely or proven (diagnose and findings)" },
    { "--strict", OPTION_SWITCH, AT(strict), .help = "exit with 3 when a part of the dump could not be read" },
    { "-c", OPTION_LIST, AT(commands), .argument = "'COMMAND...'",
      .help = "run this command; may be repeated, the dump is opened once" },
    { "--images", OPTION_LIST, AT(images), .argument = "DIR", .help = "look here for the process's files; may be repeated" },
    { "--sysroot", OPTION_TEXT, AT(sysroot), .argument = "DIR", .help = "root of the file system in which the process ran" },
    { "--stop", OPTION_SWITCH, AT(stop),
      .help = "hold a live process (pid:N) for the whole run; else only while registers are read" },
    { "--no-stop", OPTION_SWITCH, AT(no_stop),
      .help = "let the process run on while `snapshot` reads it: what it changes is torn" },
    { "--runtime", OPTION_NUMBER, AT(runtime), .argument = "N",
      .help = "which of several .NET runtimes in the process, as `runtimes` numbers them; else the first that can be read" },
    { "--threads", OPTION_NUMBER, AT(threads), .argument = "N", .help = "use N threads; by default one for each processor" },
    { "--index", OPTION_TEXT, AT(index), .argument = "auto|off|FOLDER",
      .help = "folder for the index of large heaps, which makes the next command quick; auto: that of your cache" },
    { "--color", OPTION_CHOICE, AT(color), .argument = "auto|always|never", .choices = color_choices,
      .help = "bold heads on a terminal" },
    { "--no-progress", OPTION_SWITCH, AT(no_progress), .help = "show no progress" },
    { "--verbose", OPTION_SWITCH, AT(verbose), .per_command = true, .help = "show the less important columns and every gap" },
    { "--quiet", OPTION_SWITCH, AT(quiet), .help = "nothing on standard error but errors" },
    { "--help", OPTION_SWITCH, AT(help), .per_command = true, .help = "explain the command, or all" },
    { "--version", OPTION_SWITCH, AT(version), .help = "print the version" },
    { NULL },
};

static void *field(struct options *options, const struct option *option)
{
    return (char *)options + option->offset;
}

static struct error *set_choice(unsigned *ret, const struct option *option, const char *argument)
{
    for (unsigned i = 0; option->choices[i]; i++) {
        if (strcasecmp(option->choices[i], argument) != 0) continue;
        *ret = i;
        return NULL;
    }
    return error_create(ERROR_USAGE, "'%s' is no value for %s (%s)", argument, option->name, option->argument);
}

static struct error *set_number(struct options *options, const struct option *option, const char *argument)
{
    uint64_t value;

    if (!number_parse(argument, strlen(argument), &value))
        return error_create(ERROR_USAGE, "'%s' is no number for %s", argument, option->name);
    *(uint64_t *)field(options, option) = value;
    if (option->offset == AT(limit)) options->limit_given = true;
    if (option->offset == AT(runtime)) options->runtime_given = true;
    return NULL;
}

static struct error *set(struct options *options, const struct option *option, const char *argument)
{
    switch (option->kind) {
    case OPTION_SWITCH:
        *(bool *)field(options, option) = true;
        return NULL;
    case OPTION_SET:
        *(unsigned *)field(options, option) = option->value;
        return NULL;
    case OPTION_CHOICE:
        return set_choice(field(options, option), option, argument);
    case OPTION_TEXT:
        *(const char **)field(options, option) = argument;
        return NULL;
    case OPTION_NUMBER:
        return set_number(options, option, argument);
    case OPTION_LIST:
        return vec_push(&((struct words *)field(options, option))->list, argument) ? NULL : &error_enomem;
    }
    return NULL;
}

/* The option that `word` names, and what follows its `=`. "-h" and "-?" are what fingers try first. */
static const struct option *find(const char *word, const char **value_ret)
{
    size_t length = strcspn(word, "=");

    *value_ret = word[length] ? word + length + 1 : NULL;
    if (!strcmp(word, "-h") || !strcmp(word, "-?")) word = "--help", length = strlen(word);
    if (word[0] != '-') return NULL;
    for (const struct option *option = options_table; option->name; option++) {
        bool short_name = option->name[1] != '-';

        if (short_name ? !strcmp(word, option->name) : word[1] == '-' && name_equaln(option->name, word, length)) return option;
    }
    return NULL;
}

struct error *options_parse(struct options *options, const char *const *words, size_t count, bool per_command, struct words *rest)
{
    bool only_words = false;

    for (size_t i = 0; i < count; i++) {
        const char *value = NULL;
        const struct option *option = only_words ? NULL : find(words[i], &value);

        if (!option && !only_words && !strcmp(words[i], "--")) {
            only_words = true;
            continue;
        }
        if (!option) {
            if (!vec_push(&rest->list, words[i])) return &error_enomem;
            continue;
        }
        if (per_command && !option->per_command)
            return error_create(ERROR_USAGE, "%s is for the whole run, not for one command", option->name);
        if (!option->argument && value) return error_create(ERROR_USAGE, "%s takes no value", option->name);
        if (option->argument && !value) {
            if (++i == count) return error_create(ERROR_USAGE, "%s needs a value: %s", option->name, option->argument);
            value = words[i];
        }
        TRY(set(options, option, value));
    }
    return NULL;
}

void options_deinit(struct options *options)
{
    vec_deinit(&options->commands.list);
    vec_deinit(&options->images.list);
}
