/* input_memory.h: for tests, a provider whose one file is memory. It can hand out its bytes in
 * small pieces, and fail at a given byte. */
#ifndef RDD_INPUT_MEMORY_H
#define RDD_INPUT_MEMORY_H

#include "input.h"

typedef struct memory_provider {
    input_provider base;
    const char *data;
    size_t size;
    size_t chunk_size; /* no read gives more than this; 0: no limit */
    uint64_t fail_at;  /* reading this byte fails; 0: none does */
    unsigned open_count, closed_count;
    input_file file;
} memory_provider;

struct memory_input {
    input base;
    memory_provider *provider;
};

static inline ssize_t memory_read(input *in, void *data, size_t size, rdd_error *err)
{
    memory_provider *p = ((struct memory_input *)in)->provider;
    if (in->offset >= p->size)
        return 0;
    if (p->fail_at && in->offset >= p->fail_at)
        return error_set(err, RDD_E_LOST, "%s: the bytes do not come any more", in->file->name);
    size = size_min(size, p->size - (size_t)in->offset);
    if (p->chunk_size)
        size = size_min(size, p->chunk_size);
    if (p->fail_at)
        size = size_min(size, (size_t)(p->fail_at - in->offset));
    memcpy(data, p->data + in->offset, size);
    return (ssize_t)size;
}

static inline void memory_close(input *in)
{
    ((struct memory_input *)in)->provider->closed_count++;
    free(in);
}

static inline int memory_open(input_provider *provider, const input_file *file, uint64_t offset,
                              uint64_t end, input **ret, rdd_error *err)
{
    (void)end;
    static const struct input_ops ops = { memory_read, memory_close };
    struct memory_input *in = malloc(sizeof *in);
    if (!in)
        return error_set_memory(err, "opening memory");
    *in = (struct memory_input){ { &ops, file, offset }, (memory_provider *)provider };
    in->provider->open_count++;
    *ret = &in->base;
    return 0;
}

static inline memory_provider memory_provider_over(const void *data, size_t size, size_t chunk_size)
{
    return (memory_provider){
        .base.open = memory_open,
        .data = data,
        .size = size,
        .chunk_size = chunk_size,
        .file = { .path = "memory", .name = "memory", .size = size },
    };
}

#endif
