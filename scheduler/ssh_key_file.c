#include "ssh_key_file.h"

#include "base64.h"

#include <fcntl.h>
#include <stdio.h>

size_t ssh_key_file_text(const char *path, char *text, size_t size)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t used = 0;
    ssize_t n;
    while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = 0;
    return used;
}

static size_t read_u32(reader *r)
{
    const unsigned char *p = reader_bytes(r, 4);
    return p ? (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3] : 0;
}

/* A public key begins with the name of its type. */
static void set_blob(ssh_key_file *k, const void *blob, size_t size)
{
    reader r = reader_over(blob, size);
    size_t type_size = read_u32(&r);
    const char *type = reader_bytes(&r, type_size);
    if (!type || !type_size || type_size >= sizeof k->type || size > sizeof k->blob)
        return;
    memcpy(k->type, type, type_size);
    k->type[type_size] = 0;
    memcpy(k->blob, blob, size);
    k->blob_size = size;
}

/* PROTOCOL.key of OpenSSH: magic, cipher, kdf, its options, count, public keys, and then secrets. */
static bool read_openssh(ssh_key_file *k, const unsigned char *data, size_t size)
{
    static const char magic[] = "openssh-key-v1"; /* with its NUL */
    reader r = reader_over(data, size);
    const char *begin = reader_bytes(&r, sizeof magic);
    if (!begin || memcmp(begin, magic, sizeof magic))
        return false;
    size_t cipher_size = read_u32(&r);
    const char *cipher = reader_bytes(&r, cipher_size);
    for (int i = 0; i < 2; i++)
        reader_bytes(&r, read_u32(&r));
    size_t count = read_u32(&r), blob_size = read_u32(&r);
    const void *blob = reader_bytes(&r, blob_size);
    if (r.failed || count != 1)
        return false;
    k->encrypted = cipher_size != 4 || memcmp(cipher, "none", 4) != 0;
    set_blob(k, blob, blob_size);
    return true;
}

/* The base64 between the lines of dashes, without its line ends; `out` holds as much as `text`. */
static size_t unwrap(const char *text, const char *end, unsigned char *out)
{
    CLEANUP(freep) char *joined = malloc((size_t)(end - text) + 1);
    size_t used = 0, size = 0;
    if (!joined)
        return 0;
    for (const char *c = text; c < end; c++)
        if (!strchr("\r\n\t ", *c))
            joined[used++] = *c;
    return base64_decode(joined, used, out, &size) ? size : 0;
}

void ssh_key_file_parse(const char *text, ssh_key_file *k)
{
    static const char openssh[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
    const char *begin = strstr(text, openssh);
    if (begin) {
        CLEANUP(freep) unsigned char *data = malloc(strlen(begin) + 1);
        if (!data)
            return;
        begin += strlen(openssh);
        const char *end = strstr(begin, "-----END");
        k->readable = end && read_openssh(k, data, unwrap(begin, end, data));
        return;
    }
    k->readable = strstr(text, "PRIVATE KEY-----") != NULL;
    k->encrypted = strstr(text, "ENCRYPTED") != NULL;
    if (strstr(text, "BEGIN RSA PRIVATE"))
        snprintf(k->type, sizeof k->type, "ssh-rsa");
}

static void read_private(const char *path, ssh_key_file *k)
{
    CLEANUP(freep) char *text = malloc(SSH_KEY_FILE_MAX);
    if (text && ssh_key_file_text(path, text, SSH_KEY_FILE_MAX))
        ssh_key_file_parse(text, k);
}

static void read_public(const char *path, ssh_key_file *k)
{
    char name[4096];
    CLEANUP(freep) char *text = malloc(SSH_KEY_FILE_MAX);
    CLEANUP(freep) unsigned char *data = malloc(SSH_KEY_FILE_MAX);
    size_t size = strlen(path);
    bool public = size > 4 && !strcmp(path + size - 4, ".pub");
    int n = snprintf(name, sizeof name, public ? "%s" : "%s.pub", path);
    if (!text || !data || n < 0 || (size_t)n >= sizeof name ||
        !ssh_key_file_text(name, text, SSH_KEY_FILE_MAX))
        return;
    const char *at = text + strcspn(text, " \t\r\n");
    at += strspn(at, " \t");
    size = 0;
    if (base64_decode(at, strcspn(at, " \t\r\n"), data, &size))
        set_blob(k, data, size);
}

void ssh_key_file_read(const char *path, ssh_key_file *ret)
{
    *ret = (ssh_key_file){ 0 };
    read_private(path, ret);
    if (!ret->blob_size)
        read_public(path, ret);
}
