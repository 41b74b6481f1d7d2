/* The short way of a pool member: a request that equals the last one but for its arguments, and the variables that are
 * its own, is run without Python.
 *
 * Jobs come in streams of equal containers, environments and limits. What the launcher was told for the last request
 * then holds for the next; only these and the sequence number are to be read, and the answer to be written. The
 * messages are those of Python (msgpack: Request of launcher.py, Answer of member.py), so this knows nothing that Python
 * does not: whatever is not plain is left to it. After a job the processor's caches are cold, and Python's way through
 * a request took 85 us of them.
 *
 * What stands in shared memory was written by the supervisor and is copied out before it is looked at.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"
#include "repeat.h"
#include "ring.h"

enum { MILLISECOND = 1000000, SOON = 100 * MILLISECOND, /* jobs that are shorter, and follow sooner, have containers made ahead */
       REQUEST_FIELDS = 16, ANSWER_SIZE = 64 * 1024, ANSWER_OVERHEAD = 1024, COUNT_SIZE = 255 };

/* Reading: a position that never passes the end; every function returns 0 where something else stands there. */

struct reader {
    const unsigned char *at, *end;
};

static int take_number(struct reader *reader, int bytes, uint64_t *value)
{
    if (reader->end - reader->at < bytes)
        return 0;
    *value = 0;
    while (bytes-- > 0)
        *value = *value << 8 | *reader->at++;
    return 1;
}

/* An unsigned integer, or the length of a list or a text: the small form has `bits` bits beside `tag`, the others are
 * `wide`, for 1 << first bytes, and those after it, up to 1 << last. */
static int take_head(struct reader *reader, unsigned tag, int bits, unsigned wide, int first, int last, uint64_t *value)
{
    if (reader->at == reader->end)
        return 0;
    unsigned head = *reader->at++;
    if (head >> bits == tag >> bits) {
        *value = head & ((1u << bits) - 1);
        return 1;
    }
    int exponent = (int)head - (int)wide + first;
    return exponent >= first && exponent <= last && take_number(reader, 1 << exponent, value);
}

static int take_unsigned(struct reader *reader, uint64_t *value)
{
    return take_head(reader, 0x00, 7, 0xcc, 0, 3, value);
}

static int take_list(struct reader *reader, uint64_t *count)
{
    return take_head(reader, 0x90, 4, 0xdc, 1, 2, count) && *count <= INT32_MAX / 2;
}

/* Copies a text and closes it by NUL, for which its head had room. */
static char *take_text(struct reader *reader, char *to)
{
    uint64_t length;
    if (!take_head(reader, 0xa0, 5, 0xd9, 0, 2, &length) || length > (uint64_t)(reader->end - reader->at) ||
        memchr(reader->at, 0, length) != NULL)
        return NULL;
    memcpy(to, reader->at, length);
    to[length] = 0;
    reader->at += length;
    return to + length + 1;
}

/* Copies a list of texts; returns the end of the copy, or NULL. */
static char *take_texts(struct reader *reader, char *to, int *count)
{
    uint64_t texts;
    if (!take_list(reader, &texts))
        return NULL;
    for (uint64_t index = 0; index < texts && to != NULL; index++)
        to = take_text(reader, to);
    *count = (int)texts;
    return to;
}

/* What a request has of its own, packed: the program with its arguments, and behind them variables. */
struct own {
    int arguments, variables;
    const char *first_variable;
};

/* Reads the sequence number and packs what is the request's own; what follows is the tail. */
static int read_request(struct repeat *repeat, struct own *own)
{
    const struct launch *launch = repeat->launch;
    struct reader reader = {(unsigned char *)repeat->message, (unsigned char *)repeat->message + repeat->size};
    uint64_t fields;

    repeat->tail_size = 0;
    if (!take_list(&reader, &fields) || fields != REQUEST_FIELDS || !take_unsigned(&reader, &repeat->sequence))
        return 0;
    size_t program = repeat->armed ? strlen(launch->arguments) + 1 : 0; /* the first argument, before the others */
    if (program + repeat->size > repeat->limit)
        return 0;
    if (program > 0)
        memmove(repeat->strings, launch->arguments, program);
    char *to = take_texts(&reader, repeat->strings + program, &own->arguments);
    own->first_variable = to;
    if (to == NULL || take_texts(&reader, to, &own->variables) == NULL)
        return 0;
    own->arguments++;
    repeat->tail = (uint64_t)(reader.at - (unsigned char *)repeat->message);
    repeat->tail_size = repeat->size - repeat->tail;
    return 1;
}

/* Writing: the caller has made sure that there is room. */

static unsigned char *put_number(unsigned char *to, unsigned head, int bytes, uint64_t value)
{
    *to++ = (unsigned char)head;
    while (bytes-- > 0)
        *to++ = (unsigned char)(value >> 8 * bytes);
    return to;
}

static unsigned char *put_unsigned(unsigned char *to, uint64_t value)
{
    return put_number(to, 0xcf, 8, value);
}

static unsigned char *put_text(unsigned char *to, const char *text)
{
    size_t length = strlen(text);
    *to++ = (unsigned char)(0xa0 | length);
    memcpy(to, text, length);
    return to + length;
}

static unsigned char *put_seconds(unsigned char *to, const char *name, int64_t nanoseconds)
{
    double seconds = (double)nanoseconds / 1e9;
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    return put_number(put_text(to, name), 0xcb, 8, bits);
}

static unsigned char *put_stream(unsigned char *to, const char *name, const struct stream *stream)
{
    if (stream->kept == 0 && stream->lost == 0)
        return to;
    to = put_text(to, name);
    *to++ = 0x82;
    to = put_number(put_text(to, "data"), 0xc6, 4, stream->kept);
    memcpy(to, stream->data, stream->kept);
    to += stream->kept;
    return put_unsigned(put_text(to, "lost"), stream->lost);
}

/* Answers for a program that ended by itself; returns 0 where that is Python's to do. */
static int answer(struct repeat *repeat)
{
    static unsigned char message[ANSWER_SIZE];
    static const char *const names[STREAMS] = {"stdout", "stderr", "result"};
    const struct landing *landing = repeat->landing;
    unsigned char *to = message;
    uint64_t size = ANSWER_OVERHEAD;
    int effects = 4;

    if (landing->phase != PHASE_NONE || !landing->exited || landing->timed_out || landing->was_cancelled)
        return 0;
    for (int stream = 0; stream < STREAMS; stream++) {
        if (landing->streams[stream].kept > ANSWER_SIZE || landing->streams[stream].rest > 0)
            return 0;
        size += landing->streams[stream].kept;
        effects += landing->streams[stream].kept || landing->streams[stream].lost;
    }
    if (size > ANSWER_SIZE)
        return 0;
    *to++ = 0x92;
    to = put_unsigned(to, repeat->sequence);
    *to++ = 0x83;
    to = put_text(put_text(to, "type"), "exited");
    to = put_unsigned(put_text(to, "code"), (uint64_t)landing->status);
    to = put_text(to, "effects");
    *to++ = (unsigned char)(0x80 | effects);
    for (int stream = 0; stream < STREAMS; stream++)
        to = put_stream(to, names[stream], &landing->streams[stream]);
    to = put_seconds(to, "duration", landing->duration);
    to = put_seconds(to, "cpu_user", landing->cpu_user);
    to = put_seconds(to, "cpu_system", landing->cpu_system);
    to = put_text(to, "peak_memory");
    if (landing->peak_memory > landing->own_peak)
        to = put_unsigned(to, (uint64_t)landing->peak_memory);
    else
        *to++ = 0xc0; /* none: see Effects */
    return ring_put(repeat->out, repeat->capacity, (char *)message, (uint64_t)(to - message)) == 1;
}

static void ring_bell(int bell)
{
    uint64_t one = 1;
    while (write(bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void dismiss(struct repeat *repeat)
{
    ((void (*)(void))repeat->dismiss_function)();
}

/* The container of the next job stands by for a moment: a member that idles keeps none. */
static void sleep_a_moment(struct repeat *repeat)
{
    struct pollfd call = {.fd = repeat->own_bell, .events = POLLIN};
    if (poll(&call, 1, SOON / MILLISECOND) != 0)
        return;
    repeat->streak = 0;
    dismiss(repeat);
}

static void sleep_until_called(struct repeat *repeat)
{
    uint64_t rings;
    ((void (*)(void))repeat->rest_function)();
    if (repeat->streak > 0)
        sleep_a_moment(repeat);
    while (read(repeat->own_bell, &rings, sizeof rings) < 0 && errno == EINTR)
        ;
}

static int equals_last(const struct repeat *repeat, uint64_t tail, uint64_t tail_size)
{
    return repeat->armed && repeat->tail_size > 0 && repeat->tail_size == tail_size &&
           memcmp(repeat->message + repeat->tail, repeat->last + tail, tail_size) == 0;
}

/* Whether nothing of the last job is left in the network of the next one. What cannot be read is not clean. */
static int is_clean(const struct repeat *repeat)
{
    char count[COUNT_SIZE + 1];
    if (repeat->sockets < 0)
        return 1;
    ssize_t size = pread(repeat->sockets, count, COUNT_SIZE, 0);
    count[size < 0 ? 0 : size] = 0;
    return strncmp(count, repeat->no_sockets[0], strlen(repeat->no_sockets[0])) == 0 &&
           strstr(count, repeat->no_sockets[1]) != NULL;
}

/* Whether the root that jobs share, if they do, is as it was made. */
static int is_unwritten(const struct repeat *repeat)
{
    const struct launch *launch = repeat->launch;
    return launch->kept == NULL || ((int (*)(const struct kept *))repeat->clean_function)(launch->kept);
}

/* Whether this launch is one of those that go without Python. */
static int may_go_on(const struct repeat *repeat)
{
    struct launch *launch = repeat->launch;
    return launch->repeats > 0 && launch->repeats-- > 0;
}

static void run_again(struct repeat *repeat, const struct own *own)
{
    struct launch *launch = repeat->launch;
    launch->arguments = repeat->strings;
    launch->argument_count = own->arguments;
    launch->variables = own->first_variable;
    launch->variable_count = own->variables;
    launch->sequence = repeat->sequence;
    launch->ahead = repeat->streak > 0 && __atomic_load_n(repeat->spare, __ATOMIC_RELAXED) ? SOON : 0;
    ((int (*)(const struct launch *, struct landing *))repeat->launch_function)(launch, repeat->landing);
    launch->ahead = 0;
    repeat->streak = ((struct landing *)repeat->landing)->duration < SOON ? repeat->streak + 1 : 0;
}

static int serve(struct repeat *repeat)
{
    repeat->streak = 0;
    for (;;) {
        uint64_t tail = repeat->tail, tail_size = repeat->tail_size;
        struct own own;
        int64_t size = ring_take(repeat->in, repeat->capacity, repeat->message, repeat->limit);
        if (size == 0) {
            if (!is_unwritten(repeat))
                return REPEAT_WRITTEN;
            sleep_until_called(repeat);
            continue;
        }
        if (size < 0)
            return REPEAT_PIECES;
        repeat->size = (uint64_t)size;
        if (!read_request(repeat, &own) || !equals_last(repeat, tail, tail_size) || !is_clean(repeat) ||
            !is_unwritten(repeat) || !may_go_on(repeat)) {
            memcpy(repeat->last, repeat->message, repeat->size);
            return REPEAT_MESSAGE;
        }
        memcpy(repeat->last, repeat->message, repeat->size);
        run_again(repeat, &own);
        if (!answer(repeat))
            return REPEAT_LANDED;
        ring_bell(repeat->other_bell);
    }
}

/* Python may do anything with the member: no child that stands by is left to it. */
int repeat_serve(struct repeat *repeat)
{
    int need = serve(repeat);
    dismiss(repeat);
    return need;
}
