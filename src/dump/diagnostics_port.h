/*
 * The diagnostics port of a .NET process: a socket through which the runtime can be asked to dump itself. That needs no right to
 * trace the process, only to be its user; the runtime starts its own createdump, which must lie beside it.
 *
 *     /tmp/dotnet-diagnostic-PID-STARTED-socket      PID and /tmp as the process sees them
 *     request, response:  "DOTNET_IPC_V1\0" | u16 size of all | u8 command set | u8 command | u16 0 | payload
 *
 * Source: dotnet/diagnostics documentation/design-docs/ipc-protocol.md.
 */
#ifndef CLRTRAIL_DUMP_DIAGNOSTICS_PORT_H
#define CLRTRAIL_DUMP_DIAGNOSTICS_PORT_H

#include <sys/types.h>

#include "base/progress.h"
#include "base/text.h"
#include "dump/core_output.h"

/* The messages, apart from their transport. */
enum { PORT_HEADER_SIZE = 20, PORT_DUMP_HEAP = 2, PORT_DUMP_FULL = 4 };
/* Appends the request for a dump of `type` into the file `path`. */
void port_request_dump(struct text *ret, const char *path, uint32_t type);
/* Size of the message whose first PORT_HEADER_SIZE bytes these are. Errors: ERROR_BAD_DATA. */
struct error *port_message_size(struct span header, size_t *ret);
/* NULL when the whole message says that all went well. Errors: ERROR_IO with what the runtime says, ERROR_BAD_DATA. */
struct error *port_check_response(struct span message);

/*
 * Makes the runtime of process `pid` dump itself into `output`, through a pipe: no disk is needed. `heap`: only what a heap dump
 * has. Errors: ERROR_NOT_FOUND (no port, or out of reach), ERROR_IO (refused, no answer in time, not its user's), ERROR_CANCELLED.
 */
struct error *port_dump(pid_t pid, bool heap, struct core_output *output, struct progress *progress);

#endif
