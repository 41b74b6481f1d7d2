/* Thin system calls that Python's os module lacks (3.11); each returns the result, or -errno. */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "confine.h"
#include "steps.h"

#define RESOLVE_MAGICLINKS_NOT 0x02 /* RESOLVE_NO_MAGICLINKS */
#define LAST_SIGNAL 64
#define SIGNAL_SET_SIZE 8
#define RESOLVE_ROOTED 0x10         /* RESOLVE_IN_ROOT */
#define ROOTED_TRIES 10000

struct mount_attributes { /* struct mount_attr */
    uint64_t set, clear, propagation, user_namespace;
};

struct open_rules { /* struct open_how */
    uint64_t flags, mode, resolve;
};

#define RETURN(call)                                                                                              \
    do {                                                                                                          \
        long result = (long)(call);                                                                               \
        return result < 0 ? -errno : (int)result;                                                                 \
    } while (0)

uint64_t launch_pass;

int confine_launcher(const void *filter, uint64_t length, uint64_t pass)
{
    long result = install_filter(filter, length);
    if (result < 0)
        return (int)result;
    launch_pass = pass;
    return 0;
}

int sys_unshare(unsigned long flags) { return (int)guarded_call(SYS_unshare, flags); }

int sys_setns(int fd, int kind) { return (int)guarded_call(SYS_setns, fd, kind); }

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
    return (int)guarded_call(SYS_mount, source, target, type, flags, data);
}

int sys_umount(const char *target, int flags) { return (int)guarded_call(SYS_umount2, target, flags); }

int sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)guarded_call(SYS_pivot_root, new_root, put_old);
}

int sys_open_tree(int directory, const char *path, unsigned int flags)
{
    return (int)guarded_call(SYS_open_tree, directory, path, flags);
}

int sys_move_mount(int from, const char *from_path, int to, const char *to_path, unsigned int flags)
{
    return (int)guarded_call(SYS_move_mount, from, from_path, to, to_path, flags);
}

int sys_fsopen(const char *type, unsigned int flags) { return (int)guarded_call(SYS_fsopen, type, flags); }

int sys_fsconfig(int fs, unsigned int command, const char *key, const char *value, int aux)
{
    return (int)guarded_call(SYS_fsconfig, fs, command, key, value, aux);
}

int sys_fsmount(int fs, unsigned int flags, unsigned int attributes)
{
    return (int)guarded_call(SYS_fsmount, fs, flags, attributes);
}

int sys_mount_setattr(int directory, const char *path, unsigned int flags, uint64_t set, uint64_t clear)
{
    struct mount_attributes attributes = {.set = set, .clear = clear};
    return (int)guarded_call(SYS_mount_setattr, directory, path, flags, &attributes, sizeof attributes);
}

int sys_open_in_root(int root, const char *path, int flags)
{
    struct open_rules rules = {.flags = (uint64_t)flags, .resolve = RESOLVE_ROOTED | RESOLVE_MAGICLINKS_NOT};
    long fd;
    int tries = ROOTED_TRIES;
    do /* where something was mounted or renamed meanwhile, anywhere, the kernel is not sure where ".." has led */
        fd = syscall(SYS_openat2, root, path, &rules, sizeof rules);
    while (fd < 0 && errno == EAGAIN && --tries);
    RETURN(fd);
}

int sys_prctl(int option, unsigned long argument) { RETURN(prctl(option, argument, 0, 0, 0)); }

static int bring_loopback_up(void)
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int sys_loopback_up(void) { RETURN(bring_loopback_up()); }

/* Every signal gets its default action, those too that glibc keeps for itself and that its functions refuse. */
void sys_default_signals(void)
{
    static const char action[64]; /* struct sigaction of the kernel: zeros are SIG_DFL, no flags, an empty mask */
    for (int number = 1; number <= LAST_SIGNAL; number++)
        syscall(SYS_rt_sigaction, number, action, NULL, SIGNAL_SET_SIZE);
}
