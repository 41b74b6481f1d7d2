/* The library of templates: forks of a loaded program, each in namespaces of its own.
 *
 *     template ── carrier ── first process ── a stage: the program, which loads more and is a template itself
 *        └─ runner (a copy, with a network namespace) ── first process ── a job: the program
 *
 * A fork that is to be a member of a new pid namespace needs a first process there. It shares the memory of its runner,
 * which waits in vfork meanwhile: no page table is copied for it, and it walks the plan as the launcher's child does
 * (steps.h). Then it calls the fork of the program's own C library, so that the handlers that libraries have
 * registered are called, and stays to reap. It keeps the capabilities over its namespaces; the fork has none of them, so
 * it can neither trace the first process nor reach the runner's memory through it.
 *
 * Runs in any program of any container: no C library, no thread-local storage, memory of its own only.
 */
#include "template_internal.h"

struct state state = {.control = -1, .mounts = -1, .proc = -1, .sockets = -1, .here = -1};
struct plan job_plan, stage_plan;

_Alignas(16) char inbox[sizeof(struct template_message) + PLAN_LIMIT + TEMPLATE_INLINE];

/* The compiler may call these. */
void *memcpy(void *to, const void *from, size_t size)
{
    char *out = to;
    for (const char *in = from; size; size--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (char *out = to; size; size--)
        *out++ = (char)value;
    return to;
}

void leave(int code)
{
    for (;;)
        raw_call(SYS_exit_group, code);
}

/* Messages */

long send_message(int kind, const void *body, uint64_t size, int fd)
{
    struct template_message head = {.version = TEMPLATE_VERSION, .kind = (uint32_t)kind, .payload_size = size};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)body, size}};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        control.head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
    }
    long result;
    do
        result = raw_call(SYS_sendmsg, state.control, &message, MSG_NOSIGNAL);
    while (result == INTERRUPTED);
    return result < 0 ? result : 0;
}

void fail(int phase, long error)
{
    struct template_failed body = {phase, (int)-error};
    send_message(TEMPLATE_FAILED, &body, sizeof body, -1);
}

void close_received(void)
{
    for (int index = 0; index < state.fd_count; index++)
        raw_close(state.fds[index]);
    state.fd_count = 0;
}

static void take_descriptors(struct msghdr *message)
{
    state.fd_count = 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS)
        return;
    state.fd_count = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(state.fds, CMSG_DATA(head), (size_t)state.fd_count * sizeof(int));
}

static void forget_payload(void)
{
    if (state.mapped)
        raw_call(SYS_munmap, state.payload, state.mapped);
    state.mapped = 0;
}

static long map_payload(void)
{
    if (state.fd_count == 0)
        return INVALID;
    long fd = state.fds[--state.fd_count];
    long place = raw_call(SYS_mmap, 0, state.payload_size, 1 /* PROT_READ */, 2 /* MAP_PRIVATE */, fd, 0);
    raw_close(fd);
    if (place < 0 && place > -4096)
        return place;
    state.payload = (const char *)place;
    state.mapped = state.payload_size;
    return 0;
}

static const char *take_text(char **at, char *end)
{
    char *text = *at;
    while (*at < end && **at)
        (*at)++;
    if (*at == end)
        return NULL;
    (*at)++;
    return text;
}

static long read_plan(struct plan *plan, const char *packed, uint64_t size)
{
    if (size < sizeof plan->head || size - sizeof plan->head > PLAN_LIMIT)
        return INVALID;
    memcpy(&plan->head, packed, sizeof plan->head);
    if (plan->head.step_count > STEPS_LIMIT || plan->head.kept_count > plan->head.step_count)
        return TOO_LARGE;
    memcpy(plan->text, packed + sizeof plan->head, size - sizeof plan->head);
    char *at = plan->text, *end = plan->text + size - sizeof plan->head;
    if (plan->head.filter_length > PLAN_LIMIT / FILTER_INSTRUCTION ||
        (int64_t)plan->head.filter_length * FILTER_INSTRUCTION > end - at)
        return INVALID;
    plan->filter = at;
    at += plan->head.filter_length * FILTER_INSTRUCTION;
    if ((plan->uid_map = take_text(&at, end)) == NULL || (plan->gid_map = take_text(&at, end)) == NULL)
        return INVALID;
    for (uint32_t index = 0; index < plan->head.step_count; index++) {
        struct step *step = &plan->steps[index];
        if (end - at < 16)
            return INVALID;
        memcpy(&step->op, at, 4);
        memcpy(&step->number, at + 4, 4);
        memcpy(&step->flags, at + 8, 8);
        at += 16;
        const char **texts[] = {&step->a, &step->b, &step->c, &step->d};
        for (int text = 0; text < 4; text++)
            if ((*texts[text] = take_text(&at, end)) == NULL)
                return INVALID;
    }
    return 0;
}

/* Start, ready, refuse */

int move_up(int fd, int *high)
{
    for (int target = HIGH_CONTROL; target >= LOWEST_HIGH; target /= 2) {
        while (raw_call(SYS_fcntl, target, F_GETFD) >= 0)
            target++;
        long result = raw_call(SYS_dup3, fd, target, CLOSE_ON_EXEC);
        if (result >= 0) {
            raw_close(fd);
            *high = (int)result;
            return 0;
        }
    }
    return INVALID;
}

EXPORT int template_start(void)
{
    int result = move_up(TEMPLATE_CONTROL, &state.control);
    if (result == 0)
        result = move_up(TEMPLATE_MOUNTS, &state.mounts);
    long proc = raw_open("/proc", PATH_ONLY | O_DIRECTORY, 0);
    if (result == 0 && proc >= 0)
        result = move_up((int)proc, &state.proc);
    return result;
}

EXPORT void template_restartable(long offset)
{
    char *thread;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(thread));
#else
    __asm__("mrs %0, tpidr_el0" : "=r"(thread));
#endif
    state.restartable = thread + offset;
}

/* What it prints from now on nobody reads. */
static void silence(void)
{
    long null = raw_open("/dev/null", O_RDWR, 0);
    for (int stream = 1; stream <= 2 && null >= 0; stream++)
        raw_call(SYS_dup3, null, stream, 0);
    if (null > 2)
        raw_close(null);
}

EXPORT int template_ready(void)
{
    silence();
    arenas_rest();
    return (int)send_message(TEMPLATE_READY, NULL, 0, -1);
}

EXPORT void template_refuse(const char *reason, uint64_t size)
{
    send_message(TEMPLATE_REFUSED, reason, size < TEMPLATE_INLINE ? size : TEMPLATE_INLINE, -1);
    leave(0);
}

/* Returns the size of the body, or -1 where nobody asks any more. Without `rights` descriptors stay where they are. */
long receive_message(struct template_message *head, int flags, int rights)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(FDS_LIMIT * sizeof(int))];
    } control;
    struct iovec part = {inbox, sizeof inbox};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = rights ? &control : NULL};
    long size;
    do {
        message.msg_controllen = rights ? sizeof control : 0;
        size = raw_call(SYS_recvmsg, state.control, &message, MSG_CMSG_CLOEXEC | flags);
    } while (size == INTERRUPTED);
    if (size < (long)sizeof *head)
        return -1;
    if (rights)
        take_descriptors(&message);
    memcpy(head, inbox, sizeof *head);
    return size - (long)sizeof *head;
}

static long accept_request(const struct template_message *head, uint64_t size)
{
    if (head->version != TEMPLATE_VERSION || head->plan_size > size)
        return INVALID;
    state.kind = (int)head->kind;
    state.payload_size = head->payload_size;
    state.payload = inbox + sizeof *head + head->plan_size;
    if (head->payload_size > size - head->plan_size) {
        long result = map_payload();
        if (result < 0)
            return result;
    }
    const char *plan = inbox + sizeof *head;
    if (state.kind == TEMPLATE_JOB && state.runner && state.fd_count == 3)
        return 0;
    if (state.kind == TEMPLATE_STAGE && !state.runner && state.fd_count == 3)
        return read_plan(&stage_plan, plan, head->plan_size);
    if (state.kind == TEMPLATE_RUNNER && !state.runner && state.fd_count == 1)
        return read_plan(&job_plan, plan, head->plan_size);
    return INVALID;
}

EXPORT int template_receive(const char **payload, uint64_t *size)
{
    struct template_message head;
    for (;;) {
        close_received();
        forget_payload();
        while (!state.runner && raw_call(SYS_wait4, -1, 0, WNOHANG, 0) > 0)
            ; /* runners and carriers that have ended */
        long rest = receive_message(&head, 0, 1);
        if (rest < 0)
            leave(0); /* the worker is gone, or does not want us any more */
        long result = accept_request(&head, (uint64_t)rest);
        if (result >= 0)
            break;
        fail(PHASE_PIPES, result);
    }
    *payload = state.payload;
    *size = state.payload_size;
    return state.kind;
}

EXPORT int template_channel(void)
{
    return state.control;
}

EXPORT int template_fork(int (*fork_function)(void))
{
    if (state.kind == TEMPLATE_JOB)
        return fork_into(&job_plan, fork_function);
    int pid = fork_function();
    if (pid < 0)
        fail(PHASE_CLONE, pid);
    if (pid != 0)
        return 1;
    return state.kind == TEMPLATE_RUNNER ? become_runner() : become_stage(fork_function);
}
