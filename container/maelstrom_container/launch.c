/* Launches one program in a container of its own and waits for it: the call that Python makes.
 *
 * Python decides, C does: a plan (struct step, see launch.h) is walked between clone3 and execve. child.c is what
 * runs there, capture.c what we do meanwhile. A step that fails leaves its number and errno in the landing, which is
 * plain memory of ours.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static char **unpack(char **slot, const char *packed, int count)
{
    for (int index = 0; index < count; index++) {
        *slot++ = (char *)packed;
        packed += strlen(packed) + 1;
    }
    *slot++ = NULL;
    return slot;
}

static void run(struct child *child)
{
    struct landing *landing = child->landing;
    sigset_t all, before;
    int64_t start = now();

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours may run in the child */
    long pid = start_child(child);
    close_ends(child);
    if (pid < 0) {
        landing->phase = PHASE_CLONE;
        landing->error = (int)-pid;
    } else {
        if (landing->phase == PHASE_NONE)
            wait_for(child);
        reap(child);
        close(child->pidfd);
    }
    landing->duration = now() - start;
    collect_streams(child);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int launch(const struct launch *launch, struct landing *landing)
{
    struct child child = {.launch = launch, .landing = landing, .pidfd = -1};

    memset(landing, 0, sizeof *landing);
    landing->phase = PHASE_NONE;
    size_t count = (size_t)launch->program_count + (size_t)launch->argument_count +
                   (size_t)launch->environment_count + 3;
    char **strings = malloc(count * sizeof *strings);
    if (strings == NULL) {
        landing->phase = PHASE_PIPES;
        landing->error = ENOMEM;
        return -1;
    }
    child.programs = strings;
    child.arguments = unpack(child.programs, launch->programs, launch->program_count);
    child.environment = unpack(child.arguments, launch->arguments, launch->argument_count);
    unpack(child.environment, launch->environment, launch->environment_count);
    int result = open_pipes(&child);
    if (result < 0) {
        landing->phase = PHASE_PIPES;
        landing->error = errno;
        close_pipes(&child);
    } else {
        run(&child);
    }
    free(strings);
    return result;
}
