/* What is mapped where in a process: /proc/PID/maps, read and compared. See template_memory.c. */
#include "template_internal.h"

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

static const char *line_end(const char *at, const char *end)
{
    while (at < end && *at != '\n')
        at++;
    return at;
}

const char *take_mapping(const char *at, const char *end, struct mapping *mapping)
{
    const char *after = line_end(at, end);
    mapping->start = take_number(&at);
    at++;
    mapping->end = take_number(&at);
    mapping->rest = ++at;
    at += 5;
    mapping->offset = take_number(&at);
    mapping->name = at;
    return after + 1;
}

int is_of_file(const struct mapping *mapping)
{
    const char *none = " 00:00 0", *at = mapping->name;
    while (*none && *none == *at)
        none++, at++;
    return *none || (*at != ' ' && *at != '\n');
}

/* Whether two mappings are pieces of the same thing. */
static int is_same_kind(const struct mapping *was, const struct mapping *is)
{
    for (int index = 0; index < 4; index++)
        if (was->rest[index] != is->rest[index])
            return 0;
    const char *one = was->name, *other = is->name;
    for (; *one == *other; one++, other++)
        if (*one == '\n')
            return !is_of_file(was) || is->offset - is->start == was->offset - was->start;
    return 0;
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

int compare_maps(const char *was, long was_size, const char *is, long is_size, struct surplus *surplus)
{
    const char *was_end = was + was_size, *is_end = is + is_size;
    struct mapping before = {.end = 0}, now = {.end = 0};
    uint64_t covered = 0; /* up to here `before` has been found again */
    surplus->count = 0;
    if (was < was_end)
        was = take_mapping(was, was_end, &before), covered = before.start;
    while (is < is_end) {
        is = take_mapping(is, is_end, &now);
        while (now.start < now.end) {
            if (before.end == 0 || now.end <= before.start) { /* past the last one, or in front of the next */
                if (!note_surplus(surplus, now.start, now.end))
                    return 0;
                break;
            }
            if (now.start < before.start && !note_surplus(surplus, now.start, before.start))
                return 0;
            if (now.start > covered || !is_same_kind(&before, &now))
                return 0;
            covered = now.end < before.end ? now.end : before.end;
            if (covered < before.end)
                break;
            now.offset += before.end - now.start;
            now.start = before.end;
            before.end = 0;
            if (was < was_end)
                was = take_mapping(was, was_end, &before), covered = before.start;
        }
    }
    return before.end == 0;
}
