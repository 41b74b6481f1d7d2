/* The kernel's word for which pages a job has written to: see template_watch.c. */
#ifndef MAELSTROM_TEMPLATE_WATCH_H
#define MAELSTROM_TEMPLATE_WATCH_H
#include <stdint.h>

#define REGIONS 512

/* What the kernel says of a page: PAGE_IS_WRITTEN and so on. */
enum {
    PAGE_WRITTEN = 1 << 1, /* or not there when the others were protected, and there now */
    PAGE_OF_FILE = 1 << 2,
    PAGE_PRESENT = 1 << 3,
    PAGE_SWAPPED = 1 << 4,
    PAGE_ZERO = 1 << 5, /* nothing but read from */
};

/* Pages next to each other of which the same can be said; struct page_region. */
struct region {
    uint64_t start, end, categories;
};

typedef int region_visitor(const struct region *region);

/* In the job, before its filter: makes a watch where one is wanted, and says in `state.shared` which number it has. */
void watch_make(void);

/* In its first process, while it is stopped: takes it over. -1 where there is none, or where the kernel is older. */
int watch_take(int pid);

/* Each returns 1 where that could be done. `room`: for REGIONS of them. */
int watch_range(int watch, uint64_t start, uint64_t end); /* once for whatever is to be protected */
int watch_protect(int watch, uint64_t start, uint64_t end);
int watch_protect_present(int pagemap, uint64_t start, uint64_t end, struct region *room);

/* Visits the pages that are not there, and those that were written to; 0 as soon as a visit returns that. */
int watch_visit(int pagemap, uint64_t start, uint64_t end, int of_file, struct region *room, region_visitor *visit);
#endif
