/* The memory of a job as it was at its point, and how it is put back: see template_rewind.c.
 *
 * The job was forked from its runner, so the runner's memory is what to go back to: a page that the job has written to
 * is mapped by the job alone, which the kernel tells for each page (pagemap). Its pages stay its own: the next test does
 * not have them copied again, which is most of what a fork costs.
 *
 * What a page held at the point is kept in the store, which the job can read: it writes the pages itself, at its point,
 * in a quarter of the time that it takes to write them from outside.
 *
 * Where the kernel can be asked which pages were written to since (template_watch.c) only those are put back. To be
 * told costs a fault, so pages that most jobs write to are not watched but put back each time.
 *
 * (over 400 lines because both ways share the ranges and the store) */
#include "template_internal.h"
#include "template_watch.h"

#define PAGE 4096UL
#define ENTRY_PRESENT (1UL << 63)
#define ENTRY_SWAPPED (1UL << 62)
#define ENTRY_OF_FILE (1UL << 61)
#define ENTRY_EXCLUSIVE (1UL << 56)

#define MAPPINGS_LIMIT 16384
#define RANGES_LIMIT 4096
#define PAGES_LIMIT (1UL << 19) /* 2 GB */
#define CHUNK 8192UL
#define BATCH 256
#define WORTH_A_FORK 20000 /* pages, to put back as many takes as long */
#define OFTEN 3    /* a page that was written to by a job, and not more than so many jobs before, */
#define HOT_FOR 64 /* is put back unseen after so many jobs */

struct range {
    uint64_t start, end;
    uint64_t first;   /* the number of its first page */
    int is_anonymous; /* not of a file */
};

/* In memory that forks do not get: it is the runner's, and every job's but the one that it is about. */
struct workspace {
    struct range ranges[RANGES_LIMIT];
    uint64_t entries[CHUNK];
    struct surplus surplus;
    unsigned char present[PAGES_LIMIT / 8];
    uint16_t entry[PAGES_LIMIT]; /* of each page in the store, counted from 1 */
    uint32_t written[STORE_LIMIT], hot_until[STORE_LIMIT]; /* jobs, for each entry of the store */
    uint64_t cold[STORE_LIMIT];
    struct region regions[REGIONS];
    struct mapping mappings[MAPPINGS_LIMIT], mappings_now[MAPPINGS_LIMIT];
};

static struct {
    struct workspace *work;
    long mapping_count;
    int range_count, range; /* the one that is looked at */
    uint64_t pages;         /* of all ranges */
    uint64_t pending;       /* the first entry of the store that has no content yet */
    int maps, pagemap;
    int watch; /* -1: the kernel does not tell what is written to */
    uint32_t jobs;
    int cold_count; /* entries of the store that were written to and are to be watched again */
    int is_known;       /* which pages are dirty, as of the two numbers below */
    long faults, resident;
    uint64_t first, surplus; /* pages after the first job; what it has cost by now that there are more of them */
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

/* Takes down the ranges that are the job's own and may be written. Returns 0 where there is memory that is shared with
 * others, for what is written there cannot be put back. */
static int take_ranges(void)
{
    struct workspace *work = memory.work;
    uint64_t pages = 0;
    memory.range_count = 0;
    for (long index = 0; index < memory.mapping_count; index++) {
        struct mapping mapping = work->mappings[index];
        int is_private = !(mapping.flags & MAPPING_SHARED);
        if (!(mapping.flags & MAPPING_WRITABLE) || mapping.start == (uint64_t)state.shared)
            continue;
        struct range *last = &work->ranges[memory.range_count - 1];
        int is_anonymous = !is_of_file(&mapping);
        if (is_private && memory.range_count && last->end == mapping.start && last->is_anonymous == is_anonymous)
            last->end = mapping.end;
        else if (is_private && memory.range_count < RANGES_LIMIT)
            work->ranges[memory.range_count++] = (struct range){mapping.start, mapping.end, pages, is_anonymous};
        else
            return 0;
        pages += (mapping.end - mapping.start) / PAGE;
    }
    memory.pages = pages;
    return pages <= PAGES_LIMIT;
}

static int mappings_can_be_restored(void)
{
    struct workspace *work = memory.work;
    long count = take_mappings(memory.maps, work->mappings_now, MAPPINGS_LIMIT);
    return count >= 0 &&
           compare_mappings(work->mappings, memory.mapping_count, work->mappings_now, count, &work->surplus);
}

static int is_dirty(uint64_t entry)
{
    return (entry & ENTRY_SWAPPED) || ((entry & ENTRY_PRESENT) && (entry & ENTRY_EXCLUSIVE) && !(entry & ENTRY_OF_FILE));
}

static int has_bit(const unsigned char *bits, uint64_t page)
{
    return bits[page / 8] >> page % 8 & 1;
}

static void set_bit(unsigned char *bits, uint64_t page)
{
    bits[page / 8] |= (unsigned char)(1 << page % 8);
}

/* The store: entries are added without their content first. */

static int add_page(uint64_t address, uint64_t page)
{
    struct store *store = state.store;
    if (store->count == STORE_LIMIT)
        return 0;
    store->addresses[store->count++] = address;
    memory.work->entry[page] = (uint16_t)store->count;
    memory.work->written[store->count - 1] = memory.work->hot_until[store->count - 1] = 0;
    return 1;
}

static int own_pid(void)
{
    return (int)raw_call(SYS_getpid);
}

static int read_pages(int pid, uint64_t first, uint64_t count)
{
    struct iovec here[BATCH], there[BATCH];
    for (uint64_t index = 0; index < count; index++) {
        here[index] = (struct iovec){state.store->pages[first + index], PAGE};
        there[index] = (struct iovec){(void *)state.store->addresses[first + index], PAGE};
    }
    return raw_call(SYS_process_vm_readv, pid, here, count, there, count, 0) == (long)(count * PAGE);
}

static int write_pages(int pid, const uint64_t *entries, int count)
{
    struct iovec here[BATCH], there[BATCH];
    for (int index = 0; index < count; index++) {
        here[index] = (struct iovec){state.store->pages[entries[index]], PAGE};
        there[index] = (struct iovec){(void *)state.store->addresses[entries[index]], PAGE};
    }
    return raw_call(SYS_process_vm_writev, pid, here, count, there, count, 0) == (long)(count * PAGE);
}

/* Fills in what is pending, from the job or from the runner (whose memory is ours). The runner may not have it: what the
 * job got for itself before its point and had not used then was zero, unless it is of a file. */
static int fill_pages(int pid, int may_be_new)
{
    struct store *store = state.store;
    while (memory.pending < store->count) {
        uint64_t count = store->count - memory.pending;
        if (count > BATCH)
            count = BATCH;
        if (!read_pages(pid, memory.pending, count))
            for (uint64_t index = memory.pending; index < memory.pending + count; index++)
                if (!read_pages(pid, index, 1)) {
                    if (!may_be_new)
                        return 0;
                    memset(store->pages[index], 0, PAGE);
                }
        memory.pending += count;
    }
    return 1;
}

/* Calls `visit` for each page of the ranges until it returns 0; returns what the last call did. */
static int walk(int (*visit)(uint64_t address, uint64_t entry, uint64_t page))
{
    struct workspace *work = memory.work;
    for (memory.range = 0; memory.range < memory.range_count; memory.range++) {
        struct range *range = &work->ranges[memory.range];
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
    uint64_t arenas_start, arenas_end;
    if (is_dirty(entry) || ((entry & ENTRY_PRESENT) && !(entry & ENTRY_OF_FILE))) {
        set_bit(memory.work->present, page);
        if (arena_region(&arenas_start, &arenas_end) && address >= arenas_start && address < arenas_end)
            memory.arena_end = address + PAGE;
    }
    return !is_dirty(entry) || add_page(address, page);
}

/* Adds a page that is not what it was. Those that are not there are read from the runner, and must be had from there. */
static int find_page(uint64_t address, uint64_t entry, uint64_t page)
{
    int dropped = !(entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) && has_bit(memory.work->present, page);
    if ((!is_dirty(entry) && !dropped) || memory.work->entry[page])
        return 1;
    return add_page(address, page) &&
           (memory.work->ranges[memory.range].is_anonymous || fill_pages(own_pid(), 0));
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

static void stop_watching(void)
{
    if (memory.watch >= 0)
        raw_close(memory.watch);
    memory.watch = -1;
}

/* What is to be watched is so in the maps, too, where it may divide what was one. */
static void begin_to_watch(int pid)
{
    memory.watch = watch_take(pid);
    for (int index = 0; index < memory.range_count && memory.watch >= 0; index++)
        if (!watch_range(memory.watch, memory.work->ranges[index].start, memory.work->ranges[index].end))
            stop_watching();
}

static void protect_all(void)
{
    for (int index = 0; index < memory.range_count && memory.watch >= 0; index++) {
        struct range *range = &memory.work->ranges[index];
        if (!watch_protect_present(memory.pagemap, range->start, range->end, memory.work->regions))
            stop_watching();
    }
}

static int take_all_mappings(void)
{
    memory.mapping_count = take_mappings(memory.maps, memory.work->mappings, MAPPINGS_LIMIT);
    return memory.mapping_count >= 0;
}

/* Returns 1 when the job's memory has been taken down; the job is stopped. */
int memory_take(int pid, int proc)
{
    if (!make_workspace())
        return 0;
    memory.maps = (int)raw_call(SYS_openat, proc, "maps", O_RDONLY | CLOSE_ON_EXEC);
    memory.pagemap = (int)raw_call(SYS_openat, proc, "pagemap", O_RDONLY | CLOSE_ON_EXEC);
    if (!take_all_mappings() || !take_ranges())
        return 0;
    begin_to_watch(pid);
    if (memory.watch >= 0 && !take_all_mappings())
        return 0;
    memset(memory.work->present, 0, memory.pages / 8 + 1);
    memset(memory.work->entry, 0, memory.pages * sizeof *memory.work->entry);
    state.store->count = state.store->listed = memory.pending = memory.arena_end = 0;
    memory.first = memory.surplus = memory.jobs = 0;
    memory.is_known = 0;
    if (!walk(note_page) || !fill_pages(pid, 0))
        return 0;
    leave_out_free_arenas();
    protect_all();
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

/* The pages of every test that the process has run are put back each time. When what that has cost comes to the cost of a
 * fork, it is time for one: whatever the tests are like, it is at most twice of what would have been best. */
static int is_worth_it(void)
{
    if (memory.first == 0)
        memory.first = state.store->count;
    memory.surplus += state.store->count - memory.first;
    return memory.surplus < WORTH_A_FORK;
}

static void list(uint64_t entry)
{
    struct store *store = state.store;
    store->list[store->listed++] = (struct put_back){store->addresses[entry], (uint64_t)store->pages[entry]};
}

/* A page that was written to. Which are hot is first guessed from what the first job writes to. */
static void note_written(uint64_t entry)
{
    struct workspace *work = memory.work;
    if (work->hot_until[entry] <= memory.jobs) {
        if (memory.jobs == 1 || memory.jobs - work->written[entry] <= OFTEN)
            work->hot_until[entry] = memory.jobs + HOT_FOR;
        else
            work->cold[memory.cold_count++] = entry;
        work->written[entry] = memory.jobs;
    }
    if (work->hot_until[entry] > memory.jobs)
        list(entry);
}

/* Pages that are not there, zero or a file's own are what they were, unless they held something of the job's. */
static int visit_region(const struct region *region)
{
    struct range *range = &memory.work->ranges[memory.range];
    int is_there = (region->categories & (PAGE_PRESENT | PAGE_SWAPPED)) != 0;
    int is_bare = !is_there || (region->categories & (PAGE_OF_FILE | PAGE_ZERO));
    if (is_there && !(region->categories & PAGE_WRITTEN))
        return 1;
    uint64_t page = range->first + (region->start - range->start) / PAGE;
    for (uint64_t at = region->start; at < region->end; at += PAGE, page++) {
        if (is_bare && !has_bit(memory.work->present, page)) {
            while (page % 8 == 0 && memory.work->present[page / 8] == 0 && at + 8 * PAGE < region->end)
                at += 8 * PAGE, page += 8;
            continue;
        }
        if (!memory.work->entry[page] &&
            !(add_page(at, page) && (range->is_anonymous || fill_pages(own_pid(), 0))))
            return 0;
        note_written(memory.work->entry[page] - 1U);
    }
    return 1;
}

/* From outside, because the job would make the kernel tell of its own writing. */
static int put_back_cold(int pid)
{
    const uint64_t *cold = memory.work->cold, *addresses = state.store->addresses;
    for (int first = 0; first < memory.cold_count; first += BATCH) {
        int count = memory.cold_count - first;
        if (!write_pages(pid, cold + first, count < BATCH ? count : BATCH))
            return 0;
    }
    for (int index = 0; index < memory.cold_count;) {
        uint64_t start = addresses[cold[index]], end = start;
        while (index < memory.cold_count && addresses[cold[index]] == end)
            end += PAGE, index++;
        if (!watch_protect(memory.watch, start, end))
            return 0;
    }
    return 1;
}

static int compare_watched(int pid)
{
    memory.jobs++;
    memory.cold_count = 0;
    state.store->listed = 0;
    for (memory.range = 0; memory.range < memory.range_count; memory.range++) {
        struct range *range = &memory.work->ranges[memory.range];
        if (!watch_visit(memory.pagemap, range->start, range->end, !range->is_anonymous, memory.work->regions,
                         visit_region))
            return 0;
    }
    return fill_pages(own_pid(), 1) && put_back_cold(pid);
}

static int compare_all(const struct rusage *usage, long resident)
{
    if (has_touched_others(usage, resident))
        memory.is_known = walk(find_page) && fill_pages(own_pid(), 1);
    while (memory.is_known && state.store->listed < state.store->count)
        list(state.store->listed);
    return memory.is_known && is_worth_it();
}

/* Returns 1 when the store has all pages that have to be put back, and there is nothing else to do. */
int memory_compare(int pid, const struct rusage *usage, long resident)
{
    return mappings_can_be_restored() && (memory.watch >= 0 ? compare_watched(pid) : compare_all(usage, resident));
}

/* Returns what has been mapped since the point; the job has to unmap it. */
const struct surplus *memory_surplus(void)
{
    return &memory.work->surplus;
}
