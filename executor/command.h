/* command.h: a shell command with pipes to and from it, for rdd_pipe (narrow_pipe.c).
 *
 * The command and what it starts are one process group. Nothing here blocks but command_poll(), and
 * that not for long.
 *
 * Invariants: the group is killed when the command is released, whatever happened, and its leader
 * is reaped only after that, so that its number is still its own. No descriptor of this process
 * reaches the command but its three pipes.
 */
#ifndef RDD_COMMAND_H
#define RDD_COMMAND_H

#include "buf.h"
#include "error.h"

enum {
    COMMAND_PIPE_SIZE = 256 << 10,
    COMMAND_ERRORS_SIZE = 4 << 10, /* how much of the end of stderr is kept */
};

typedef struct command {
    pid_t pid;                   /* 0: not started */
    int to, from, errors;        /* -1: closed */
    int pid_fd;                  /* -1: the kernel has none */
    bool exited;                 /* what it wrote by then is in the pipes */
    bool lost;                   /* exited, but somebody else has reaped it */
    int how, status;             /* si_code and si_status of waitid() */
    uint64_t errors_size;        /* of all its stderr */
    char last_errors[COMMAND_ERRORS_SIZE]; /* a ring */
} command;

void command_init(command *c);

/* `sh -c text`. environment: as of execve(). */
int command_start(command *c, const char *text, char *const *environment,
                  rdd_error *err) MUST_CHECK;

/* What can be done now, after a wait of at most some ten milliseconds; stderr is read on the
 * way. */
typedef struct command_state {
    bool can_write, can_read;
} command_state;
int command_poll(command *c, command_state *ret, rdd_error *err) MUST_CHECK;

/* How much the pipe took; 0 when it is full, or when the command reads no further (`to` is closed
 * then), which is its own business. */
ssize_t command_write(command *c, const void *data, size_t size, rdd_error *err) MUST_CHECK;
void command_end_input(command *c);

/* How much was there; 0 when there is nothing now, or (`from` is closed then) any more. */
ssize_t command_read(command *c, void *data, size_t size);

/* After `exited`: reads the rest of stderr. */
void command_drain_errors(command *c);

/* After `exited`: 0 when it has succeeded; otherwise `text` says how it ended, and its last
 * words. */
int command_verdict(const command *c, char *text, size_t size);

void command_release(command *c);

#endif
