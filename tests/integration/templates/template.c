/* A template in C: it "loads" a counter, and its forks say what they are. The conformance test of the protocol.
 * The library is loaded as by any program of a container. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "template.h"

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*start)(void) = dlsym(library, "template_start");
    int (*ready)(void) = dlsym(library, "template_ready");
    void (*refuse)(const char *, uint64_t) = dlsym(library, "template_refuse");
    int (*receive)(const char **, uint64_t *) = dlsym(library, "template_receive");
    int (*fork_job)(int (*)(void)) = dlsym(library, "template_fork");
    int (*channel)(void) = dlsym(library, "template_channel");
    char loaded[256] = {0};
    const char *payload;
    uint64_t size;

    start();
    size_t had = fread(loaded, 1, 100, stdin);
    if (strncmp(loaded, "refuse", 6) == 0)
        refuse(loaded, had);
    if (strncmp(loaded, "die", 3) == 0)
        return fprintf(stderr, "I cannot load\n"), 3;
    ready();
    for (;;) {
        int kind = receive(&payload, &size);
        if (fork_job(fork) != 0 || kind == TEMPLATE_RUNNER)
            continue;
        if (kind == TEMPLATE_JOB)
            break;
        strncat(loaded, payload, size < 100 ? size : 100);
        ready();
    }
    char command[4096] = {0};
    memcpy(command, payload, size < sizeof command - 1 ? size : sizeof command - 1);
    dprintf(channel(), "%s", loaded);
    printf("%d %llu\n", getpid(), (unsigned long long)size);
    fflush(stdout);
    return WEXITSTATUS(system(command));
}
