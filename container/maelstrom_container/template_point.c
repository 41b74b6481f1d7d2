/* Where a job begins and where it ends, from its own side: see template_rewind.c. */
#include "template_rewind.h"

#define SIGNALS 64
#define FAREWELL 63   /* SIGRTMAX - 1: ends a thread */
#define PATIENCE 2000 /* times to look whether it has ended */
#define RESTORER 0x04000000 /* SA_RESTORER; of x86-64, which wants it */

/* Stops the process; the first argument is its id. What the caller expects to be kept lies on the stack while it does, and
 * when it goes on it is from what the stack is then: `stop_at_end` comes back where `stop_at_point` was called. */
void stop_at_point(long pid, uint64_t *stack);
void stop_at_end(long pid, uint64_t *stack);
#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden stop_at_point, stop_at_end\n"
        ".type stop_at_point, @function\n"
        "stop_at_point:\n\t"
        "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
        "sub $8, %rsp\n\t"
        "stmxcsr (%rsp)\n\t"
        "fnstcw 4(%rsp)\n\t"
        "mov %rsp, (%rsi)\n"
        ".type stop_at_end, @function\n"
        "stop_at_end:\n\t"
        "mov %rsi, %r8\n\t"
        "mov $62, %eax\n\t" /* kill */
        "mov $19, %esi\n\t" /* SIGSTOP */
        "syscall\n\t"
        "mov (%r8), %rsp\n\t"
        "cld\n\t"
        "ldmxcsr (%rsp)\n\t"
        "fldcw 4(%rsp)\n\t"
        "add $8, %rsp\n\t"
        "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
        "ret\n");
#else
__asm__(".text\n"
        ".hidden stop_at_point, stop_at_end\n"
        ".type stop_at_point, %function\n"
        "stop_at_point:\n\t"
        "sub sp, sp, #176\n\t"
        "stp x19, x20, [sp]\n\tstp x21, x22, [sp, #16]\n\tstp x23, x24, [sp, #32]\n\t"
        "stp x25, x26, [sp, #48]\n\tstp x27, x28, [sp, #64]\n\tstp x29, x30, [sp, #80]\n\t"
        "stp d8, d9, [sp, #96]\n\tstp d10, d11, [sp, #112]\n\tstp d12, d13, [sp, #128]\n\t"
        "stp d14, d15, [sp, #144]\n\t"
        "mrs x9, fpcr\n\tstr x9, [sp, #160]\n\t"
        "mov x9, sp\n\tstr x9, [x1]\n"
        ".type stop_at_end, %function\n"
        "stop_at_end:\n\t"
        "mov x10, x1\n\t"
        "mov x8, #129\n\t" /* kill */
        "mov x1, #19\n\t"  /* SIGSTOP */
        "svc #0\n\t"
        "ldr x9, [x10]\n\tmov sp, x9\n\t"
        "ldp x19, x20, [sp]\n\tldp x21, x22, [sp, #16]\n\tldp x23, x24, [sp, #32]\n\t"
        "ldp x25, x26, [sp, #48]\n\tldp x27, x28, [sp, #64]\n\tldp x29, x30, [sp, #80]\n\t"
        "ldp d8, d9, [sp, #96]\n\tldp d10, d11, [sp, #112]\n\tldp d12, d13, [sp, #128]\n\t"
        "ldp d14, d15, [sp, #144]\n\t"
        "ldr x9, [sp, #160]\n\tmsr fpcr, x9\n\t"
        "add sp, sp, #176\n\t"
        "ret\n");
#endif

static void disarm_timers(void)
{
    struct {
        long interval[2], value[2];
    } none = {{0, 0}, {0, 0}};
    for (long timer = 0; timer < 3; timer++) /* real, virtual, profiling */
        raw_call(SYS_setitimer, timer, &none, 0);
}

/* struct sigaction, as the kernel has it. */
struct action {
    uint64_t handler, flags, restorer, mask;
};

/* What only the process itself can look at and put back. */
struct own {
    long heap;
    stack_t stack;
    uint64_t blocked;
    struct action actions[SIGNALS];
};

static void look_at_own(struct own *own)
{
    own->heap = raw_call(SYS_brk, 0);
    raw_call(SYS_sigaltstack, 0, &own->stack);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, 0, &own->blocked, SIGNAL_SET_SIZE);
    for (long number = 1; number <= SIGNALS; number++)
        raw_call(SYS_rt_sigaction, number, 0, &own->actions[number - 1], SIGNAL_SET_SIZE);
}

static void put_back_own(const struct own *own, const struct shared *shared)
{
    for (long number = 1; number <= SIGNALS; number++)
        raw_call(SYS_rt_sigaction, number, &own->actions[number - 1], 0, SIGNAL_SET_SIZE);
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &own->blocked, 0, SIGNAL_SET_SIZE);
    raw_call(SYS_sigaltstack, &own->stack, 0);
    raw_call(SYS_brk, own->heap);
    for (int index = 0; index < shared->surplus.count; index++)
        raw_call(SYS_munmap, shared->surplus.pieces[index].start, shared->surplus.pieces[index].size);
}

EXPORT void template_point(const char **payload, uint64_t *size)
{
    struct shared *shared = state.shared;
    struct own own;
    if (shared == NULL || shared->use != POINT || state.kind != TEMPLATE_JOB)
        return;
    look_at_own(&own);
    shared->state = AT_POINT;
    stop_at_point(raw_call(SYS_getpid), &shared->stack);
    if (shared->rounds == 0)
        return;
    /* from here on once for each further job of this process */
    put_back_own(&own, shared);
    *payload = shared->payload;
    *size = shared->payload_size;
}

static void end_thread(int number)
{
    (void)number;
    for (;;)
        raw_call(SYS_exit, 0);
}

/* Threads that still run end with their process; here the process stays. Those that do not listen end it after all. */
static void end_threads(long self)
{
    _Alignas(8) char listing[4096];
    struct action farewell = {(uint64_t)end_thread, RESTORER, (uint64_t)end_thread, ALL_SIGNALS};
    struct stat tasks;
    if (raw_call(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &tasks, 0) < 0 || tasks.st_nlink <= 3)
        return;
    long fd = raw_open("/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    long size = fd < 0 ? 0 : raw_call(SYS_getdents64, fd, listing, sizeof listing);
    raw_close(fd);
    raw_call(SYS_rt_sigaction, FAREWELL, &farewell, 0, SIGNAL_SET_SIZE);
    for (long at = 0; at < size; at += ((struct entry *)(listing + at))->size) {
        long thread = 0;
        for (const char *digit = ((struct entry *)(listing + at))->name; *digit >= '0' && *digit <= '9'; digit++)
            thread = 10 * thread + *digit - '0';
        if (thread <= 0 || thread == self)
            continue;
        raw_call(SYS_tgkill, self, thread, FAREWELL);
        for (int tries = 0; tries < PATIENCE && raw_call(SYS_tgkill, self, thread, 0) >= 0; tries++)
            raw_call(SYS_sched_yield);
    }
}

EXPORT void template_end(int code)
{
    struct shared *shared = state.shared;
    struct action none = {0, 0, 0, 0};
    if (shared != NULL && shared->use == POINT_TAKEN && state.kind == TEMPLATE_JOB) {
        end_threads(raw_call(SYS_getpid));
        disarm_timers();
        raw_call(SYS_rt_sigaction, SIGCONT, &none, 0, SIGNAL_SET_SIZE); /* it is what will wake us */
        shared->code = code;
        shared->state = AT_END;
        stop_at_end(raw_call(SYS_getpid), &shared->stack);
    }
    leave(code);
}
