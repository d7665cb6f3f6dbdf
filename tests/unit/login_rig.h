/* login_rig.h: files and agents for tests of how transports get in. */
#ifndef RDD_LOGIN_RIG_H
#define RDD_LOGIN_RIG_H

#include "transport_parts.h"
#include "transport_rig.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

TEST_HELPER void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

TEST_HELPER void read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

TEST_HELPER void lines_to_file(const char *path, const char *lines)
{
    char text[8 * PATH_MAX];
    read_file(path, text, sizeof text);
    size_t size = strlen(text);
    snprintf(text + size, sizeof text - size, "%s", lines);
    write_file(path, text);
}

typedef struct agent {
    pid_t pid;
    char path[PATH_MAX];
} agent;

/* In the foreground; its socket is there when a client gets an answer. */
TEST_HELPER void agent_start(agent *a, sshd *s)
{
    snprintf(a->path, sizeof a->path, "%s", sshd_path(s, "agent"));
    int ready[2];
    assert_int_equal(pipe2(ready, 0), 0);
    a->pid = fork();
    assert_true(a->pid >= 0);
    if (!a->pid) {
        dup2(ready[1], 1);
        close(ready[0]);
        close(ready[1]);
        execlp("ssh-agent", "ssh-agent", "-D", "-a", a->path, NULL);
        _exit(127);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1); /* it says where it is once it listens */
    close(ready[0]);
    setenv("SSH_AUTH_SOCK", a->path, 1);
}

TEST_HELPER void agent_stop(agent *a)
{
    kill(a->pid, SIGKILL);
    waitpid(a->pid, NULL, 0);
    unsetenv("SSH_AUTH_SOCK");
}

TEST_HELPER void agent_add(const char *key)
{
    assert_int_equal(sshd_run((const char *[]){ "ssh-add", "-q", key, NULL }), 0);
}

#endif
