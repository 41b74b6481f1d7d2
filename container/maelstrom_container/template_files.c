/* The file systems in memory that a job has for itself, and what else it can leave there: see template_rewind.c.
 *
 * Each is empty when a job begins, or has directories only. Whatever is made at its top changes the times of that one;
 * then there is another in its place. The root is shared by the jobs of a runner, and looked at there. */
#include <sys/resource.h>
#include <sys/statfs.h>

#include "template_internal.h"

#define PLACES_LIMIT 64
#define DIRECTORIES_LIMIT 128
#define NO_LINK 0x100 /* AT_SYMLINK_NOFOLLOW */

/* A directory in which nothing is to be made. */
struct directory {
    int fd;
    struct trace trace;
};

/* A file system; `step` makes another one in its place, where it can be replaced. */
struct place {
    const struct step *step;
    int first, count;
};

static struct directory directories[DIRECTORIES_LIMIT];
static struct place places[PLACES_LIMIT];
static int directory_count, place_count;

long take_trace(int fd, struct trace *trace)
{
    struct stat status;
    struct statfs room;
    long result = raw_call(SYS_fstat, fd, &status);
    if (result >= 0)
        result = raw_call(SYS_fstatfs, fd, &room);
    if (result < 0)
        return result;
    *trace = (struct trace){status.st_ctim.tv_sec, status.st_ctim.tv_nsec, status.st_mtim.tv_sec,
                            status.st_mtim.tv_nsec, status.st_size, (long)room.f_bfree, (long)room.f_ffree};
    return 0;
}

int is_untouched(int fd, const struct trace *then)
{
    struct trace now;
    if (take_trace(fd, &now) < 0)
        return 0;
    return now.changed == then->changed && now.changed_part == then->changed_part && now.modified == then->modified &&
           now.modified_part == then->modified_part && now.size == then->size && now.free_blocks == then->free_blocks &&
           now.free_files == then->free_files;
}

static int add_directory(long fd)
{
    if (fd < 0 || directory_count == DIRECTORIES_LIMIT)
        return 0;
    directories[directory_count].fd = (int)fd;
    return take_trace((int)fd, &directories[directory_count++].trace) >= 0;
}

/* Adds the directories below one, but not what is mounted there. Returns 0 where there is anything else, which might be
 * written to without a trace. */
static int add_below(int top, unsigned long device, int *is_empty)
{
    _Alignas(8) char listing[2048];
    struct stat status;
    long size;
    while ((size = raw_call(SYS_getdents64, top, listing, sizeof listing)) > 0)
        for (long at = 0; at < size; at += ((struct entry *)(listing + at))->size) {
            struct entry *entry = (struct entry *)(listing + at);
            if (entry->name[0] == '.' && (entry->name[1] == 0 || (entry->name[1] == '.' && entry->name[2] == 0)))
                continue;
            *is_empty = 0;
            if (raw_call(SYS_newfstatat, top, entry->name, &status, NO_LINK) < 0)
                return 0;
            if (status.st_dev != device)
                continue;
            if (!S_ISDIR(status.st_mode) ||
                !add_directory(raw_call(SYS_openat, top, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | CLOSE_ON_EXEC)))
                return 0;
        }
    return size == 0;
}

/* The list of directories grows while it is walked. */
static int add_place(const struct step *step, long top)
{
    struct stat status;
    int first = directory_count, is_empty = 1;
    if (place_count == PLACES_LIMIT || !add_directory(top) || raw_call(SYS_fstat, top, &status) < 0)
        return 0;
    for (int index = first; index < directory_count; index++)
        if (!add_below(directories[index].fd, status.st_dev, &is_empty))
            return 0;
    places[place_count++] = (struct place){is_empty ? step : NULL, first, directory_count - first};
    return 1;
}

/* Queues of messages can be had without their file system being mounted where one sees it. */
static int add_queues(void)
{
    long fs = raw_call(SYS_fsopen, "mqueue", 1 /* FSOPEN_CLOEXEC */);
    if (fs < 0)
        return fs == -19; /* ENODEV: the kernel has none */
    long fd = raw_call(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0);
    if (fd >= 0)
        fd = raw_call(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
    raw_close(fs);
    if (fd < 0)
        return 0;
    long top = raw_call(SYS_openat, fd, ".", O_RDONLY | O_DIRECTORY | CLOSE_ON_EXEC);
    raw_close(fd);
    return add_place(NULL, top);
}

static long open_place(const struct step *step)
{
    return raw_open(step->b, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/* Has a directory looked at, which cannot be replaced. */
int files_add(long directory)
{
    return add_place(NULL, directory);
}

/* Returns 1 when it is known where a job may leave files, apart from the root that is kept. */
int files_begin(const struct plan *plan)
{
    directory_count = place_count = 0; /* what another first process had open ended with it */
    for (uint32_t index = plan->head.kept_count; index < plan->head.step_count; index++) {
        const struct step *step = &plan->steps[index];
        if (step->op == STEP_LIMIT && step->number == RLIMIT_CPU)
            return 0; /* it counts for as long as the process lives: each job needs one of its own */
        if (step->op != STEP_MOUNT)
            continue;
        if (step->b[0] != '/' || begins(step->c, "overlay")) /* a root of the job's own */
            return 0;
        if (begins(step->c, "tmpfs") && !add_place(step, open_place(step)))
            return 0;
    }
    return add_queues();
}

static int renew(const struct place *place)
{
    struct directory *directory = &directories[place->first];
    raw_close(directory->fd);
    directory->fd = -1;
    if (raw_call(SYS_umount2, place->step->b, DETACH_MOUNT) < 0 || run_step(place->step) < 0)
        return 0;
    directory->fd = (int)open_place(place->step);
    return directory->fd >= 0 && take_trace(directory->fd, &directory->trace) >= 0;
}

/* Returns 1 when they are as they were, or are others. */
int files_renew(void)
{
    for (int index = 0; index < place_count; index++) {
        const struct place *place = &places[index];
        int untouched = 1;
        for (int each = place->first; each < place->first + place->count; each++)
            untouched = untouched && is_untouched(directories[each].fd, &directories[each].trace);
        if (!untouched && (place->step == NULL || !renew(place)))
            return 0;
    }
    return 1;
}
