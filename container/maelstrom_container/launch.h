/* What Python sees of the launcher (read by cffi, included by launch.c). Times are nanoseconds. */
#ifndef MAELSTROM_LAUNCH_H
#define MAELSTROM_LAUNCH_H

/* One step of a launch plan, executed in the child between clone3 and execve. Unused fields are 0.
 * STEP_MOUNT   mount(2): a source, b target, c type, d data, flags
 * STEP_ATTACH  open_tree(2) with `flags` of the mount at a, move_mount(2) to b
 * STEP_MKDIR   mkdir(2) of a, mode = number
 * STEP_FILE   an empty file is made at a, mode = number
 * STEP_PROTECT  what is at a becomes read-only, if it is there
 * STEP_PIVOT   a becomes the root; the old root stays reachable as the current directory
 * STEP_DETACH  the old root goes
 * STEP_COVER  like STEP_PIVOT, but the old root stays, out of reach below the new one
 * STEP_LIMIT  prlimit(2): resource number may be used up to `flags`, which nobody can raise again
 * STEP_WATCH  of templates: mounts that jobs share one after the other are made anew when the directory a has changed
 */
enum step_op { STEP_MOUNT, STEP_ATTACH, STEP_MKDIR, STEP_FILE, STEP_PROTECT, STEP_PIVOT, STEP_DETACH, STEP_COVER,
               STEP_WATCH, STEP_LIMIT };

struct step {
    int op;
    int number;
    unsigned long flags;
    const char *a, *b, *c, *d;
};

/* Where a launch failed: the index of a step, or one of these. */
enum launch_phase { PHASE_NONE = -1, PHASE_CLONE = -2, PHASE_IDENTITY = -3, PHASE_DIRECTORY = -4,
                    PHASE_SEAL = -5, PHASE_EXEC = -6, PHASE_PIPES = -7, PHASE_LOST = -8,
                    PHASE_GROUP = -9 };

/* A terminal becomes the controlling one, too; the client is answered where it is, see passed.c. */
enum passed { PASSED_NOTHING, PASSED_STREAMS, PASSED_TERMINAL };

enum { STREAM_STDOUT, STREAM_STDERR, STREAM_RESULT, STREAMS };

/* A root that jobs share one after the other: the tops of its upper layers, and what they were like when it was made. */
enum { KEPT_LIMIT = 64, KEPT_MARKS = 8 };
struct kept {
    int count;
    int fds[64];
    uint64_t marks[64][8];
};

struct launch {
    const struct step *steps;
    int step_count;
    unsigned long namespaces;   /* CLONE_NEW... */
    const char *uid_map, *gid_map;
    uint64_t capabilities;      /* the bounding set to leave; it counts where the job is root, others have none */
    int session;                /* it leads one of its own, not only a process group; so it does where a terminal is passed */
    int confined;               /* a filter is inherited from us, see confine_launcher */
    const void *filter;         /* struct sock_filter: what seccomp refuses, where nothing is inherited */
    uint64_t filter_length;     /* instructions; 0: nothing is refused */
    /* Packed strings, each closed by NUL: paths to try in order, arguments, environment, and more of it. */
    const char *programs, *arguments, *environment, *variables;
    int program_count, argument_count, environment_count, variable_count;
    const char *directory;
    int stdin_fd;
    int passed;                 /* enum passed: stdin_fd is a socket with what takes the place of 0, 1 and 2 */
    int doorbell;               /* an eventfd that wakes the wait, or -1 */
    int group;                  /* the cgroup (its directory) in which the program begins, or -1: in ours */
    const uint64_t *cancelled;  /* becomes `sequence` when this launch is to be killed */
    uint64_t sequence;
    int64_t timeout;            /* 0: none */
    int64_t grace;              /* after the timeout, between grace_signal and the kill; 0: killed at once */
    int grace_signal;
    uint64_t limits[3];         /* bytes kept of each stream */
    int64_t ahead;              /* how long the container of the next launch may stand by, 0: it is not made ahead */
    int rest;                   /* a file for what exceeds these of the first two, one behind the other's room; or -1 */
    uint64_t rest_limit;        /* bytes of each in there: its room */
    const struct kept *kept;    /* the root that it shares with others, to be clean when it begins; NULL: it has its own */
    int repeats;                /* how often it may be repeated without Python */
};

struct stream {
    const char *data;
    uint64_t kept, rest, lost;  /* in `data`, in the file, nowhere */
};

struct landing {
    int phase, error;           /* PHASE_NONE: the program was executed */
    int exited, status;         /* status is the exit code, or the signal where exited is 0 */
    int timed_out, was_cancelled;
    int spoiled;                /* of a fork: its runner must not be used again */
    int kept;                   /* of a fork: its process waits for another job */
    int64_t duration, cpu_user, cpu_system;
    int64_t peak_memory;        /* bytes; contains the launching process's own peak, see launch.c */
    int64_t own_peak;           /* the launching process's own peak */
    struct stream streams[3];
};

/* Runs one program in namespaces of its own and waits for its end. The streams' data stay valid until the
 * next call. Where `ahead` is set, a child in the container of the next launch is started meanwhile, and waits before it
 * executes (see standby.c). Single-threaded callers only. Returns 0, or -1 where not even the wait was possible (see error). */
int launch(const struct launch *launch, struct landing *landing);

/* Ends the child that stands by, if there is one: where `ahead` was set, the next launch must be the same but for its arguments,
 * variables and sequence; before any other, and before the caller's root or a namespace of it changes, comes this. */
void launch_dismiss(void);

/* Starts a template (see template.h) and leaves it running. `descriptors`: its output, its error output, its control
 * socket. Returns a pidfd, or -1 (see the landing). */
int start_template(const struct launch *launch, const int descriptors[3], struct landing *landing);

/* A runner, and the process that it has kept of its last job, if any: that one's pidfd and the read ends of its streams. */
struct runner {
    int control;
    int pidfd; /* -1: none is kept */
    int streams[3];
};

/* Has a runner fork a job, or its kept process go on, and waits for the job's end; of the launch only the streams' limits,
 * the timeout, its grace and how it is cancelled count. Returns as launch() does; PHASE_LOST where the runner died. */
int launch_fork(const struct launch *launch, struct runner *runner, const char *payload, uint64_t size,
                struct landing *landing);

/* Closes what there is of a kept process; not the control socket. */
void forget_kept(struct runner *runner);

/* Installs a filter (struct sock_filter) in the calling process, which all that it starts inherits, and remembers the
 * number that lets our own calls through it. Returns 0 or -errno. */
int confine_launcher(const void *filter, uint64_t length, uint64_t pass);

/* Gives back what is kept of the last job until the next one has started; to be called before a long wait. */
void launch_rest(void);

/* The same, and it is gone when this returns, where it was the last job's. */
void launch_end(void);

/* Has what is given back from now on taken down by a thread, which stays in the namespaces that the caller is in. To be
 * called once; returns 0 where there can be none. The caller can change its user and pid namespaces no more. */
int launch_release_aside(void);

/* Makes a root that is kept, by steps of which STEP_WATCH names the tops of its upper layers. Returns -1, or which step
 * failed: the caller takes away what there is then, and forgets it. */
int kept_make(struct kept *kept, const struct step *steps, int count);

/* Lets go of the upper layers. */
void kept_forget(struct kept *kept);

/* Whether nobody has written to it since it was made. */
int kept_is_clean(const struct kept *kept);

/* Thin system calls that Python's os module lacks (3.11); each returns the result, or -errno. */
int sys_unshare(unsigned long flags);
int sys_setns(int fd, int kind);
int sys_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int sys_umount(const char *target, int flags);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_open_tree(int directory, const char *path, unsigned int flags);
int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned int flags);
int sys_fsopen(const char *type, unsigned int flags);
int sys_fsconfig(int fs, unsigned int command, const char *key, const char *value, int aux);
int sys_fsmount(int fs, unsigned int flags, unsigned int attributes);
int sys_mount_setattr(int directory, const char *path, unsigned int flags, uint64_t set, uint64_t clear);
int sys_open_in_root(int root, const char *path, int flags);
int sys_prctl(int option, unsigned long argument);
int sys_loopback_up(void);
void sys_default_signals(void);
#endif
