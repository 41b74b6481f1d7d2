/* Memory for the program's objects in one piece, on huge pages: see template.c.
 *
 * A fork copies page tables, and its end takes them apart: both are quick where memory lies on huge pages. An interpreter
 * that takes its memory a megabyte at a time gets pieces between those of its libraries, which do not join. */
#include "template_internal.h"

#define HUGE_PAGE (2UL << 20)
#define REGION_SIZE (256UL << 20)
#define ADVISE_HUGE 14
#define ADVISE_NOT_HUGE 15
#define READ_WRITE 3   /* PROT_READ, PROT_WRITE */
#define PRIVATE 0x4022 /* MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE */

static struct {
    char *start;
    uint64_t used, piece; /* of one size; others are mapped as they would be without us */
    void *returned;       /* a list through the pieces that were given back */
} region;

static void *map(uint64_t size)
{
    long place = raw_call(SYS_mmap, 0, size, READ_WRITE, PRIVATE, -1, 0);
    return place < 0 && place > -4096 ? NULL : (void *)place;
}

static int make_region(uint64_t piece)
{
    char *place = map(REGION_SIZE + HUGE_PAGE);
    if (place == NULL)
        return 0;
    uint64_t skipped = -(uint64_t)place & (HUGE_PAGE - 1);
    if (skipped)
        raw_call(SYS_munmap, place, skipped);
    if (skipped < HUGE_PAGE)
        raw_call(SYS_munmap, place + skipped + REGION_SIZE, HUGE_PAGE - skipped);
    region.start = place + skipped;
    region.piece = piece;
    arenas_grow();
    return 1;
}

/* What is used for the first time from now on is to lie on huge pages. */
void arenas_grow(void)
{
    if (region.start)
        raw_call(SYS_madvise, region.start, REGION_SIZE, ADVISE_HUGE);
}

/* No more: a fork that needs a little is not to clear two megabytes for it. */
void arenas_rest(void)
{
    uint64_t used = (region.used + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    if (region.start && used < REGION_SIZE)
        raw_call(SYS_madvise, region.start + used, REGION_SIZE - used, ADVISE_NOT_HUGE);
}

/* Returns 1 if there is one. */
int arena_region(uint64_t *start, uint64_t *end)
{
    *start = (uint64_t)region.start;
    *end = *start + REGION_SIZE;
    return region.start != NULL;
}

EXPORT void *template_arena_alloc(void *context, size_t size)
{
    (void)context;
    if (region.piece != size && (region.piece != 0 || !make_region(size)))
        return map(size);
    if (region.returned) {
        void *place = region.returned;
        region.returned = *(void **)place;
        return place;
    }
    if (region.used + size > REGION_SIZE)
        return map(size);
    region.used += size;
    return region.start + region.used - size;
}

EXPORT void template_arena_free(void *context, void *place, size_t size)
{
    (void)context;
    if ((char *)place < region.start || (char *)place >= region.start + REGION_SIZE) {
        raw_call(SYS_munmap, place, size);
        return;
    }
    *(void **)place = region.returned;
    region.returned = place;
}
