/*
 * The command line of a process whose dump holds its environment block; a minidump has no stream for it.
 */
#ifndef CLRTRAIL_DUMP_MINIDUMP_COMMAND_H
#define CLRTRAIL_DUMP_MINIDUMP_COMMAND_H

#include "dump/dump.h"

/* Sets dump->command (64-bit processes only) from the memory behind the threads' TEBs; leaves it alone when that cannot be read. */
void minidump_read_command(struct dump *dump);

#endif
