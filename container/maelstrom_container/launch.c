/* Launches one program in a container of its own and waits for it: the call that Python makes.
 *
 * Python decides, C does: a plan (struct step, see launch.h) is walked between clone3 and execve. child.c is what
 * runs there, capture.c what we do meanwhile. A step that fails leaves its number and errno in the landing, which is
 * plain memory of ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"
#include "template.h"

#define GET_MOUNT_NAMESPACE _IO(0xFF, 3) /* PIDFD_GET_MNT_NAMESPACE */

/* The mount namespace of the last job, kept so that it does not end with the job.
 *
 * Whoever drops the last reference to one waits until the kernel has taken it down (see release.c): the job itself, before
 * its end can be seen, unless we have one. Ours goes when the next job runs, or when there is no next job. */
static int last_mounts = -1;

void launch_end(void)
{
    if (last_mounts >= 0)
        close(last_mounts);
    last_mounts = -1;
}

void launch_rest(void)
{
    if (last_mounts >= 0)
        release_mounts(last_mounts);
    last_mounts = -1;
}

/* -1 before Linux 6.11, or if it is over already. */
int mounts_of(const struct child *child)
{
    return ioctl(child->pidfd, GET_MOUNT_NAMESPACE, 0);
}

void hold_mounts(struct child *child)
{
    launch_rest();
    last_mounts = mounts_of(child);
}

static char **unpack(char **slot, const char *packed, int count)
{
    for (int index = 0; index < count; index++) {
        *slot++ = (char *)packed;
        packed += strlen(packed) + 1;
    }
    *slot++ = NULL;
    return slot;
}

/* Starts the child in what is on top of our root, the root of a prepared container (the parent of a root is that root,
 * and whatever is mounted on it), or in ours where nothing is. A user namespace is made for nobody whose root is not the
 * topmost. Ours is the bare one, the current directory, before and after: no path of Python leads into a container. */
long start_on_top(struct child *child)
{
    if (chroot("/..") < 0)
        return -errno;
    long pid = start_child(child);
    if (chroot(".") < 0)
        abort();
    return pid;
}

void await(struct child *child)
{
    hold_mounts(child);
    if (child->launch->ahead) {
        sched_yield(); /* the job goes first, where it shares a processor with us */
        prepare_standby(child->launch);
    }
    wait_for(child);
    reap(child);
    close(child->pidfd);
}

static void run(struct child *child)
{
    struct landing *landing = child->landing;
    sigset_t all, before;
    int64_t start = now();

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    long pid = start_on_top(child);
    if (pid < 0) {
        landing->phase = PHASE_CLONE;
        landing->error = (int)-pid;
    } else if (landing->phase == PHASE_NONE) {
        await(child);
    } else {
        reap(child);
        close(child->pidfd);
    }
    close_ends(child); /* only now: that nobody writes any more would wake us, shortly before the job's end does */
    landing->duration = now() - start;
    collect_streams(child);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

void begin(struct child *child, const struct launch *launch, struct landing *landing)
{
    *child = (struct child){.launch = launch, .landing = landing, .pidfd = -1, .control = -1};
    memset(landing, 0, sizeof *landing);
    landing->phase = PHASE_NONE;
}

static int refuse(struct child *child, int error)
{
    child->landing->phase = PHASE_PIPES;
    child->landing->error = error;
    return -1;
}

char **take_strings(struct child *child)
{
    const struct launch *launch = child->launch;
    size_t count = (size_t)launch->program_count + (size_t)launch->argument_count +
                   (size_t)launch->environment_count + (size_t)launch->variable_count + 3;
    char **strings = malloc(count * sizeof *strings);
    if (strings == NULL) {
        refuse(child, ENOMEM);
        return NULL;
    }
    child->programs = strings;
    child->arguments = unpack(child->programs, launch->programs, launch->program_count);
    child->environment = unpack(child->arguments, launch->arguments, launch->argument_count);
    char **variables = child->environment + launch->environment_count;
    unpack(child->environment, launch->environment, launch->environment_count);
    unpack(variables, launch->variables, launch->variable_count);
    return strings;
}

int launch(const struct launch *launch, struct landing *landing)
{
    struct child child;

    if (call_standby(launch, landing))
        return 0;
    begin(&child, launch, landing);
    char **strings = take_strings(&child);
    if (strings == NULL)
        return -1;
    int result = open_pipes(&child);
    if (result < 0) {
        refuse(&child, errno);
        close_pipes(&child);
    } else {
        read_pipes(&child);
        run(&child);
    }
    free(strings);
    return result;
}

int start_template(const struct launch *launch, const int descriptors[3], struct landing *landing)
{
    struct child child;
    sigset_t all, before;

    begin(&child, launch, landing);
    memcpy(child.ends, descriptors, sizeof child.ends);
    child.template = 1;
    char **strings = take_strings(&child);
    if (strings == NULL)
        return -1;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    long pid = start_child(&child);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(strings);
    if (pid < 0) {
        landing->phase = PHASE_CLONE;
        landing->error = (int)-pid;
    } else if (landing->phase != PHASE_NONE) {
        reap(&child);
        close(child.pidfd);
    }
    return landing->phase == PHASE_NONE ? child.pidfd : -1;
}

void forget_kept(struct runner *runner)
{
    if (runner->pidfd < 0)
        return;
    close(runner->pidfd);
    runner->pidfd = -1;
    for (int stream = 0; stream < STREAMS; stream++)
        if (runner->streams[stream] >= 0)
            close(runner->streams[stream]);
}

/* Returns -1 where there are no pipes. */
static int prepare_streams(struct child *child, struct runner *runner, int again)
{
    if (again) {
        resume_pipes(child, runner->streams);
        child->pidfd = runner->pidfd;
        runner->pidfd = -1;
        return 0;
    }
    forget_kept(runner);
    if (open_pipes(child) == 0) {
        read_pipes(child);
        return 0;
    }
    refuse(child, errno);
    close_pipes(child);
    return -1;
}

int launch_fork(const struct launch *launch, struct runner *runner, const char *payload, uint64_t size,
                struct landing *landing)
{
    struct child child;
    int64_t start = now();
    int again = runner->pidfd >= 0 && size <= TEMPLATE_INLINE;

    begin(&child, launch, landing);
    child.control = runner->control;
    if (prepare_streams(&child, runner, again) < 0)
        return -1;
    int asked = ask_runner(&child, again, payload, size);
    close_ends(&child);
    if (asked == 0)
        wait_for(&child);
    landing->duration = now() - start;
    if (landing->timed_out && landing->kept) { /* a signal may be on its way to a process that is through */
        kill_child(&child);
        landing->kept = 0;
        landing->spoiled = 1;
    }
    collect_streams(&child);
    if (landing->kept) {
        int complete = keep_pipes(runner->streams);
        runner->pidfd = child.pidfd;
        if (!complete)
            forget_kept(runner);
    } else if (child.pidfd >= 0) {
        close(child.pidfd);
    }
    return 0;
}
