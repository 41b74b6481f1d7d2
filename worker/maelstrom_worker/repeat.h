/* What Python sees of repeat.c (read by cffi). The functions of the launcher come as pointers: it is another library. */

/* All of it belongs to one member. `launch` and `landing` are those of launch.h, as the last launch left them. */
struct repeat {
    void *in, *out;          /* rings of `capacity` bytes */
    uint64_t capacity;
    int own_bell, other_bell;
    void *launch, *landing, *launch_function, *rest_function, *dismiss_function, *clean_function;
    int streak;              /* how many have been repeated, each of which was short and came soon after the other */
    const uint64_t *spare;   /* in shared memory: whether there are processors that nobody uses, as far as is known */
    int armed;               /* whether the last request may be repeated: for Python to say */
    int sockets;             /* the kernel's count of the sockets in its network, or -1: see networks.py */
    const char *no_sockets[2]; /* what that begins with, and what is behind that, if it may be repeated */
    uint64_t sequence;       /* of the last one that was */
    uint64_t size, limit;    /* of the message, and of its buffer */
    char *message;
    uint64_t tail, tail_size; /* where in the last request that was read here stands what is to be equal, if anywhere */
    char *last, *strings;    /* buffers as large as that of the message: the last request, and packed strings */
};

enum { REPEAT_MESSAGE, REPEAT_PIECES, REPEAT_LANDED, REPEAT_WRITTEN };

/* Runs what equals the last request but for its arguments and variables, and answers; sleeps while nothing comes. Where
 * short jobs are repeated, one soon after the other, the container of the next is made while one runs.
 *
 * Returns when Python is needed: for a message (REPEAT_MESSAGE), also an equal one whose network or root is not clean, for one
 * that comes in pieces (REPEAT_PIECES), for a landing that is not of the plain kind, or whose answer does not fit
 * (REPEAT_LANDED), or because what the last job has written to its root is to go before the member sleeps (REPEAT_WRITTEN).
 */
int repeat_serve(struct repeat *repeat);
