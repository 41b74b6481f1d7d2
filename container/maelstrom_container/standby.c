/* The container of the next job, made while the last one runs.
 *
 * A member has nothing to do while its job runs, and what it has to do for the next one does not depend on that one's
 * arguments. So a child is there already, in namespaces and mounts of its own, with everything given up that a job must
 * not have, and waits before execve for what to execute. It shares our memory until then, as any child of a launch does,
 * and has run nothing that is not ours.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

enum { PREPARING, READY, CALLED, TAKEN, FAILED };

#define LOOK_AGAIN 10000000 /* nanoseconds after which we look whether it was killed, which nobody would tell us */

static struct child children[STANDBYS];
static struct landing unread[STANDBYS]; /* what went wrong before anybody asked: then it is launched in the ordinary way */
static struct child *standby;           /* NULL: there is none */
static int last;

static void become(struct child *child, uint32_t state)
{
    __atomic_store_n(&child->state, state, __ATOMIC_RELEASE);
    raw_call(SYS_futex, &child->state, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static uint32_t state_of(struct child *child)
{
    return __atomic_load_n(&child->state, __ATOMIC_ACQUIRE);
}

void stand_by(struct child *child)
{
    become(child, READY);
    while (state_of(child) == READY)
        raw_call(SYS_futex, &child->state, FUTEX_WAIT_PRIVATE, READY);
    __atomic_store_n(&child->state, TAKEN, __ATOMIC_RELEASE); /* nobody waits for that */
}

void give_up_standing_by(struct child *child)
{
    if (state_of(child) == PREPARING)
        become(child, FAILED);
}

static int is_alive(const struct child *child)
{
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN};
    return poll(&end, 1, 0) == 0;
}

static int is_ready(struct child *child)
{
    const struct timespec while_alive = {.tv_nsec = LOOK_AGAIN};
    while (state_of(child) == PREPARING && is_alive(child))
        raw_call(SYS_futex, &child->state, FUTEX_WAIT_PRIVATE, PREPARING, &while_alive);
    return state_of(child) == READY && is_alive(child);
}

/* Tells whether it was killed by somebody else before it took the job: one that is being killed seems alive for a while. */
static int took_nothing(struct child *child)
{
    const struct landing *landing = child->landing;
    return state_of(child) == CALLED && !landing->timed_out && !landing->was_cancelled;
}

/* Signals are blocked: it is called while another child runs. */
void prepare_standby(const struct launch *launch)
{
    int next = (last + 1) % STANDBYS;
    struct child *child = &children[next];

    begin(child, launch, &unread[next]);
    child->stands_by = 1;
    child->stack = next;
    if (open_pipes(child) == 0 && start_on_top(child) > 0) {
        standby = child;
        last = next;
    } else {
        close_pipes(child);
    }
}

void launch_dismiss(void)
{
    struct child *child = standby;
    if (child == NULL)
        return;
    standby = NULL;
    int mounts = mounts_of(child); /* or to reap it would take as long as the kernel takes to take its mounts down */
    kill_child(child);
    reap(child);
    close(child->pidfd);
    close_pipes(child);
    if (mounts >= 0)
        release_mounts(mounts);
}

int call_standby(const struct launch *launch, struct landing *landing)
{
    struct child *child = standby;
    sigset_t all, before;

    if (child == NULL)
        return 0;
    memset(landing, 0, sizeof *landing);
    landing->phase = PHASE_NONE;
    child->launch = launch;
    char **strings = is_ready(child) ? take_strings(child) : NULL;
    if (strings == NULL) {
        launch_dismiss();
        return 0;
    }
    standby = NULL;
    child->landing = landing;
    read_pipes(child);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    int64_t start = now();
    become(child, CALLED);
    await(child);
    close_ends(child);
    landing->duration = now() - start;
    collect_streams(child);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(strings);
    if (took_nothing(child)) {
        launch_dismiss(); /* the one that was made meanwhile */
        return 0;
    }
    return 1;
}
