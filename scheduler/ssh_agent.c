#include "ssh_agent.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The messages (draft-miller-ssh-agent). */
enum {
    REQUEST_IDENTITIES = 11,
    IDENTITIES_ANSWER = 12,
    SIGN_REQUEST = 13,
    SIGN_RESPONSE = 14,
};

/* -- Big endian, as all of SSH ----------------------------------------------------------------- */

static void add_u32(buf *b, size_t v)
{
    unsigned char bytes[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16),
                               (unsigned char)(v >> 8), (unsigned char)v };
    buf_append(b, bytes, sizeof bytes);
}

static void add_string(buf *b, const void *data, size_t size)
{
    add_u32(b, size);
    buf_append(b, data, size);
}

static size_t read_u32(reader *r)
{
    const unsigned char *p = reader_bytes(r, 4);
    return p ? (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3] : 0;
}

static const unsigned char *read_string(reader *r, size_t *ret_size)
{
    *ret_size = read_u32(r);
    return reader_bytes(r, *ret_size);
}

/* -- One question, one answer ------------------------------------------------------------------ */

/* 0, an errno, or a negative code of start_wait(). */
static int transfer(int fd, char *data, size_t size, bool sending, transport_start *s)
{
    while (size) {
        ssize_t n = sending ? send(fd, data, size, MSG_NOSIGNAL) : recv(fd, data, size, 0);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
            continue;
        }
        if (!n)
            return EPIPE;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return errno;
        struct pollfd p = { .fd = fd, .events = sending ? POLLOUT : POLLIN };
        int code = start_wait(s, &p, 1);
        if (code)
            return code;
    }
    return 0;
}

/* *ret: heap. */
static int ask(ssh_agent *a, const buf *question, transport_start *s, char **ret, size_t *ret_size)
{
    char head[4];
    if (question->failed)
        return ENOMEM;
    int error = transfer(a->fd, question->data, question->size, true, s);
    if (!error)
        error = transfer(a->fd, head, sizeof head, false, s);
    if (error)
        return error;
    reader r = reader_over(head, sizeof head);
    size_t size = read_u32(&r);
    if (size < 1 || size > SSH_AGENT_ANSWER_MAX)
        return EPROTO;
    CLEANUP(freep) char *answer = malloc(size);
    if (!answer)
        return ENOMEM;
    error = transfer(a->fd, answer, size, false, s);
    if (error)
        return error;
    *ret = TAKE(answer);
    *ret_size = size;
    return 0;
}

/* -- Its calls --------------------------------------------------------------------------------- */

static int connect_agent(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return errno = ENAMETOOLONG, -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        return -1;
    int connected = fd;
    fd = -1;
    return connected;
}

static int read_keys(ssh_agent *a, size_t size)
{
    reader r = reader_over(a->answer, size);
    if (reader_u8(&r) != IDENTITIES_ANSWER)
        return EPROTO;
    size_t count = read_u32(&r);
    for (size_t i = 0; i < count && i < SSH_AGENT_KEYS_MAX; i++) {
        ssh_agent_key key;
        size_t comment_size;
        key.blob = read_string(&r, &key.size);
        read_string(&r, &comment_size);
        if (r.failed)
            return EPROTO;
        a->keys[a->count++] = key;
    }
    return 0;
}

int ssh_agent_open(ssh_agent *a, const char *path, transport_start *s, char *why, size_t why_size)
{
    *a = (ssh_agent){ .fd = connect_agent(path) };
    int error = a->fd < 0 ? errno : 0;
    size_t size = 0;
    CLEANUP(buf_release) buf question = { 0 };
    add_u32(&question, 1);
    buf_u8(&question, REQUEST_IDENTITIES);
    if (!error)
        error = ask(a, &question, s, &a->answer, &size);
    if (!error)
        error = read_keys(a, size);
    if (!error)
        return 0;
    char reason[128];
    if (error > 0)
        snprintf(why, why_size, "the agent at %s does not answer (%s)", path,
                 strerror_r(error, reason, sizeof reason));
    ssh_agent_release(a);
    return error < 0 ? error : 0;
}

void ssh_agent_release(ssh_agent *a)
{
    closep(&a->fd);
    free(a->answer);
    *a = (ssh_agent){ .fd = -1 };
}

int ssh_agent_sign(ssh_agent *a, const ssh_agent_key *key, const void *data, size_t size,
                   transport_start *s, unsigned char **ret, size_t *ret_size)
{
    CLEANUP(buf_release) buf question = { 0 };
    CLEANUP(freep) char *answer = NULL;
    size_t answer_size = 0;
    add_u32(&question, 1 + 4 + key->size + 4 + size + 4);
    buf_u8(&question, SIGN_REQUEST);
    add_string(&question, key->blob, key->size);
    add_string(&question, data, size);
    add_u32(&question, 0); /* flags */
    int error = ask(a, &question, s, &answer, &answer_size);
    if (error)
        return error < 0 ? error : RDD_E_IO;
    reader r = reader_over(answer, answer_size);
    if (reader_u8(&r) != SIGN_RESPONSE)
        return RDD_E_IO; /* its user said no, or the key is gone */
    size_t all_size, kind_size, signature_size;
    const unsigned char *all = read_string(&r, &all_size);
    reader inner = reader_over(all, all ? all_size : 0);
    read_string(&inner, &kind_size);
    const unsigned char *signature = read_string(&inner, &signature_size);
    if (r.failed || inner.failed || !signature_size)
        return RDD_E_IO;
    *ret = malloc(signature_size);
    if (!*ret)
        return RDD_E_MEMORY;
    memcpy(*ret, signature, signature_size);
    *ret_size = signature_size;
    return 0;
}
