#include "ssh_key_kind.h"

#include "base64.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_SIZE = 8 << 10 };

/* "ssh-rsa", "ecdsa-sha2-nistp256-cert-v01@openssh.com", "sk-ssh-ed25519@openssh.com". */
static ssh_key_kind kind_of(const char *name, size_t size)
{
    static const struct { const char *begin; ssh_key_kind kind; } NAMES[] = {
        { "sk-", SSH_KEY_SECURITY },  { "ssh-rsa", SSH_KEY_RSA }, { "rsa-sha2-", SSH_KEY_RSA },
        { "ecdsa-", SSH_KEY_ECDSA }, { "ssh-ed25519", SSH_KEY_ED25519 }, { "ssh-dss", SSH_KEY_DSA },
    };
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
        if (size >= strlen(NAMES[i].begin) &&
            !memcmp(name, NAMES[i].begin, strlen(NAMES[i].begin)))
            return NAMES[i].kind;
    return SSH_KEY_UNKNOWN;
}

/* The first bytes of a file, with a NUL behind them. False: there is no such file to be read. */
static bool read_beginning(const char *path, char text[LOOK_SIZE + 1])
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    size_t size = 0;
    for (ssize_t got; size < LOOK_SIZE; size += (size_t)got)
        if ((got = read(fd, text + size, LOOK_SIZE - size)) <= 0)
            break;
    text[size] = 0;
    return size > 0;
}

/* "type base64 comment" */
static ssh_key_look look_at_public(const char *text)
{
    size_t size = strcspn(text, " \t\r\n");
    return (ssh_key_look){ kind_of(text, size), memmem(text, size, "-cert-v", 7) != NULL };
}

/* The base64 between a header and a footer, as far as it was read. */
static size_t decode_body(const char *text, unsigned char bytes[LOOK_SIZE])
{
    char packed[LOOK_SIZE];
    size_t size = 0, made = 0;
    for (const char *at = text; *at && *at != '-' && size < sizeof packed; at++)
        if (*at != '\r' && *at != '\n')
            packed[size++] = *at;
    /* Whole groups only; what is behind is not looked at. */
    return base64_decode(packed, size / 4 * 4, bytes, &made) ? made : 0;
}

static uint32_t big_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Moves over a sized string; NULL past the end. */
static const unsigned char *next_sized(const unsigned char **at, const unsigned char *end,
                                       uint32_t *ret_size)
{
    if (end - *at < 4)
        return NULL;
    const unsigned char *data = *at + 4;
    *ret_size = big_u32(*at);
    if (*ret_size > (size_t)(end - data))
        return NULL;
    *at = data + *ret_size;
    return data;
}

/* "openssh-key-v1\0", cipher, kdf, its options, how many keys, the public key: its type first. */
static ssh_key_kind look_at_openssh(const unsigned char *bytes, size_t size)
{
    static const char magic[] = "openssh-key-v1";
    const unsigned char *at = bytes + sizeof magic, *end = bytes + size;
    uint32_t skipped, name_size = 0;
    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return SSH_KEY_UNKNOWN;
    for (int i = 0; i < 3; i++)
        if (!next_sized(&at, end, &skipped))
            return SSH_KEY_UNKNOWN;
    if (end - at < 8)
        return SSH_KEY_UNKNOWN;
    at += 8; /* the count, and the size of the key, which may go on behind what was read */
    const unsigned char *name = next_sized(&at, end, &name_size);
    return name ? kind_of((const char *)name, name_size) : SSH_KEY_UNKNOWN;
}

/* PKCS #8: the algorithm's number is among the first bytes. */
static ssh_key_kind look_at_pkcs8(const unsigned char *bytes, size_t size)
{
    static const struct { unsigned char id[11]; size_t size; ssh_key_kind kind; } IDS[] = {
        { { 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 }, 11, SSH_KEY_RSA },
        { { 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1 }, 9, SSH_KEY_ECDSA },
        { { 6, 3, 0x2b, 0x65, 0x70 }, 5, SSH_KEY_ED25519 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(IDS); i++)
        if (memmem(bytes, size_min(size, 32), IDS[i].id, IDS[i].size))
            return IDS[i].kind;
    return SSH_KEY_UNKNOWN;
}

static ssh_key_kind look_at_private(const char *text)
{
    unsigned char bytes[LOOK_SIZE];
    static const char begin[] = "-----BEGIN ";
    const char *header = strstr(text, begin);
    if (!header)
        return SSH_KEY_UNKNOWN;
    header += strlen(begin);
    const char *body = strchr(header, '\n');
    if (!strncmp(header, "RSA PRIVATE KEY", 15))
        return SSH_KEY_RSA;
    if (!strncmp(header, "EC PRIVATE KEY", 14))
        return SSH_KEY_ECDSA;
    if (!strncmp(header, "DSA PRIVATE KEY", 15))
        return SSH_KEY_DSA;
    if (!body)
        return SSH_KEY_UNKNOWN;
    size_t size = decode_body(body + 1, bytes);
    if (!strncmp(header, "OPENSSH PRIVATE KEY", 19))
        return look_at_openssh(bytes, size);
    return strncmp(header, "PRIVATE KEY", 11) == 0 ? look_at_pkcs8(bytes, size) : SSH_KEY_UNKNOWN;
}

ssh_key_look ssh_key_look_at(const char *path)
{
    char text[LOOK_SIZE + 1], beside[4096];
    ssh_key_look found = { 0 };
    if (read_beginning(path, text)) {
        found = look_at_public(text);
        if (found.kind == SSH_KEY_UNKNOWN)
            found.kind = look_at_private(text);
    }
    if (found.kind == SSH_KEY_UNKNOWN &&
        snprintf(beside, sizeof beside, "%s.pub", path) < (int)sizeof beside &&
        read_beginning(beside, text))
        found = look_at_public(text);
    /* id_x-cert.pub stands beside id_x, and beside id_x.pub. */
    size_t size = strlen(path);
    if (size > 4 && !strcmp(path + size - 4, ".pub"))
        size -= 4;
    if (snprintf(beside, sizeof beside, "%.*s-cert.pub", (int)size_min(size, sizeof beside), path) <
        (int)sizeof beside)
        found.certificate |= access(beside, F_OK) == 0;
    return found;
}
