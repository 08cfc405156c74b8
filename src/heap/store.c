#include "heap/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/parallel.h"

/* The version goes up when a section's form or meaning changes. */
enum { VERSION = 1, PIECE_SIZE = 1 << 20, ALIGNMENT = 4096, COPY_SIZE = 1 << 20, PART_SECONDS_MAX = 3600 };
static const char magic[16] = "clrtrail index\n";

/* ---- sections ---- */

struct piece_job {
    int fd; /* -1: hash only */
    uint64_t offset;
    uint8_t *data;
    size_t size;
    const struct siphash_key *key;
    uint64_t *macs;
    bool *ok;
};

static bool read_all(int fd, void *data, size_t size, uint64_t offset)
{
    for (uint8_t *at = data; size > 0;) {
        ssize_t done = pread(fd, at, size, (off_t)offset);

        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

static bool write_all(int fd, const void *data, size_t size, uint64_t offset)
{
    for (const uint8_t *at = data; size > 0;) {
        ssize_t done = pwrite(fd, at, size, (off_t)offset);

        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

static void do_piece(void *user, size_t i)
{
    const struct piece_job *job = user;
    size_t start = i * PIECE_SIZE, size = job->size - start < PIECE_SIZE ? job->size - start : PIECE_SIZE;

    job->ok[i] = job->fd < 0 || read_all(job->fd, job->data + start, size, job->offset + start);
    if (job->ok[i]) job->macs[i] = siphash(job->key, job->data + start, size);
}

/* The MAC of a section is that of its pieces' MACs. With a file, its bytes are read on the way. */
static bool section_mac(int fd, uint64_t offset, void *data, size_t size, const struct store *store, uint64_t *ret)
{
    size_t pieces = size / PIECE_SIZE + (size % PIECE_SIZE != 0);
    struct piece_job job = {
        fd, offset, data, size, &store->key, calloc(pieces + 1, sizeof(*job.macs)), calloc(pieces + 1, sizeof(*job.ok))
    };
    bool ok = job.macs && job.ok;

    if (ok) parallel_for(store->threads, pieces, do_piece, &job);
    for (size_t i = 0; ok && i < pieces; i++)
        ok = job.ok[i];
    if (ok) *ret = siphash(&store->key, job.macs, pieces * sizeof(*job.macs));
    free(job.macs);
    free(job.ok);
    return ok;
}

static const struct store_section *find_section(const struct store *store, const char *name, uint64_t context)
{
    for (uint32_t i = 0; store && i < store->section_count; i++)
        if (!strcmp(store->sections[i].name, name) && store->sections[i].context == context) return &store->sections[i];
    return NULL;
}

size_t store_size(const struct store *store, const char *name, uint64_t context)
{
    const struct store_section *section = find_section(store, name, context);

    return section ? (size_t)section->size : 0;
}

bool store_read(const struct store *store, const char *name, uint64_t context, void *data, size_t size)
{
    const struct store_section *section = find_section(store, name, context);
    uint64_t mac;

    return section && section->size == size && section_mac(store->fd, section->offset, data, size, store, &mac) &&
           mac == section->mac;
}

void store_offer(struct store *store, const char *name, uint64_t context, const void *data, size_t size)
{
    if (!store || store->folder_fd < 0 || store->offer_count == STORE_SECTIONS_MAX || !size) return;
    store->offers[store->offer_count++] = (struct store_offer) { name, context, data, size };
}

/* ---- the file's head ---- */

uint64_t store_mac(const struct store_header *header, const struct store_section *table, const struct siphash_key *key)
{
    struct {
        struct store_header header;
        struct store_section sections[STORE_SECTIONS_MAX];
    } all = { .header = *header };

    all.header.mac = 0;
    memcpy(all.sections, table, header->section_count * sizeof(*table));
    return siphash(key, &all, sizeof(all.header) + header->section_count * sizeof(*table));
}

bool store_parse(const void *bytes, size_t size, uint64_t file_size, const struct siphash_key *key, uint64_t identity,
                 struct store_section *sections, uint32_t *count_ret)
{
    struct store_header header;

    if (size < sizeof(header)) return false;
    memcpy(&header, bytes, sizeof(header));
    if (memcmp(header.magic, magic, sizeof(magic)) != 0 || header.version != VERSION || header.identity != identity) return false;
    if (header.section_count > STORE_SECTIONS_MAX || size - sizeof(header) < header.section_count * sizeof(*sections)) return false;
    memcpy(sections, (const uint8_t *)bytes + sizeof(header), header.section_count * sizeof(*sections));
    if (store_mac(&header, sections, key) != header.mac) return false;
    for (uint32_t i = 0; i < header.section_count; i++)
        if (sections[i].name[STORE_NAME_SIZE - 1] || sections[i].offset > file_size ||
            sections[i].size > file_size - sections[i].offset || sections[i].size > SIZE_MAX)
            return false;
    *count_ret = header.section_count;
    return true;
}

static void read_table(struct store *store)
{
    struct {
        struct store_header header;
        struct store_section sections[STORE_SECTIONS_MAX];
    } head;
    struct stat file;
    size_t size = sizeof(head);

    if (fstat(store->fd, &file) || !S_ISREG(file.st_mode)) return;
    if ((uint64_t)file.st_size < size) size = (size_t)file.st_size;
    if (!read_all(store->fd, &head, size, 0)) return;
    if (!store_parse(&head, size, (uint64_t)file.st_size, &store->key, store->identity, store->sections, &store->section_count))
        store->section_count = 0;
}

/* ---- folder and key ---- */

/* Makes the folder and those above it that are missing. */
static void make_folders(const char *path)
{
    char *copy = strdup(path);

    if (!copy) return;
    for (char *at = strchr(copy + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = 0;
        mkdir(copy, 0700);
        *at = '/';
    }
    mkdir(copy, 0700);
    free(copy);
}

/* -1 unless it is this user's and nobody else can write into it. */
static int open_folder(const char *path)
{
    struct stat folder;
    int fd;

    make_folders(path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    if (!fstat(fd, &folder) && folder.st_uid == geteuid() && !(folder.st_mode & (S_IWGRP | S_IWOTH))) return fd;
    close(fd);
    return -1;
}

static int open_cache(void)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool is_cache = cache && cache[0] == '/';
    char *path = NULL;
    int fd = -1;

    if (!is_cache && !(home && home[0] == '/')) return -1;
    if (asprintf(&path, "%s%s/clrtrail", is_cache ? cache : home, is_cache ? "" : "/.cache") < 0) return -1;
    fd = open_folder(path);
    free(path);
    return fd;
}

static bool read_key(int folder, struct siphash_key *ret)
{
    int fd = openat(folder, "key", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat file;
    bool ok;

    if (fd < 0) return false;
    ok = !fstat(fd, &file) && file.st_uid == geteuid() && !(file.st_mode & 077) && read_all(fd, ret, sizeof(*ret), 0);
    close(fd);
    return ok;
}

/* Two processes may make one at once: the first keeps its own, since a link is made only where there is none. */
static bool make_key(int folder, struct siphash_key *ret)
{
    char name[32];
    bool ok;
    int fd;

    if (getrandom(ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret)) return false;
    snprintf(name, sizeof(name), "key.%ld", (long)getpid());
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    ok = write_all(fd, ret, sizeof(*ret), 0);
    close(fd);
    if (ok && linkat(folder, name, folder, "key", 0) && errno != EEXIST) ok = false;
    unlinkat(folder, name, 0);
    return ok && read_key(folder, ret);
}

static void file_name(const struct store *store, const char *suffix, char name[64])
{
    snprintf(name, 64, "%016llx.%s", (unsigned long long)store->identity, suffix);
}

bool store_open(const char *folder, uint64_t identity, unsigned threads, struct store *ret)
{
    int cache = open_cache();
    bool has_key = cache >= 0 && (read_key(cache, &ret->key) || make_key(cache, &ret->key));
    char name[64];

    ret->fd = ret->folder_fd = -1;
    ret->identity = identity;
    ret->threads = threads;
    ret->section_count = ret->offer_count = 0;
    if (has_key) ret->folder_fd = folder ? open_folder(folder) : dup(cache);
    if (cache >= 0) close(cache);
    if (ret->folder_fd < 0) return false;
    file_name(ret, "index", name);
    ret->fd = openat(ret->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (ret->fd >= 0) read_table(ret);
    return true;
}

void store_close(struct store *store)
{
    if (store->fd >= 0) close(store->fd);
    if (store->folder_fd >= 0) close(store->folder_fd);
    store->fd = store->folder_fd = -1;
}

/* ---- writing ---- */

static uint64_t aligned(uint64_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool copy_section(const struct store *store, const struct store_section *from, int fd, uint64_t offset)
{
    uint8_t *buffer = malloc(COPY_SIZE);
    bool ok = buffer != NULL;

    for (uint64_t done = 0; ok && done < from->size;) {
        size_t step = from->size - done < COPY_SIZE ? (size_t)(from->size - done) : COPY_SIZE;

        ok = read_all(store->fd, buffer, step, from->offset + done) && write_all(fd, buffer, step, offset + done);
        done += step;
    }
    free(buffer);
    return ok;
}

static bool is_offered(const struct store *store, const struct store_section *section)
{
    for (uint32_t i = 0; i < store->offer_count; i++)
        if (!strcmp(store->offers[i].name, section->name)) return true;
    return false;
}

/* Offered sections, then those of the old file that are not replaced: their MACs stay true. */
static bool write_sections(const struct store *store, int fd, struct store_section *table, uint32_t *count_ret)
{
    uint64_t offset = aligned(sizeof(struct store_header) + STORE_SECTIONS_MAX * sizeof(*table));
    uint32_t count = 0;

    for (uint32_t i = 0; i < store->offer_count; i++) {
        const struct store_offer *offer = &store->offers[i];
        struct store_section *section = &table[count++];

        *section = (struct store_section) { .context = offer->context, .offset = offset, .size = offer->size };
        snprintf(section->name, sizeof(section->name), "%s", offer->name);
        if (!section_mac(-1, 0, (void *)(uintptr_t)offer->data, offer->size, store, &section->mac) ||
            !write_all(fd, offer->data, offer->size, offset))
            return false;
        offset += aligned(offer->size);
    }
    for (uint32_t i = 0; i < store->section_count && count < STORE_SECTIONS_MAX; i++) {
        if (is_offered(store, &store->sections[i])) continue;
        table[count] = store->sections[i];
        table[count].offset = offset;
        if (!copy_section(store, &store->sections[i], fd, offset)) return false;
        offset += aligned(table[count++].size);
    }
    *count_ret = count;
    return true;
}

static bool write_file(const struct store *store, int fd)
{
    struct store_section table[STORE_SECTIONS_MAX] = { 0 };
    struct store_header header = { .version = VERSION, .identity = store->identity };

    memcpy(header.magic, magic, sizeof(magic));
    if (!write_sections(store, fd, table, &header.section_count)) return false;
    header.mac = store_mac(&header, table, &store->key);
    return write_all(fd, table, sizeof(table), sizeof(header)) && write_all(fd, &header, sizeof(header), 0);
}

struct old_file {
    char name[64];
    struct timespec time;
};

static int newest_first(const void *a, const void *b)
{
    const struct timespec *left = &((const struct old_file *)a)->time, *right = &((const struct old_file *)b)->time;

    if (left->tv_sec != right->tv_sec) return left->tv_sec > right->tv_sec ? -1 : 1;
    return left->tv_nsec > right->tv_nsec ? -1 : left->tv_nsec < right->tv_nsec;
}

/* A cache that only grows is a leak: the newest STORE_FILES_MAX stay. */
static void remove_old(int folder_fd)
{
    enum { LISTED_MAX = 1024 };
    struct old_file *files = calloc(LISTED_MAX, sizeof(*files));
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    struct stat file;
    size_t count = 0;

    if (!folder && fd >= 0) close(fd);
    while (folder && files && count < LISTED_MAX && (entry = readdir(folder))) {
        size_t length = strlen(entry->d_name);

        /* Ours only: 16 digits, then a suffix. */
        if (length < 22 || length >= sizeof(files->name) || strspn(entry->d_name, "0123456789abcdef") != 16) continue;
        if (fstatat(folder_fd, entry->d_name, &file, AT_SYMLINK_NOFOLLOW)) continue;
        if (!strcmp(entry->d_name + length - 5, ".part") && time(NULL) - file.st_mtim.tv_sec > PART_SECONDS_MAX)
            unlinkat(folder_fd, entry->d_name, 0); /* of one that was killed */
        if (strcmp(entry->d_name + 16, ".index") != 0) continue;
        memcpy(files[count].name, entry->d_name, length + 1);
        files[count++].time = file.st_mtim;
    }
    if (folder) closedir(folder);
    if (files) qsort(files, count, sizeof(*files), newest_first);
    for (size_t i = STORE_FILES_MAX; i < count; i++)
        unlinkat(folder_fd, files[i].name, 0);
    free(files);
}

void store_save(struct store *store)
{
    char name[64], unfinished[64], suffix[32];
    bool ok;
    int fd;

    if (!store || store->folder_fd < 0 || !store->offer_count) return;
    snprintf(suffix, sizeof(suffix), "%ld.part", (long)getpid());
    file_name(store, "index", name);
    file_name(store, suffix, unfinished);
    unlinkat(store->folder_fd, unfinished, 0); /* of a process with our number that was killed */
    fd = openat(store->folder_fd, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return;
    ok = write_file(store, fd);
    close(fd);
    if (!ok || renameat(store->folder_fd, unfinished, store->folder_fd, name)) unlinkat(store->folder_fd, unfinished, 0);
    remove_old(store->folder_fd);
}
