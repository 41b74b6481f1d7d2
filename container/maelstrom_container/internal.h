/* What the parts of the launcher share. Headers of older distributions lack some numbers; they are the same on x86-64
 * and arm64. linux/mount.h and sys/mount.h cannot be included together with every glibc. */
#include <stdint.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include "launch.h"
#include "raw.h"

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
    int ends[STREAMS]; /* write ends of the pipes; of a template: its output twice and its control socket */
    int pidfd;
    int template;      /* 1 where the child becomes a template */
    int control;       /* of the runner that forks the child, or -1 where we launch it ourselves */
    int killed;
};

/* syscalls.c: what our calls are let through our filter by; 0 where we have none. */
extern uint64_t launch_pass;
#define PASS launch_pass

/* child.c: returns the child's pid or -errno; by then the child has executed its program or failed. */
long start_child(struct child *child);

/* capture.c: the pipes, the wait for the child's end, what it leaves. */
int64_t now(void);
int open_pipes(struct child *child);
void close_pipes(struct child *child);
void close_ends(struct child *child);
void resume_pipes(struct child *child, const int streams[STREAMS]);
int keep_pipes(int streams[STREAMS]);
void wait_for(struct child *child);
void reap(struct child *child);
void collect_streams(struct child *child);
void kill_child(struct child *child);

/* release.c: drops what may be the last reference to a mount namespace, and does not wait if it need not. */
void release_mounts(int fd);

/* passed.c: gives what is to be 0, 1 and 2 of the job, of which a client has the other ends. Returns 0, or -1 and errno. */
int take_passed(const struct launch *launch, int streams[STREAMS]);

/* launch.c: keeps the mounts of this job until the next one has started. */
void hold_mounts(struct child *child);

/* forked.c: asks a runner for a fork, or for another job in the process it has kept; takes its answers. take_answer
 * returns 1 when the job is over. */
int ask_runner(struct child *child, int again, const char *payload, uint64_t size);
int take_answer(struct child *child);
