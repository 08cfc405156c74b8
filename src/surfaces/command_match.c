#include "surfaces/command_match.h"

#include <ctype.h>
#include <string.h>

#include "surfaces/number.h"
#include "surfaces/words.h"

enum { COMMAND_MAX_WORDS = 64 };

/* A word of an alias: the next part of `*name`, which then points behind it. */
static size_t alias_word(const char **name, const char **word_ret)
{
    size_t length;

    while (**name == ' ')
        (*name)++;
    length = strcspn(*name, " ");
    *word_ret = *name;
    *name += length;
    return length;
}

const struct command *relation_main_command(const struct relation *relation)
{
    return &relation->commands[0];
}

const char *relation_main_name(const struct relation *relation)
{
    return relation->commands[0].name ? relation->commands[0].name : relation->name;
}

bool relation_is_called(const struct relation *relation, const char *word)
{
    if (*word == '!') word++;
    if (name_equal(relation->name, word)) return true;
    for (unsigned i = 0; i < RELATION_MAX_COMMANDS && relation->commands[i].name; i++)
        if (name_equaln(word, relation->commands[i].name, strcspn(relation->commands[i].name, " "))) return true;
    return false;
}

/* ---- choosing ---- */

struct words_in_hand {
    const char *const *words;
    size_t count;
    uint64_t used; /* bit i: word i belongs to the command's name */
};

static bool word_is(const char *word, const char *alias, size_t length)
{
    /* SOS's options are written -stat, --stat and /stat. */
    while (*alias == '-' && length > 1) {
        alias++;
        length--;
        if (*word != '-' && *word != '/') return false;
        word++;
        if (*word == '-') word++;
    }
    return name_equaln(word, alias, length);
}

static bool take_word(struct words_in_hand *hand, const char *alias, size_t length)
{
    for (size_t i = 1; i < hand->count; i++) {
        if ((hand->used >> i & 1) || !word_is(hand->words[i], alias, length)) continue;
        hand->used |= UINT64_C(1) << i;
        return true;
    }
    return false;
}

/* How many words of `name` are there; 0 when one is missing. */
static unsigned match_words(const char *name, struct words_in_hand *hand)
{
    const char *word, *first = hand->words[0];
    size_t length = alias_word(&name, &word);
    unsigned matched = 1;

    if (*first == '!') first++;
    if (!name_equaln(first, word, length)) return 0;
    hand->used = 1;
    while ((length = alias_word(&name, &word)) > 0) {
        if (!take_word(hand, word, length)) return 0;
        matched++;
    }
    return matched;
}

struct choice {
    const struct relation *relation;
    const struct command *command;
    unsigned matched;
    uint64_t used;
};

static void consider(struct choice *best, const struct relation *relation, const struct command *command, const char *name,
                     struct words_in_hand *hand)
{
    unsigned matched = match_words(name, hand);

    if (matched > best->matched) *best = (struct choice) { relation, command, matched, hand->used };
}

static struct choice choose(const struct relation *const *relations, struct words_in_hand *hand)
{
    struct choice best = { 0 };

    /* A relation's own name first: it wins over an equally long alias of another. */
    for (size_t i = 0; relations[i]; i++)
        consider(&best, relations[i], relation_main_command(relations[i]), relations[i]->name, hand);
    for (size_t i = 0; relations[i]; i++)
        for (size_t k = 0; k < RELATION_MAX_COMMANDS && relations[i]->commands[k].name; k++)
            consider(&best, relations[i], &relations[i]->commands[k], relations[i]->commands[k].name, hand);
    return best;
}

static struct error *unknown_command(const struct relation *const *relations, const char *const *also, const char *word)
{
    struct suggestion suggestion;

    suggestion_init(&suggestion, *word == '!' ? word + 1 : word);
    for (; *relations; relations++) {
        if (!(*relations)->hidden) suggestion_add(&suggestion, (*relations)->name);
        for (size_t k = 0; k < RELATION_MAX_COMMANDS && (*relations)->commands[k].name; k++)
            suggestion_add(&suggestion, (*relations)->commands[k].name);
    }
    for (; also && *also; also++)
        suggestion_add(&suggestion, *also);
    return suggestion_error(&suggestion, "command");
}

/* ---- arguments ---- */

static struct error *usage_error(const struct command_match *match, const char *format, const char *subject)
{
    struct text usage = { 0 };
    struct error *err;

    command_append_usage(&usage, match->relation, match->command);
    err = error_create(ERROR_USAGE, format, subject, text_cstr(&usage));
    text_deinit(&usage);
    return err;
}

static struct error *set_argument(struct argument *argument, const struct parameter *parameter, const char *word)
{
    size_t length = strlen(word);

    argument->given = true;
    argument->s = word;
    if (parameter->kind == PARAMETER_ADDRESS && !number_parse_address(word, length, &argument->u))
        return error_create(ERROR_USAGE, "'%s' is no address (%s)", word, parameter->name);
    if (parameter->kind == PARAMETER_NUMBER && !number_parse(word, length, &argument->u))
        return error_create(ERROR_USAGE, "'%s' is no number (%s)", word, parameter->name);
    if (parameter->kind == PARAMETER_SWITCH) argument->u = 1;
    return NULL;
}

static int find_flag(const struct relation *relation, const char *word)
{
    for (unsigned i = 0; i < relation->parameter_count; i++) {
        const char *flag = relation->parameters[i].flag;

        if (flag && word_is(word, flag, strlen(flag))) return (int)i;
    }
    return -1;
}

/* The parameter of that name (not terminated), -1 if none. */
static int find_parameter(const struct relation *relation, const char *name, size_t length)
{
    for (unsigned i = 0; i < relation->parameter_count; i++)
        if (name_equaln(relation->parameters[i].name, name, length)) return (int)i;
    return -1;
}

/* What a word without a flag means: the command's own order, else the parameters that have no flag. */
static int find_positional(const struct command_match *match)
{
    for (const char *name = match->command->bare; name && *name;) {
        size_t length = strcspn(name, ",");
        int index = find_parameter(match->relation, name, length);

        if (index >= 0 && !match->arguments[index].given) return index;
        name += length + (name[length] == ',');
    }
    if (match->command->bare) return -1;
    for (unsigned i = 0; i < match->relation->parameter_count; i++)
        if (!match->relation->parameters[i].flag && !match->arguments[i].given) return (int)i;
    return -1;
}

static struct error *unknown_option(const struct command_match *match, const char *word)
{
    struct suggestion suggestion;
    struct error *err;

    suggestion_init(&suggestion, word);
    for (unsigned i = 0; i < match->relation->parameter_count; i++)
        if (match->relation->parameters[i].flag) suggestion_add(&suggestion, match->relation->parameters[i].flag);
    suggestion_add(&suggestion, "--columns");
    suggestion_add(&suggestion, "--where");
    suggestion_add(&suggestion, "--sort");
    suggestion_add(&suggestion, "--limit");
    suggestion_add(&suggestion, "--group");
    suggestion_add(&suggestion, "--json");
    err = suggestion_error(&suggestion, "option");
    return suggestion.best ? err : error_prefix(err, "%s", relation_main_name(match->relation));
}

/* Takes the flag or the positional argument at `*at`, and moves behind it. */
static struct error *take_argument(struct command_match *match, const struct words_in_hand *hand, size_t *at)
{
    const char *word = hand->words[(*at)++];
    int index = find_flag(match->relation, word);

    if (index < 0) {
        if (word[0] == '-' && word[1]) return unknown_option(match, word);
        index = find_positional(match);
        if (index < 0) return usage_error(match, "'%s' is one argument too many: %s", word);
    } else if (match->relation->parameters[index].kind != PARAMETER_SWITCH) {
        while (*at < hand->count && (hand->used >> *at & 1))
            (*at)++;
        if (*at == hand->count) return usage_error(match, "'%s' needs a value: %s", word);
        word = hand->words[(*at)++];
    }
    return set_argument(&match->arguments[index], &match->relation->parameters[index], word);
}

static struct error *take_arguments(struct command_match *match, const struct words_in_hand *hand)
{
    for (size_t at = 1; at < hand->count;) {
        if (hand->used >> at & 1)
            at++;
        else
            TRY(take_argument(match, hand, &at));
    }
    for (unsigned i = 0; i < match->relation->parameter_count; i++) {
        const struct parameter *parameter = &match->relation->parameters[i];

        if (parameter->required && !match->arguments[i].given) return usage_error(match, "%s is missing: %s", parameter->name);
    }
    return NULL;
}

struct error *command_match(const struct relation *const *relations, const char *const *also, const char *const *words,
                            size_t count, struct command_match *ret)
{
    struct words_in_hand hand = { .words = words, .count = count };
    struct choice choice;

    if (count > COMMAND_MAX_WORDS) return error_create(ERROR_USAGE, "more than %d words in a command", COMMAND_MAX_WORDS);
    choice = choose(relations, &hand);
    if (!choice.relation) return unknown_command(relations, also, words[0]);
    hand.used = choice.used;
    *ret = (struct command_match) { .relation = choice.relation, .command = choice.command };
    return take_arguments(ret, &hand);
}

/* ---- usage ---- */

static void append_upper(struct text *text, const char *s)
{
    for (; *s; s++)
        text_putc(text, *s == ' ' || *s == '-' ? '_' : (char)toupper((unsigned char)*s));
}

void command_append_usage(struct text *text, const struct relation *relation, const struct command *command)
{
    text_puts(text, command->name ? command->name : relation->name);
    for (unsigned i = 0; i < relation->parameter_count; i++) {
        const struct parameter *parameter = &relation->parameters[i];

        text_puts(text, parameter->required ? " " : " [");
        if (parameter->flag) text_puts(text, parameter->flag);
        if (parameter->kind != PARAMETER_SWITCH) {
            if (parameter->flag) text_putc(text, ' ');
            append_upper(text, parameter->name);
        }
        if (!parameter->required) text_putc(text, ']');
    }
}
