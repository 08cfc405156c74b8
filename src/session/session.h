/*
 * One open dump, and everything above it, built when first asked: dump -> target -> clr -> heap. Owns them all.
 */
#ifndef CLRTRAIL_SESSION_SESSION_H
#define CLRTRAIL_SESSION_SESSION_H

#include "base/arena.h"
#include "base/error.h"
#include "base/gaps.h"
#include "base/progress.h"

struct live_pages;
struct target;
struct clr;
struct gc_heaps;
struct histogram;
struct loader_heap_blocks;
struct code_heaps;
struct handle_table;
struct dependents;
struct finalizables;
struct heap_starts;
struct roots;
struct graph;
struct retained;
struct findings;
struct blocked_threads;
struct session;

struct session_options {
    const char *path; /* file, "pid:N" or "-" */
    const char *const *image_dirs;
    size_t image_dir_count;
    const char *sysroot;
    unsigned threads;          /* 0: as many as there are processors */
    bool hold;                 /* a live process stands still until the session is closed, by the same thread */
    const char *index;         /* folder of its own for the index (heap/store.h); "": the user's cache; NULL: none */
    unsigned runtime;          /* which of several runtimes in the process, 0-based */
    bool any_runtime;          /* instead: the first one that can be read */
    struct progress *progress; /* may be NULL; borrowed */
};

/* Errors: the dump cannot be opened at all. */
struct error *session_open(const struct session_options *options, struct session **ret);
/* Another dump, opened as `session` was: the same images, number of threads, and so on. `path` is borrowed. */
struct error *session_open_like(const struct session *session, const char *path, struct session **ret);
void session_close(struct session *session);

struct target *session_target(struct session *session);
/* The runtime's structures. Errors: why no runtime can be read; the same (a copy) each time it is asked. */
struct error *session_clr(struct session *session, struct clr **ret);
/* The parts below are built when first asked, kept, and borrowed from the session. */
struct error *session_gc_heaps(struct session *session, const struct gc_heaps **ret);
/* Objects by type over the whole heap. */
struct error *session_histogram(struct session *session, const struct histogram **ret);
struct error *session_loader_heaps(struct session *session, const struct loader_heap_blocks **ret);
struct error *session_code_heaps(struct session *session, const struct code_heaps **ret);
/* All GC handles. */
struct error *session_handles(struct session *session, const struct handle_table **ret);
/* Objects with a finalizer. */
struct error *session_finalizables(struct session *session, const struct finalizables **ret);
/* Threads that stand still, and in what (managed/blocked.h). */
struct error *session_blocked_threads(struct session *session, const struct blocked_threads **ret);
/* What objects keep alive through dependent handles; none where the handles cannot be read, which is a gap. */
struct error *session_dependents(struct session *session, const struct dependents **ret);
/* Where objects start, and their dense numbers. */
struct error *session_starts(struct session *session, const struct heap_starts **ret);
/* What keeps objects alive from outside of the heap. */
struct error *session_roots(struct session *session, const struct roots **ret);
/* Which objects are alive, and a shortest path to each (heap/paths.h). */
struct error *session_graph(struct session *session, const struct graph **ret);
/* The same; the first call notes who refers to the object at `watched` on the way, which else costs a pass of its own. */
struct error *session_graph_watching(struct session *session, uint64_t watched, const struct graph **ret);
/* Dominators and retained sizes of all objects (heap/retained.h). */
struct error *session_retained(struct session *session, const struct retained **ret);
struct gaps *session_gaps(struct session *session);
/* Which pages of a running process were in memory when it was opened; empty for dumps. */
const struct live_pages *session_live_pages(const struct session *session);
struct progress *session_progress(struct session *session);
struct arena *session_arena(struct session *session);
unsigned session_threads(const struct session *session);

/* What the head of every machine output says about the dump. Unknown texts are NULL. */
struct session_info {
    const char *path, *format, *kind, *os, *arch;
    uint32_t pid;
    uint64_t time;
    const char *runtime_name;    /* "coreclr" */
    const char *runtime_version; /* "10.0.12" */
    const char *gc;              /* "workstation", "server" */
    unsigned heaps;
    const char *layouts; /* "descriptor + built-in 10.0" */
};
void session_info(struct session *session, struct session_info *ret);

/* ---- dumps that are written ---- */

enum snapshot_source { SNAPSHOT_BY_ANY, SNAPSHOT_BY_READING /* /proc */, SNAPSHOT_BY_PORT /* of the runtime */ };

struct snapshot_options {
    const char *target; /* "pid:N" */
    const char *output; /* a new file, compressed when it ends in .zst, or "-" */
    bool heap_only;     /* what an analysis needs, instead of everything */
    bool run_on;        /* do not hold the process while it is read */
    enum snapshot_source source;
    struct progress *progress; /* may be NULL; borrowed */
};

struct session_written {
    uint64_t memory_size;   /* bytes before compression */
    uint64_t stored_size;   /* of the file, 0 when it is a pipe */
    uint64_t left_out_size; /* bytes that were there and are not needed */
    uint64_t held_ms;       /* how long the process stood still, at most */
    bool by_port;
};

/* Writes a dump of a live process. Errors: ERROR_USAGE, ERROR_NOT_FOUND, ERROR_IO, ERROR_CANCELLED; no file is left then. */
struct error *session_snapshot(const struct snapshot_options *options, struct gaps *gaps, struct session_written *ret);
/* Writes the session's dump anew, without what an analysis does not need. Errors: as above. */
struct error *session_slim(struct session *session, const char *output, struct session_written *ret);

#endif
