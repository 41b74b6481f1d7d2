/* A template whose jobs do one deed each, in their own process, and say how they find it: see test_rewind.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "template.h"

#define SIZE (1 << 20)
#define PAGE 4096
#define PAGES 4096 /* of each field */
#define FEW 40

static int counter;
static char zeros[SIZE];
static char *loaded, *chunk;
static char *full, *bare, *own; /* fields: written to before the point, not touched, and this program's file */
static int own_pages, is_watched = 1;

static void handler(int number) { (void)number; }

static void *thread(void *nothing) { return nothing; }

static int deep(int depth)
{
    volatile char frame[4096];
    memset((char *)frame, depth, sizeof frame);
    return depth ? deep(depth - 1) + frame[7] : 0;
}

static unsigned sum(const char *at, size_t size)
{
    unsigned total = 0;
    while (size--)
        total = total * 31 + (unsigned char)*at++;
    return total;
}

static int run(const char *command) { return system(command); }

/* In ticks since the machine was started: the kernel gives the numbers of namespaces to others later. */
static unsigned long long start_time(void)
{
    char line[2048] = "";
    unsigned long long ticks = 0;
    int stat = open("/proc/self/stat", O_RDONLY);
    if (stat >= 0 && read(stat, line, sizeof line - 1) > 0) {
        const char *at = strrchr(line, ')');
        for (int field = 2; at && field < 22; field++)
            at = strchr(at + 1, ' ');
        if (at)
            ticks = strtoull(at, NULL, 10);
    }
    close(stat);
    return ticks;
}

static void look(void)
{
    char where[256], space[64], mounts[64];
    struct sigaction action;
    struct rlimit limit;
    sigset_t blocked;
    stack_t stack;
    struct itimerval timer;
    int descriptors = 0;
    sigaction(SIGUSR1, NULL, &action);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    sigaltstack(NULL, &stack);
    getitimer(ITIMER_REAL, &timer);
    getrlimit(RLIMIT_CORE, &limit);
    mode_t mask = umask(0);
    umask(mask);
    for (int fd = 0; fd < 1000; fd++)
        descriptors += fcntl(fd, F_GETFD) >= 0;
    space[readlink("/proc/self/ns/pid", space, sizeof space - 1)] = 0;
    mounts[readlink("/proc/self/ns/mnt", mounts, sizeof mounts - 1)] = 0;
    char *big = malloc(8 * SIZE);
    printf("pid %d counter %d zeros %u loaded %u chunk %u usr1 %p blocked %d stack %p timer %ld core %ld umask %o in %s "
           "descriptors %d rounding %d nice %d tmp %d run %d var %d %d %d malloc %p\n",
           getpid(), counter, sum(zeros, SIZE), sum(loaded, SIZE), sum(chunk, 2 * SIZE), (void *)action.sa_handler,
           sigismember(&blocked, SIGUSR2), stack.ss_sp, timer.it_value.tv_sec, (long)limit.rlim_cur, mask,
           getcwd(where, sizeof where), descriptors, fegetround(), nice(0), access("/tmp/left", F_OK),
           access("/run/left", F_OK), access("/var/tmp/left", F_OK), access("/var/tmp/made/left", F_OK),
           access("/var/tmp/made", F_OK), (void *)big);
    printf("%s %s since %llu\n", space, mounts, start_time());
    free(big);
}

static void expect_at(int line, int condition)
{
    if (!condition) {
        fprintf(stderr, "not so: line %d\n", line);
        abort();
    }
}
#define expect(condition) expect_at(__LINE__, condition)

/* Draws the number of a page of a field. */
static int draw(unsigned *seed, int pages) { return (int)((*seed = *seed * 1103515245 + 12345) >> 8) % pages; }

/* Finds three fields as they were at the point, and leaves them in disorder, another one for each seed. */
static void scatter(unsigned seed)
{
    static char page[PAGE];
    int file = open("/proc/self/exe", O_RDONLY);
    for (int index = 0; index < PAGES; index++)
        expect(full[index * PAGE] == (char)(index % 251) && full[index * PAGE + PAGE - 1] == 1);
    for (int index = 0; index < own_pages; index++)
        expect(pread(file, page, PAGE, index * PAGE) == PAGE && memcmp(page, own + index * PAGE, PAGE) == 0);
    for (int count = 0; count < FEW; count++)
        expect(bare[draw(&seed, PAGES) * PAGE] == 0);
    close(file);
    for (int index = 0; index < 64; index++) /* as most jobs do */
        memset(full + index * PAGE, 77, PAGE);
    for (int count = 0; count < FEW; count++) {
        memset(full + draw(&seed, PAGES) * PAGE, 88, PAGE);
        memset(bare + draw(&seed, PAGES) * PAGE, 99, PAGE);
        memset(own + draw(&seed, own_pages) * PAGE, 66, PAGE);
        madvise(full + draw(&seed, PAGES) * PAGE, PAGE, MADV_DONTNEED);
    }
    madvise(bare + draw(&seed, PAGES - 16) * PAGE, 16 * PAGE, MADV_DONTNEED);
    madvise(own, PAGE, MADV_DONTNEED);
    /* some of what was given back: older kernels do not show that it is not what it was (docs/decisions/templates.md) */
    for (int count = 0; count < FEW * is_watched; count++)
        (void)*(volatile char *)&full[draw(&seed, PAGES) * PAGE];
}

static void lay_out(const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY);
    full = mmap(NULL, PAGES * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bare = mmap(NULL, PAGES * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fstat(file, &status);
    own_pages = (int)(status.st_size / PAGE);
    own = mmap(NULL, own_pages * PAGE, 3, MAP_PRIVATE, file, 0);
    close(file);
    for (int index = 0; index < PAGES; index++)
        full[index * PAGE] = (char)(index % 251), full[index * PAGE + PAGE - 1] = 1;
}

/* As on a kernel that cannot tell what is written to. */
static void refuse_to_watch(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    is_watched = 0;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static int is(const char *deed, const char *name) { return strcmp(deed, name) == 0; }

static void put(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    if (write(fd, "x", 1) != 1)
        abort();
    close(fd);
}

static void do_deed(const char *deed)
{
    static char room[65536];
    pthread_t other;
    counter++;
    if (strncmp(deed, "scatter ", 8) == 0)
        scatter((unsigned)atoi(deed + 8));
    if (is(deed, "watched")) /* uw: there is a watch on what is written */
        expect(run("grep -q '^VmFlags:.* uw' /proc/$PPID/smaps") == 0);
    memset(zeros + 5000, 1, 20000);
    if (is(deed, "heap"))
        for (int index = 0; index < 1000; index++)
            memset(malloc(10000), 1, 10000);
    if (is(deed, "free"))
        free(chunk), chunk = malloc(2 * SIZE), chunk[SIZE] = 1;
    if (is(deed, "map"))
        memset(mmap(NULL, SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, SIZE);
    if (is(deed, "unmap"))
        munmap(loaded, SIZE / 2);
    if (is(deed, "replace"))
        mmap(loaded, SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (is(deed, "protect"))
        mprotect(loaded, 4096, PROT_READ);
    if (is(deed, "drop"))
        madvise(loaded, SIZE, MADV_DONTNEED);
    if (is(deed, "write"))
        memset(loaded + 10000, 7, 100000);
    if (is(deed, "load") && dlopen("libutil.so.1", RTLD_NOW) == NULL && dlopen("libresolv.so.2", RTLD_NOW) == NULL)
        abort();
    if (is(deed, "stack"))
        deep(1000);
    if (is(deed, "rounding"))
        fesetround(FE_UPWARD);
    if (is(deed, "signals")) {
        stack_t stack = {.ss_sp = room, .ss_size = sizeof room};
        sigset_t set;
        signal(SIGUSR1, handler);
        signal(SIGCONT, handler);
        sigaltstack(&stack, NULL);
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
    }
    if (is(deed, "timer"))
        setitimer(ITIMER_REAL, &(struct itimerval){{1000, 0}, {1000, 0}}, NULL); /* a short one may kill us before the end */
    if (is(deed, "thread"))
        pthread_create(&other, NULL, thread, NULL), pthread_join(other, NULL);
    if (is(deed, "living thread"))
        pthread_create(&other, NULL, (void *(*)(void *))(void *)pause, NULL);
    if (is(deed, "deaf thread")) {
        sigset_t set;
        sigfillset(&set);
        sigprocmask(SIG_BLOCK, &set, NULL);
        pthread_create(&other, NULL, (void *(*)(void *))(void *)pause, NULL);
    }
    if (is(deed, "child"))
        run("true");
    if (is(deed, "living child") && fork() == 0)
        pause(), _exit(0);
    if (is(deed, "dead child") && fork() == 0)
        _exit(0);
    if (is(deed, "orphan"))
        run("sleep 1000 &");
    if (is(deed, "tmp"))
        put("/tmp/left"), put("/run/left");
    if (is(deed, "root"))
        put("/var/tmp/left");
    if (is(deed, "deeper"))
        put("/var/tmp/made/left");
    if (is(deed, "moved") && (rmdir("/var/tmp/made") < 0 || mkdir("/var/tmp/other", 0700) < 0))
        abort();
    if (is(deed, "descriptor"))
        open("/dev/null", O_RDONLY);
    if (is(deed, "other descriptor"))
        close(0), open("/dev/zero", O_RDONLY);
    if (is(deed, "non-blocking"))
        fcntl(1, F_SETFL, O_NONBLOCK);
    if (is(deed, "umask"))
        umask(0123);
    if (is(deed, "directory") && chdir("/tmp") < 0)
        abort();
    if (is(deed, "limit"))
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (is(deed, "nice") && nice(3) < 0)
        abort();
    if (is(deed, "name"))
        prctl(PR_SET_NAME, "another");
    if (is(deed, "hidden"))
        prctl(PR_SET_DUMPABLE, 0);
    if (is(deed, "shared memory"))
        shmget(5, 4096, IPC_CREAT | 0600);
    if (is(deed, "queue")) {
        if (mq_close(mq_open("/queue", O_CREAT | O_RDWR, 0600, NULL)) < 0)
            abort();
    }
    if (is(deed, "socket") && socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0, 0}) < 0)
        abort();
    if (is(deed, "lie")) { /* stops itself, without saying anything */
        signal(SIGCONT, handler);
        kill(getpid(), SIGSTOP);
    }
    if (is(deed, "timers"))
        timer_create(CLOCK_REALTIME, NULL, &(timer_t){0});
    if (is(deed, "exit"))
        exit(4);
    if (is(deed, "crash"))
        raise(SIGSEGV);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    int (*start)(void) = dlsym(library, "template_start");
    int (*ready)(void) = dlsym(library, "template_ready");
    int (*receive)(const char **, uint64_t *) = dlsym(library, "template_receive");
    int (*fork_job)(int (*)(void)) = dlsym(library, "template_fork");
    void (*point)(const char **, uint64_t *) = dlsym(library, "template_point");
    void (*end)(int) = dlsym(library, "template_end");
    const char *payload;
    uint64_t size;

    if (strstr(argv[0], "unwatched"))
        refuse_to_watch();
    start();
    lay_out(argv[0]);
    loaded = mmap(NULL, SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(loaded, 3, SIZE);
    chunk = malloc(2 * SIZE); /* large enough to be mapped for itself */
    memset(chunk, 9, 2 * SIZE);
    ready();
    for (;;) {
        int kind = receive(&payload, &size);
        if (fork_job(fork) == 0 && kind == TEMPLATE_JOB)
            break;
    }
    mkdir("/var/tmp/made", 0700); /* before the point: it is there for every job of the process */
    point(&payload, &size);
    char deed[64] = {0};
    memcpy(deed, payload, size < sizeof deed ? size : sizeof deed - 1);
    if (is(deed, "look"))
        look();
    else
        do_deed(deed);
    fflush(stdout);
    end(7);
}
