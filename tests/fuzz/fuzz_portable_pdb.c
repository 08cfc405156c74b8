/*
 * Any bytes as a portable PDB: every method's sequence points, every document, every state machine.
 */
#include <stdlib.h>

#include "formats/portable_pdb.h"

enum { ROWS_MAX = 200, POINTS_MAX = 1 << 20 };

static void require(bool what)
{
    if (!what) abort();
}

static void walk_points(const struct metadata *pdb, uint32_t rid)
{
    struct sequence_points points;
    struct sequence_point point;
    unsigned count = 0;

    if (!sequence_points_begin(pdb, rid, &points)) return;
    while (sequence_points_next(&points)) {
        require(++count < POINTS_MAX);
        if (points.current.is_hidden) require(!points.current.start_line);
    }
    if (portable_pdb_find(pdb, rid, 100, &point)) require(!point.is_hidden);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metadata pdb;
    struct text text;
    uint8_t id[PORTABLE_PDB_ID_SIZE];

    if (!metadata_try_open((struct span) { data, size }, &pdb)) return 0;
    text_init(&text);
    portable_pdb_id(&pdb, id);
    for (uint32_t rid = 0; rid < ROWS_MAX; rid++) {
        text_clear(&text);
        walk_points(&pdb, rid);
        portable_pdb_document(&pdb, rid, &text);
        require(text.length <= LIMIT_PATH_LENGTH + 1);
        portable_pdb_kickoff_method(&pdb, rid);
    }
    text_deinit(&text);
    return 0;
}
