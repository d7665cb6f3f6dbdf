/* ssh_reader: what a program gets that reads a command's output into memory with libssh2 and does nothing
 * else.
 *
 *     ssh_reader ADDRESS PORT USER KEY COMMAND
 *
 * Prints "SECONDS BYTES", from the command's start to its end. The cipher is the one that the library
 * prefers, and the window is as large as its; the host key is not looked at.
 */
#include <arpa/inet.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 8 << 20, PACKET = 32 << 10, BLOCK = 16 << 20, READ_LEAST = 64 << 10 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int connect_to(const char *address, const char *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        perror(address);
        return -1;
    }
    return fd;
}

static LIBSSH2_CHANNEL *start(LIBSSH2_SESSION *session, int fd, char **argv)
{
    libssh2_session_method_pref(session, LIBSSH2_METHOD_CRYPT_CS, "aes128-ctr");
    libssh2_session_method_pref(session, LIBSSH2_METHOD_CRYPT_SC, "aes128-ctr");
    if (libssh2_session_handshake(session, fd) < 0 ||
        libssh2_userauth_publickey_fromfile(session, argv[3], NULL, argv[4], NULL) < 0)
        return NULL;
    LIBSSH2_CHANNEL *channel =
        libssh2_channel_open_ex(session, "session", 7, WINDOW, PACKET, NULL, 0);
    if (channel && libssh2_channel_exec(channel, argv[5]) < 0)
        return NULL;
    return channel;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: ssh_reader ADDRESS PORT USER KEY COMMAND\n");
        return 2;
    }
    int fd = connect_to(argv[1], argv[2]);
    if (fd < 0 || libssh2_init(0) < 0)
        return 1;
    LIBSSH2_SESSION *session = libssh2_session_init();
    LIBSSH2_CHANNEL *channel = session ? start(session, fd, argv) : NULL;
    char *why = NULL;
    if (!channel) {
        if (session)
            libssh2_session_last_error(session, &why, NULL, 0);
        fprintf(stderr, "ssh_reader: %s\n", why ? why : "out of memory");
        return 1;
    }
    double begun = now_s();
    unsigned long long bytes = 0;
    ssize_t got = 1;
    while (got > 0) { /* what was read stays, as what is collected does */
        char *block = malloc(BLOCK);
        size_t used = 0;
        for (; block && got > 0 && BLOCK - used >= READ_LEAST; used += got > 0 ? (size_t)got : 0)
            got = libssh2_channel_read(channel, block + used, BLOCK - used);
        bytes += used;
        if (!block)
            got = -1;
    }
    printf("%.4f %llu\n", now_s() - begun, bytes);
    libssh2_channel_free(channel);
    libssh2_session_free(session);
    close(fd);
    return got < 0;
}
