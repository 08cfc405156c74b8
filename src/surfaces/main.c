#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "surfaces/cli.h"

enum { OUTPUT_BUFFER = 64 << 10 };

/* What we read is somebody's data: no core of ours, and nobody else's debugger. */
static void keep_secrets(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

/* Widths of characters need some UTF-8 locale; what the user's terminal shows is another matter. */
static bool init_locale(void)
{
    bool utf8;

    setlocale(LC_CTYPE, "");
    utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
    if (!utf8) setlocale(LC_CTYPE, "C.UTF-8");
    return utf8;
}

/* What the build takes for granted (meson.build): better a line than an illegal instruction. */
static bool processor_will_do(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("popcnt");
#else
    return true;
#endif
}

int main(int argc, char **argv)
{
    struct cli cli = { .relations = relations_all, .out = stdout, .err = stderr };

    if (!processor_will_do()) {
        fprintf(stderr, "clrtrail: this processor has no POPCNT instruction (all x64 since 2008 have it); build it without "
                        "-mpopcnt in meson.build\n");
        return 1;
    }
    keep_secrets();
    cli.utf8 = init_locale();
    /* A reader that goes away is an error of the write, so that everything is closed in order. */
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER);
    return cli_run(&cli, (const char *const *)argv + 1, argc > 0 ? (size_t)argc - 1 : 0);
}
