#include "surfaces/words.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

enum { WORD_MAX = 64 }; /* longer words are not worth a suggestion */

void words_deinit(struct words *words)
{
    vec_deinit(&words->list);
}

/* Appends the quoted part that begins at `s` to `word`; the character behind the closing quote, NULL when there is none. */
static const char *split_quoted(const char *s, struct text *word)
{
    char quote = *s++;

    for (; *s && *s != quote; s++) {
        if (quote == '"' && *s == '\\' && s[1]) s++;
        text_putc(word, *s);
    }
    return *s ? s + 1 : NULL;
}

static const char *split_word(const char *s, struct text *word)
{
    while (s && *s && !isspace((unsigned char)*s)) {
        if (*s == '"' || *s == '\'')
            s = split_quoted(s, word);
        else
            text_putc(word, *s++);
    }
    return s;
}

struct error *words_split(struct words *words, struct arena *arena, const char *line)
{
    struct text word = { 0 };
    struct error *err = NULL;
    const char *s = line;

    while (!err) {
        char *copy;

        while (isspace((unsigned char)*s))
            s++;
        if (!*s) break;
        text_clear(&word);
        s = split_word(s, &word);
        if (!s) {
            err = error_create(ERROR_USAGE, "a quote in '%s' has no end", line);
            break;
        }
        copy = word.failed ? NULL : arena_strndup(arena, text_cstr(&word), word.length);
        if (!copy || !vec_push(&words->list, copy)) err = &error_enomem;
    }
    text_deinit(&word);
    return err;
}

static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > WORD_MAX || b_length > WORD_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        previous[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *next = before;

        current[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);

            current[j] = least(least(previous[j], current[j - 1]) + 1, previous[j - 1] + !same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                current[j] = least(current[j], before[j - 2] + 1);
        }
        before = previous;
        previous = current;
        current = next;
    }
    return previous[b_length];
}

void suggestion_init(struct suggestion *suggestion, const char *wanted)
{
    /* About a third of the letters may be wrong; more is a guess that only confuses. */
    size_t limit = strlen(wanted) / 3 + 1;

    *suggestion = (struct suggestion) { .wanted = wanted, .distance = limit + 1 };
}

static bool begins_with(const char *s, const char *prefix)
{
    for (; *prefix; s++, prefix++)
        if (fold(*s) != fold(*prefix)) return false;
    return true;
}

void suggestion_add(struct suggestion *suggestion, const char *candidate)
{
    size_t distance = edit_distance(suggestion->wanted, candidate);

    /* "heap" for "heaps_of_gc": a beginning is a better hint than its length says. */
    if (strlen(suggestion->wanted) >= 3 && begins_with(candidate, suggestion->wanted)) distance = least(distance, 2);
    if (distance >= suggestion->distance) return;
    suggestion->distance = distance;
    suggestion->best = candidate;
}

struct error *suggestion_error(const struct suggestion *suggestion, const char *what)
{
    if (!suggestion->best) return error_create(ERROR_USAGE, "unknown %s '%s'", what, suggestion->wanted);
    return error_create(ERROR_USAGE, "unknown %s '%s'; did you mean '%s'?", what, suggestion->wanted, suggestion->best);
}
