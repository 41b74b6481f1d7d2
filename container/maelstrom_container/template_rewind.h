/* What a job and its first process share when the job is put back to where it began: see template_rewind.c. */
#ifndef MAELSTROM_TEMPLATE_REWIND_H
#define MAELSTROM_TEMPLATE_REWIND_H
#include "template_internal.h"

enum stop { RUNNING, AT_POINT, AT_END };
enum use { NO_POINT, POINT, POINT_TAKEN }; /* whether a job is to stop at its point, and whether it can be put back */

/* Of one runner and its jobs; mapped by all of them, and so not put back. */
struct shared {
    uint64_t stack;            /* of the job, at its point; the first three are for the assembler */
    const struct put_back *list; /* in the store */
    const uint64_t *count;
    enum stop state;
    enum use use;
    int watch; /* its descriptor in a job that has not come to its point; -1: none */
    int code, rounds, began; /* how many jobs it was asked for after the first, and how many of them it has begun */
    struct surplus surplus; /* mapped since the point */
    uint64_t payload_size;
    char payload[TEMPLATE_INLINE];
};
#endif
