#include "surfaces/watch_store.h"

#ifdef HAVE_SQLITE

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { APPLICATION_ID = 0x636c7274 /* "clrt" */, BUSY_MS = 5000 };

enum statement {
    FIND_WATCHED,
    ADD_WATCHED,
    ADD_SAMPLE,
    SET_COST,
    ADD_METRIC,
    ADD_VALUE,
    LIST_METRICS,
    LIST_VALUES,
    STATEMENT_COUNT
};

static const char *const statements[STATEMENT_COUNT] = {
    [FIND_WATCHED] = "SELECT id FROM watched WHERE pid = ?1 AND abs(started - ?2) <= 2",
    [ADD_WATCHED] = "INSERT INTO watched (pid, started, command, since) VALUES (?1, ?2, ?3, unixepoch())",
    [ADD_SAMPLE] = "INSERT INTO sample (watched, time) VALUES (?1, ?2)",
    [SET_COST] = "UPDATE sample SET cost = ?2 WHERE id = ?1",
    [ADD_METRIC] = "INSERT INTO metric (name, unit) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
    [ADD_VALUE] = "INSERT OR REPLACE INTO value (sample, metric, value) SELECT ?1, id, ?3 FROM metric WHERE name = ?2",
    [LIST_METRICS] = "SELECT id, name, unit = 'bytes' FROM metric ORDER BY id",
    [LIST_VALUES] =
        "SELECT sample.time, value.value FROM value JOIN sample ON sample.id = value.sample WHERE value.metric = ?1 AND "
        "sample.watched = ?2 AND sample.id >= (SELECT min(id) FROM (SELECT id FROM sample WHERE watched = ?2 ORDER BY id "
        "DESC LIMIT ?3)) ORDER BY sample.id",
};

static const char schema[] =
    "PRAGMA application_id = 1668051572; PRAGMA user_version = 1;"
    "CREATE TABLE watched (id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started INTEGER NOT NULL, command TEXT, since INTEGER NOT "
    "NULL);"
    "CREATE TABLE sample (id INTEGER PRIMARY KEY, watched INTEGER NOT NULL REFERENCES watched, time REAL NOT NULL, cost REAL);"
    "CREATE INDEX sample_watched ON sample (watched, id);"
    "CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL);"
    "CREATE TABLE value (metric INTEGER NOT NULL REFERENCES metric, sample INTEGER NOT NULL REFERENCES sample, value INTEGER NOT "
    "NULL, "
    "PRIMARY KEY (metric, sample)) WITHOUT ROWID;";

struct watch_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    sqlite3_int64 watched, sample;
    bool in_sample;
};

static struct error *failed(const struct watch_store *store)
{
    return error_create(ERROR_IO, "the database of watch: %s", sqlite3_errmsg(store->db));
}

static struct error *execute(struct watch_store *store, const char *sql)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? NULL : failed(store);
}

static struct error *pragma(struct watch_store *store, const char *sql, sqlite3_int64 *ret)
{
    sqlite3_stmt *statement = NULL;
    struct error *err = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        err = failed(store);
    sqlite3_finalize(statement);
    return err;
}

/* ---- opening ---- */

/* SQLite would follow links and make files that all may read. */
static struct error *make_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    bool is_file;

    if (fd < 0)
        return error_create(ERROR_IO, "cannot write '%s': %s", path, errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    close(fd);
    return is_file ? NULL : error_create(ERROR_IO, "cannot write '%s': it is no file", path);
}

static struct error *check_schema(struct watch_store *store)
{
    sqlite3_int64 application_id = 0, version = 0, tables = 0;

    TRY(pragma(store, "PRAGMA application_id", &application_id));
    TRY(pragma(store, "PRAGMA user_version", &version));
    TRY(pragma(store, "SELECT count(*) FROM sqlite_schema", &tables));
    if (application_id == APPLICATION_ID && version == 1) return NULL;
    if (tables || application_id || version) return error_create(ERROR_IO, "it is a database, but none of watch");
    TRY(execute(store, "BEGIN IMMEDIATE"));
    TRY(execute(store, schema));
    return execute(store, "COMMIT");
}

static struct error *open_database(struct watch_store *store, const char *path)
{
    if (sqlite3_open_v2(path ? path : ":memory:", &store->db, SQLITE_OPEN_READWRITE | (path ? 0 : SQLITE_OPEN_CREATE), NULL) !=
        SQLITE_OK)
        return store->db ? failed(store) : &error_enomem;
    /* The file may be anybody's: its schema calls no function, and is not written around. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    TRY(check_schema(store));
    for (unsigned i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) != SQLITE_OK)
            return failed(store);
    return NULL;
}

struct error *watch_store_open(const char *path, struct watch_store **ret)
{
    struct watch_store *store = calloc(1, sizeof(*store));
    struct error *err;

    if (!store) return &error_enomem;
    err = path ? make_file(path) : NULL;
    if (!err) err = error_prefix(open_database(store, path), "cannot open '%s'", path ? path : "memory");
    if (err)
        watch_store_close(store);
    else
        *ret = store;
    return err;
}

void watch_store_close(struct watch_store *store)
{
    if (!store) return;
    for (unsigned i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    free(store);
}

/* ---- writing ---- */

/* A statement without result. */
static struct error *run(struct watch_store *store, enum statement which)
{
    int result = sqlite3_step(store->statements[which]);
    struct error *err = result == SQLITE_DONE ? NULL : failed(store);

    sqlite3_reset(store->statements[which]);
    return err;
}

struct error *watch_store_begin(struct watch_store *store, uint64_t pid, uint64_t started, const char *command)
{
    sqlite3_stmt *find = store->statements[FIND_WATCHED], *add = store->statements[ADD_WATCHED];
    int result;

    sqlite3_bind_int64(find, 1, (sqlite3_int64)pid);
    sqlite3_bind_int64(find, 2, (sqlite3_int64)started);
    result = sqlite3_step(find);
    if (result == SQLITE_ROW) store->watched = sqlite3_column_int64(find, 0);
    sqlite3_reset(find);
    if (result == SQLITE_ROW) return NULL;
    if (result != SQLITE_DONE) return failed(store);
    sqlite3_bind_int64(add, 1, (sqlite3_int64)pid);
    sqlite3_bind_int64(add, 2, (sqlite3_int64)started);
    sqlite3_bind_text(add, 3, command, -1, SQLITE_TRANSIENT);
    TRY(run(store, ADD_WATCHED));
    store->watched = sqlite3_last_insert_rowid(store->db);
    return NULL;
}

struct error *watch_store_begin_sample(struct watch_store *store, double time)
{
    TRY(execute(store, "BEGIN IMMEDIATE"));
    store->in_sample = true;
    sqlite3_bind_int64(store->statements[ADD_SAMPLE], 1, store->watched);
    sqlite3_bind_double(store->statements[ADD_SAMPLE], 2, time);
    TRY(run(store, ADD_SAMPLE));
    store->sample = sqlite3_last_insert_rowid(store->db);
    return NULL;
}

struct error *watch_store_put(struct watch_store *store, const char *metric, bool is_bytes, uint64_t value)
{
    sqlite3_bind_text(store->statements[ADD_METRIC], 1, metric, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(store->statements[ADD_METRIC], 2, is_bytes ? "bytes" : "count", -1, SQLITE_STATIC);
    TRY(run(store, ADD_METRIC));
    sqlite3_bind_int64(store->statements[ADD_VALUE], 1, store->sample);
    sqlite3_bind_text(store->statements[ADD_VALUE], 2, metric, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(store->statements[ADD_VALUE], 3, value > INT64_MAX ? INT64_MAX : (sqlite3_int64)value);
    return run(store, ADD_VALUE);
}

struct error *watch_store_end_sample(struct watch_store *store, double cost)
{
    sqlite3_bind_int64(store->statements[SET_COST], 1, store->sample);
    sqlite3_bind_double(store->statements[SET_COST], 2, cost);
    TRY(run(store, SET_COST));
    TRY(execute(store, "COMMIT"));
    store->in_sample = false;
    return NULL;
}

void watch_store_drop_sample(struct watch_store *store)
{
    if (store->in_sample) error_destroy(execute(store, "ROLLBACK"));
    store->in_sample = false;
}

/* ---- reading ---- */

static struct error *read_series(struct watch_store *store, sqlite3_int64 metric, struct trend_series *ret)
{
    sqlite3_stmt *list = store->statements[LIST_VALUES];
    struct error *err = NULL;
    int result;

    ret->points.count = 0;
    sqlite3_bind_int64(list, 1, metric);
    sqlite3_bind_int64(list, 2, store->watched);
    sqlite3_bind_int64(list, 3, WATCH_STORE_WINDOW);
    while (!err && (result = sqlite3_step(list)) != SQLITE_DONE) {
        struct trend_point point = { sqlite3_column_double(list, 0), sqlite3_column_double(list, 1) };

        if (result != SQLITE_ROW)
            err = failed(store);
        else if (!vec_push(&ret->points, point))
            err = &error_enomem;
    }
    sqlite3_reset(list);
    return err;
}

struct error *watch_store_each(struct watch_store *store, watch_store_see *see, void *user)
{
    sqlite3_stmt *list = store->statements[LIST_METRICS];
    struct trend_series series = { 0 };
    struct error *err = NULL;
    int result;

    while (!err && (result = sqlite3_step(list)) != SQLITE_DONE) {
        const char *name = (const char *)sqlite3_column_text(list, 1);

        if (result != SQLITE_ROW || !name)
            err = failed(store);
        else
            err = read_series(store, sqlite3_column_int64(list, 0), &series);
        if (!err && series.points.count) err = see(user, name, sqlite3_column_int(list, 2) != 0, &series);
    }
    sqlite3_reset(list);
    vec_deinit(&series.points);
    return err;
}

#else

struct error *watch_store_open(const char *path, struct watch_store **ret)
{
    (void)path;
    (void)ret;
    return error_create(ERROR_UNSUPPORTED, "this program was built without SQLite, in which watch keeps what it measures");
}

void watch_store_close(struct watch_store *store)
{
    (void)store;
}

struct error *watch_store_begin(struct watch_store *store, uint64_t pid, uint64_t started, const char *command)
{
    (void)store;
    (void)pid;
    (void)started;
    (void)command;
    return NULL;
}

struct error *watch_store_begin_sample(struct watch_store *store, double time)
{
    (void)store;
    (void)time;
    return NULL;
}

struct error *watch_store_put(struct watch_store *store, const char *metric, bool is_bytes, uint64_t value)
{
    (void)store;
    (void)metric;
    (void)is_bytes;
    (void)value;
    return NULL;
}

struct error *watch_store_end_sample(struct watch_store *store, double cost)
{
    (void)store;
    (void)cost;
    return NULL;
}

void watch_store_drop_sample(struct watch_store *store)
{
    (void)store;
}

struct error *watch_store_each(struct watch_store *store, watch_store_see *see, void *user)
{
    (void)store;
    (void)see;
    (void)user;
    return NULL;
}

#endif
