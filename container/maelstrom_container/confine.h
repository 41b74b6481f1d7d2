/* The last thing that a job does before it is the job, in the launcher's child and in the forks of a template: from here
 * on it can do less than what has just been done. Calls nothing of the C library. */
#ifndef MAELSTROM_CONFINE_H
#define MAELSTROM_CONFINE_H
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>

#include "raw.h"

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#endif
#define NOT_PERMITTED (-1)       /* -EPERM */
#define NOT_IMPLEMENTED (-38)    /* -ENOSYS */

/* Pool members have a filter, which their jobs inherit: the kernel takes some 60 us to compile one, and no job can do away
 * with it. It lets a member make containers if an argument that those calls do not use holds the member's own random
 * number, its pass: no job knows it, and none can read it (docs/decisions/seccomp.md). SPEC_ALLOW: before Linux 5.16 a
 * filter made the processor guess less, which slows down the whole program; side channels are no boundary here. */
static inline long install_filter(const void *filter, uint64_t length)
{
    struct sock_fprog program = {(unsigned short)length, (struct sock_filter *)(uintptr_t)filter};
    return raw_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

/* A filter (see seccomp.py) refuses all calls that keyrings are reached by; who has none gets a session keyring of its
 * own, unless there are no keyrings here anyway. */
static inline long join_own_keyring(void)
{
    long result = raw_call(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
    return result == NOT_PERMITTED || result == NOT_IMPLEMENTED ? 0 : result;
}

static inline long confine(const void *filter, uint64_t length)
{
    return length == 0 ? join_own_keyring() : install_filter(filter, length);
}
#endif
