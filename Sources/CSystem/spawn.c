// Starts commands whose lives are bound to this process's: posix_spawn(3) cannot say that.
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "csystem.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

// In the child, where only what signal-safety(7) lists may be called: closes all descriptors from 3 on but `kept`, which closes by itself.
static void close_others(int kept) {
#if defined(__linux__) && defined(SYS_close_range)
    // Two calls, so that `kept` stays.
    int below = kept == 3 || syscall(SYS_close_range, 3u, (unsigned)kept - 1, 0u) == 0;
    if (below && syscall(SYS_close_range, (unsigned)kept + 1, ~0u, 0u) == 0) return;
#endif
    long limit = sysconf(_SC_OPEN_MAX);
    if (limit < 0 || limit > 1 << 20) limit = 1 << 20;
    for (int fd = 3; fd < limit; fd++) {
        if (fd != kept) close(fd);
    }
}

extern char **environ;

static void run(const csystem_command *command, pid_t parent, int report) {
#ifdef __linux__
    // SIGTERM when the thread that started us ends, however it does.
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
#endif
    // It may have ended before that.
    if (getppid() != parent) _exit(0);
    // A session of its own is a group of its own without a terminal to wait at.
    if (command->group == CSYSTEM_GROUP_OWN) setsid();
    if (command->group == CSYSTEM_GROUP_FOREGROUND) {
        setpgid(0, 0);
        // Who gives himself the terminal from the background is stopped.
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(STDIN_FILENO, getpid());
        signal(SIGTTOU, SIG_DFL);
    }
    int is_ready = !command->directory || chdir(command->directory) == 0;
    for (int stream = 0; stream < 3 && is_ready; stream++) {
        if (command->streams[stream] >= 0) is_ready = dup2(command->streams[stream], stream) >= 0;
    }
    if (is_ready) {
        close_others(report);
        // These are ignored in the parent, and an ignored signal stays ignored.
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        sigprocmask(SIG_SETMASK, command->mask, NULL);
        if (command->environment) environ = (char **)command->environment;
        execvp(command->arguments[0], command->arguments);
    }
    int code = errno;
    ssize_t unused = write(report, &code, sizeof code);
    (void)unused;
    _exit(127);
}

int csystem_spawn(const csystem_command *command, pid_t *child) {
    int ends[2];
#ifdef __linux__
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
#else
    if (pipe(ends) != 0) return errno;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) run(command, parent, ends[1]);
    int code = pid < 0 ? errno : 0;
    close(ends[1]);
    ssize_t count = 0;
    if (pid > 0) {
        // Closed without a word by an execvp(3) that worked.
        int reported = 0;
        do count = read(ends[0], &reported, sizeof reported);
        while (count < 0 && errno == EINTR);
        if (count == sizeof reported) {
            code = reported;
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        }
    }
    close(ends[0]);
    *child = pid;
    return code;
}

int csystem_watch_process(pid_t process) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, process, 0u);
#else
    (void)process;
    errno = ENOSYS;
    return -1;
#endif
}
