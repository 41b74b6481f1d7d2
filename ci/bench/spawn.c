/* The reference for everything that starts processes: posix_spawn and wait of one program in a loop, as fast as C can.
 *
 *     spawn COUNT PROCESSES PROGRAM [ARGUMENT]...
 *
 * PROCESSES loops run at once, each COUNT times. Several are pinned, each to a core of its own; a single one is
 * not, so that on a busy machine it can move out of the way as ours can.
 * Prints one line: microseconds per spawn seen by one loop, and spawns per second of all loops together.
 * glibc's posix_spawn is clone(CLONE_VM | CLONE_VFORK): nothing of the parent's memory is copied.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pin(int nth)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    nth %= CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

static int loop(long count, char **argv)
{
    for (long i = 0; i < count; i++) {
        pid_t pid;
        int status;
        int error = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
        if (error != 0) {
            fprintf(stderr, "spawn: cannot start %s: %s\n", argv[0], strerror(error));
            return 1;
        }
        while (waitpid(pid, &status, 0) < 0)
            if (errno != EINTR)
                return 1;
        if (status != 0) {
            fprintf(stderr, "spawn: %s ended with wait status %d\n", argv[0], status);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    long count = argc > 3 ? atol(argv[1]) : 0;
    int processes = argc > 3 ? atoi(argv[2]) : 0;
    if (count < 1 || processes < 1) {
        fprintf(stderr, "usage: spawn COUNT PROCESSES PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    double start = now();
    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid < 0) {
            perror("spawn: fork");
            return 1;
        }
        if (pid == 0) {
            if (processes > 1)
                pin(i);
            _exit(loop(count, argv + 3));
        }
    }
    int failed = 0, status;
    for (int i = 0; i < processes; i++)
        if (wait(&status) < 0 || status != 0)
            failed = 1;
    double seconds = now() - start;
    if (failed)
        return 1;
    printf("%.2f us/spawn %.1f spawns/s\n", seconds * 1e6 / (double)count,
           (double)count * (double)processes / seconds);
    return 0;
}
