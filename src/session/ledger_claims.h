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

void claims_add(struct claims *claims, enum ledger_use use, uint64_t start, uint64_t end);
/* The dump's ranges by what they look like, mapped files, images: the weakest claims. */
void claims_of_ranges(struct claims *claims, const struct glibc_malloc *malloc);
void claims_of_threads(struct claims *claims);
/* Each part of the CLR on its own: what one lacks the others still tell. */
void claims_of_runtime(struct claims *claims);
void claims_of_malloc(struct claims *claims, const struct glibc_malloc *malloc);

/* ledger_notes.c: what is worth saying of each row. */
void ledger_notes(struct session *session, struct ledger *ledger, const struct claims *claims);

#endif
