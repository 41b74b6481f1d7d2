/* Where a job begins and where it ends, from its own side: see template_rewind.c. */
#include "template_rewind.h"

#define SIGNALS 64
#define FAREWELL 63   /* SIGRTMAX - 1: ends a thread */
#define PATIENCE 2000 /* times to look whether it has ended, 0.1 ms apart */
#define RESTORER 0x04000000 /* SA_RESTORER; of x86-64, which wants it */

/* Stops the process; the first argument is its id. When it goes on, the pages of the store are put back first, by code
 * that uses no memory of its own: the stack is among them. What the caller expects to be kept lies on the stack, and it
 * is from what the stack was at the point that we return: `stop_at_end` comes back where `stop_at_point` was called.
 * Nothing is put back where that has just stopped: the store is then what memory is. */
void stop_at_point(long pid, struct shared *shared);
void stop_at_end(long pid, struct shared *shared);
#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden stop_at_point, stop_at_end\n"
        ".type stop_at_point, @function\n"
        "stop_at_point:\n\t"
        "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
        "sub $8, %rsp\n\t"
        "stmxcsr (%rsp)\n\t"
        "fnstcw 4(%rsp)\n\t"
        "mov %rsp, (%rsi)\n\t"
        "xor %r10d, %r10d\n\t" /* nothing to put back */
        "jmp 1f\n"
        ".type stop_at_end, @function\n"
        "stop_at_end:\n\t"
        "mov $1, %r10d\n"
        "1:\n\t"
        "mov %rsi, %r8\n\t"
        "mov $62, %eax\n\t" /* kill */
        "mov $19, %esi\n\t" /* SIGSTOP */
        "syscall\n\t"
        "cld\n\t"
        "test %r10d, %r10d\n\t"
        "jz 3f\n\t"
        "mov 8(%r8), %rdx\n\t" /* list */
        "mov 16(%r8), %r9\n\t" /* count */
        "mov (%r9), %r9\n"
        "2:\n\t"
        "test %r9, %r9\n\t"
        "jz 3f\n\t"
        "mov (%rdx), %rdi\n\t"
        "mov 8(%rdx), %rsi\n\t"
        "mov $4096, %ecx\n\t"
        "rep movsb\n\t"
        "add $16, %rdx\n\t"
        "dec %r9\n\t"
        "jmp 2b\n"
        "3:\n\t"
        "mov (%r8), %rsp\n\t"
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
        "mov x9, sp\n\tstr x9, [x1]\n\t"
        "mov x11, #0\n\t" /* nothing to put back */
        "b 1f\n"
        ".type stop_at_end, %function\n"
        "stop_at_end:\n\t"
        "mov x11, #1\n"
        "1:\n\t"
        "mov x10, x1\n\t"
        "mov x8, #129\n\t" /* kill */
        "mov x1, #19\n\t"  /* SIGSTOP */
        "svc #0\n\t"
        "cbz x11, 4f\n\t"
        "ldr x2, [x10, #8]\n\t"  /* list */
        "ldr x4, [x10, #16]\n\t" /* count */
        "ldr x4, [x4]\n"
        "2:\n\t"
        "cbz x4, 4f\n\t"
        "ldp x5, x3, [x2], #16\n\t"
        "add x6, x5, #4096\n"
        "3:\n\t"
        "ldp q0, q1, [x3], #32\n\t"
        "stp q0, q1, [x5], #32\n\t"
        "cmp x5, x6\n\t"
        "b.ne 3b\n\t"
        "sub x4, x4, #1\n\t"
        "b 2b\n"
        "4:\n\t"
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
    if (state.restartable) { /* what the kernel wrote there last is gone; this has it write again */
        raw_call(SYS_rseq, state.restartable, RESTARTABLE_SIZE, 1 /* RSEQ_FLAG_UNREGISTER */, RESTARTABLE_SIGNATURE);
        raw_call(SYS_rseq, state.restartable, RESTARTABLE_SIZE, 0, RESTARTABLE_SIGNATURE);
    }
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
    shared->list = state.store->list;
    shared->count = &state.store->listed;
    stop_at_point(raw_call(SYS_getpid), shared);
    if (shared->rounds == 0) {
        if (shared->watch >= 0) /* whoever wants it has it now */
            raw_close(shared->watch);
        return;
    }
    /* from here on once for each further job of this process */
    put_back_own(&own, shared);
    shared->began = shared->rounds;
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
    const struct timespec moment = {0, 100000};
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
            raw_call(SYS_nanosleep, &moment, 0);
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
        stop_at_end(raw_call(SYS_getpid), shared);
    }
    leave(code);
}
