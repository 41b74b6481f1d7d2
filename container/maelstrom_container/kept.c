/* The root that jobs of a prepared container share one after the other: made by us, in the mount namespace that jobs copy,
 * and looked at between two jobs. See kept.py.
 *
 * Whoever writes anywhere in it makes an entry at the top of an upper layer, or changes what that one is itself, which
 * leaves another time there; and takes room of the tmpfs that all of them lie in, for which the first stands. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "confine.h"
#include "internal.h"
#include "steps.h"

static long take_marks(const struct kept *kept, int index, uint64_t marks[KEPT_MARKS])
{
    struct stat status;
    struct statfs room = {0};
    if (fstat(kept->fds[index], &status) < 0 || (index == 0 && fstatfs(kept->fds[index], &room) < 0))
        return -1;
    const uint64_t all[KEPT_MARKS] = {
        (uint64_t)status.st_ctim.tv_sec, (uint64_t)status.st_ctim.tv_nsec, (uint64_t)status.st_mtim.tv_sec,
        (uint64_t)status.st_mtim.tv_nsec, (uint64_t)status.st_size, status.st_mode,
        (uint64_t)room.f_bfree, (uint64_t)room.f_ffree,
    };
    memcpy(marks, all, sizeof all);
    return 0;
}

static long watch(struct kept *kept, const char *path)
{
    if (kept->count == KEPT_LIMIT)
        return -1;
    long fd = raw_open(path, PATH_ONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    kept->fds[kept->count++] = (int)fd;
    return 0;
}

int kept_make(struct kept *kept, const struct step *steps, int count)
{
    for (int index = 0; index < count; index++)
        if ((steps[index].op == STEP_WATCH ? watch(kept, steps[index].a) : run_step(&steps[index])) < 0)
            return index;
    for (int index = 0; index < kept->count; index++) /* only now: all of them share the room */
        if (take_marks(kept, index, kept->marks[index]) < 0)
            return count;
    return -1;
}

void kept_forget(struct kept *kept)
{
    for (int index = 0; index < kept->count; index++)
        close(kept->fds[index]);
    kept->count = 0;
}

int kept_is_clean(const struct kept *kept)
{
    for (int index = 0; index < kept->count; index++) {
        uint64_t now[KEPT_MARKS];
        if (take_marks(kept, index, now) < 0 || memcmp(now, kept->marks[index], sizeof now) != 0)
            return 0;
    }
    return 1;
}
