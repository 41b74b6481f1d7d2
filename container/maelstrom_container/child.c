/* The child of a launch: from clone3 to execve, it walks the plan.
 *
 * It shares our memory and runs on a stack of its own while we are suspended (CLONE_VM | CLONE_VFORK): no page table is
 * copied, and it must call nothing that allocates, locks or runs Python. One that stands by (see standby.c) runs beside
 * us, so errno, which we share, tells nothing for certain, and it has another stack than one that has just been called.
 *
 * What the job may be handed: descriptors 0, 1, 2 and 3 (the result channel); everything else is closed shortly before
 * execve. (CVE-2024-21626: a leaked directory descriptor is a way out.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "confine.h"
#include "internal.h"
#include "steps.h"

#define CLEAR_SIGNAL_HANDLERS 0x100000000ULL /* CLONE_CLEAR_SIGHAND, 5.5 */
#define INTO_GROUP 0x200000000ULL            /* CLONE_INTO_CGROUP, 5.7 */
#define RESULT_FD 3
#define FIRST_CLOSED_FD 4                    /* 0, 1, 2 and the result channel stay open */
#define MOUNTS_FD 4                          /* of a template: TEMPLATE_MOUNTS */
#define LAST_CAPABILITY 63

struct kernel_clone_args { /* struct clone_args of linux/sched.h, third version (88 bytes) */
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, group;
};

static _Alignas(16) char child_stacks[STANDBYS][64 * 1024];

/* The bounding set bounds what execve gives to root, and to anybody through a nested trick: others get nothing. */
static int seal(const struct launch *launch)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    for (int capability = 0; capability <= LAST_CAPABILITY; capability++) {
        if (launch->capabilities >> capability & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return errno == EINVAL ? 0 : -1; /* past the last one that this kernel knows */
    }
    return 0;
}

static void reset_signals(int handlers_too)
{
    if (handlers_too) /* without clone3: what CLEAR_SIGNAL_HANDLERS would have done */
        sys_default_signals();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As execvp: go on where a directory has no such program, remember that one was there but not executable. */
static int execute(const struct child *child)
{
    int denied = 0;
    for (char **program = child->programs; *program; program++) {
        long error = -raw_call(SYS_execve, *program, child->arguments, child->environment);
        if (error == EACCES)
            denied = 1;
        else if (error != ENOENT && error != ENOTDIR)
            return (int)error;
    }
    return denied ? EACCES : ENOENT;
}

static int fail(struct child *child, int phase, int error)
{
    child->landing->phase = phase;
    child->landing->error = error;
    if (child->stands_by)
        give_up_standing_by(child);
    return 127;
}

/* Replaces 0 to 3; all others are closed later. */
static int take_descriptors(const struct child *child)
{
    const struct launch *launch = child->launch;
    int streams[STREAMS] = {launch->stdin_fd, child->ends[STREAM_STDOUT], child->ends[STREAM_STDERR]};

    if (launch->passed != PASSED_NOTHING && take_passed(launch, streams) < 0)
        return -1;
    for (int stream = 0; stream < STREAMS; stream++)
        if (dup2(streams[stream], stream) < 0)
            return -1;
    return dup2(child->ends[STREAM_RESULT], RESULT_FD);
}

/* A template needs the root of the mounts, which is the current directory, to make the containers of its forks. */
static int keep_mounts(void)
{
    int fd = open(".", O_PATH | O_DIRECTORY);
    if (fd < 0 || fd == MOUNTS_FD)
        return fd;
    return dup2(fd, MOUNTS_FD);
}

/* Without clone3: what INTO_GROUP would have done. */
static long enter_group(int group)
{
    int fd = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    long result = write(fd, "0", 1) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static int run_child(struct child *child, int without_clone3)
{
    const struct launch *launch = child->launch;
    long result;

    if (launch->session || launch->passed != PASSED_NOTHING)
        setsid();
    else
        setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (without_clone3 && launch->group >= 0 && (result = enter_group(launch->group)) < 0)
        return fail(child, PHASE_GROUP, (int)-result);
    /* Of the bare root, which is the current directory. setgroups is denied by inheritance: the outer user namespace did
     * it once. */
    if ((result = raw_write_file(AT_FDCWD, "proc/self/uid_map", launch->uid_map)) < 0 ||
        (result = raw_write_file(AT_FDCWD, "proc/self/gid_map", launch->gid_map)) < 0)
        return fail(child, PHASE_IDENTITY, (int)-result);
    for (int index = 0; index < launch->step_count; index++)
        if ((result = run_step(&launch->steps[index])) < 0)
            return fail(child, index, (int)-result);
    /* Low descriptors of ours are all taken, so what is opened here is not among those replaced below. */
    if (child->template && keep_mounts() < 0)
        return fail(child, PHASE_SEAL, errno);
    /* From the new root: the current directory is still the old one, where a relative path must not lead. */
    if (chdir("/") < 0 || chdir(launch->directory) < 0)
        return fail(child, PHASE_DIRECTORY, errno);
    if (seal(launch) < 0)
        return fail(child, PHASE_SEAL, errno);
    if (take_descriptors(child) < 0)
        return fail(child, PHASE_SEAL, errno);
    if (syscall(SYS_close_range, FIRST_CLOSED_FD + child->template, ~0U, 0) < 0)
        return fail(child, PHASE_SEAL, errno);
    reset_signals(without_clone3);
    if (!launch->confined && (result = confine(launch->filter, launch->filter_length)) < 0)
        return fail(child, PHASE_SEAL, (int)-result);
    if (child->stands_by)
        stand_by(child);
    return fail(child, PHASE_EXEC, execute(child));
}

static int child_after_clone3(void *argument)
{
    return run_child(argument, 0);
}

static int child_after_clone(void *argument)
{
    return run_child(argument, 1);
}

/* clone or clone3 with five arguments at most, and our pass as the sixth; the child enters `function` on the stack that
 * the call names, and exits with its result. Returns the pid or -errno. */
static long clone_into(long number, const long arguments[5], int (*function)(void *), void *argument)
{
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = arguments[3];
    register long r8 __asm__("r8") = arguments[4];
    register long r9 __asm__("r9") = (long)PASS;
    register int (*r12)(void *) __asm__("r12") = function;
    register void *r13 __asm__("r13") = argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xor %%ebp, %%ebp\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "0"(number), "D"(arguments[0]), "S"(arguments[1]), "d"(arguments[2]), "r"(r10), "r"(r8), "r"(r9),
                       "r"(r12), "r"(r13), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = arguments[0];
    register long x1 __asm__("x1") = arguments[1];
    register long x2 __asm__("x2") = arguments[2];
    register long x3 __asm__("x3") = arguments[3];
    register long x4 __asm__("x4") = arguments[4];
    register long x5 __asm__("x5") = (long)PASS;
    register int (*x9)(void *) __asm__("x9") = function;
    register void *x10 __asm__("x10") = argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x10\n\t"
                     "blr x9\n\t"
                     "mov x8, %[exit]\n\t"
                     "svc #0\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x9), "r"(x10), [exit] "i"(SYS_exit)
                     : "memory", "cc");
    result = x0;
#else
#error "maelstrom knows x86-64 and arm64"
#endif
    return result;
}

/* What follows the stack differs: clone's places for thread ids, of which CLONE_PIDFD takes the parent's, are the third
 * argument everywhere. */
long start_child(struct child *child)
{
    const struct launch *launch = child->launch;
    uint64_t flags = CLONE_VM | CLONE_PIDFD | (child->stands_by ? 0 : CLONE_VFORK) | launch->namespaces;
    struct kernel_clone_args args = {
        .flags = flags | CLEAR_SIGNAL_HANDLERS | (launch->group >= 0 ? INTO_GROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)&child->pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)child_stacks[child->stack],
        .stack_size = sizeof child_stacks[0],
        .group = launch->group >= 0 ? (uint64_t)launch->group : 0,
    };
    long pid = clone_into(SYS_clone3, (long[5]){(long)&args, sizeof args}, child_after_clone3, child);
    if (pid != -ENOSYS) /* Docker's seccomp profile answers ENOSYS so that callers fall back */
        return pid;
    long top = (long)child_stacks[child->stack] + (long)sizeof child_stacks[0];
    return clone_into(SYS_clone, (long[5]){(long)(flags | SIGCHLD), top, (long)&child->pidfd}, child_after_clone, child);
}
