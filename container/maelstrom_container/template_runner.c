/* A runner: a template's copy for one slot, with a network and mounts of its own that its jobs share one after the other.
 *
 * What they share is looked at between two jobs, and made anew unless it is as it was. See template.c. */
#include "template_internal.h"

/* The upper layers of the kept mounts, as they were when they were made. */
static struct {
    const char *path;
    struct trace trace;
    int at_point; /* whether it was still so when the present job came to its point */
} watched[WATCHED_LIMIT];
static int watched_count;
int network_is_clean(void)
{
    char now[SOCKETS_LIMIT];
    if (state.sockets < 0)
        return 1;
    memset(now, 0, sizeof now);
    raw_call(SYS_pread64, state.sockets, now, sizeof now, 0);
    for (int index = 0; index < SOCKETS_LIMIT; index++)
        if (now[index] != state.sockets_before[index])
            return 0;
        else if (now[index] == 'm' && index > 2 && now[index - 1] == ' ') /* " mem ": memory, not sockets */
            return 1;
    return 1;
}

/* A runner or carrier does nothing but fork, so it can stay at the root of the mounts. */
static long stay_at_mounts(void)
{
    long size = raw_call(SYS_getcwd, state.directory, sizeof state.directory);
    return size < 0 ? size : raw_call(SYS_fchdir, state.mounts);
}

static long raise_loopback(void)
{
    struct { /* struct ifreq */
        char name[16];
        short flags;
        char rest[22];
    } request = {"lo", 1 | 8 | 64 /* IFF_UP, IFF_LOOPBACK, IFF_RUNNING */, ""};
    long fd = raw_call(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fd;
    long result = raw_call(SYS_ioctl, fd, 0x8914 /* SIOCSIFFLAGS */, &request);
    raw_close(fd);
    return result;
}

static long watch(const char *path)
{
    if (watched_count == WATCHED_LIMIT)
        return TOO_LARGE;
    long fd = raw_open(path, PATH_ONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    watched[watched_count].path = path;
    watched[watched_count].at_point = 1;
    long result = take_trace((int)fd, &watched[watched_count++].trace);
    raw_close(fd);
    return result;
}

/* Returns the number of the step that failed and sets the error, or -1. */
static int make_kept(long *error)
{
    watched_count = 0;
    for (uint32_t index = 0; index < job_plan.head.kept_count; index++) {
        const struct step *step = &job_plan.steps[index];
        *error = step->op == STEP_WATCH ? watch(step->a) : run_step(step);
        if (*error < 0)
            return (int)index;
    }
    return -1;
}

static int is_as_made(int directory, int index)
{
    long fd = raw_call(SYS_openat, directory, watched[index].path, PATH_ONLY | O_DIRECTORY | CLOSE_ON_EXEC);
    int untouched = fd >= 0 && is_untouched((int)fd, &watched[index].trace);
    if (fd >= 0)
        raw_close(fd);
    return untouched;
}

static int kept_are_clean(int directory)
{
    for (int index = 0; index < watched_count; index++)
        if (!is_as_made(directory, index))
            return 0;
    return 1;
}

/* A program may make directories again before its point: then they are looked at as those of other file systems are. */
int kept_at_point(int directory)
{
    for (int index = 0; index < watched_count; index++) {
        watched[index].at_point = is_as_made(directory, index);
        if (!watched[index].at_point &&
            !files_add(raw_call(SYS_openat, directory, watched[index].path, O_RDONLY | O_DIRECTORY | CLOSE_ON_EXEC)))
            return 0;
    }
    return 1;
}

int kept_are_as_at_point(int directory)
{
    for (int index = 0; index < watched_count; index++)
        if (watched[index].at_point && !is_as_made(directory, index))
            return 0;
    return 1;
}

/* Takes away the roots of the trees, and with each all that is below. */
static void unmake_kept(void)
{
    for (uint32_t index = 0; index < job_plan.head.kept_count; index++) {
        const char *target = job_plan.steps[index].b;
        int is_root = job_plan.steps[index].op == STEP_MOUNT;
        for (const char *at = target; *at; at++)
            is_root = is_root && *at != '/';
        if (is_root)
            raw_call(SYS_umount2, target, DETACH_MOUNT);
    }
}

/* Between jobs: whoever comes next finds nothing of who came before. */
void renew_kept(void)
{
    long error;
    if (kept_are_clean(AT_FDCWD))
        return;
    unmake_kept();
    if (make_kept(&error) >= 0)
        leave(EXIT_LOST); /* there will be another runner */
}

static long make_namespaces(const struct template_plan *head)
{
    unsigned long mounts = head->kept_count ? CLONE_NEWNS : 0;
    unsigned long network = head->network ? CLONE_NEWNET : 0;
    long result = raw_call(SYS_unshare, CLONE_NEWUSER | mounts | network);
    if (result < 0 || (result = map_ids(&job_plan)) < 0)
        return result;
    if (head->network == 2) {
        if ((result = raise_loopback()) < 0)
            return result;
        /* as in networks.py; where these cannot be written, ports rest and the network is replaced more often */
        raw_write_file(state.proc, "sys/net/ipv4/tcp_max_tw_buckets", "0");
        raw_write_file(state.proc, "sys/net/ipv4/ip_unprivileged_port_start", "0");
        long sockets = raw_call(SYS_openat, state.proc, SOCKETS, O_RDONLY | CLOSE_ON_EXEC);
        int high = -1;
        if (sockets < 0 || move_up((int)sockets, &high) < 0)
            return sockets < 0 ? sockets : INVALID;
        state.sockets = high;
        raw_call(SYS_pread64, high, state.sockets_before, SOCKETS_LIMIT, 0);
    }
    /* An overlay acts with the capabilities of who mounts it. They are over what is below us, as anybody has them who
     * makes a user namespace; our forks give them up. */
    if (!mounts)
        drop_capabilities(MAP_ROOT);
    return 0;
}

int become_runner(void)
{
    raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    long result = raw_call(SYS_dup3, state.fds[0], state.control, CLOSE_ON_EXEC);
    close_received();
    state.runner = 1;
    rewind_make();
    int phase = PHASE_CLONE;
    if (result >= 0)
        result = stay_at_mounts();
    if (result >= 0)
        result = make_namespaces(&job_plan.head);
    if (result >= 0)
        phase = make_kept(&result);
    if (result < 0) {
        fail(phase, result);
        leave(EXIT_LOST);
    }
    template_ready();
    return 0;
}

int become_stage(int (*fork_function)(void))
{
    raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    /* whoever will use the stage is told of its start and its end */
    long result = raw_call(SYS_dup3, state.fds[2], state.control, CLOSE_ON_EXEC);
    raw_close(state.fds[--state.fd_count]);
    if (result >= 0)
        result = stay_at_mounts();
    if (result < 0) {
        fail(PHASE_DIRECTORY, result);
        leave(EXIT_LOST);
    }
    if (fork_into(&stage_plan, fork_function) == 0)
        return 0;
    leave(0);
}
