#include "target_opened.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <ftw.h>

void target_opened_init(struct target_opened *opened, struct span bytes, const char *images, const char *sysroot)
{
    struct target_options options = { .image_dirs = &images, .image_dir_count = images != NULL, .sysroot = sysroot };
    struct byte_file *file;
    struct dump *dump;

    gaps_init(&opened->gaps);
    assert_null(byte_file_from_memory(bytes, &file));
    assert_null(dump_open_file(file, &opened->gaps, &dump));
    assert_null(target_open(dump, &options, &opened->gaps, &opened->target));
}

void target_opened_deinit(struct target_opened *opened)
{
    target_close(opened->target);
    gaps_deinit(&opened->gaps);
}

const char *target_opened_gap(const struct target_opened *opened, const char *part)
{
    for (size_t i = 0; i < opened->gaps.list.count; i++) {
        const struct gap *gap = &opened->gaps.list.data[i];
        if (strcmp(gap->what, "image file") == 0 && strstr(gap->why, part)) return gap->why;
    }
    return NULL;
}

void scratch_init(struct scratch *scratch)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(scratch->path, sizeof(scratch->path), "%s/clrtrail-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(scratch->path));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status, (void)type, (void)position;
    return remove(path);
}

void scratch_deinit(struct scratch *scratch)
{
    nftw(scratch->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void scratch_write(const struct scratch *scratch, const char *name, struct span content)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", scratch->path, name);
    for (char *slash = path + strlen(scratch->path) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.size, file), content.size);
    fclose(file);
}
