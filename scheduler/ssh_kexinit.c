#include "ssh_kexinit.h"

#include "buf.h"

enum { MSG_KEXINIT = 20, COOKIE_SIZE = 16 };

static size_t read_u32(reader *r)
{
    const unsigned char *p = reader_bytes(r, 4);
    return p ? (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3] : 0;
}

static rdd_str read_list(reader *r)
{
    size_t size = read_u32(r);
    const char *names = reader_bytes(r, size);
    return names ? (rdd_str){ size, names } : (rdd_str){ 0, NULL };
}

/* Lines up to the version; a server may say other things before. */
static void read_lines(reader *r, ssh_kexinit *k)
{
    while (!k->greeted && reader_left(r)) {
        const char *end = memchr(r->at, '\n', reader_left(r));
        size_t size = end ? (size_t)(end - r->at) : reader_left(r);
        k->line = (rdd_str){ size, r->at };
        while (k->line.size && k->line.data[k->line.size - 1] == '\r')
            k->line.size--;
        k->greeted = size >= 4 && !memcmp(r->at, "SSH-", 4);
        reader_bytes(r, size + (end ? 1 : 0));
    }
}

void ssh_kexinit_read(const void *bytes, size_t size, ssh_kexinit *ret)
{
    *ret = (ssh_kexinit){ .greeted = false };
    reader r = reader_over(bytes, size);
    read_lines(&r, ret);
    read_u32(&r); /* of the packet */
    reader_u8(&r); /* of the padding */
    if (!ret->greeted || reader_u8(&r) != MSG_KEXINIT)
        return;
    reader_bytes(&r, COOKIE_SIZE);
    rdd_str kex = read_list(&r), host_key = read_list(&r);
    read_list(&r); /* ciphers to the server */
    rdd_str cipher = read_list(&r);
    read_list(&r); /* MACs to the server */
    rdd_str mac = read_list(&r);
    if (r.failed)
        return;
    ret->kex = kex;
    ret->host_key = host_key;
    ret->cipher = cipher;
    ret->mac = mac;
    ret->has_lists = true;
}

bool ssh_kexinit_share(rdd_str list, const char *other)
{
    for (size_t at = 0; at < list.size;) {
        const char *name = list.data + at, *comma = memchr(name, ',', list.size - at);
        size_t size = comma ? (size_t)(comma - name) : list.size - at;
        for (const char *o = other; *o;) {
            size_t other_size = strcspn(o, ",");
            if (other_size == size && !memcmp(o, name, size))
                return true;
            o += other_size + (o[other_size] == ',');
        }
        at += size + 1;
    }
    return false;
}
