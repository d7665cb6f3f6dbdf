#include "ssh_key_kind.h"

#include "base64.h"
#include "ssh_key_file.h"

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

static ssh_key_kind look_at_openssh(const char *text)
{
    CLEANUP(freep) ssh_key_file *key = calloc(1, sizeof *key);
    if (key)
        ssh_key_file_parse(text, key);
    return key ? kind_of(key->type, strlen(key->type)) : SSH_KEY_UNKNOWN;
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
    if (!strncmp(header, "OPENSSH PRIVATE KEY", 19))
        return look_at_openssh(text);
    if (strncmp(header, "PRIVATE KEY", 11) != 0)
        return SSH_KEY_UNKNOWN;
    return look_at_pkcs8(bytes, decode_body(body + 1, bytes));
}

ssh_key_look ssh_key_look_at(const char *path)
{
    CLEANUP(freep) char *text = malloc(SSH_KEY_FILE_MAX);
    char beside[4096];
    ssh_key_look found = { 0 };
    if (text && ssh_key_file_text(path, text, SSH_KEY_FILE_MAX)) {
        found = look_at_public(text);
        if (found.kind == SSH_KEY_UNKNOWN)
            found.kind = look_at_private(text);
    }
    if (found.kind == SSH_KEY_UNKNOWN && text &&
        snprintf(beside, sizeof beside, "%s.pub", path) < (int)sizeof beside &&
        ssh_key_file_text(beside, text, SSH_KEY_FILE_MAX))
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
