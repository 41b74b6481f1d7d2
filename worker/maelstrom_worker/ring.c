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
    uint64_t at = tail & (capacity - 1);
    uint64_t first = size < capacity - at ? size : capacity - at;
    memcpy(data_of(ring) + at, data, first);
    memcpy(data_of(ring), data + first, size - first);
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
    uint64_t at = head & (capacity - 1);
    uint64_t first = size < capacity - at ? size : capacity - at;
    memcpy(data, data_of(ring) + at, first);
    memcpy(data + first, data_of(ring), size - first);
    atomic_store_explicit(&ring->head, head + size, memory_order_release);
    return size;
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
