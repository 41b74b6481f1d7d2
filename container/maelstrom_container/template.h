/* What a template program sees of the library (template.c), and the protocol between it and a pool member.
 *
 * A template is a program that loads once and then forks on request; docs/template-protocol.md describes it. The
 * library needs no C library and keeps no memory but its own, so it can be loaded into any program of any container:
 *
 *     template_start();
 *     ... load ...
 *     template_ready();
 *     for (;;) {
 *         int kind = template_receive(&payload, &size);
 *         if (template_fork(fork) == 0 && kind != TEMPLATE_RUNNER)
 *             break;                  // in a fork: a job, or another template that loads more
 *     }
 */
#ifndef MAELSTROM_TEMPLATE_H
#define MAELSTROM_TEMPLATE_H
#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_VERSION 2

/* What is asked for. A JOB is run by the fork and ends with it. A STAGE loads more and is a template itself. A RUNNER
 * is a copy of the template for one slot, with a network of its own; it runs one job at a time. AGAIN is a job for a
 * process that has been kept: see template_point. */
enum { TEMPLATE_JOB = 1, TEMPLATE_STAGE = 2, TEMPLATE_RUNNER = 3, TEMPLATE_AGAIN = 4 };
/* What is answered, to a message of the same control socket. */
enum { TEMPLATE_READY = 16, TEMPLATE_REFUSED = 17, TEMPLATE_STARTED = 18, TEMPLATE_ENDED = 19, TEMPLATE_FAILED = 20 };

/* Where a program finds its control socket and the place of the container's mounts when it starts. */
enum { TEMPLATE_CONTROL = 3, TEMPLATE_MOUNTS = 4 };

/* Takes over the two descriptors; to be called first. Returns 0 or -errno. */
int template_start(void);

/* Programs of glibc 2.35 or newer whose __rseq_size is not 0 give its __rseq_offset here; it may be left out. */
void template_restartable(long offset);

/* Says that everything is loaded; standard output and standard error lead nowhere afterwards. Returns 0 or -errno. */
int template_ready(void);

/* Says why this program must not be forked, and ends it. */
void template_refuse(const char *reason, uint64_t size);

/* Waits for a request; the payload stays valid until the next one. Returns its kind; ends the process with its worker. */
int template_receive(const char **payload, uint64_t *size);

/* Serves the request that was received last. `fork_function` is the fork of the program's own C library. Returns 0 in
 * the fork, 1 in the template, which then waits for the next request. */
int template_fork(int (*fork_function)(void));

/* Returns the descriptor of the result channel; in a job. */
int template_channel(void);

/* In a job: from here on it is about the payload, and what was done before is the same for all jobs. The process may be
 * used for another job when this one has ended by `template_end` and left nothing behind but in its memory. That is put
 * back, and the call returns once more, with the other payload. May be called once, or not at all. */
void template_point(const char **payload, uint64_t *size);

/* Ends a job with an exit code. What the C library would do at the end of a process has to be done before. */
void template_end(int code);

/* Memory in one piece, on huge pages, for a program that takes its memory in pieces of one size (arenas); forks of it
 * cost less. Shaped for CPython: the first argument means nothing. */
void *template_arena_alloc(void *context, size_t size);
void template_arena_free(void *context, void *place, size_t size);

/* Every message begins with this, in the machine's byte order; then the plan, then the payload. A payload that is larger
 * than TEMPLATE_INLINE comes as a file, whose descriptor is the last one. Descriptors of a JOB: standard output, standard
 * error, result channel. Of a STAGE: standard output, standard error, its control socket. Of a RUNNER: its control socket.
 * AGAIN has none, and no file. STARTED carries a pidfd. */
enum { TEMPLATE_INLINE = 65536 };

struct template_message {
    uint32_t version, kind;
    uint64_t plan_size, payload_size;
};

/* The body of ENDED. `status` is the exit code, or the signal where `exited` is 0; times are nanoseconds, sizes bytes.
 * Where the network of a runner is not `clean` any more it must not be used again. Where the process is `kept` it holds
 * its descriptors, and the next job may be asked for by AGAIN. */
struct template_ended {
    int32_t exited, status, clean, kept;
    int64_t cpu_user, cpu_system, peak_memory;
};

/* The body of FAILED: a phase of enum launch_phase, or the number of the step, and errno. */
struct template_failed {
    int32_t phase, error;
};

/* A plan: this, then the filter of jobs (struct sock_filter, filter_length of them; none: nothing is refused), then the two
 * maps, each closed by NUL, then the steps: `op` and `number` (32 bits each), `flags` (64),
 * and four texts, each closed by NUL. The first `kept_count` steps are run by a runner for all its jobs, in a mount
 * namespace of its own. `network` of a runner: 0 as it is, 1 one of its own, 2 with lo up. `keep`: whether the process of
 * a job may be used for another one. */
struct template_plan {
    uint64_t namespaces, capabilities, filter_length;
    uint32_t step_count, kept_count, network, keep;
};
#endif
