/* A job that a template forks: the member's side of the protocol in template.h.
 *
 * The fork is no child of ours. Its runner sends us a pidfd of its first process, which is how it is killed, and waits
 * for its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"
#include "template.h"

#define FDS (STREAMS + 1)

union rights { /* aligned as a control message must be */
    struct cmsghdr head;
    char space[CMSG_SPACE(FDS * sizeof(int))];
};

static int lost(struct child *child, int error)
{
    child->landing->phase = PHASE_LOST;
    child->landing->error = error;
    return -1;
}

/* A payload that is too large for a message goes as a file. */
static int file_of(const char *payload, uint64_t size)
{
    int fd = memfd_create("payload", MFD_CLOEXEC);
    while (fd >= 0 && size > 0) {
        ssize_t written = write(fd, payload, size);
        if (written < 0) {
            close(fd);
            return -1;
        }
        payload += written;
        size -= (uint64_t)written;
    }
    return fd;
}

int ask_runner(struct child *child, int again, const char *payload, uint64_t size)
{
    struct template_message head = {.version = TEMPLATE_VERSION, .payload_size = size};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)payload, size}};
    int fds[FDS], count = STREAMS, file = -1;
    union rights rights;
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

    head.kind = again ? TEMPLATE_AGAIN : TEMPLATE_JOB;
    if (again)
        return sendmsg(child->control, &message, MSG_NOSIGNAL) < 0 ? lost(child, errno) : 0;
    memset(&rights, 0, sizeof rights);
    message.msg_control = &rights;
    memcpy(fds, child->ends, STREAMS * sizeof(int));
    if (size > TEMPLATE_INLINE) {
        fds[count++] = file = file_of(payload, size);
        if (file < 0)
            return lost(child, errno);
        message.msg_iovlen = 1;
    }
    message.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
    rights.head = (struct cmsghdr){CMSG_LEN((size_t)count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&rights.head), fds, (size_t)count * sizeof(int));
    ssize_t sent = sendmsg(child->control, &message, MSG_NOSIGNAL);
    int error = errno;
    if (file >= 0)
        close(file);
    return sent < 0 ? lost(child, error) : 0;
}

static void started(struct child *child, struct msghdr *message)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    if (head == NULL || head->cmsg_type != SCM_RIGHTS || head->cmsg_len < CMSG_LEN(sizeof(int)))
        return;
    int fd;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    if (child->pidfd >= 0)
        close(child->pidfd);
    child->pidfd = fd;
    if (child->killed)
        kill_child(child);
    hold_mounts(child);
}

static void ended(struct landing *landing, const struct template_ended *body)
{
    landing->exited = body->exited;
    landing->status = body->status;
    landing->spoiled = !body->clean;
    landing->kept = body->kept;
    landing->cpu_user = body->cpu_user;
    landing->cpu_system = body->cpu_system;
    landing->peak_memory = body->peak_memory;
}

int take_answer(struct child *child)
{
    struct {
        struct template_message head;
        union {
            struct template_ended ended;
            struct template_failed failed;
        } body;
    } answer;
    union rights rights;
    struct iovec part = {&answer, sizeof answer};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};

    memset(&answer, 0, sizeof answer);
    ssize_t size = recvmsg(child->control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (size < (ssize_t)sizeof answer.head || answer.head.version != TEMPLATE_VERSION) {
        lost(child, size < 0 ? errno : EPIPE);
        return 1;
    }
    switch (answer.head.kind) {
    case TEMPLATE_STARTED:
        started(child, &message);
        return 0;
    case TEMPLATE_ENDED:
        ended(child->landing, &answer.body.ended);
        return 1;
    case TEMPLATE_FAILED:
        child->landing->phase = answer.body.failed.phase;
        child->landing->error = answer.body.failed.error;
        return 1;
    default:
        lost(child, EPROTO);
        return 1;
    }
}
