/* Forks of a template: the first process of the new namespaces, and the program below it. See template.c. */
#include "confine.h"
#include "template_internal.h"

void drop_capabilities(uint64_t keep)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    for (long capability = 0; capability <= LAST_CAPABILITY; capability++)
        if (!(keep >> capability & 1) && raw_call(SYS_prctl, PR_CAPBSET_DROP, capability) < 0)
            break; /* past the last one that this kernel knows */
    struct __user_cap_data_struct had[2] = {{0, 0, 0}, {0, 0, 0}};
    if (keep && raw_call(SYS_capget, &head, had) >= 0)
        for (int half = 0; half < 2; half++)
            data[half].permitted = data[half].effective = had[half].permitted & (uint32_t)(keep >> 32 * half);
    if (raw_call(SYS_capset, &head, data) < 0)
        leave(EXIT_LOST);
}

long map_ids(const struct plan *plan)
{
    long result = raw_write_file(state.proc, MAP_OF_USERS, plan->uid_map);
    return result < 0 ? result : raw_write_file(state.proc, MAP_OF_GROUPS, plan->gid_map);
}

/* The current directory is a path in the old root and must be one in the new. */
static long enter_directory(void)
{
    long result = raw_call(SYS_chdir, "/");
    return result < 0 ? result : raw_call(SYS_chdir, state.directory);
}

/* What the first process of a job needs after the fork; the job must have none of it. */
static int *const own_descriptors[] = {&state.control, &state.mounts, &state.proc, &state.sockets, &state.here};
#define OWN_COUNT ((int)(sizeof own_descriptors / sizeof *own_descriptors))

/* A job finds its result channel where its template had the control socket, and nothing else of ours. */
static void place_for_job(void)
{
    for (int index = 0; index < OWN_COUNT; index++)
        if (*own_descriptors[index] >= 0 && own_descriptors[index] != &state.control)
            raw_close(*own_descriptors[index]);
    if (raw_call(SYS_dup3, state.fds[2], state.control, CLOSE_ON_EXEC) < 0)
        leave(EXIT_LOST);
    raw_close(state.fds[2]);
}

/* A first process holds nothing of the job's open. */
static void close_others(void)
{
    for (long first = 0; first >= 0;) {
        long next = -1;
        for (int index = 0; index < OWN_COUNT; index++)
            if (*own_descriptors[index] >= first && (next < 0 || *own_descriptors[index] < next))
                next = *own_descriptors[index];
        if (next != first)
            raw_call(SYS_close_range, first, next < 0 ? ~0U : next - 1, 0);
        first = next < 0 ? -1 : next + 1;
    }
}

/* A stage has its own mount namespace, whose root is the current directory. */
static long place_for_stage(void)
{
    long here = raw_open(".", PATH_ONLY | O_DIRECTORY, 0);
    if (here < 0)
        return here;
    long result = raw_call(SYS_dup3, here, state.mounts, CLOSE_ON_EXEC);
    raw_close(here);
    return result;
}

static long place_descriptors(void)
{
    long result = state.kind == TEMPLATE_STAGE ? place_for_stage() : 0;
    for (int stream = 0; stream < 2 && result >= 0; stream++)
        result = raw_call(SYS_dup3, state.fds[stream], stream + 1, 0);
    for (int index = 0; index < state.fd_count; index++) /* in the runner they stay open: its state is not ours */
        if (index < 2 || state.kind == TEMPLATE_STAGE)
            raw_close(state.fds[index]);
    return result;
}

/* The kept mounts can be seen from here only until the root is another one. */
static long note_place(void)
{
    long here = raw_open(".", PATH_ONLY | O_DIRECTORY, 0);
    return here < 0 ? here : move_up((int)here, &state.here);
}

static void announce(void)
{
    long pidfd = raw_call(SYS_pidfd_open, 1, 0); /* ourselves */
    if (send_message(TEMPLATE_STARTED, NULL, 0, pidfd < 0 ? -1 : (int)pidfd) < 0)
        leave(EXIT_LOST); /* the member is gone, and perhaps the runner before we could ask to die with it */
    if (pidfd >= 0)
        raw_close(pidfd);
}

/* In the job itself, and last: the first process and our own high descriptors are not to be limited. */
static void limit_job(const struct plan *plan)
{
    for (uint32_t index = plan->head.kept_count; index < plan->head.step_count; index++)
        if (plan->steps[index].op == STEP_LIMIT && run_step(&plan->steps[index]) < 0)
            leave(EXIT_LOST); /* it was looked at before: nobody asks for more than there is */
}

struct errand {
    const struct plan *plan;
    int (*fork_function)(void);
    uint64_t signals;
};

__attribute__((noreturn)) static void give_up(int phase, long error)
{
    state.result.phase = phase;
    state.result.error = (int)-error;
    leave(EXIT_LOST);
}

static void reap(int child)
{
    struct rusage usage;
    int status;
    long pid;
    while ((pid = raw_call(SYS_wait4, -1, &status, WNOHANG | WUNTRACED, &usage)) > 0)
        if (WIFSTOPPED(status)) {
            if (pid == child && WSTOPSIG(status) == SIGSTOP)
                rewind_stopped(child, &usage);
        } else if (pid == child) {
            rewind_ended();
            state.result.status = status;
            state.result.usage = usage;
            state.result.ended = 1;
            leave(0);
        }
    if (pid < 0 && pid != INTERRUPTED)
        leave(EXIT_LOST);
}

static int is_meant_for_the_fork(long number)
{
    return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGUSR1 ||
           number == SIGUSR2 || number == SIGABRT;
}

/* All signals are blocked, and what is blocked is not dropped, not even where it would be ignored. */
__attribute__((noreturn)) static void reap_until(int child)
{
    uint64_t all = ALL_SIGNALS;
    close_others();
    for (;;) {
        long number = raw_call(SYS_rt_sigtimedwait, &all, 0, 0, SIGNAL_SET_SIZE);
        if (number == SIGCHLD)
            reap(child);
        else if (is_meant_for_the_fork(number))
            raw_call(SYS_kill, child, number);
    }
}

/* Shares the runner's memory and stack; returns in the fork only, where both are copies. */
static long first_process(struct errand *errand)
{
    const struct plan *plan = errand->plan;
    long result;

    raw_call(SYS_setsid);
    raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
    if ((result = map_ids(plan)) < 0)
        give_up(PHASE_IDENTITY, result);
    announce();
    if (state.kind == TEMPLATE_JOB && (result = note_place()) < 0)
        give_up(PHASE_DIRECTORY, result);
    for (uint32_t index = plan->head.kept_count; index < plan->head.step_count; index++)
        if (plan->steps[index].op != STEP_LIMIT && (result = run_step(&plan->steps[index])) < 0)
            give_up((int)index, result);
    if ((result = place_descriptors()) < 0)
        give_up(PHASE_SEAL, result);
    if ((result = enter_directory()) < 0)
        give_up(PHASE_DIRECTORY, result);
    int child = errand->fork_function();
    if (child < 0)
        give_up(PHASE_CLONE, child);
    if (child > 0)
        reap_until(child);
    if (state.kind == TEMPLATE_JOB) {
        place_for_job();
        rewind_protect();
        rewind_watch();
        limit_job(plan);
    }
    drop_capabilities(plan->head.capabilities);
    if (state.restartable) /* a process that shares memory has none, and so neither had we when it forked us */
        raw_call(SYS_rseq, state.restartable, RESTARTABLE_SIZE, 0, RESTARTABLE_SIGNATURE);
    if (state.kind == TEMPLATE_JOB && confine(plan->filter, plan->head.filter_length) < 0)
        leave(EXIT_LOST);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &errand->signals, 0, SIGNAL_SET_SIZE);
    state.fd_count = 0;
    if (state.kind == TEMPLATE_STAGE)
        arenas_grow();
    return 0;
}

/* As vfork, into new namespaces: the caller is suspended until the child has ended. The child goes on below our frame, on
 * the same stack; what returns from `first_process` is a copy of it. */
static long clone_first_process(uint64_t flags, struct errand *errand)
{
    long result;
#if defined(__x86_64__)
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    register struct errand *r12 __asm__("r12") = errand;
    register long (*r13)(struct errand *) __asm__("r13") = first_process;
    __asm__ volatile("mov %%rsp, %%rbx\n\t"
                     "sub $256, %%rsp\n\t" /* past the red zone */
                     "and $-16, %%rsp\n\t"
                     "syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %%r12, %%rdi\n\t"
                     "call *%%r13\n"
                     "1:\n\t"
                     "mov %%rbx, %%rsp"
                     : "=a"(result)
                     : "0"((long)SYS_clone), "D"(flags), "S"(0L), "d"(0L), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
                     : "rbx", "rcx", "r9", "r11", "cc", "memory");
#else
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = (long)flags;
    register long x1 __asm__("x1") = 0;
    register long x2 __asm__("x2") = 0;
    register long x3 __asm__("x3") = 0;
    register long x4 __asm__("x4") = 0;
    register struct errand *x20 __asm__("x20") = errand;
    register long (*x21)(struct errand *) __asm__("x21") = first_process;
    __asm__ volatile("mov x19, sp\n\t"
                     "sub sp, sp, #256\n\t"
                     "svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, x20\n\t"
                     "blr x21\n"
                     "1:\n\t"
                     "mov sp, x19"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x20), "r"(x21)
                     : "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19",
                       "x30", "cc", "memory");
    result = x0;
#endif
    return result;
}

static void report(long pid)
{
    struct result *result = &state.result;
    struct rusage usage;
    int status = 0;
    memset(&usage, 0, sizeof usage);
    while (raw_call(SYS_wait4, pid, &status, __WALL, &usage) == INTERRUPTED)
        ;
    if (result->told) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            leave(EXIT_LOST); /* whoever counts on the process has to be told */
        return;
    }
    if (result->phase != PHASE_NONE) {
        fail(result->phase, -result->error);
        return;
    }
    if (result->ended)
        status = result->status;
    struct template_ended body = {
        .exited = WIFEXITED(status),
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
        .clean = network_is_clean(),
        .cpu_user = nanoseconds(&usage.ru_utime) - result->cpu_user,
        .cpu_system = nanoseconds(&usage.ru_stime) - result->cpu_system,
        .peak_memory = result->usage.ru_maxrss * 1024LL,
    };
    send_message(TEMPLATE_ENDED, &body, sizeof body, -1);
}

int fork_into(const struct plan *plan, int (*fork_function)(void))
{
    struct errand errand = {plan, fork_function, 0};
    uint64_t all = ALL_SIGNALS;

    memset(&state.result, 0, sizeof state.result);
    state.result.phase = PHASE_NONE;
    rewind_begin();
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, &errand.signals, SIGNAL_SET_SIZE);
    long pid = clone_first_process(plan->head.namespaces | CLONE_VM | CLONE_VFORK | SIGCHLD, &errand);
    if (pid == 0)
        return 0;
    if (pid < 0) {
        fail(PHASE_CLONE, pid);
    } else {
        report(pid);
        rewind_over();
        renew_kept();
    }
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &errand.signals, 0, SIGNAL_SET_SIZE);
    return 1;
}

