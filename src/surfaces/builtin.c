#include "surfaces/builtin.h"

#include <string.h>

#include "surfaces/csv.h"
#include "surfaces/diagnose.h"
#include "surfaces/help.h"
#include "surfaces/json.h"
#include "surfaces/number.h"
#include "surfaces/run_query.h"
#include "surfaces/shell.h"
#include "surfaces/snapshot.h"
#include "surfaces/watch.h"

/* A row a line has no place for the ledger: these forms are the relation `findings`. */
static struct error *print_findings(struct run *run, unsigned format)
{
    struct query *query = NULL;
    struct error *err;

    TRY(run_query(run, "findings", NULL, &query));
    if (format == FORMAT_CSV)
        err = csv_print(query, &run->output);
    else
        err = json_print_lines(query, run_info(run), &run->output);
    query_destroy(query);
    return err;
}

static struct error *run_diagnose(struct run *run, const struct options *options, const struct words *words)
{
    (void)words;
    if (options->format == FORMAT_CSV || options->format == FORMAT_JSONL) return print_findings(run, options->format);
    return diagnose_run(run, options);
}

static struct error *run_explain(struct run *run, const struct options *options, const struct words *words)
{
    const char *word = words->list.data[1];
    uint64_t id;

    if (!number_parse(word, strlen(word), &id)) return error_create(ERROR_USAGE, "'%s' is no number of a finding", word);
    return explain_run(run, options, id);
}

static struct error *run_help(struct run *run, const struct options *options, const struct words *words)
{
    const char *word = words->list.count > 1 ? words->list.data[1] : NULL;

    (void)options;
    if (!word) return help_overview(run);
    if (!strcmp(word, "--man")) return help_manual(run);
    if (!strcmp(word, "--completion")) return help_completion(run, words->list.count > 2 ? words->list.data[2] : "bash");
    return help_command(run, word);
}

static struct error *run_version(struct run *run, const struct options *options, const struct words *words)
{
    (void)options;
    (void)words;
    output_puts(&run->output, "clrtrail " CLRTRAIL_VERSION "\n");
    return NULL;
}

const struct builtin builtins[] = {
    { "diagnose", "", "where the memory went, what leaks it, and what to look at next; what is done without a command",
      "The account of all committed memory, then the findings with their evidence. --json prints both in one document; --jsonl and "
      "--csv "
      "print the findings alone.",
      true, 0, 0, run_diagnose },
    { "explain", "N", "all evidence of finding N", NULL, true, 1, 1, run_explain },
    { "shell", "", "commands line by line, on one opening of the dump",
      "Every line is a command with its options, as behind TARGET. `exit` or the end of the input ends it.", true, 0, 0,
      run_shell },
    { "snapshot", "N -o FILE [--heap] [--proc|--port]", "write a dump of process N",
      "FILE is new, of mode 0600, and compressed when its name ends in .zst; `-o -` sends it to standard output, compressed. "
      "--heap "
      "keeps what an analysis needs: all private memory and the runtime's, little of mapped files. The process is read and held "
      "meanwhile (--no-stop: it runs on); without the right to do so its runtime is asked, through the diagnostics port, to dump "
      "itself. --proc and --port choose one of the two. It never needs room for more than the compressed dump.",
      false, 1, SNAPSHOT_ARGUMENTS_MAX, run_snapshot },
    { "slim", "-o FILE", "write the dump anew, with what an analysis needs",
      "Seekable zstd when FILE ends in .zst, of mode 0600. Code of native libraries and content of mapped files stay behind; "
      "minidumps are only compressed. Every answer is the same as of the dump.",
      true, 2, 2, run_slim },
    { "watch", "[--every 60s] [--count N] [--db FILE] [--types N] [--full] [--snapshot-when 'total > 2GB' -o FILE]",
      "measure a running process again and again, and say what grows",
      "Resident memory, objects by generation, assemblies, handles and threads each time; the account of all memory as often as it "
      "fits "
      "into 0.1 % of a processor, with --full each time; with --types the N largest types. Shows the course of each, what grows, "
      "how "
      "fast, and when the limit of its container or of the machine is reached. --db keeps the numbers in an SQLite database; "
      "--snapshot-when writes one snapshot (as `snapshot --heap` does) when a metric first passes a value. Ctrl-C ends it.",
      true, 0, WATCH_ARGUMENTS_MAX, run_watch, .opens_itself = true },
    { "help", "[COMMAND]", "explain one command, or list them all",
      "--man prints the manual page, --completion bash a completion script.", false, 0, 2, run_help },
    { "version", "", "print the version", NULL, false, 0, 0, run_version },
    { NULL },
};

const struct builtin *builtin_find(const char *word)
{
    if (*word == '!') word++;
    for (const struct builtin *builtin = builtins; builtin->name; builtin++)
        if (name_equal(builtin->name, word)) return builtin;
    return NULL;
}
