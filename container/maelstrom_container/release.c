/* Takes the mounts of finished jobs down beside the jobs that follow.
 *
 * The kernel takes a mount namespace down when its last reference goes, and whoever drops that waits until no processor
 * looks at its mounts any more: 100 us on a quiet machine, much more on a busy one. A member has better things to do. So a
 * thread of its own waits instead: one that shares memory and descriptors with the member, and calls nothing of the C
 * library, of which it has no part. It has a current directory and a root of its own (no CLONE_FS): the kernel lets nobody
 * change the mount namespace who shares these.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "internal.h"
#include "steps.h"

enum { ROOM = 4 }; /* namespaces that may wait: what jobs leave in memory goes with them */

static int waiting[ROOM];
static uint32_t given, taken; /* how many ever were; each is written by one side */
static int started;
static _Alignas(16) char stack[16 * 1024];

static int release(void *nothing)
{
    (void)nothing;
    for (uint32_t next = 0;;) {
        if (next == __atomic_load_n(&given, __ATOMIC_ACQUIRE)) {
            raw_call(SYS_futex, &given, FUTEX_WAIT_PRIVATE, next);
            continue;
        }
        raw_close(waiting[next % ROOM]);
        __atomic_store_n(&taken, ++next, __ATOMIC_RELEASE);
    }
    return 0;
}

int launch_release_aside(void)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    started = clone(release, stack + sizeof stack, CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) > 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return started;
}

void release_mounts(int fd)
{
    if (!started || given - __atomic_load_n(&taken, __ATOMIC_ACQUIRE) == ROOM) {
        close(fd);
        return;
    }
    waiting[given % ROOM] = fd;
    __atomic_store_n(&given, given + 1, __ATOMIC_RELEASE);
    raw_call(SYS_futex, &given, FUTEX_WAKE_PRIVATE, INT_MAX);
}
