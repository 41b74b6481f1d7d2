/* The memory of a job as it was at its point, and how it is put back: see template_rewind.c.
 *
 * The job was forked from its runner, so the runner's memory is the copy to go back to: a page that the job has written
 * to is mapped by the job alone, which the kernel tells for each page (pagemap). Only what had been written before the
 * point has to be kept beside it. Nothing is watched while the job runs, and its pages stay its own: the next test
 * does not have them copied again, which is most of what a fork costs. */
#include "template_internal.h"

#define PAGE 4096UL
#define ENTRY_PRESENT (1UL << 63)
#define ENTRY_SWAPPED (1UL << 62)
#define ENTRY_OF_FILE (1UL << 61)
#define ENTRY_EXCLUSIVE (1UL << 56)

#define MAPS_LIMIT (1UL << 20)
#define RANGES_LIMIT 4096
#define PAGES_LIMIT (1UL << 19) /* 2 GB */
#define SAVED_LIMIT 4096
#define DIRTY_LIMIT 8192 /* more than that take longer to put back than a fork */
#define CHUNK 8192UL
#define BATCH 512

struct range {
    uint64_t start, end;
    uint64_t first; /* the number of its first page */
};

/* In memory that forks do not get: it is the runner's, and every job's but the one that it is about. */
struct workspace {
    struct range ranges[RANGES_LIMIT];
    uint64_t entries[CHUNK];
    uint64_t saved_at[SAVED_LIMIT], dirty[DIRTY_LIMIT];
    struct surplus surplus;
    unsigned char present[PAGES_LIMIT / 8];
    char maps[MAPS_LIMIT], maps_now[MAPS_LIMIT];
    char saved[SAVED_LIMIT * PAGE];
};

static struct {
    struct workspace *work;
    long maps_size;
    int range_count, saved_count, dirty_count;
    int pid, maps, pagemap;
    int is_known;       /* which pages are dirty, as of the two numbers below */
    long faults, resident;
    uint64_t arena_end; /* pages of the arenas beyond hold nothing that anybody relies on */
} memory;

static int make_workspace(void)
{
    if (memory.work)
        return 1;
    long place = raw_call(SYS_mmap, 0, sizeof *memory.work, 3 /* PROT_READ, PROT_WRITE */,
                          0x4022 /* MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE */, -1, 0);
    if (place < 0 && place > -4096)
        return 0;
    raw_call(SYS_madvise, place, sizeof *memory.work, 10 /* MADV_DONTFORK */);
    memory.work = (struct workspace *)place;
    return 1;
}

static long read_whole(int fd, char *to, uint64_t limit)
{
    uint64_t total = 0;
    while (total < limit) {
        long size = raw_call(SYS_pread64, fd, to + total, limit - total, total);
        if (size <= 0)
            return size < 0 ? size : (long)total;
        total += (uint64_t)size;
    }
    return TOO_LARGE;
}

/* Takes down the ranges that are the job's own and may be written. Returns 0 where there is memory that is shared with
 * others, for what is written there cannot be put back. */
static int take_ranges(void)
{
    struct workspace *work = memory.work;
    const char *at = work->maps, *end = at + memory.maps_size;
    struct mapping mapping;
    uint64_t pages = 0;
    memory.range_count = 0;
    while (at < end) {
        at = take_mapping(at, end, &mapping);
        int is_private = mapping.rest[3] == 'p';
        if (mapping.rest[1] != 'w' || mapping.start == (uint64_t)state.shared)
            continue;
        struct range *last = &work->ranges[memory.range_count - 1];
        if (is_private && memory.range_count && last->end == mapping.start)
            last->end = mapping.end;
        else if (is_private && memory.range_count < RANGES_LIMIT)
            work->ranges[memory.range_count++] = (struct range){mapping.start, mapping.end, pages};
        else
            return 0;
        pages += (mapping.end - mapping.start) / PAGE;
    }
    return pages <= PAGES_LIMIT;
}

static int maps_can_be_restored(void)
{
    long size = read_whole(memory.maps, memory.work->maps_now, MAPS_LIMIT);
    if (size < 0)
        return 0;
    memory.work->surplus.count = 0;
    if (size == memory.maps_size) {
        const uint64_t *one = (const uint64_t *)memory.work->maps, *other = (const uint64_t *)memory.work->maps_now;
        long at = 0;
        while (at + 8 <= size && one[at / 8] == other[at / 8])
            at += 8;
        while (at < size && memory.work->maps[at] == memory.work->maps_now[at])
            at++;
        if (at == size)
            return 1;
    }
    return compare_maps(memory.work->maps, memory.maps_size, memory.work->maps_now, size, &memory.work->surplus);
}

static int is_dirty(uint64_t entry)
{
    return (entry & ENTRY_SWAPPED) || ((entry & ENTRY_PRESENT) && (entry & ENTRY_EXCLUSIVE) && !(entry & ENTRY_OF_FILE));
}

static int was_present(uint64_t page)
{
    return memory.work->present[page / 8] >> page % 8 & 1;
}

/* Calls `visit` for each page of the ranges until it returns 0; returns what the last call did. */
static int walk(int (*visit)(uint64_t address, uint64_t entry, uint64_t page))
{
    struct workspace *work = memory.work;
    for (int index = 0; index < memory.range_count; index++) {
        struct range *range = &work->ranges[index];
        for (uint64_t at = range->start; at < range->end;) {
            uint64_t count = (range->end - at) / PAGE;
            if (count > CHUNK)
                count = CHUNK;
            long size = raw_call(SYS_pread64, memory.pagemap, work->entries, count * 8, at / PAGE * 8);
            if (size != (long)count * 8)
                return 0;
            for (uint64_t entry = 0; entry < count; entry++, at += PAGE)
                if (!visit(at, work->entries[entry], range->first + (at - range->start) / PAGE))
                    return 0;
        }
    }
    return 1;
}

static int note_page(uint64_t address, uint64_t entry, uint64_t page)
{
    struct workspace *work = memory.work;
    uint64_t arenas_start, arenas_end;
    if ((entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) && !(entry & ENTRY_OF_FILE)) {
        work->present[page / 8] |= (unsigned char)(1 << page % 8);
        if (arena_region(&arenas_start, &arenas_end) && address >= arenas_start && address < arenas_end)
            memory.arena_end = address + PAGE;
    }
    if (is_dirty(entry)) {
        if (memory.saved_count == SAVED_LIMIT)
            return 0;
        work->saved_at[memory.saved_count++] = address;
    }
    return 1;
}

static int find_page(uint64_t address, uint64_t entry, uint64_t page)
{
    int dropped = !(entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) && was_present(page);
    if (!is_dirty(entry) && !dropped)
        return 1;
    if (memory.dirty_count == DIRTY_LIMIT)
        return 0;
    memory.work->dirty[memory.dirty_count++] = address;
    return 1;
}

/* Cuts off what the arenas have not given out. */
static void leave_out_free_arenas(void)
{
    uint64_t start, end;
    if (!arena_region(&start, &end))
        return;
    int kept = 0;
    for (int index = 0; index < memory.range_count; index++) {
        struct range range = memory.work->ranges[index];
        if (range.end > end && range.start < end) { /* joined with what follows: rare, and then all of it is looked at */
            memory.work->ranges[kept++] = range;
            continue;
        }
        if (range.end > memory.arena_end && range.end <= end && range.end > start)
            range.end = memory.arena_end > range.start ? memory.arena_end : range.start;
        if (range.end > range.start)
            memory.work->ranges[kept++] = range;
    }
    memory.range_count = kept;
}

static int move_pages(int to_job, struct iovec *here, struct iovec *there, int count, uint64_t size)
{
    long moved = raw_call(to_job ? SYS_process_vm_writev : SYS_process_vm_readv, memory.pid, here, count, there, count, 0);
    return moved == (long)size;
}

static int save_pages(void)
{
    struct iovec here[BATCH], there[BATCH];
    int count = 0;
    for (int index = 0; index < memory.saved_count; index++) {
        here[count] = (struct iovec){memory.work->saved + (uint64_t)index * PAGE, PAGE};
        there[count++] = (struct iovec){(void *)memory.work->saved_at[index], PAGE};
        if (count == BATCH || index == memory.saved_count - 1) {
            if (!move_pages(0, here, there, count, (uint64_t)count * PAGE))
                return 0;
            count = 0;
        }
    }
    return 1;
}

/* Returns 1 when the job's memory has been taken down; the job is stopped. */
int memory_take(int pid, int proc)
{
    if (!make_workspace())
        return 0;
    memory.pid = pid;
    memory.maps = (int)raw_call(SYS_openat, proc, "maps", O_RDONLY | CLOSE_ON_EXEC);
    memory.pagemap = (int)raw_call(SYS_openat, proc, "pagemap", O_RDONLY | CLOSE_ON_EXEC);
    memory.maps_size = read_whole(memory.maps, memory.work->maps, MAPS_LIMIT);
    if (memory.maps_size < 0 || !take_ranges())
        return 0;
    memset(memory.work->present, 0, sizeof memory.work->present);
    memory.saved_count = memory.is_known = 0;
    memory.arena_end = 0;
    if (!walk(note_page) || !save_pages())
        return 0;
    leave_out_free_arenas();
    return 1;
}

/* A page cannot have become the job's own without a fault, nor have been let go without there being one less. */
static int has_touched_others(const struct rusage *usage, long resident)
{
    int has = !memory.is_known || usage->ru_minflt != memory.faults || resident != memory.resident;
    memory.faults = usage->ru_minflt;
    memory.resident = resident;
    return has;
}

/* Returns 1 when it is known which pages have to be put back, and that this is all. */
int memory_compare(const struct rusage *usage, long resident)
{
    if (!maps_can_be_restored())
        return 0;
    if (!has_touched_others(usage, resident))
        return 1;
    memory.dirty_count = 0;
    memory.is_known = walk(find_page);
    return memory.is_known;
}

/* Returns what has been mapped since the point; the job has to unmap it. */
const struct surplus *memory_surplus(void)
{
    return &memory.work->surplus;
}

/* Returns 1 when the job's memory is what it was. */
int memory_put_back(void)
{
    struct workspace *work = memory.work;
    struct iovec here[BATCH], there[BATCH];
    int count = 0, saved = 0;
    uint64_t size = 0;
    for (int index = 0; index < memory.dirty_count; index++) {
        uint64_t address = work->dirty[index];
        while (saved < memory.saved_count && work->saved_at[saved] < address)
            saved++;
        int is_saved = saved < memory.saved_count && work->saved_at[saved] == address;
        char *from = is_saved ? work->saved + (uint64_t)saved * PAGE : (char *)address;
        if (count && (char *)there[count - 1].iov_base + there[count - 1].iov_len == (char *)address &&
            (char *)here[count - 1].iov_base + here[count - 1].iov_len == from) {
            here[count - 1].iov_len += PAGE;
            there[count - 1].iov_len += PAGE;
        } else {
            here[count] = (struct iovec){from, PAGE};
            there[count++] = (struct iovec){(void *)address, PAGE};
        }
        size += PAGE;
        if (count == BATCH || index == memory.dirty_count - 1) {
            if (!move_pages(1, here, there, count, size))
                return 0;
            count = 0;
            size = 0;
        }
    }
    return 1;
}
