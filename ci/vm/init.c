/*
 * The first program in the guest, alone in its initramfs: loads the kernel's modules, mounts the host's file system
 * read-only as the root, and becomes the program that its arguments name (guest.py). Static, because there is no
 * C library yet. What fails is said on the console; the end of process 1 is a panic, and so the end of the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOT "/host"

static void die(const char *what) {
    fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Their names are numbered: those that others need come first. */
static void load_modules(void) {
    glob_t found;
    if (glob("/modules/*.ko", 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int file = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
        if (file < 0 || (syscall(SYS_finit_module, file, "", 0) < 0 && errno != EEXIST))
            fprintf(stderr, "init: %s: %s\n", found.gl_pathv[i], strerror(errno));
        if (file >= 0)
            close(file);
    }
    globfree(&found);
}

static void copy(const char *from, const char *to) {
    char bytes[4096];
    ssize_t count;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (in < 0 || out < 0)
        die(to);
    while ((count = read(in, bytes, sizeof bytes)) > 0)
        if (write(out, bytes, (size_t)count) != count)
            die(to);
    close(in);
    close(out);
}

int main(int argc, char **argv) {
    (void)argc;
    load_modules();
    mkdir(ROOT, 0755);
    if (mount("host", ROOT, "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,msize=512000,cache=loose") < 0)
        die("mount the host's file system");
    if (mount("tmpfs", ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
        die("mount a tmpfs on /run");
    copy("/plan.json", ROOT "/run/plan.json");
    if (mount("devtmpfs", ROOT "/dev", "devtmpfs", MS_NOSUID, "mode=755") < 0)
        die("mount /dev");
    if (chdir(ROOT) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
        die("change the root");
    /* the console that the kernel opened was the initramfs's */
    int console = open("/dev/console", O_RDWR | O_NOCTTY);
    for (int fd = 0; console >= 0 && fd < 3; fd++)
        dup2(console, fd);
    if (console > 2)
        close(console);
    char *environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    execve(argv[1], argv + 1, environment);
    die(argv[1]);
}
