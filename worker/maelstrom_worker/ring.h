/* What Python sees of the rings (read by cffi, included by ring.c). */
#ifndef MAELSTROM_RING_H
#define MAELSTROM_RING_H

/* A ring lies in shared memory: a head of 192 bytes, then `capacity` bytes of data (a power of two). */
enum { RING_HEAD = 192 };

void ring_format(void *ring, uint64_t capacity);
uint64_t ring_write(void *ring, uint64_t capacity, const char *data, uint64_t size);
uint64_t ring_read(void *ring, uint64_t capacity, char *data, uint64_t size);
int ring_put(void *ring, uint64_t capacity, const char *data, uint64_t size);
int64_t ring_take(void *ring, uint64_t capacity, char *data, uint64_t limit);
uint64_t ring_used(void *ring, uint64_t capacity);
void word_store(void *word, uint64_t value);
uint64_t word_load(void *word);
#endif
