/* Claims of the ledger: who says that some memory is theirs. */
#ifndef CLRTRAIL_SESSION_LEDGER_CLAIMS_H
#define CLRTRAIL_SESSION_LEDGER_CLAIMS_H

#include "session/ledger.h"

struct claim {
    uint64_t start, end;
    enum ledger_use use;
};

struct claims {
    struct session *session;
    const struct target *target;
    VEC(struct claim) list;
    uint64_t count[USE_COUNT], reserved[USE_COUNT];
    uint64_t stack_touched;
    bool failed; /* out of memory */
};

/* Adds to what `use` has already, without counting one more of it. */
void claims_extend(struct claims *claims, enum ledger_use use, uint64_t start, uint64_t end);
void claims_add(struct claims *claims, enum ledger_use use, uint64_t start, uint64_t end);
/* The dump's ranges by what they look like, mapped files, images: the weakest claims. */
void claims_of_ranges(struct claims *claims, const struct ledger *ledger);
void claims_of_threads(struct claims *claims);
/* Each part of the CLR on its own: what one lacks the others still tell. */
void claims_of_runtime(struct claims *claims);
void claims_of_malloc(struct claims *claims, const struct glibc_malloc *malloc);

/* ledger_windows.c */
void claims_of_windows(struct claims *claims, const struct windows_heaps *heaps);
void ledger_split_windows_heaps(struct ledger *ledger);
/* Of what nobody claims, what holds nothing but zeros. */
void ledger_name_untouched(struct ledger *ledger, const struct target *target);
/* Moves up to `bytes` from one row to another. */
void ledger_move(struct ledger *ledger, enum ledger_use from, enum ledger_use to, uint64_t bytes);

/* ledger_notes.c: what is worth saying of each row. */
void ledger_notes(struct session *session, struct ledger *ledger, const struct claims *claims);

#endif
