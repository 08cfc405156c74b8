#include "session/memory_scan.h"

enum { PAGE = 4096, VIEW = 1 << 20 };

void memory_scan_begin_piece(struct memory_scan *scan, const struct target *target, const struct ledger_piece *piece)
{
    *scan = (struct memory_scan) { .target = target, .at = (piece->start + 7) & ~UINT64_C(7), .end = piece->end };
}

bool memory_scan_more(struct memory_scan *scan)
{
    while (scan->at < scan->end && scan->end - scan->at >= 8) {
        uint64_t wanted = scan->end - scan->at < VIEW ? scan->end - scan->at : VIEW;

        scan->bytes = memory_view_dumped(&scan->target->memory, scan->at, wanted, &scan->left);
        if (scan->bytes && scan->left > wanted) scan->left = wanted;
        if (scan->bytes && scan->left >= 8) return true;
        /* A word across two pieces of the dump is not looked at. */
        scan->at = scan->bytes ? scan->at + 8 : (scan->at | (PAGE - 1)) + 1;
    }
    scan->left = 0;
    return false;
}
