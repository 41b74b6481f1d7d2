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
    int readers[STREAMS]; /* read ends, until they are read from */
    int pidfd;
    int template;      /* 1 where the child becomes a template */
    int control;       /* of the runner that forks the child, or -1 where we launch it ourselves */
    int killed;
    int stands_by;     /* 1 where the child waits before it executes: see standby.c */
    int stack;         /* which one it runs on until it executes */
    uint32_t state;    /* of one that stands by; both sides change it */
};

enum { STANDBYS = 2 }; /* one that was called and may not have executed yet, and the next */

/* syscalls.c: what our calls are let through our filter by; 0 where we have none. */
extern uint64_t launch_pass;
#define PASS launch_pass

/* child.c: returns the child's pid or -errno; by then the child has executed its program or failed, unless it stands by. */
long start_child(struct child *child);

/* launch.c: the same, in the container on top of our root. */
long start_on_top(struct child *child);

/* launch.c: what both ways of a launch have in common. take_strings returns the memory to free, or NULL. await is for one
 * that has been started, and sees to it that the next one stands by, where that is asked for. */
void begin(struct child *child, const struct launch *launch, struct landing *landing);
char **take_strings(struct child *child);
void await(struct child *child);
int mounts_of(const struct child *child);

/* standby.c, in the child: waits until it is called; says that it never will be ready. */
void stand_by(struct child *child);
void give_up_standing_by(struct child *child);

/* standby.c: makes the container of the next launch, which is to be this one but for its arguments and variables. */
void prepare_standby(const struct launch *launch);

/* standby.c: has the child that stands by, if any, run this launch. Returns 0 where there is none that could. */
int call_standby(const struct launch *launch, struct landing *landing);

/* capture.c: the pipes, the wait for the child's end, what it leaves. */
int64_t now(void);
int open_pipes(struct child *child);
void read_pipes(struct child *child);
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
