/* Has the kernel tell which pages a job has written to: asynchronous write protection of userfaultfd, and the scan of
 * pagemap, both of Linux 6.7. A page that is protected tells of a write by being protected no longer; nobody is asked, and
 * who writes does not notice. Where that cannot be had the caller looks at each page itself: see template_memory.c.
 *
 * Such a watch is upon the memory of whoever makes it. So the job does, while it still may; its first process takes the
 * watch over when the job stops at its point, and the job closes its own end. */
#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#include "template_rewind.h"
#include "template_watch.h"

#define USER_MODE_ONLY 1               /* UFFD_USER_MODE_ONLY: what it takes of who has no privilege */
#define FEATURE_ASYNCHRONOUS (1 << 15) /* UFFD_FEATURE_WP_ASYNC */
#define PROTECT_MATCHING 1             /* PM_SCAN_WP_MATCHING */

/* struct pm_scan_arg: see Documentation/admin-guide/mm/pagemap.rst. */
struct scan {
    uint64_t size, flags, start, end, walk_end, regions, count, pages;
    uint64_t inverted, all_of, any_of, told;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct scan)

void watch_make(void)
{
    state.shared->watch = -1;
    if (state.shared->use != POINT)
        return;
    long fd = raw_call(SYS_userfaultfd, CLOSE_ON_EXEC | USER_MODE_ONLY);
    if (fd >= 0 && move_up((int)fd, &state.shared->watch) < 0)
        raw_close(fd);
}

int watch_take(int pid)
{
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_ASYNCHRONOUS};
    long process = state.shared->watch < 0 ? -1 : raw_call(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return -1;
    long fd = raw_call(SYS_pidfd_getfd, process, state.shared->watch, 0);
    raw_close(process);
    if (fd >= 0 && raw_call(SYS_ioctl, fd, UFFDIO_API, &api) < 0) {
        raw_close(fd);
        return -1;
    }
    return (int)fd;
}

int watch_range(int watch, uint64_t start, uint64_t end)
{
    struct uffdio_register range = {.range = {start, end - start}, .mode = UFFDIO_REGISTER_MODE_WP};
    return raw_call(SYS_ioctl, watch, UFFDIO_REGISTER, &range) >= 0;
}

int watch_protect(int watch, uint64_t start, uint64_t end)
{
    struct uffdio_writeprotect range = {.range = {start, end - start}, .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    return raw_call(SYS_ioctl, watch, UFFDIO_WRITEPROTECT, &range) >= 0;
}

static int scan(int pagemap, struct scan *wanted, struct region *regions, region_visitor *visit)
{
    wanted->size = sizeof *wanted;
    wanted->regions = (uint64_t)regions;
    wanted->count = REGIONS;
    while (wanted->start < wanted->end) {
        long count = raw_call(SYS_ioctl, pagemap, PAGEMAP_SCAN, wanted);
        if (count < 0 || wanted->walk_end <= wanted->start)
            return 0;
        for (long index = 0; index < count && visit; index++)
            if (!visit(&regions[index]))
                return 0;
        wanted->start = wanted->walk_end;
    }
    return 1;
}

/* With nowhere to tell them the kernel would protect what is not there as well, by entries in the page table. */
int watch_protect_present(int pagemap, uint64_t start, uint64_t end, struct region *room)
{
    struct scan wanted = {.flags = PROTECT_MATCHING, .start = start, .end = end, .any_of = PAGE_PRESENT | PAGE_SWAPPED,
                          .told = PAGE_PRESENT};
    return scan(pagemap, &wanted, room, NULL);
}

int watch_visit(int pagemap, uint64_t start, uint64_t end, int of_file, struct region *room, region_visitor *visit)
{
    struct scan wanted = {.start = start, .end = end, .inverted = PAGE_PRESENT, .any_of = PAGE_PRESENT | PAGE_WRITTEN,
                          .told = PAGE_PRESENT | PAGE_SWAPPED | PAGE_WRITTEN | PAGE_ZERO | (of_file ? PAGE_OF_FILE : 0)};
    return scan(pagemap, &wanted, room, visit);
}
