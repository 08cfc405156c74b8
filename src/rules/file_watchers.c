/*
 * FileSystemWatchers that nobody disposed.
 *
 * Each one that is enabled has an inotify watch, mostly an inotify instance (of which a user may have 128 by default), a buffer
 * and a thread or a handle; configuration files that reload make one for each provider.
 */
#include "rules/many.h"

/* One a folder is normal; hosts with dozens of folders exist. */
enum { WATCHERS_MIN = 30, WATCHERS_PROVEN = 60 };

static const char *const types[] = { "System.IO.FileSystemWatcher", NULL };
static const struct call_pattern calls[] = {
    { .type = "System.IO.FileSystemWatcher", .method = ".ctor" },
    { .type = "Microsoft.Extensions.FileProviders.PhysicalFileProvider", .method = ".ctor" },
    { .type = "Microsoft.Extensions.Configuration.JsonConfigurationExtensions", .method = "AddJsonFile" },
};

static bool is_open(struct clr *clr, uint64_t addr)
{
    int64_t disposed = 0;

    return !managed_follow_number(clr, addr, "_disposed", &disposed) || !disposed;
}

static const struct many watchers = {
    .rule = "file-watchers",
    .doc = "docs/causes/file-watchers.md",
    .kind = "handles",
    .types = types,
    .least = WATCHERS_MIN,
    .proven = WATCHERS_PROVEN,
    .noun = "file system watchers",
    .state = "are alive and not disposed",
    .cause = "a FileSystemWatcher (or configuration that reloads) is made again and again, and not disposed",
    .fix = "keep one watcher a folder, and dispose it with its owner; build configuration once, or without reloadOnChange",
    .label = "_directory",
    .label_noun = "folders",
    .calls = calls,
    .call_count = ARRAY_LENGTH(calls),
    .counts = is_open,
};

static struct error *watchers_run(struct session *session, struct findings *findings)
{
    return many_run(session, findings, &watchers);
}

const struct rule rule_file_watchers = {
    .name = "file-watchers",
    .summary = "FileSystemWatchers are made again and again, and not disposed",
    .refines = "accumulation",
    .run = watchers_run,
};
