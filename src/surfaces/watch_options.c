#include "surfaces/watch_options.h"

#include <stdlib.h>
#include <string.h>

#include "relations/relation.h"
#include "surfaces/number.h"
#include "surfaces/watch_sample.h"

enum { EVERY_DEFAULT_MS = 60000, EVERY_LEAST_MS = 100, EVERY_MOST_MS = 86400000 };

bool watch_parse_interval(const char *word, uint64_t *ret)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = { { "ms", 1 }, { "", 1000 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 } };
    size_t digits = strspn(word, "0123456789");
    uint64_t number;

    if (!digits || digits > 9) return false;
    number = strtoull(word, NULL, 10);
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strcmp(word + digits, units[i].name) != 0) continue;
        *ret = number * units[i].ms;
        return *ret >= EVERY_LEAST_MS && *ret <= EVERY_MOST_MS;
    }
    return false;
}

/* ---- condition ---- */

static struct error *bad_condition(const char *text)
{
    return error_create(ERROR_USAGE, "'%s' is no condition such as 'total > 2GB' or 'assemblies >= 5000'", text);
}

struct error *watch_condition_parse(struct watch_condition *condition, const char *text)
{
    size_t length = strcspn(text, "<>"), size = length, skip;
    const char *value;

    while (size > 0 && text[size - 1] == ' ')
        size--;
    skip = strspn(text, " ");
    if (!text[length] || skip >= size || size - skip >= sizeof(condition->metric)) return bad_condition(text);
    memcpy(condition->metric, text + skip, size - skip);
    condition->metric[size - skip] = 0;
    condition->operation[0] = text[length];
    condition->operation[1] = text[length + 1] == '=' ? '=' : 0;
    condition->operation[2] = 0;
    value = text + length + strlen(condition->operation);
    value += strspn(value, " ");
    if (!number_parse(value, strlen(value), &condition->value)) return bad_condition(text);
    condition->text = text;
    return NULL;
}

bool watch_condition_holds(const struct watch_condition *condition, const char *metric, uint64_t value)
{
    bool or_equal = condition->operation[1] == '=' && value == condition->value;

    if (!condition->text || !name_equal(condition->metric, metric)) return false;
    return or_equal || (condition->operation[0] == '>' ? value > condition->value : value < condition->value);
}

/* ---- words ---- */

static struct error *parse_number(const char *name, const char *word, uint64_t most, uint64_t *ret)
{
    if (!number_parse(word, strlen(word), ret) || *ret == 0 || *ret > most)
        return error_create(ERROR_USAGE, "'%s' is no number for %s, at most %llu", word, name, (unsigned long long)most);
    return NULL;
}

static struct error *set(struct watch_options *options, const char *name, const char *value)
{
    uint64_t types = 0;

    if (!strcmp(name, "--every")) {
        if (watch_parse_interval(value, &options->every_ms)) return NULL;
        return error_create(ERROR_USAGE, "'%s' is no time such as 60s, 5m or 1h, 100ms to 24h", value);
    }
    if (!strcmp(name, "--count")) return parse_number(name, value, UINT32_MAX, &options->count);
    if (!strcmp(name, "--types")) {
        TRY(parse_number(name, value, WATCH_TYPES_MAX, &types));
        options->types = (unsigned)types;
        return NULL;
    }
    if (!strcmp(name, "--db")) {
        options->database = value;
        return NULL;
    }
    if (!strcmp(name, "--snapshot-when")) return watch_condition_parse(&options->when, value);
    if (!strcmp(name, "-o")) {
        options->output = value;
        return NULL;
    }
    return error_create(ERROR_USAGE, "'%s' is nothing that watch understands", name);
}

struct error *watch_options_parse(struct watch_options *options, const struct words *words)
{
    *options = (struct watch_options) { .every_ms = EVERY_DEFAULT_MS };
    for (size_t i = 1; i < words->list.count; i++) {
        const char *word = words->list.data[i];

        if (!strcmp(word, "--full")) {
            options->full = true;
            continue;
        }
        if (*word != '-') return error_create(ERROR_USAGE, "'%s' is nothing that watch understands", word);
        if (i + 1 == words->list.count) return error_create(ERROR_USAGE, "%s needs a value", word);
        TRY(set(options, word, words->list.data[++i]));
    }
    if (options->when.text && !options->output)
        return error_create(ERROR_USAGE, "--snapshot-when needs -o FILE, where the snapshot goes");
    if (options->output && !options->when.text) return error_create(ERROR_USAGE, "-o is for --snapshot-when");
    if (options->output && !strcmp(options->output, "-")) return error_create(ERROR_USAGE, "watch writes its snapshot into a file");
    return NULL;
}
