/* One step of a launch plan, executed: what the launcher's child and the forks of a template have in common.
 *
 * Both run it in a process that shares another one's memory, so it calls nothing of the C library. */
#ifndef MAELSTROM_STEPS_H
#define MAELSTROM_STEPS_H
#include <fcntl.h>
#include <stdint.h>

#include "launch.h"
#include "raw.h"

#define DETACH_MOUNT 2                /* MNT_DETACH */
#define BIND_MOUNT 4096               /* MS_BIND */
#define MOVE_MOUNT 8192               /* MS_MOVE */
#define REMOUNT 32                    /* MS_REMOUNT */
#define READ_ONLY 1                   /* MS_RDONLY */
#define HARMLESS (2 | 4 | 8)          /* MS_NOSUID, MS_NODEV, MS_NOEXEC */
#define CLONE_OF_TREE 1               /* OPEN_TREE_CLONE */
#define CLOSE_ON_EXEC 02000000        /* O_CLOEXEC, OPEN_TREE_CLOEXEC */
#define EMPTY_SOURCE_PATH 4           /* MOVE_MOUNT_F_EMPTY_PATH */
#define PATH_ONLY 010000000           /* O_PATH */
#define NO_ENTRY (-2)                 /* -ENOENT */
#define NO_SUCH_STEP (-38)            /* -ENOSYS */

/* guarded_call(SYS_x, arguments...): a call that seccomp refuses to jobs, with at most five arguments; PASS is the number
 * that lets it through the filter of a pool member (see confine.h), where there is one. */
#ifndef PASS
#define PASS 0
#endif
#define GUARDED5(number, a, b, c, d, e, ...) \
    raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(PASS))
#define guarded_call(...) GUARDED5(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static inline long raw_mount(const char *source, const char *target, const char *type, unsigned long flags,
                             const char *data)
{
    return guarded_call(SYS_mount, source, target, type, flags, data);
}

static inline long raw_open(const char *path, int flags, int mode)
{
    return raw_call(SYS_openat, AT_FDCWD, path, flags | CLOSE_ON_EXEC, mode);
}

static inline long raw_close(long fd)
{
    return raw_call(SYS_close, fd);
}

static inline long raw_write_file(int directory, const char *path, const char *text)
{
    long size = 0;
    while (text[size])
        size++;
    long fd = raw_call(SYS_openat, directory, path, O_WRONLY | CLOSE_ON_EXEC);
    if (fd < 0)
        return fd;
    long written = raw_call(SYS_write, fd, text, size);
    raw_close(fd);
    return written < 0 ? written : 0;
}

static inline long protect(const char *path)
{
    long result = raw_mount(path, path, 0, BIND_MOUNT, 0);
    if (result < 0)
        return result == NO_ENTRY ? 0 : result;
    return raw_mount(0, path, 0, BIND_MOUNT | REMOUNT | READ_ONLY | HARMLESS, 0);
}

/* Attached by path, not by descriptor, the copy would be attached to what the path means afterwards. */
static inline long attach(const struct step *step)
{
    long fd = guarded_call(SYS_open_tree, AT_FDCWD, step->a, step->flags | CLONE_OF_TREE | CLOSE_ON_EXEC);
    if (fd < 0)
        return fd;
    long result = guarded_call(SYS_move_mount, fd, "", AT_FDCWD, step->b, EMPTY_SOURCE_PATH);
    raw_close(fd);
    return result;
}

/* The mount at a becomes the root, and the current directory the place of the old one.
 * pivot: "." twice stacks the old root over the new one. Otherwise it is covered, as an initramfs is left: letting go
 * of a tree makes the kernel wait for all its readers (some 60 us). */
static inline long enter_root(const char *path, int pivot)
{
    long fd = raw_open(".", PATH_ONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    long result = raw_call(SYS_chdir, path);
    if (result >= 0)
        result = pivot ? guarded_call(SYS_pivot_root, ".", ".") : raw_mount(".", "/", 0, MOVE_MOUNT, 0);
    if (result >= 0 && !pivot)
        result = raw_call(SYS_chroot, ".");
    if (result >= 0)
        result = raw_call(SYS_fchdir, fd);
    raw_close(fd);
    return result;
}

static inline long limit(const struct step *step)
{
    const uint64_t soft_and_hard[2] = {step->flags, step->flags};
    return raw_call(SYS_prlimit64, 0, step->number, soft_and_hard, 0);
}

/* Sources are relative to the current directory, the root of the prepared container's mounts. */
static inline long run_step(const struct step *step)
{
    long fd;
    switch (step->op) {
    case STEP_MOUNT:
        return raw_mount(step->a, step->b, step->c, step->flags, step->d);
    case STEP_ATTACH:
        return attach(step);
    case STEP_MKDIR:
        return raw_call(SYS_mkdirat, AT_FDCWD, step->a, step->number);
    case STEP_FILE:
        fd = raw_open(step->a, O_WRONLY | O_CREAT | O_EXCL, step->number);
        return fd < 0 ? fd : raw_close(fd);
    case STEP_PROTECT:
        return protect(step->a);
    case STEP_PIVOT:
        return enter_root(step->a, 1);
    case STEP_COVER:
        return enter_root(step->a, 0);
    case STEP_DETACH:
        return guarded_call(SYS_umount2, ".", DETACH_MOUNT);
    case STEP_LIMIT:
        return limit(step);
    default:
        return NO_SUCH_STEP;
    }
}
#endif
