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

struct plan {
    struct template_plan head;
    const char *uid_map, *gid_map;
    struct step steps[STEPS_LIMIT];
    char text[PLAN_LIMIT];
};

/* What the first process leaves in its runner's memory. */
struct result {
    int phase, error;
    int ended, status;
    struct rusage usage;
};

struct state {
    int control, mounts, proc; /* proc: of the first template's namespace, where maps are written */
    int runner, network_is_own;
    int kind, fd_count, fds[FDS_LIMIT];
    long sockets;
    char *restartable;         /* where the C library and the kernel meet for restartable sequences */
    const char *payload;
    uint64_t payload_size, mapped;
    struct result result;
    char sockets_before[SOCKETS_LIMIT];
    char directory[PATH_LIMIT];
};

extern struct state state;
extern struct plan job_plan, stage_plan;

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
__attribute__((noreturn)) void leave(int code);

/* template.c: messages and descriptors. */
long send_message(int kind, const void *body, uint64_t size, int fd);
void fail(int phase, long error);
void close_received(void);
int move_up(int fd, int *high);

/* template_fork.c: returns 0 in the fork, 1 in the process that called, when the fork's namespaces have ended. */
int fork_into(const struct plan *plan, int (*fork_function)(void));
long map_ids(const struct plan *plan);
void drop_capabilities(uint64_t keep);

/* template_arena.c: whether memory that is used for the first time is to lie on huge pages. */
void arenas_grow(void);
void arenas_rest(void);

/* template_runner.c: what is between two jobs of a runner. */
int become_runner(void);
int become_stage(int (*fork_function)(void));
int network_is_clean(void);
void renew_kept(void);
#endif
