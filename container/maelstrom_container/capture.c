/* The parent's side of a launch: the pipes, the wait for the child's end, and reading what comes meanwhile. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

struct capture {
    char *data;
    size_t capacity, kept;
    uint64_t rest, lost;
    int fd; /* read end, -1 when at its end */
};

static struct capture captures[STREAMS];
static char scratch[64 * 1024];

enum { LARGE = 1 << 20 }; /* what a stream has taken beyond that is given back before the next job */

int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Puts what exceeds the limit into the file, as long as there is room; returns how many bytes it has not taken. */
static size_t put_rest(struct capture *capture, const struct launch *launch, int stream, const char *data, size_t size)
{
    uint64_t start = (uint64_t)stream * launch->rest_limit;
    while (size > 0 && capture->lost == 0 && capture->rest < launch->rest_limit) {
        uint64_t room = launch->rest_limit - capture->rest;
        ssize_t written =
            pwrite(launch->rest, data, size < room ? size : (size_t)room, (off_t)(start + capture->rest));
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        capture->rest += (uint64_t)written;
        data += written;
        size -= (size_t)written;
    }
    return size;
}

/* Reads what is there now; returns 0 at the end of the stream. Memory that cannot be had counts as lost. */
static int read_once(const struct launch *launch, int stream)
{
    struct capture *capture = &captures[stream];
    uint64_t limit = launch->limits[stream];
    ssize_t size = read(capture->fd, scratch, sizeof scratch);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : 0;
    if (size == 0)
        return 0;
    size_t keep = capture->kept < limit && capture->rest == 0 && capture->lost == 0 ? (size_t)size : 0;
    if (keep > limit - capture->kept && keep > 0)
        keep = limit - capture->kept;
    if (capture->kept + keep > capture->capacity) {
        size_t capacity = 2 * (capture->kept + keep);
        char *data = realloc(capture->data, capacity);
        if (data == NULL) {
            keep = 0;
        } else {
            capture->data = data;
            capture->capacity = capacity;
        }
    }
    if (keep > 0)
        memcpy(capture->data + capture->kept, scratch, keep);
    capture->kept += keep;
    size_t left = (size_t)size - keep;
    if (left > 0 && stream != STREAM_RESULT && launch->rest >= 0)
        left = put_rest(capture, launch, stream, scratch + keep, left);
    capture->lost += left;
    return 1;
}

static void end_capture(struct capture *capture)
{
    if (capture->fd >= 0)
        close(capture->fd);
    capture->fd = -1;
}

/* Reads from a pipe in which there is something. When pid 1 of the namespace is gone every process of the job is, so nobody
 * can write any more; nor can one that has been stopped, whose pipes stay open. */
static void drain(const struct launch *launch, int stream)
{
    struct capture *capture = &captures[stream];
    struct pollfd readable = {.fd = capture->fd, .events = POLLIN, .revents = POLLIN};
    do {
        if (!(readable.revents & POLLIN) || !read_once(launch, stream)) {
            end_capture(capture);
            return;
        }
    } while (poll(&readable, 1, 0) > 0);
}

void kill_child(struct child *child)
{
    child->killed = 1; /* where it is not known yet, it is killed when it is */
    if (child->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
}

/* Where it is not known yet what to signal there is nobody to be given time. Returns 0 then. */
static int give_grace(struct child *child)
{
    const struct launch *launch = child->launch;
    if (launch->grace <= 0 || child->landing->timed_out || child->pidfd < 0)
        return 0;
    return syscall(SYS_pidfd_send_signal, child->pidfd, launch->grace_signal, NULL, 0) == 0;
}

static struct timespec *until(int64_t time, struct timespec *left)
{
    int64_t remaining = time - now();
    if (remaining < 0)
        remaining = 0;
    *left = (struct timespec){remaining / 1000000000, remaining % 1000000000};
    return left;
}

void wait_for(struct child *child)
{
    const struct launch *launch = child->launch;
    struct landing *landing = child->landing;
    int64_t deadline = launch->timeout > 0 ? now() + launch->timeout : 0;
    int64_t stale = launch->ahead > 0 ? now() + launch->ahead : 0; /* when the one that stands by has done so for too long */

    for (;;) {
        /* Looked at before each sleep: the bell may have rung, and been heard, before this job began. */
        if (launch->cancelled && !landing->was_cancelled &&
            __atomic_load_n(launch->cancelled, __ATOMIC_ACQUIRE) == launch->sequence) {
            landing->was_cancelled = 1;
            kill_child(child);
        }
        int end = child->control >= 0 ? child->control : child->pidfd;
        struct pollfd polled[STREAMS + 2] = {{.fd = end, .events = POLLIN},
                                             {.fd = launch->doorbell, .events = POLLIN}};
        for (int stream = 0; stream < STREAMS; stream++)
            polled[stream + 2] = (struct pollfd){.fd = captures[stream].fd, .events = POLLIN};
        int64_t next = stale > 0 && (deadline == 0 || stale < deadline) ? stale : deadline;
        struct timespec left, *wait = next > 0 ? until(next, &left) : NULL;
        int ready = ppoll(polled, STREAMS + 2, wait, NULL);
        if (ready == 0 && next == stale) {
            launch_dismiss();
            stale = 0;
            continue;
        }
        if (ready == 0) {
            deadline = give_grace(child) ? now() + launch->grace : 0;
            if (deadline == 0)
                kill_child(child);
            landing->timed_out = 1;
            continue;
        }
        if (ready < 0)
            continue; /* EINTR: all signals are blocked but the deadly ones */
        if (polled[0].revents && (child->control < 0 || take_answer(child)))
            return;
        if (polled[1].revents) {
            uint64_t rings;
            ssize_t ignored = read(launch->doorbell, &rings, sizeof rings);
            (void)ignored;
        }
        for (int stream = 0; stream < STREAMS; stream++)
            if (polled[stream + 2].revents && !read_once(launch, stream))
                end_capture(&captures[stream]);
    }
}

static int64_t nanoseconds(struct timeval time)
{
    return time.tv_sec * 1000000000LL + time.tv_usec * 1000LL;
}

/* waitid's fifth argument (rusage) is not in glibc's wrapper. The peak contains our own: at execve the kernel
 * notes the peak of the address space that is left behind, and that is ours (CLONE_VM). */
void reap(struct child *child)
{
    struct landing *landing = child->landing;
    siginfo_t info;
    struct rusage usage, own;
    memset(&info, 0, sizeof info);
    memset(&usage, 0, sizeof usage);
    while (syscall(SYS_waitid, P_PIDFD, child->pidfd, &info, WEXITED, &usage) < 0 && errno == EINTR)
        ;
    landing->exited = info.si_code == CLD_EXITED;
    landing->status = info.si_status;
    landing->cpu_user = nanoseconds(usage.ru_utime);
    landing->cpu_system = nanoseconds(usage.ru_stime);
    landing->peak_memory = usage.ru_maxrss * 1024LL;
    getrusage(RUSAGE_SELF, &own);
    landing->own_peak = own.ru_maxrss * 1024LL;
}

int open_pipes(struct child *child)
{
    for (int stream = 0; stream < STREAMS; stream++)
        child->readers[stream] = child->ends[stream] = -1;
    for (int stream = 0; stream < STREAMS; stream++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -1;
        child->readers[stream] = ends[0];
        child->ends[stream] = ends[1];
    }
    return 0;
}

/* From now on these are the pipes that are read. */
void read_pipes(struct child *child)
{
    for (int stream = 0; stream < STREAMS; stream++) {
        if (captures[stream].capacity > LARGE) {
            free(captures[stream].data);
            captures[stream].data = NULL;
            captures[stream].capacity = 0;
        }
        captures[stream] = (struct capture){
            .data = captures[stream].data, .capacity = captures[stream].capacity, .fd = child->readers[stream]};
        child->readers[stream] = -1;
    }
}

void close_ends(struct child *child)
{
    for (int stream = 0; stream < STREAMS; stream++)
        if (child->ends[stream] >= 0)
            close(child->ends[stream]);
}

/* Goes on with pipes whose other ends are open in a process that has been kept. */
void resume_pipes(struct child *child, const int streams[STREAMS])
{
    for (int stream = 0; stream < STREAMS; stream++) {
        child->readers[stream] = streams[stream];
        child->ends[stream] = -1;
    }
    read_pipes(child);
}

/* Hands over the pipes instead of closing them. Returns 0 where one is closed already. */
int keep_pipes(int streams[STREAMS])
{
    int all = 1;
    for (int stream = 0; stream < STREAMS; stream++) {
        streams[stream] = captures[stream].fd;
        all = all && captures[stream].fd >= 0;
        captures[stream].fd = -1;
    }
    return all;
}

/* Of a child whose pipes nobody has begun to read. */
void close_pipes(struct child *child)
{
    close_ends(child);
    for (int stream = 0; stream < STREAMS; stream++)
        if (child->readers[stream] >= 0)
            close(child->readers[stream]);
}

/* Reads what is left, and says where it is. One look at all pipes: most are empty. */
void collect_streams(struct child *child)
{
    struct pollfd polled[STREAMS];
    for (int stream = 0; stream < STREAMS; stream++)
        polled[stream] = (struct pollfd){.fd = captures[stream].fd, .events = POLLIN};
    poll(polled, STREAMS, 0);
    for (int stream = 0; stream < STREAMS; stream++) {
        struct capture *capture = &captures[stream];
        if (polled[stream].revents & POLLIN)
            drain(child->launch, stream);
        else if (polled[stream].revents)
            end_capture(capture);
        if (!child->landing->kept)
            end_capture(capture);
        child->landing->streams[stream] = (struct stream){capture->data, capture->kept, capture->rest, capture->lost};
    }
}
