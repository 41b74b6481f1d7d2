/* What there is of a job besides its memory and its files, in one number: when it is the same as before, a test has left nothing.
 *
 * All that the kernel keeps for a process and that the process may change belongs here: see template_rewind.c. Whatever
 * cannot be looked at counts as changed. */
#include <linux/shm.h>

#include "template_internal.h"

#define TEXT_LIMIT 16384
#define DESCRIPTORS_LIMIT 128
#define LIMITS 16 /* RLIM_NLIMITS */

static char text[TEXT_LIMIT];

static uint64_t add(uint64_t sum, const void *data, uint64_t size)
{
    for (const unsigned char *at = data; size; size--)
        sum = (sum ^ *at++) * 0x100000001b3; /* FNV-1a */
    return sum;
}

static uint64_t add_number(uint64_t sum, long number)
{
    return add(sum, &number, sizeof number);
}

static uint64_t add_word(uint64_t sum, const char *word)
{
    uint64_t size = 0;
    while (word[size])
        size++;
    return add(sum, word, size);
}

/* Returns the size, or -errno. */
static long read_text(int directory, const char *name)
{
    long fd = raw_call(SYS_openat, directory, name, O_RDONLY | CLOSE_ON_EXEC);
    if (fd < 0)
        return fd;
    long size = raw_call(SYS_read, fd, text, sizeof text - 1);
    raw_close(fd);
    if (size >= 0)
        text[size] = 0;
    return size;
}

static int is_always_changing(const char *line)
{
    static const char *const names[] = {"VmP", "VmS", "VmH", "VmR", "VmD", "Rss", "FDSize", "SigQ", "voluntary",
                                        "nonvoluntary", "Hugetlb",
                                        /* what the job itself puts back */
                                        "SigBlk", "SigIgn", "SigCgt",
                                        /* libraries; the maps tell better */
                                        "VmLib"};
    if (begins(line, "VmPin"))
        return 0;
    for (uint64_t index = 0; index < sizeof names / sizeof *names; index++)
        if (begins(line, names[index]))
            return 1;
    return 0;
}

static long number_in(const char *at)
{
    long value = 0;
    for (; *at && *at != '\n'; at++)
        if (*at >= '0' && *at <= '9')
            value = 10 * value + *at - '0';
    return value;
}

static int add_status(uint64_t *sum, int proc, long *resident)
{
    if (read_text(proc, "status") <= 0)
        return 0;
    *resident = -1;
    for (const char *at = text; *at;) {
        const char *end = at;
        while (*end && *end != '\n')
            end++;
        if (begins(at, "RssAnon"))
            *resident = number_in(at);
        if (!is_always_changing(at))
            *sum = add(*sum, at, (uint64_t)(end - at));
        at = *end ? end + 1 : end;
    }
    return 1;
}

static int add_link(uint64_t *sum, int proc, const char *name)
{
    long size = raw_call(SYS_readlinkat, proc, name, text, sizeof text);
    if (size > 0)
        *sum = add(*sum, text, (uint64_t)size);
    return size > 0;
}

static int add_file(uint64_t *sum, int proc, const char *name)
{
    long size = read_text(proc, name);
    if (size > 0)
        *sum = add(*sum, text, (uint64_t)size);
    return size >= 0;
}

static void put_number(char *to, const char *prefix, const char *number)
{
    while (*prefix)
        *to++ = *prefix++;
    while (*number)
        *to++ = *number++;
    *to = 0;
}

/* A descriptor: what is open, where it stands, how it was opened; of a file, how large it is. */
static int add_descriptor(uint64_t *sum, int proc, const char *number)
{
    char name[32];
    struct stat status;
    put_number(name, "fd/", number);
    if (raw_call(SYS_newfstatat, proc, name, &status, 0) < 0)
        return 0;
    *sum = add_number(add_number(*sum, (long)status.st_dev), (long)status.st_ino);
    if (S_ISREG(status.st_mode))
        *sum = add_number(add_number(*sum, status.st_size), status.st_mode);
    else if (!add_link(sum, proc, name) || begins(text, "socket:") || begins(text, "anon_inode:"))
        return 0;
    put_number(name, "fdinfo/", number);
    return add_file(sum, proc, name);
}

static int add_descriptors(uint64_t *sum, int proc, int unseen)
{
    _Alignas(8) char listing[DESCRIPTORS_LIMIT * 32];
    long fd = raw_call(SYS_openat, proc, "fd", O_RDONLY | O_DIRECTORY | CLOSE_ON_EXEC);
    if (fd < 0)
        return 0;
    long size = raw_call(SYS_getdents64, fd, listing, sizeof listing);
    int complete = size > 0 && raw_call(SYS_getdents64, fd, text, sizeof text) == 0;
    raw_close(fd);
    for (long at = 0; at < size && complete;) {
        struct entry *entry = (struct entry *)(listing + at);
        if (entry->name[0] != '.' && number_in(entry->name) != unseen) {
            *sum = add_word(*sum, entry->name);
            complete = add_descriptor(sum, proc, entry->name);
        }
        at += entry->size;
    }
    return complete;
}

static int add_limits(uint64_t *sum, int pid)
{
    struct {
        uint64_t soft, hard;
    } limit;
    for (long index = 0; index < LIMITS; index++) {
        if (raw_call(SYS_prlimit64, pid, index, 0, &limit) < 0)
            return 0;
        *sum = add(*sum, &limit, sizeof limit);
    }
    return 1;
}

static uint64_t add_scheduling(uint64_t sum, int pid)
{
    sum = add_number(sum, raw_call(SYS_getpgid, pid));
    sum = add_number(sum, raw_call(SYS_getsid, pid));
    sum = add_number(sum, raw_call(SYS_getpriority, 0 /* PRIO_PROCESS */, pid));
    sum = add_number(sum, raw_call(SYS_sched_getscheduler, pid));
    return add_number(sum, raw_call(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, pid));
}

/* Memory, semaphores and queues of System V: there must be none. */
static int is_without_ipc(void)
{
    int info[64];
    memset(info, 0, sizeof info);
    if (raw_call(SYS_shmctl, 0, SHM_INFO, info) < 0 || info[0] != 0)
        return 0;
    memset(info, 0, sizeof info);
    if (raw_call(SYS_semctl, 0, 0, 19 /* SEM_INFO */, info) < 0 || info[7] != 0) /* semusz: sets in use */
        return 0;
    memset(info, 0, sizeof info);
    return raw_call(SYS_msgctl, 0, 12 /* MSG_INFO */, info) >= 0 && info[0] == 0; /* msgpool: queues in use */
}

/* Returns 0 where it cannot be told. `unseen`: a descriptor that is left aside. `resident`: the job's memory without that of files, in KiB. */
uint64_t look(int pid, int proc, int unseen, long *resident)
{
    uint64_t sum = 0xcbf29ce484222325;
    if (!is_without_ipc() || !add_status(&sum, proc, resident) ||
        !add_descriptors(&sum, proc, unseen) || !add_link(&sum, proc, "cwd") || !add_link(&sum, proc, "root") ||
        !add_link(&sum, proc, "ns/user") || !add_limits(&sum, pid) || !add_file(&sum, proc, "oom_score_adj"))
        return 0;
    long timers = read_text(proc, "timers");
    if (timers > 0) /* of POSIX; where the kernel does not show them there may be some */
        return 0;
    return add_scheduling(sum, pid);
}
