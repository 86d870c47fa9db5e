// Starts commands whose lives are bound to this process's: posix_spawn(3) cannot say that.
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include "csystem.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
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

// The commands that have groups of their own, by their numbers; 0 is a free place.
enum { places = 1024 };
static _Atomic pid_t commands[places];
static atomic_bool is_ending = false;

void csystem_end_commands(void) {
    int code = errno;
    atomic_store(&is_ending, true);
    for (int i = 0; i < places; i++) {
        pid_t command = atomic_load(&commands[i]);
        if (command > 0) kill(-command, SIGKILL);
    }
    errno = code;
}

void csystem_forget_command(pid_t child) {
    for (int i = 0; i < places; i++) {
        pid_t expected = child;
        if (atomic_compare_exchange_strong(&commands[i], &expected, 0)) return;
    }
}

// A place for a command that is about to be started, kept by a number that no process has; NULL when there is none.
static _Atomic pid_t *free_place(void) {
    for (int i = 0; i < places; i++) {
        pid_t expected = 0;
        if (atomic_compare_exchange_strong(&commands[i], &expected, -1)) return &commands[i];
    }
    return NULL;
}

void csystem_end_by(int number) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
}

static void die(int number) {
    csystem_end_commands();
    csystem_end_by(number);
}

// Nobody takes these: they would end this process, and leave the commands behind.
static void watch_end(void) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction present, action;
        if (sigaction(ends[i], NULL, &present) != 0 || (present.sa_flags & SA_SIGINFO) || present.sa_handler != SIG_DFL) continue;
        memset(&action, 0, sizeof action);
        action.sa_handler = die;
        action.sa_flags = SA_RESTART;
        sigaction(ends[i], &action, NULL);
    }
}

// An execve(2) would do it, but what waits comes before that.
static void drop_handlers(void) {
    for (int number = 1; number < NSIG; number++) {
        struct sigaction present;
        if (sigaction(number, NULL, &present) != 0) continue;
        int has_handler = (present.sa_flags & SA_SIGINFO) || (present.sa_handler != SIG_DFL && present.sa_handler != SIG_IGN);
        if (has_handler) signal(number, SIG_DFL);
    }
}

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
        drop_handlers();
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
    _Atomic pid_t *place = NULL;
    if (command->group != CSYSTEM_GROUP_SHARED) {
        watch_end();
        place = free_place();
        if (!place) return EAGAIN;
    }
#ifdef __linux__
    if (pipe2(ends, O_CLOEXEC) != 0) {
#else
    if (pipe(ends) != 0) {
#endif
        int failure = errno;
        if (place) atomic_store(place, 0);
        return failure;
    }
#ifndef __linux__
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
    pid_t parent = getpid();
    // What comes before the command is there finds no handler of this process in its child.
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    pid_t pid = fork();
    if (pid == 0) run(command, parent, ends[1]);
    int code = pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (place) atomic_store(place, pid > 0 ? pid : 0);
    // Before its group may be there.
    if (place && pid > 0 && atomic_load(&is_ending)) kill(pid, SIGKILL);
    close(ends[1]);
    ssize_t count = 0;
    if (pid > 0) {
        // Closed without a word by an execvp(3) that worked.
        int reported = 0;
        do count = read(ends[0], &reported, sizeof reported);
        while (count < 0 && errno == EINTR);
        if (count == sizeof reported) {
            code = reported;
            if (place) atomic_store(place, 0);
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
