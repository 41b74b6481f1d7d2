/* What is mapped where in a process, taken down and compared. See template_memory.c.
 *
 * Since Linux 6.11 the kernel can be asked for one mapping after the other. To read /proc/PID/maps takes six times as long,
 * since there it spells the name of each file. */
#include <linux/ioctl.h>

#include "template_internal.h"

#define COVERING_OR_NEXT 16 /* PROCMAP_QUERY_COVERING_OR_NEXT_VMA */
#define NONE_LEFT (-2)      /* -ENOENT */
#define LINE_LIMIT 8192     /* of the text: a path and 100 characters */

/* struct procmap_query of linux/fs.h. */
struct query {
    uint64_t size, wanted, address;
    uint64_t start, end, flags, page_size, offset, inode;
    uint32_t major, minor, name_size, build_id_size;
    uint64_t name, build_id;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct query)

/* Returns how many there are, or -errno. */
static long ask(int maps, struct mapping *to, long limit)
{
    struct query query = {.size = sizeof query, .wanted = COVERING_OR_NEXT};
    for (long count = 0; count < limit; count++) {
        long result = raw_call(SYS_ioctl, maps, PROCMAP_QUERY, &query);
        if (result < 0)
            return result == NONE_LEFT ? count : result;
        to[count] = (struct mapping){query.start, query.end, query.offset, query.flags,
                                     (uint64_t)query.major << 32 | query.minor, query.inode};
        query.address = query.end;
    }
    return TOO_LARGE;
}

static uint64_t take_number(const char **at)
{
    uint64_t value = 0;
    for (;; (*at)++) {
        if (**at >= '0' && **at <= '9')
            value = value << 4 | (uint64_t)(**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            value = value << 4 | (uint64_t)(**at - 'a' + 10);
        else
            return value;
    }
}

/* One line: start-end rwxp offset major:minor inode name. The inode's digits are decimal, which makes no difference here. */
static struct mapping take_line(const char *at)
{
    struct mapping mapping = {.flags = 0};
    mapping.start = take_number(&at);
    at++;
    mapping.end = take_number(&at);
    at++;
    for (uint64_t flag = 0; flag < 4; flag++, at++)
        if (*at == "rwxs"[flag])
            mapping.flags |= 1U << flag;
    at++;
    mapping.offset = take_number(&at);
    at++;
    mapping.device = take_number(&at) << 32;
    at++;
    mapping.device |= take_number(&at);
    at++;
    mapping.inode = take_number(&at);
    return mapping;
}

static const char *find_line_end(const char *at, const char *end)
{
    while (at < end && *at != '\n')
        at++;
    return at;
}

static long read_lines(int maps, struct mapping *to, long limit)
{
    static char text[2 * LINE_LIMIT];
    long count = 0, kept = 0;
    for (uint64_t offset = 0;;) {
        long size = raw_call(SYS_pread64, maps, text + kept, LINE_LIMIT, offset);
        if (size <= 0)
            return size < 0 ? size : kept ? INVALID : count;
        const char *at = text, *end = text + kept + size, *line_end;
        while ((line_end = find_line_end(at, end)) < end) {
            if (count == limit)
                return TOO_LARGE;
            to[count++] = take_line(at);
            at = line_end + 1;
        }
        offset += (uint64_t)size;
        kept = end - at;
        if (kept > LINE_LIMIT)
            return TOO_LARGE;
        for (long index = 0; index < kept; index++)
            text[index] = at[index];
    }
}

long take_mappings(int maps, struct mapping *to, long limit)
{
    static int cannot_ask;
    long count = cannot_ask ? INVALID : ask(maps, to, limit);
    if (count >= 0 || count == TOO_LARGE)
        return count;
    cannot_ask = 1;
    return read_lines(maps, to, limit);
}

int is_of_file(const struct mapping *mapping)
{
    return mapping->device || mapping->inode;
}

/* Whether two mappings are pieces of the same thing. */
static int is_same_kind(const struct mapping *was, const struct mapping *is)
{
    return was->flags == is->flags && was->device == is->device && was->inode == is->inode &&
           (!is_of_file(was) || is->offset - is->start == was->offset - was->start);
}

static int note_surplus(struct surplus *surplus, uint64_t start, uint64_t end)
{
    if (start >= end)
        return 1;
    if (surplus->count == SURPLUS_LIMIT)
        return 0;
    surplus->pieces[surplus->count++] = (struct piece){start, end - start};
    return 1;
}

int compare_mappings(const struct mapping *was, long was_count, const struct mapping *is, long is_count,
                     struct surplus *surplus)
{
    const struct mapping *was_end = was + was_count, *is_end = is + is_count;
    uint64_t covered = was < was_end ? was->start : 0; /* up to here `was` has been found again */
    surplus->count = 0;
    for (; is < is_end; is++) {
        struct mapping now = *is;
        while (now.start < now.end) {
            if (was == was_end || now.end <= was->start) { /* past the last one, or in front of the next */
                if (!note_surplus(surplus, now.start, now.end))
                    return 0;
                break;
            }
            if (now.start < was->start && !note_surplus(surplus, now.start, was->start))
                return 0;
            if (now.start > covered || !is_same_kind(was, &now))
                return 0;
            covered = now.end < was->end ? now.end : was->end;
            if (covered < was->end)
                break;
            now.offset += was->end - now.start;
            now.start = was->end;
            if (++was < was_end)
                covered = was->start;
        }
    }
    return was == was_end;
}
