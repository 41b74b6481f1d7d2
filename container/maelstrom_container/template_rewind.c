/* Jobs that are put back to where they began, instead of forking another process for the next one.
 *
 * A job says where it begins (`template_point`) and where it ends (`template_end`). At both it stops itself, and its
 * first process, which shares the runner's memory, looks at it. At the point it takes down the job's memory and all
 * else that the job may change. At the end it compares: where nothing is left but in memory, it notes which pages are to
 * be put back and waits for the next request. Then the job puts them back and goes on from its point a second time. Otherwise it is
 * ended like any other, and its runner forks again.
 *
 * What decides is what the kernel shows of the job, never what the job says; the job has no rights over who looks. */
#include "template_rewind.h"
#include "template_watch.h"

#define FRUITLESS 8  /* points in a row that were never gone back to: then they are not worth their time */
#define TRY_AGAIN 16 /* jobs later */
#define CHILDREN_LIMIT 32

static struct {
    enum use use; /* what the job cannot change */
    int proc, rounds, fruitless;
    char children[CHILDREN_LIMIT + 16]; /* the file of `proc` that names the job's own */
    uint64_t before; /* how the job looked at its point */
    int64_t cpu_user, cpu_system;
} rewinding = {.proc = -1};

static void go_on(int child)
{
    state.shared->state = RUNNING;
    raw_call(SYS_kill, child, SIGCONT);
}

/* Returns how many children a process has, two if there are more; the last of them as text. -1: not known. */
static int read_children(int directory, const char *path, char text[CHILDREN_LIMIT])
{
    long fd = raw_call(SYS_openat, directory, path, O_RDONLY | CLOSE_ON_EXEC);
    if (fd < 0)
        return -1;
    long size = raw_call(SYS_read, fd, text, CHILDREN_LIMIT - 1);
    raw_close(fd);
    if (size <= 0)
        return size < 0 ? -1 : 0;
    for (long at = 0; at < size; at++)
        if (text[at] == ' ') {
            text[at] = 0;
            return at + 1 < size ? 2 : 1;
        }
    return -1;
}

static char *append(char *to, const char *text)
{
    while (*text)
        *to++ = *text++;
    *to = 0;
    return to;
}

/* What the kernel shows of the job, in a proc that can be written to: the job's own may be read-only. */
static int open_proc(void)
{
    char job[CHILDREN_LIMIT];
    if (read_children(state.proc, "thread-self/children", job) != 1)
        return 0;
    append(append(append(rewinding.children, "task/"), job), "/children");
    rewinding.proc = (int)raw_call(SYS_openat, state.proc, job, PATH_ONLY | O_DIRECTORY | CLOSE_ON_EXEC);
    return rewinding.proc >= 0;
}

/* Whether there is no process but the job and us; it was stopped, so there cannot be one in the next moment. */
static int is_alone(void)
{
    char text[CHILDREN_LIMIT];
    return read_children(state.proc, "thread-self/children", text) == 1 &&
           read_children(rewinding.proc, rewinding.children, text) == 0;
}

static void at_point(int child)
{
    long resident;
    rewinding.use = NO_POINT;
    if (open_proc() && is_alone() && files_begin(&job_plan) &&
        kept_at_point(state.here) && (rewinding.before = look(child, rewinding.proc, state.shared->watch, &resident)) != 0 &&
        memory_take(child, rewinding.proc))
        rewinding.use = POINT_TAKEN;
    state.shared->use = rewinding.use;
    go_on(child);
}

/* The kernel may take a moment to let go of a socket that has been closed. */
static int network_settles(void)
{
    const struct timespec moment = {0, 200000};
    for (int tries = 0; tries < 5; tries++) {
        if (network_is_clean())
            return 1;
        raw_call(SYS_nanosleep, &moment, 0);
    }
    return 0;
}

static int can_be_put_back(int child, const struct rusage *usage)
{
    long resident;
    return rewinding.use == POINT_TAKEN && is_alone() && network_settles() && kept_are_as_at_point(state.here) &&
           look(child, rewinding.proc, -1, &resident) == rewinding.before &&
           memory_compare(child, usage, resident) &&
           files_renew();
}

/* Says how the job ended, whose process stays. */
static void tell(int code, const struct rusage *usage)
{
    int64_t user = nanoseconds(&usage->ru_utime), system = nanoseconds(&usage->ru_stime);
    struct template_ended body = {
        .exited = 1,
        .status = code,
        .clean = 1,
        .kept = 1,
        .cpu_user = user - rewinding.cpu_user,
        .cpu_system = system - rewinding.cpu_system,
        .peak_memory = usage->ru_maxrss * 1024LL,
    };
    rewinding.cpu_user = user;
    rewinding.cpu_system = system;
    state.result.told = 1;
    if (send_message(TEMPLATE_ENDED, &body, sizeof body, -1) < 0)
        leave(EXIT_LOST);
}

/* Takes the next request, or ends and leaves it to the runner. */
static void wait_for_request(void)
{
    struct template_message head;
    long size = receive_message(&head, MSG_PEEK, 0);
    if (size < 0 || head.version != TEMPLATE_VERSION || head.kind != TEMPLATE_AGAIN ||
        head.payload_size != (uint64_t)size || size > TEMPLATE_INLINE)
        leave(0);
    receive_message(&head, 0, 0);
    state.shared->surplus = *memory_surplus();
    memcpy(state.shared->payload, inbox + sizeof head, (uint64_t)size);
    state.shared->payload_size = (uint64_t)size;
    state.shared->rounds = ++rewinding.rounds;
    state.result.told = 0;
}

/* What has been used up to now, by the job's process and by us, is no part of the job that begins. */
static void begin_accounts(int child)
{
    struct rusage own;
    raw_write_file(rewinding.proc, "clear_refs", "5"); /* the peak of its memory begins anew */
    if (child == 2) /* and so do process ids, where they have gone on */
        raw_write_file(state.proc, "sys/kernel/ns_last_pid", "2");
    raw_call(SYS_getrusage, RUSAGE_SELF, &own);
    state.result.cpu_user = rewinding.cpu_user + nanoseconds(&own.ru_utime);
    state.result.cpu_system = rewinding.cpu_system + nanoseconds(&own.ru_stime);
}

static void at_end(int child, const struct rusage *usage)
{
    int code = state.shared->code & 0xff;
    if (!can_be_put_back(child, usage)) {
        state.result.status = code << 8;
        state.result.usage = *usage;
        state.result.ended = 1;
        leave(0); /* and with us all others of the namespace */
    }
    tell(code, usage);
    wait_for_request();
    begin_accounts(child);
    go_on(child);
}

void rewind_stopped(int child, const struct rusage *usage)
{
    if (state.shared == NULL)
        return;
    if (state.shared->state == AT_POINT && rewinding.use == POINT)
        at_point(child);
    else if (state.shared->state == AT_END && rewinding.use != POINT)
        at_end(child, usage);
}

void rewind_ended(void)
{
    if (rewinding.rounds == 0 || state.shared->began == rewinding.rounds)
        return;
    state.result.told = 1; /* of this job there is nothing to tell: it is to be begun again */
    leave(EXIT_LOST);
}

/* In the runner */

static void *share(uint64_t size)
{
    long place = raw_call(SYS_mmap, 0, size, 3 /* PROT_READ, PROT_WRITE */,
                          0x4021 /* MAP_SHARED, MAP_ANONYMOUS, MAP_NORESERVE */, -1, 0);
    return place < 0 && place > -4096 ? NULL : (void *)place;
}

void rewind_make(void)
{
    if (!job_plan.head.keep || (state.store = share(sizeof *state.store)) == NULL)
        return;
    state.shared = share(sizeof *state.shared);
}

void rewind_protect(void)
{
    if (state.shared)
        raw_call(SYS_mprotect, state.store, sizeof *state.store, 1 /* PROT_READ */);
}

void rewind_watch(void)
{
    if (state.shared)
        watch_make();
}

void rewind_begin(void)
{
    if (state.shared == NULL)
        return;
    rewinding.use = rewinding.fruitless < FRUITLESS ? POINT : NO_POINT;
    rewinding.rounds = 0;
    rewinding.cpu_user = rewinding.cpu_system = 0;
    rewinding.proc = -1;
    state.shared->use = rewinding.use;
    state.shared->state = RUNNING;
    state.shared->rounds = state.shared->began = 0;
}

/* A point costs a tenth of a fork. Where jobs never leave their process as it was, they are not asked to stop there. */
void rewind_over(void)
{
    if (rewinding.rounds > 0)
        rewinding.fruitless = 0;
    else if (++rewinding.fruitless == FRUITLESS + TRY_AGAIN)
        rewinding.fruitless = FRUITLESS - 1;
}
