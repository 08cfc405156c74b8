/*
 * Replays a fuzz target without libFuzzer: each file of the corpus folder as it is, then a few mutations of it that are the same on
 * every run (bytes flipped, ranges overwritten with values that decoders trip over, the end cut off). So an input that once
 * crashed is tried in the ordinary test run, with any compiler.
 *
 *     fuzz_X [FOLDER|FILE...]
 *
 * The input always lies in a block of its own of exactly its size, so that the address sanitizer sees each byte read too far.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MUTATIONS_PER_INPUT = 24, LARGEST_INPUT = 1 << 20, LONGEST_OVERWRITE = 16 };

static unsigned long input_count;

/* xorshift64*: all that is asked of it is to give the same numbers everywhere. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

static void *allocate(size_t size)
{
    void *block = malloc(size ? size : 1);
    if (!block) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return block;
}

static void run_input(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = allocate(size);
    if (size) memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    input_count++;
}

static void mutate(uint8_t *bytes, size_t *size, uint64_t *random)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff };
    size_t at = next_random(random) % *size;
    switch (next_random(random) % 4) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << (next_random(random) % 8));
        break;
    case 1:
        bytes[at] = (uint8_t)next_random(random);
        break;
    case 2: {
        size_t length = 1 + next_random(random) % LONGEST_OVERWRITE;
        if (length > *size - at) length = *size - at;
        memset(bytes + at, values[next_random(random) % sizeof(values)], length);
        break;
    }
    default:
        *size = at;
    }
}

static void run_mutations(const uint8_t *bytes, size_t size)
{
    uint64_t random = 0x9e3779b97f4a7c15ULL ^ size;
    uint8_t *copy = allocate(size);
    for (int i = 0; i < MUTATIONS_PER_INPUT && size > 0; i++) {
        size_t copy_size = size;
        memcpy(copy, bytes, size);
        for (uint64_t changes = 1 + next_random(&random) % 3; changes > 0 && copy_size > 0; changes--)
            mutate(copy, &copy_size, &random);
        run_input(copy, copy_size);
    }
    free(copy);
}

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return false;
    }
    uint8_t *bytes = allocate(LARGEST_INPUT);
    size_t size = fread(bytes, 1, LARGEST_INPUT, file);
    fclose(file);
    run_input(bytes, size);
    run_mutations(bytes, size);
    free(bytes);
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In the order of the names: the same on every file system. */
static bool run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        good = run_file(name) && good;
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    run_input((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (stat(argv[i], &status)) /* a target without a corpus yet */
            continue;
        good = (S_ISDIR(status.st_mode) ? run_folder(argv[i]) : run_file(argv[i])) && good;
    }
    printf("%lu inputs\n", input_count);
    return good ? 0 : 1;
}
