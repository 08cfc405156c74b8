#include "target/image_search.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/sigbus.h"

enum { MAX_PATH = 4096, MAX_PARTS = 64, MAX_DIRECTORY_ENTRIES = 1 << 18 };

static int open_directory(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

struct error *image_search_init(struct image_search *search, const char *const *dirs, size_t dir_count, const char *sysroot,
                                bool is_windows, struct gaps *gaps)
{
    *search = (struct image_search) { .sysroot = -1, .is_windows = is_windows };
    for (size_t i = 0; i < dir_count; i++) {
        int fd = open_directory(dirs[i]);
        if (fd < 0) {
            gaps_add(gaps, "directory of images", 0, 1, "cannot open '%s': %s", dirs[i], strerror(errno));
        } else if (!vec_push(&search->dirs, fd)) {
            close(fd);
            image_search_deinit(search);
            return &error_enomem;
        }
    }
    if (sysroot && (search->sysroot = open_directory(sysroot)) < 0) {
        gaps_add(gaps, "directory of images", 0, 1, "cannot open '%s': %s", sysroot, strerror(errno));
    }
    return NULL;
}

void image_search_deinit(struct image_search *search)
{
    for (size_t i = 0; i < search->dirs.count; i++)
        close(search->dirs.data[i]);
    vec_deinit(&search->dirs);
    if (search->sysroot >= 0) close(search->sysroot);
    search->sysroot = -1;
}

/* The path's parts, pointing into `copy`; none is empty, "." or "..". False when it has more than can be meant. */
struct parts {
    char copy[MAX_PATH];
    const char *part[MAX_PARTS];
    size_t count;
};

static bool split(const char *path, bool is_windows, struct parts *ret)
{
    static const char deleted[] = " (deleted)"; /* the kernel adds it to the path of a file that was replaced meanwhile */
    size_t length = strlen(path);
    char *state = NULL;

    if (length >= sizeof(deleted) && strcmp(path + length - (sizeof(deleted) - 1), deleted) == 0) length -= sizeof(deleted) - 1;
    if (length >= MAX_PATH) return false;
    memcpy(ret->copy, path, length);
    ret->copy[length] = 0;
    ret->count = 0;
    for (char *part = strtok_r(ret->copy, is_windows ? "/\\" : "/", &state); part;
         part = strtok_r(NULL, is_windows ? "/\\" : "/", &state)) {
        if (strcmp(part, ".") == 0 || (is_windows && part[0] && part[1] == ':' && !part[2])) continue;
        if (strcmp(part, "..") == 0 || ret->count == MAX_PARTS) return false;
        ret->part[ret->count++] = part;
    }
    return ret->count > 0;
}

/* Opens part by part without following any link: for kernels, and sandboxes, that lack openat2. */
static int open_without_links(int dir, const char *path, int flags)
{
    char copy[MAX_PATH], *state = NULL, *part, *next;
    int at = dir;

    if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy)) return -1;
    part = strtok_r(copy, "/", &state);
    while (part) {
        int fd;
        next = strtok_r(NULL, "/", &state);
        fd = openat(at, part, next ? O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC : flags | O_NOFOLLOW);
        if (at != dir) close(at);
        if (fd < 0) return -1;
        at = fd;
        part = next;
    }
    return at == dir ? -1 : at;
}

static int open_beneath(int dir, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = { .flags = (uint64_t)flags, .resolve = resolve | RESOLVE_NO_MAGICLINKS };
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
        return resolve ? open_without_links(dir, path, flags) : openat(dir, path, flags);
    }
    return (int)fd;
}

/* Opens what is a regular file; devices and pipes are not opened for reading even once. */
static int open_file(int dir, const char *path, uint64_t resolve)
{
    static const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int probe = open_beneath(dir, path, O_PATH | O_CLOEXEC, resolve), fd = -1;
    struct stat first, second;

    if (probe < 0) return -1;
    if (fstat(probe, &first) == 0 && S_ISREG(first.st_mode)) fd = open_beneath(dir, path, flags, resolve);
    close(probe);
    if (fd >= 0 && (fstat(fd, &second) != 0 || second.st_ino != first.st_ino || second.st_dev != first.st_dev)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool map_file(int fd, atomic_uint_fast64_t *lost_pages, struct span *ret)
{
    struct stat status;
    void *data;

    if (fstat(fd, &status) != 0 || status.st_size <= 0) return false;
    data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return false;
    sigbus_register(data, (size_t)status.st_size, lost_pages);
    *ret = (struct span) { data, (size_t)status.st_size };
    return true;
}

void image_file_unmap(struct span file)
{
    if (!file.data) return;
    sigbus_unregister(file.data);
    munmap((void *)(uintptr_t)file.data, file.size);
}

struct candidate {
    bool (*accept)(void *user, struct span bytes);
    void *user;
    atomic_uint_fast64_t *lost_pages;
    struct span *ret;
};

/* Takes `fd`. */
static bool try_candidate(int fd, const struct candidate *candidate)
{
    struct span bytes;
    bool is_mapped;

    if (fd < 0) return false;
    is_mapped = map_file(fd, candidate->lost_pages, &bytes);
    close(fd);
    if (!is_mapped) return false;
    if (candidate->accept(candidate->user, bytes)) {
        *candidate->ret = bytes;
        return true;
    }
    image_file_unmap(bytes);
    return false;
}

/* Replaces `name` by the entry of `dir` that equals it but for case. */
static bool find_without_case(int dir, const char *below, const char *name, char found[NAME_MAX + 1])
{
    int fd = open_beneath(dir, *below ? below : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    bool is_found = false;
    struct dirent *entry;

    if (!stream) {
        if (fd >= 0) close(fd);
        return false;
    }
    for (int i = 0; !is_found && i < MAX_DIRECTORY_ENTRIES && (entry = readdir(stream)) != NULL; i++) {
        if (strcasecmp(entry->d_name, name) != 0) continue;
        snprintf(found, NAME_MAX + 1, "%s", entry->d_name);
        is_found = true;
    }
    closedir(stream);
    return is_found;
}

/* Joins the parts from `first` on into `ret`, each spelled as it is below `dir` when `is_windows`. */
static bool join(int dir, const struct parts *parts, size_t first, bool is_windows, char ret[MAX_PATH])
{
    size_t length = 0;

    ret[0] = 0;
    for (size_t i = first; i < parts->count; i++) {
        char found[NAME_MAX + 1];
        const char *part = parts->part[i];
        int written;
        if (is_windows) {
            if (!find_without_case(dir, ret, part, found)) return false;
            part = found;
        }
        written = snprintf(ret + length, MAX_PATH - length, "%s%s", length ? "/" : "", part);
        if (written < 0 || (size_t)written >= MAX_PATH - length) return false;
        length += (size_t)written;
    }
    return true;
}

static bool search_dir(int dir, const struct parts *parts, bool is_windows, const struct candidate *candidate)
{
    char path[MAX_PATH];

    for (size_t first = 0; first < parts->count; first++) {
        if (!join(dir, parts, first, is_windows, path)) continue;
        if (try_candidate(open_file(dir, path, RESOLVE_BENEATH), candidate)) return true;
    }
    return false;
}

bool image_search_find(struct image_search *search, const char *path, bool (*accept)(void *user, struct span bytes), void *user,
                       struct span *ret)
{
    struct candidate candidate = { accept, user, &search->lost_pages, ret };
    struct parts parts;
    char joined[MAX_PATH + 1] = "/";

    if (!split(path, search->is_windows, &parts)) return false;
    for (size_t i = 0; i < search->dirs.count; i++) {
        if (search_dir(search->dirs.data[i], &parts, search->is_windows, &candidate)) return true;
    }
    if (search->sysroot >= 0) {
        return join(search->sysroot, &parts, 0, search->is_windows, joined) &&
               try_candidate(open_file(search->sysroot, joined, RESOLVE_IN_ROOT), &candidate);
    }
    if (path[0] != '/' || !join(-1, &parts, 0, false, joined + 1)) return false;
    joined[0] = '/';
    return try_candidate(open_file(AT_FDCWD, joined, 0), &candidate);
}
