/* What the parts of the template library share; see template.c. */
#ifndef MAELSTROM_TEMPLATE_INTERNAL_H
#define MAELSTROM_TEMPLATE_INTERNAL_H
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "steps.h"
#include "template.h"

#define EXPORT __attribute__((visibility("default")))
#define PLAN_LIMIT 65536
#define FILTER_INSTRUCTION 8 /* sizeof(struct sock_filter) */
#define STEPS_LIMIT 256
#define PATH_LIMIT 4096
#define FDS_LIMIT 4
#define WATCHED_LIMIT 64
#define HIGH_CONTROL 200 /* out of the way of programs that expect low numbers to be free */
#define LOWEST_HIGH 40   /* where the limit of open files is that small */
#define MAP_OF_USERS "self/uid_map"
#define MAP_OF_GROUPS "self/gid_map"
#define SOCKETS "self/net/sockstat"
#define SOCKETS_LIMIT 96
#define ALL_SIGNALS (~0UL)
#define SIGNAL_SET_SIZE 8
#define LAST_CAPABILITY 63
#define INVALID (-22)     /* -EINVAL */
#define TOO_LARGE (-7)    /* -E2BIG */
#define INTERRUPTED (-4)  /* -EINTR */
#define MAP_ROOT (1ULL << CAP_SETFCAP) /* what it takes to map user 0 into a namespace below */
#define RESTARTABLE_SIZE 32
#if defined(__x86_64__)
#define RESTARTABLE_SIGNATURE 0x53053053 /* glibc's RSEQ_SIG */
#else
#define RESTARTABLE_SIGNATURE 0xd428bc00
#endif
#define EXIT_LOST 70      /* of a first process whose runner is gone */
#define SURPLUS_LIMIT 64
#define STORE_LIMIT 8192 /* pages; to put back more than that takes as long as a fork */

struct plan {
    struct template_plan head;
    const void *filter;
    const char *uid_map, *gid_map;
    struct step steps[STEPS_LIMIT];
    _Alignas(8) char text[PLAN_LIMIT];
};

/* What the first process leaves in its runner's memory. */
struct result {
    int phase, error;
    int ended, status;
    struct rusage usage;
    int told;                       /* the last job's end; the process waits for another job */
    int64_t cpu_user, cpu_system;   /* of the process and the first one, that are no part of the present job */
};

struct entry { /* struct linux_dirent64 */
    uint64_t inode, offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* A piece of memory, and pieces that have to be unmapped. */
struct piece {
    uint64_t start, size;
};

struct surplus {
    int count;
    struct piece pieces[SURPLUS_LIMIT];
};

/* A page that the job is to put back, and where in the store its content is. */
struct put_back {
    uint64_t to, from;
};

/* What pages held at the point of a job; mapped by the job as well, which may only read it. */
struct store {
    uint64_t count, addresses[STORE_LIMIT];
    uint64_t listed;
    struct put_back list[STORE_LIMIT];
    _Alignas(4096) char pages[STORE_LIMIT][4096];
};

struct state {
    int control, mounts, proc; /* proc: of the first template's namespace, where maps are written */
    int sockets;               /* the counts of the runner's network, or -1 */
    int here;                  /* of a first process: where the kept mounts are */
    int runner, network_is_own;
    int kind, fd_count, fds[FDS_LIMIT];
    char *restartable;         /* where the C library and the kernel meet for restartable sequences */
    const char *payload;
    uint64_t payload_size, mapped;
    struct shared *shared;     /* with the jobs of this runner; see template_rewind.c */
    struct store *store;
    struct result result;
    char sockets_before[SOCKETS_LIMIT];
    char directory[PATH_LIMIT];
};

extern struct state state;
extern struct plan job_plan, stage_plan;
extern char inbox[sizeof(struct template_message) + PLAN_LIMIT + TEMPLATE_INLINE];

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
__attribute__((noreturn)) void leave(int code);

static inline int64_t nanoseconds(const struct timeval *time)
{
    return time->tv_sec * 1000000000LL + time->tv_usec * 1000LL;
}

/* template.c: messages and descriptors. */
long send_message(int kind, const void *body, uint64_t size, int fd);
void fail(int phase, long error);
void close_received(void);
int move_up(int fd, int *high);
long receive_message(struct template_message *head, int flags, int rights);

/* template_fork.c: returns 0 in the fork, 1 in the process that called, when the fork's namespaces have ended. */
int fork_into(const struct plan *plan, int (*fork_function)(void));
long map_ids(const struct plan *plan);
void drop_capabilities(uint64_t keep);

/* template_arena.c: whether memory that is used for the first time is to lie on huge pages. */
void arenas_grow(void);
void arenas_rest(void);
int arena_region(uint64_t *start, uint64_t *end);

/* template_runner.c: what is between two jobs of a runner. */
int become_runner(void);
int become_stage(int (*fork_function)(void));
int network_is_clean(void);
int kept_at_point(int directory);
int kept_are_as_at_point(int directory);
void renew_kept(void);

/* template_rewind.c: jobs that are put back to where they began. Before a fork; in a first process, whose child has
 * stopped; when that process has ended, in the runner. In the job: keeps it from writing to the store, and makes
 * what tells of its writing. */
void rewind_make(void);
void rewind_protect(void);
void rewind_watch(void);
void rewind_begin(void);
void rewind_stopped(int child, const struct rusage *usage);
void rewind_ended(void); /* leaves where it was killed before it began */
void rewind_over(void);

/* template_look.c: what there is of a job besides its memory and its files. */
uint64_t look(int pid, int proc, int unseen, long *resident);

/* template_files.c: the file systems in memory that a job has for itself. Each returns 1 where that could be done. */
int files_begin(const struct plan *plan);
int files_add(long directory);
int files_renew(void);

/* What shows that something was made in a directory, or anywhere in its file system. The clock of a file system may be
 * as coarse as some milliseconds; what is there is counted. */
struct trace {
    long changed, changed_part, modified, modified_part, size, free_blocks, free_files;
};
long take_trace(int fd, struct trace *trace);
int is_untouched(int fd, const struct trace *then);

static inline int begins(const char *at, const char *word)
{
    while (*word)
        if (*at++ != *word++)
            return 0;
    return 1;
}

/* template_memory.c: the memory of a job, and what is to be put back of it. Each returns 1 where that is known. */
int memory_take(int pid, int proc);
int memory_compare(int pid, const struct rusage *usage, long resident);
const struct surplus *memory_surplus(void);

/* template_maps.c. */
struct mapping {
    uint64_t start, end, offset;
    uint64_t flags;         /* MAPPING_... */
    uint64_t device, inode; /* of a file */
};
#define MAPPING_WRITABLE 2
#define MAPPING_SHARED 8

/* Takes down what is mapped, of an open /proc/PID/maps. Returns how many mappings there are, or -errno. */
long take_mappings(int maps, struct mapping *to, long limit);

int is_of_file(const struct mapping *mapping);

/* Returns 1 where all that was mapped is there; says what has been mapped besides. */
int compare_mappings(const struct mapping *was, long was_count, const struct mapping *is, long is_count,
                     struct surplus *surplus);
#endif
