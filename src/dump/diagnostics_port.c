#include "dump/diagnostics_port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dump/live_rights.h"
#include "dump/proc_file.h"

enum { COMMAND_SET_DUMP = 1, GENERATE_CORE_DUMP = 1, COMMAND_SET_SERVER = 0xff, RESPONSE_OK = 0, RESPONSE_ERROR = 0xff };
enum {
    MESSAGE_MAX = 64 << 10,
    BUFFER = 256 << 10,
    SILENCE_MS = 60000,
    POLL_MS = 200,
    STATUS_MAX = 16 << 10,
    ENVIRON_MAX = 1 << 20
};
static const char magic[14] = "DOTNET_IPC_V1";

/* ---- messages ---- */

static void put(struct text *out, uint64_t value, size_t size)
{
    text_append(out, (const char *)&value, size);
}

void port_request_dump(struct text *ret, const char *path, uint32_t type)
{
    size_t length = strlen(path) + 1; /* the path is ASCII: we made it */

    text_append(ret, magic, sizeof(magic));
    put(ret, PORT_HEADER_SIZE + 4 + 2 * length + 8, 2);
    put(ret, COMMAND_SET_DUMP, 1);
    put(ret, GENERATE_CORE_DUMP, 1);
    put(ret, 0, 2);
    put(ret, length, 4);
    for (size_t i = 0; i < length; i++)
        put(ret, (uint8_t)path[i], 2);
    put(ret, type, 4);
    put(ret, 0, 4); /* createdump's own logging: none */
}

struct error *port_message_size(struct span header, size_t *ret)
{
    size_t size;

    if (header.size < PORT_HEADER_SIZE || memcmp(header.data, magic, sizeof(magic)) != 0)
        return error_create(ERROR_BAD_DATA, "the diagnostics port answers something else than its protocol");
    size = load_u16(header.data + sizeof(magic));
    if (size < PORT_HEADER_SIZE)
        return error_create(ERROR_BAD_DATA, "the diagnostics port answers with a message of %zu bytes", size);
    *ret = size;
    return NULL;
}

struct error *port_check_response(struct span message)
{
    uint8_t set, command;
    uint32_t code = 0;
    size_t size;

    TRY(port_message_size(message, &size));
    set = message.data[16];
    command = message.data[17];
    span_u32(message, PORT_HEADER_SIZE, &code);
    if (set == COMMAND_SET_SERVER && command == RESPONSE_OK && code == 0) return NULL;
    if (set == COMMAND_SET_SERVER && (command == RESPONSE_OK || command == RESPONSE_ERROR))
        return error_create(ERROR_IO,
                            "the runtime could not dump itself (0x%08x): its createdump is missing beside libcoreclr.so, dumps are "
                            "switched off, or it may not write",
                            code);
    return error_create(ERROR_BAD_DATA, "the diagnostics port answers with an unknown message %02x %02x", set, command);
}

/* ---- finding the socket ---- */

struct port {
    pid_t pid;
    int proc;
    int root;             /* the temporary folder as the process sees it, opened by us */
    char temporary[1024]; /* its name inside */
    char socket_name[300];
    uid_t uid;
    uint64_t inner_pid;
    char folder[32]; /* ours, in `root`; "" while there is none */
    int fd, fifo;
};

static void port_close(struct port *port)
{
    char path[64];

    if (*port->folder) {
        snprintf(path, sizeof(path), "%s/core", port->folder);
        unlinkat(port->root, path, 0);
        unlinkat(port->root, port->folder, AT_REMOVEDIR);
    }
    if (port->fifo >= 0) close(port->fifo);
    if (port->fd >= 0) close(port->fd);
    if (port->root >= 0) close(port->root);
    if (port->proc >= 0) close(port->proc);
}

static struct error *read_identity(struct port *port)
{
    struct text status = { 0 };
    const char *line;
    bool ok = proc_read(port->proc, "status", STATUS_MAX, &status);

    line = ok ? strstr(text_cstr(&status), "\nUid:") : NULL;
    /* Real, effective, saved, file system: files are made by the last. */
    if (line) sscanf(line + 5, "%*u %u", &port->uid);
    port->inner_pid = (uint64_t)port->pid;
    if (line) proc_status_number(&status, "NSpid", &port->inner_pid);
    text_deinit(&status);
    return line ? NULL : error_create(ERROR_NOT_FOUND, "no process %d", (int)port->pid);
}

static void read_temporary(struct port *port)
{
    static const char key[] = "TMPDIR=";
    struct text environment = { 0 };
    const char *at, *end;

    snprintf(port->temporary, sizeof(port->temporary), "/tmp");
    if (proc_read(port->proc, "environ", ENVIRON_MAX, &environment)) {
        end = text_cstr(&environment) + environment.length;
        for (at = text_cstr(&environment); at < end; at += strlen(at) + 1)
            if (!strncmp(at, key, sizeof(key) - 1) && at[sizeof(key) - 1] == '/' && strlen(at) < sizeof(port->temporary))
                snprintf(port->temporary, sizeof(port->temporary), "%s", at + sizeof(key) - 1);
    }
    text_deinit(&environment);
}

static struct error *open_temporary(struct port *port)
{
    char path[1100];
    struct live_rights rights;
    struct text why = { 0 };
    struct error *err;

    snprintf(path, sizeof(path), "root%s", port->temporary);
    port->root = openat(port->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (port->root >= 0) return NULL;
    if (errno != EACCES && errno != EPERM) return error_create(ERROR_NOT_FOUND, "it has no folder '%s'", port->temporary);
    live_rights_get(port->proc, &rights);
    live_rights_describe(&rights, &why);
    err = error_create(ERROR_NOT_FOUND, "its diagnostics port is out of reach: %s", text_cstr(&why));
    text_deinit(&why);
    return err;
}

/* Processes in other containers may share the folder and the number: only a socket of its user, and the newest, is meant. */
static struct error *find_socket(struct port *port)
{
    int fd = openat(port->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    char prefix[64];
    time_t newest = 0;
    bool foreign = false;

    if (!dir && fd >= 0) close(fd);
    snprintf(prefix, sizeof(prefix), "dotnet-diagnostic-%llu-", (unsigned long long)port->inner_pid);
    while (dir && (entry = readdir(dir)) != NULL) {
        struct stat status;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        if (fstatat(port->root, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISSOCK(status.st_mode)) continue;
        if (status.st_uid != port->uid) {
            foreign = true;
        } else if (status.st_mtime >= newest) {
            newest = status.st_mtime;
            snprintf(port->socket_name, sizeof(port->socket_name), "%s", entry->d_name);
        }
    }
    if (dir) closedir(dir);
    if (*port->socket_name) return NULL;
    if (foreign) return error_create(ERROR_IO, "the socket of its diagnostics port belongs to another user: not trusted");
    return error_create(ERROR_NOT_FOUND, "it has no diagnostics port (no .NET, or DOTNET_EnableDiagnostics=0)");
}

static struct error *connect_socket(struct port *port)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct ucred peer = { 0 };
    socklen_t size = sizeof(peer);

    if (snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", port->root, port->socket_name) >=
        (int)sizeof(address.sun_path))
        return error_create(ERROR_IO, "the name of its diagnostics socket is too long");
    port->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (port->fd < 0 || connect(port->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return error_create(ERROR_IO, "cannot connect to its diagnostics port: %s%s", strerror(errno),
                            errno == EACCES || errno == EPERM ? " (it is for the process's user and root)" : "");
    if (getsockopt(port->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != port->uid ||
        (peer.pid != 0 && peer.pid != port->pid))
        return error_create(ERROR_IO, "another process listens at its diagnostics port: not trusted");
    return NULL;
}

/* ---- the pipe that the runtime writes into ---- */

static struct error *pipe_error(const struct port *port)
{
    return error_create(ERROR_IO, "cannot make a pipe in its folder '%s': %s", port->temporary, strerror(errno));
}

/* A folder for the two of us, with the pipe in it. */
static struct error *make_pipe(struct port *port)
{
    unsigned long long chance = 0;
    char name[sizeof(port->folder)], path[64];

    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance)) return pipe_error(port);
    snprintf(name, sizeof(name), "clrtrail-%016llx", chance);
    if (mkdirat(port->root, name, 0700) != 0) return pipe_error(port);
    snprintf(port->folder, sizeof(port->folder), "%s", name);
    snprintf(path, sizeof(path), "%s/core", name);
    if (mkfifoat(port->root, path, 0600) != 0) return pipe_error(port);
    if (geteuid() != port->uid && (fchownat(port->root, path, port->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0 ||
                                   fchownat(port->root, name, port->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0))
        return pipe_error(port);
    port->fifo = openat(port->root, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return port->fifo < 0 ? pipe_error(port) : NULL;
}

static struct error *send_request(struct port *port, bool heap)
{
    struct text request = { 0 };
    char path[1100];
    ssize_t sent = -1;

    snprintf(path, sizeof(path), "%s/%s/core", port->temporary, port->folder);
    port_request_dump(&request, path, heap ? PORT_DUMP_HEAP : PORT_DUMP_FULL);
    if (!request.failed) sent = send(port->fd, request.data, request.length, MSG_NOSIGNAL);
    sent = sent == (ssize_t)request.length ? 0 : -1;
    text_deinit(&request);
    return sent ? error_create(ERROR_IO, "cannot write to its diagnostics port: %s", strerror(errno)) : NULL;
}

/* ---- the answer ---- */

struct exchange {
    struct port *port;
    struct core_output *output;
    uint8_t *buffer;
    uint8_t message[MESSAGE_MAX];
    size_t received;
    bool answered; /* the whole message is there */
    uint64_t heard_ms;
};

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct error *take_answer(struct exchange *exchange)
{
    ssize_t got = recv(exchange->port->fd, exchange->message + exchange->received, sizeof(exchange->message) - exchange->received,
                       MSG_DONTWAIT);
    size_t size = 0;

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? NULL : error_create(ERROR_IO, "its diagnostics port: %s", strerror(errno));
    if (got == 0) return error_create(ERROR_IO, "its diagnostics port hung up without an answer");
    exchange->received += (size_t)got;
    exchange->heard_ms = now_ms();
    if (exchange->received < PORT_HEADER_SIZE) return NULL;
    TRY(port_message_size((struct span) { exchange->message, exchange->received }, &size));
    if (exchange->received < size) return NULL;
    exchange->answered = true;
    return port_check_response((struct span) { exchange->message, size });
}

/* `*ended_ret`: nobody has the pipe open for writing. */
static struct error *take_bytes(struct exchange *exchange, struct progress *progress, bool *ended_ret)
{
    ssize_t got = read(exchange->port->fifo, exchange->buffer, BUFFER);

    *ended_ret = got == 0;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? NULL : error_create(ERROR_IO, "the pipe: %s", strerror(errno));
    if (got == 0) return NULL;
    exchange->heard_ms = now_ms();
    progress_add(progress, (uint64_t)got);
    return core_output_append(exchange->output, exchange->buffer, (size_t)got);
}

static struct error *receive(struct exchange *exchange, struct progress *progress)
{
    exchange->heard_ms = now_ms();
    for (bool ended = false; !exchange->answered || !ended;) {
        struct pollfd fds[] = { { exchange->port->fifo, POLLIN, 0 }, { exchange->answered ? -1 : exchange->port->fd, POLLIN, 0 } };
        if (progress_is_cancelled(progress)) return error_create(ERROR_CANCELLED, "interrupted");
        if (poll(fds, 2, POLL_MS) < 0 && errno != EINTR) return error_create(ERROR_IO, "poll: %s", strerror(errno));
        if (!exchange->answered && fds[1].revents) TRY(take_answer(exchange));
        TRY(take_bytes(exchange, progress, &ended));
        /* A pipe that nobody writes into any more is always ready. */
        if (ended && !exchange->answered && fds[0].revents & POLLHUP) poll(&fds[1], 1, POLL_MS);
        if (now_ms() - exchange->heard_ms > SILENCE_MS)
            return error_create(ERROR_IO, "its diagnostics port did not answer within %d s", SILENCE_MS / 1000);
    }
    return NULL;
}

static struct error *dump_through(struct port *port, bool heap, struct core_output *output, struct progress *progress)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    struct error *err = &error_enomem;

    if (exchange && (exchange->buffer = malloc(BUFFER)) != NULL) {
        exchange->port = port;
        exchange->output = output;
        err = send_request(port, heap);
        progress_start(progress, "receiving", 0);
        if (!err) err = receive(exchange, progress);
        progress_end(progress);
        if (!err && output->size == 0) err = error_create(ERROR_IO, "the runtime says that it dumped itself, but sent nothing");
    }
    if (exchange) free(exchange->buffer);
    free(exchange);
    return err;
}

struct error *port_dump(pid_t pid, bool heap, struct core_output *output, struct progress *progress)
{
    struct port port = { .pid = pid, .proc = proc_open(pid), .root = -1, .fd = -1, .fifo = -1 };
    struct error *err = port.proc < 0 ? error_create(ERROR_NOT_FOUND, "no process %d", (int)pid) : read_identity(&port);

    if (!err) {
        read_temporary(&port);
        err = open_temporary(&port);
    }
    if (!err) err = find_socket(&port);
    if (!err) err = connect_socket(&port);
    if (!err) err = make_pipe(&port);
    if (!err) err = dump_through(&port, heap, output, progress);
    port_close(&port);
    return err;
}
