/* Byte rings for one producer and one consumer, in memory that two processes share.
 *
 * Head and tail count bytes since the beginning and never wrap in practice (2^64); each is written by one side only
 * and stands on a cache line of its own. The capacity is passed in by each side from its own memory: what
 * stands in shared memory is checked, never trusted.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ring.h"

enum { MESSAGE_HEAD = 4 };

struct ring {
    _Alignas(64) _Atomic uint64_t head; /* bytes ever read */
    _Alignas(64) _Atomic uint64_t tail; /* bytes ever written */
    _Alignas(64) char data[];
};

_Static_assert(offsetof(struct ring, data) <= RING_HEAD, "the head is larger than announced");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "the layout is shared between processes");

static char *data_of(void *ring)
{
    return (char *)ring + RING_HEAD;
}

static void copy_in(struct ring *ring, uint64_t capacity, uint64_t to, const char *data, uint64_t size)
{
    uint64_t at = to & (capacity - 1);
    uint64_t first = size < capacity - at ? size : capacity - at;
    memcpy(data_of(ring) + at, data, first);
    memcpy(data_of(ring), data + first, size - first);
}

static void copy_out(struct ring *ring, uint64_t capacity, uint64_t from, char *data, uint64_t size)
{
    uint64_t at = from & (capacity - 1);
    uint64_t first = size < capacity - at ? size : capacity - at;
    memcpy(data, data_of(ring) + at, first);
    memcpy(data + first, data_of(ring), size - first);
}

void ring_format(void *memory, uint64_t capacity)
{
    struct ring *ring = memory;
    (void)capacity;
    atomic_store(&ring->head, 0);
    atomic_store(&ring->tail, 0);
}

/* Writes as much of data as fits; returns how much that was. */
uint64_t ring_write(void *memory, uint64_t capacity, const char *data, uint64_t size)
{
    struct ring *ring = memory;
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t used = tail - atomic_load_explicit(&ring->head, memory_order_acquire);
    if (used > capacity)
        return 0;
    if (size > capacity - used)
        size = capacity - used;
    copy_in(ring, capacity, tail, data, size);
    atomic_store_explicit(&ring->tail, tail + size, memory_order_release);
    return size;
}

/* Reads at most size bytes; returns how many there were. */
uint64_t ring_read(void *memory, uint64_t capacity, char *data, uint64_t size)
{
    struct ring *ring = memory;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) - head;
    if (used > capacity)
        return 0;
    if (size > used)
        size = used;
    copy_out(ring, capacity, head, data, size);
    atomic_store_explicit(&ring->head, head + size, memory_order_release);
    return size;
}

/* Messages have a head: their length in four bytes, the largest first. */

static void put_head(unsigned char head[MESSAGE_HEAD], uint64_t size)
{
    for (int index = 0; index < MESSAGE_HEAD; index++)
        head[index] = (unsigned char)(size >> 8 * (MESSAGE_HEAD - 1 - index));
}

static uint64_t head_of(const unsigned char head[MESSAGE_HEAD])
{
    uint64_t size = 0;
    for (int index = 0; index < MESSAGE_HEAD; index++)
        size = size << 8 | head[index];
    return size;
}

/* Writes a whole message; returns 0, with nothing written, where there is no room for it. */
int ring_put(void *memory, uint64_t capacity, const char *data, uint64_t size)
{
    struct ring *ring = memory;
    unsigned char head[MESSAGE_HEAD];
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t used = tail - atomic_load_explicit(&ring->head, memory_order_acquire);
    if (used > capacity || size > UINT32_MAX || size + MESSAGE_HEAD > capacity - used)
        return 0;
    put_head(head, size);
    copy_in(ring, capacity, tail, (char *)head, MESSAGE_HEAD);
    copy_in(ring, capacity, tail + MESSAGE_HEAD, data, size);
    atomic_store_explicit(&ring->tail, tail + MESSAGE_HEAD + size, memory_order_release);
    return 1;
}

/* Takes a whole message of at most `limit` bytes and returns its size; 0 where the ring is empty; -1, with nothing
 * taken, where the message is larger, empty, or not here yet. */
int64_t ring_take(void *memory, uint64_t capacity, char *data, uint64_t limit)
{
    struct ring *ring = memory;
    unsigned char head[MESSAGE_HEAD];
    uint64_t from = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) - from;
    if (used == 0)
        return 0;
    if (used > capacity || used < MESSAGE_HEAD)
        return -1;
    copy_out(ring, capacity, from, (char *)head, MESSAGE_HEAD);
    uint64_t size = head_of(head);
    if (size == 0 || size > limit || size > used - MESSAGE_HEAD)
        return -1;
    copy_out(ring, capacity, from + MESSAGE_HEAD, data, size);
    atomic_store_explicit(&ring->head, from + MESSAGE_HEAD + size, memory_order_release);
    return (int64_t)size;
}

uint64_t ring_used(void *memory, uint64_t capacity)
{
    struct ring *ring = memory;
    uint64_t used = atomic_load_explicit(&ring->tail, memory_order_acquire) -
                    atomic_load_explicit(&ring->head, memory_order_acquire);
    return used > capacity ? capacity : used;
}

void word_store(void *word, uint64_t value)
{
    atomic_store((_Atomic uint64_t *)word, value);
}

uint64_t word_load(void *word)
{
    return atomic_load((_Atomic uint64_t *)word);
}
