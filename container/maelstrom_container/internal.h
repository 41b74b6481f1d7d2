/* What the parts of the launcher share. Headers of older distributions lack some numbers; they are the same on x86-64
 * and arm64. linux/mount.h and sys/mount.h cannot be included together with every glibc. */
#include <stdint.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include "launch.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

/* Everything the child needs, prepared before the clone. */
struct child {
    const struct launch *launch;
    struct landing *landing;
    char **programs, **arguments, **environment;
    int ends[STREAMS]; /* write ends of the pipes */
    int pidfd;
};

/* child.c: returns the child's pid or -errno; by then the child has executed its program or failed. */
long start_child(struct child *child);

/* capture.c: the pipes, the wait for the child's end, what it leaves. */
int64_t now(void);
int open_pipes(struct child *child);
void close_pipes(struct child *child);
void close_ends(struct child *child);
void wait_for(struct child *child);
void reap(struct child *child);
void collect_streams(struct child *child);
