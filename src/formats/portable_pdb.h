/*
 * Portable PDBs: which line of which file an instruction came from, over the metadata reader.
 *
 *     #Pdb                       id (20 bytes) that the dll's CodeView entry repeats as guid and timestamp
 *     MethodDebugInformation     by method_def rid: document, blob of sequence points
 *     Document                   name as a blob {separator, blob indices of the parts}
 *     StateMachineMethod         MoveNext -> the method that was written
 *
 * Source: dotnet/runtime docs/design/specs/PortablePdb-Metadata.md.
 */
#ifndef CLRTRAIL_FORMATS_PORTABLE_PDB_H
#define CLRTRAIL_FORMATS_PORTABLE_PDB_H

#include "formats/metadata.h"

enum { PORTABLE_PDB_ID_SIZE = 20 };

/* False when this metadata is no PDB. */
bool portable_pdb_id(const struct metadata *pdb, uint8_t ret[PORTABLE_PDB_ID_SIZE]);

struct sequence_point {
    uint32_t il_offset;
    uint32_t document_rid;
    uint32_t start_line, start_column, end_line, end_column; /* 0 when hidden */
    bool is_hidden;
};

/* The points of a method in order of their IL offsets. */
struct sequence_points {
    struct span blob;
    struct sequence_point current;
    uint32_t line, column; /* of the last point that was not hidden, 0: none yet */
    bool is_started;
};

/* False when the method has none. */
bool sequence_points_begin(const struct metadata *pdb, uint32_t method_rid, struct sequence_points *ret);
/* False at the end, and where the blob makes no sense. */
bool sequence_points_next(struct sequence_points *points);

/* The last point at or before `il_offset` that is not hidden. */
bool portable_pdb_find(const struct metadata *pdb, uint32_t method_rid, uint32_t il_offset, struct sequence_point *ret);
/* Appends the document's path; false when there is none. */
bool portable_pdb_document(const struct metadata *pdb, uint32_t document_rid, struct text *out);
/* method_def rid of the async method or iterator that `move_next_rid` carries out; 0 when it is no state machine's. */
uint32_t portable_pdb_kickoff_method(const struct metadata *pdb, uint32_t move_next_rid);

/*
 * IL offset in an async method's MoveNext at which it suspends for its `index`-th await, which is also the state that it then
 * keeps (CustomDebugInformation 54FD2AC5: u32 handler, then {u32 yield, u32 resume, compressed method}). False when not known.
 */
bool portable_pdb_await(const struct metadata *pdb, uint32_t move_next_rid, uint32_t index, uint32_t *il_offset_ret);

#endif
