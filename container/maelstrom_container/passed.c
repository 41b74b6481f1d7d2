/* What a client passes to a job while both live: its standard streams, or a terminal.
 *
 * The descriptors lie in a socket, of which we have one end and the client the other. Runs in the child, as child.c: it
 * must call nothing that allocates, locks or runs Python.
 *
 * A terminal is made anew in the container's own devpts, where its name is: the one that came says how it is to be set up.
 * The client is sent both ends of it, or nothing where there is no such devpts, and then the one that came is the job's.
 * Nothing is trusted that is found at the path: devpts alone makes what answers TIOCGPTPEER.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "internal.h"

#define PSEUDO_TERMINALS "/dev/pts/ptmx"
#define DEVPTS_MAGIC 0x1cd1 /* DEVPTS_SUPER_MAGIC */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

union control {
    char bytes[CMSG_SPACE(STREAMS * sizeof(int))];
    struct cmsghdr header;
};

static int receive(int socket, int *descriptors, int count)
{
    char byte;
    union control control;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
        return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN((size_t)count * sizeof(int)))
        return -1;
    memcpy(descriptors, CMSG_DATA(header), (size_t)count * sizeof(int));
    return 0;
}

/* Without descriptors where `count` is 0. That the client is gone is no reason to stop: so are we, then. */
static int send_back(int socket, const int *descriptors, int count)
{
    char byte = 0;
    union control control;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        size_t size = (size_t)count * sizeof(int);
        memset(&control, 0, sizeof control);
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        memcpy(CMSG_DATA(&control.header), descriptors, size);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* Returns the job's end, or -1. */
static int set_up(int master, int model)
{
    struct statfs system;
    struct termios settings;
    struct winsize size;
    int unlocked = 0;

    if (fstatfs(master, &system) < 0 || system.f_type != DEVPTS_MAGIC || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return -1;
    int own = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return -1;
    if (tcgetattr(model, &settings) == 0 && tcsetattr(own, TCSANOW, &settings) == 0 &&
        ioctl(model, TIOCGWINSZ, &size) == 0 && ioctl(own, TIOCSWINSZ, &size) == 0)
        return own;
    close(own);
    return -1;
}

static int take_terminal(int socket)
{
    int model;
    if (receive(socket, &model, 1) < 0)
        return -1;
    int master = open(PSEUDO_TERMINALS, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int own = master < 0 ? -1 : set_up(master, model);
    if (own >= 0 && send_back(socket, (int[]){master, own}, 2) < 0) {
        close(own);
        own = -1;
    }
    if (master >= 0)
        close(master);
    if (own < 0)
        send_back(socket, NULL, 0);
    int chosen = own < 0 ? model : own;
    return ioctl(chosen, TIOCSCTTY, 0) < 0 ? -1 : chosen;
}

int take_passed(const struct launch *launch, int streams[STREAMS])
{
    if (launch->passed == PASSED_STREAMS)
        return receive(launch->stdin_fd, streams, STREAMS);
    streams[0] = streams[1] = streams[2] = take_terminal(launch->stdin_fd);
    return streams[0] < 0 ? -1 : 0;
}
