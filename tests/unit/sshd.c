#include "sshd.h"

#include "clock.h"

#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { STARTS_MAX = 10, PATIENCE_S = 60, LOG_MAX = 16 << 20 };

struct sshd {
    pid_t pid;
    uint16_t port;
    char dir[PATH_MAX - 300];
    char user[64];
    pthread_t reader;
    pthread_mutex_t mutex;
    pthread_cond_t logged;
    buf log;    /* under the mutex */
    bool ended; /* the log has; under the mutex */
    int log_fd;
    const char *identity, *known_hosts; /* the lists of sshd_target */
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "sshd fixture: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -- Programs ---------------------------------------------------------------------------------- */

static const char *sshd_program(void)
{
    static const char *const places[] = { "/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd" };
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (!access(places[i], X_OK))
            return places[i];
    return NULL;
}

int sshd_run(const char *const *argv)
{
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork");
    if (!pid) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char **)argv);
        _exit(127);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *sshd_missing(void)
{
    if (!sshd_program())
        return "there is no sshd here (./bootstrap --ssh installs one)";
    if (sshd_run((const char *[]){ "ssh-keygen", "-?", NULL }) == 127)
        return "there is no ssh-keygen here";
    if (!geteuid() && mkdir("/run/sshd", 0755) && errno != EEXIST)
        return "/run/sshd cannot be made, which sshd needs when root starts it";
    return NULL;
}

/* -- Files ------------------------------------------------------------------------------------- */

const char *sshd_path(const sshd *s, const char *name)
{
    static char paths[16][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", s->dir, name);
    return path;
}

static void add_to_file(const char *path, const char *before, const char *text)
{
    FILE *file = fopen(path, "a");
    if (!file || fprintf(file, "%s%s", before, text) < 0 || fclose(file))
        give_up(path);
}

static void read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, size, file))
        give_up(path);
    fclose(file);
}

const char *sshd_key(sshd *s, const char *name, const char *type, const char *passphrase,
                     bool let_in)
{
    const char *path = sshd_path(s, name);
    char public_path[PATH_MAX + 8], line[4096];
    const char *argv[] = { "ssh-keygen", "-q", "-t", type, "-N", passphrase ? passphrase : "",
                           "-C", "test", "-f", path, NULL };
    if (sshd_run(argv))
        give_up("ssh-keygen");
    snprintf(public_path, sizeof public_path, "%s.pub", path);
    read_line(public_path, line, sizeof line);
    if (let_in)
        add_to_file(sshd_path(s, "authorized_keys"), "", line);
    return path;
}

static void make_host_keys(sshd *s, const char *types, bool unknown)
{
    char list[128], name[64], line[4096], at[64];
    snprintf(list, sizeof list, "%s", types);
    add_to_file(sshd_path(s, "known_hosts"), "", "");
    char *rest = list;
    for (char *type; (type = strsep(&rest, " "));) {
        snprintf(name, sizeof name, "host_%s", type);
        const char *path = sshd_key(s, name, type, NULL, false);
        add_to_file(sshd_path(s, "sshd_config"), "HostKey ", path);
        add_to_file(sshd_path(s, "sshd_config"), "\n", "");
        snprintf(name, sizeof name, "host_%s.pub", type);
        read_line(sshd_path(s, name), line, sizeof line);
        snprintf(at, sizeof at, "[127.0.0.1]:%u ", s->port);
        if (!unknown)
            add_to_file(sshd_path(s, "known_hosts"), at, line);
    }
}

static void make_config(sshd *s, const sshd_options *options)
{
    char text[PATH_MAX + 600];
    if (options->config)
        add_to_file(sshd_path(s, "sshd_config"), "", options->config);
    if (!options->config || !strstr(options->config, "MaxStartups")) /* the last one wins here */
        add_to_file(sshd_path(s, "sshd_config"), "MaxStartups 200\n", "");
    snprintf(text, sizeof text,
             "ListenAddress 127.0.0.1\n"
             "Port %u\n"
             "AuthorizedKeysFile %s\n"
             "PermitRootLogin yes\n"
             "StrictModes no\n"
             "UsePAM no\n"
             "UseDNS no\n"
             "PasswordAuthentication no\n"
             "KbdInteractiveAuthentication no\n"
             "PidFile none\n"
             "PrintMotd no\n"
             "LogLevel VERBOSE\n"
             "MaxSessions 10\n"
             "Subsystem sftp internal-sftp\n",
             s->port, sshd_path(s, "authorized_keys"));
    add_to_file(sshd_path(s, "sshd_config"), "", text);
}

/* -- The log ----------------------------------------------------------------------------------- */

static void *read_log(void *arg)
{
    sshd *s = arg;
    char bytes[4096];
    ssize_t n;
    while ((n = read(s->log_fd, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR)) {
        pthread_mutex_lock(&s->mutex);
        if (n > 0)
            buf_append(&s->log, bytes, (size_t)n);
        pthread_cond_broadcast(&s->logged);
        pthread_mutex_unlock(&s->mutex);
    }
    pthread_mutex_lock(&s->mutex);
    s->ended = true;
    pthread_cond_broadcast(&s->logged);
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static size_t count_locked(sshd *s, const char *text)
{
    size_t count = 0;
    const char *at = buf_terminate(&s->log);
    while (at && (at = strstr(at, text))) {
        count++;
        at += strlen(text);
    }
    return count;
}

size_t sshd_count_log(sshd *s, const char *text)
{
    pthread_mutex_lock(&s->mutex);
    size_t count = count_locked(s, text);
    pthread_mutex_unlock(&s->mutex);
    return count;
}

/* False when the log ended first. */
static bool wait_log(sshd *s, const char *text, size_t count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int late = 0;
    pthread_mutex_lock(&s->mutex);
    while (count_locked(s, text) < count && !s->ended && !late)
        late = pthread_cond_timedwait(&s->logged, &s->mutex, &until);
    bool found = count_locked(s, text) >= count;
    pthread_mutex_unlock(&s->mutex);
    return found;
}

void sshd_wait_log(sshd *s, const char *text, size_t count)
{
    if (!wait_log(s, text, count)) {
        fprintf(stderr, "sshd did not log \"%s\"; it logged:\n%.*s\n", text, (int)s->log.size,
                s->log.data);
        fail();
    }
}

/* -- Starting and stopping --------------------------------------------------------------------- */

static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    CLEANUP(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) ||
        getsockname(fd, (struct sockaddr *)&address, &size))
        give_up("a free port");
    return ntohs(address.sin_port);
}

/* False when the port was taken by somebody else meanwhile. */
static bool launch(sshd *s)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        give_up("pipe");
    const char *config = sshd_path(s, "sshd_config");
    s->pid = fork();
    if (s->pid < 0)
        give_up("fork");
    if (!s->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();
        dup2(open("/dev/null", O_RDWR), 0);
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        execl(sshd_program(), sshd_program(), "-D", "-e", "-f", config, NULL);
        _exit(127);
    }
    close(fds[1]);
    s->log_fd = fds[0];
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->logged, NULL);
    s->log.max = LOG_MAX;
    if (pthread_create(&s->reader, NULL, read_log, s))
        give_up("pthread_create");
    if (wait_log(s, "Server listening on 127.0.0.1", 1))
        return true;
    if (!sshd_count_log(s, "Address already in use")) {
        fprintf(stderr, "sshd does not start: %.*s\n", (int)s->log.size, s->log.data);
        exit(1);
    }
    return false;
}

sshd *sshd_start(const sshd_options *options)
{
    static unsigned serial;
    for (int i = 0; i < STARTS_MAX; i++) {
        char name[32];
        sshd *s = calloc(1, sizeof *s);
        const struct passwd *me = getpwuid(geteuid());
        if (!s || !me)
            give_up("who runs this test");
        snprintf(name, sizeof name, "sshd%u", serial++);
        snprintf(s->dir, sizeof s->dir, "%s", test_path(name));
        snprintf(s->user, sizeof s->user, "%s", me->pw_name);
        s->port = free_port();
        if (mkdir(s->dir, 0700))
            give_up(s->dir);
        make_config(s, options);
        make_host_keys(s, options->host_keys ? options->host_keys : "ed25519", options->unknown);
        s->identity = strdup(sshd_key(s, "id_ed25519", "ed25519", NULL, true));
        s->known_hosts = strdup(sshd_path(s, "known_hosts"));
        if (launch(s))
            return s;
        sshd_stop(s);
    }
    give_up("no port for an sshd");
}

/* The processes of its sessions are in groups of their own. */
size_t sshd_kill_sessions(sshd *s)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    for (int pid; fscanf(file, "%d", &pid) == 1; count++)
        kill(pid, SIGKILL);
    fclose(file);
    return count;
}

void *sshd_stop(sshd *s)
{
    if (!s)
        return NULL;
    sshd_kill_sessions(s);
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    pthread_join(s->reader, NULL);
    close(s->log_fd);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->logged);
    buf_release(&s->log);
    free((char *)s->identity);
    free((char *)s->known_hosts);
    free(s);
    return NULL;
}

uint16_t sshd_port(const sshd *s)
{
    return s->port;
}

ssh_target sshd_target(sshd *s)
{
    return (ssh_target){
        .label = "node",
        .alias = "127.0.0.1",
        .host_name = "127.0.0.1",
        .user = s->user,
        .port = s->port,
        .identities = { &s->identity, 1 },
        .known_hosts = { &s->known_hosts, 1 },
        .identities_only = true,
        .config_file = "/dev/null",
    };
}
