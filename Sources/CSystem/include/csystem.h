// System calls that Swift cannot import: variadic ones and GNU extensions.
#ifndef SQUIRE_CSYSTEM_H
#define SQUIRE_CSYSTEM_H

#include <sys/types.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#ifdef __linux__
// Declared by <pthread.h> under _GNU_SOURCE only, which would change what other modules see.
extern int pthread_setname_np(pthread_t thread, const char *name);
#endif

// At most 15 bytes on Linux; a longer name is ignored.
static inline void csystem_name_thread(const char *name) {
#ifdef __linux__
    pthread_setname_np(pthread_self(), name);
#else
    pthread_setname_np(name);
#endif
}

// recv(2) and send(2), but no cancellation points (pthreads(7)): those of glibc cost two locked instructions each, where nobody cancels
// threads. A sanitizer watches the library's functions: build with -DCSYSTEM_LIBRARY_CALLS for one.
#if defined(__linux__) && !defined(CSYSTEM_LIBRARY_CALLS)
static inline ssize_t csystem_receive(int fd, void *buffer, size_t count, int flags) {
    return syscall(SYS_recvfrom, fd, buffer, count, flags, NULL, NULL);
}

static inline ssize_t csystem_send(int fd, const void *bytes, size_t count, int flags) {
    return syscall(SYS_sendto, fd, bytes, count, flags, NULL, 0);
}
#else
static inline ssize_t csystem_receive(int fd, void *buffer, size_t count, int flags) { return recv(fd, buffer, count, flags); }

static inline ssize_t csystem_send(int fd, const void *bytes, size_t count, int flags) { return send(fd, bytes, count, flags); }
#endif

// No core dump and no ptrace(2) by other processes of this user: the memory holds tokens.
static inline void csystem_forbid_dumps(void) {
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

// Lets go of the code and constants, the program's own and those of its libraries, that only starting took (madvise(2)): relocations,
// command line, configuration, what libraries set up. They stay in the page cache, and come back from there when they are touched, while
// other threads run too. What may have been written to is left alone. Nothing on other systems than Linux.
void csystem_release_startup_pages(void);

// Whether whoever started this process had the signal ignored, as nohup(1) does with SIGHUP, and nothing here has changed that yet.
static inline int csystem_ignores(int signal) {
    struct sigaction present;
    return sigaction(signal, 0, &present) == 0 && !(present.sa_flags & SA_SIGINFO) && present.sa_handler == SIG_IGN;
}

// What is typed at descriptor 0 is not shown from now on; whatever signal ends or stops the process gives the terminal back before. -1 where
// it is no terminal. Not twice at a time.
int csystem_hide_typing(void);

// After that alone: shows it again.
void csystem_show_typing(void);

// From now on the first SIGINT, SIGTERM, SIGHUP or SIGQUIT waits for csystem_release_signals, and says so on descriptor 2 once something
// was sent (csystem_may_send); another one ends the process at once, but for SIGHUP, which may come twice for one terminal, and the SIGTERM
// that service managers send with it. What is ignored stays ignored. Never returns where a signal was first. With `waits_elsewhere` another
// thread gets the signals, so that no system call of this one is cut short.
void csystem_hold_signals(int waits_elsewhere);

// Can be read once a signal waits and nothing was sent yet: what still connects is to give up. Make it before signals are held; -1 for
// none.
int csystem_stop_descriptor(void);

// To be asked before something is sent that may work once: 0 if a signal came before, and nothing is to be sent.
int csystem_may_send(void);

// From now on SIGINT ends the process with 130, as a shell would say it, rather than by the signal: now, or when the process is let go.
// What is ignored stays ignored.
void csystem_interrupt_exits(void);

// Ends the process by the signal that waits, if one does.
void csystem_release_signals(void);

// Whose signals from the terminal a command gets.
typedef enum {
    // This process's.
    CSYSTEM_GROUP_SHARED,
    // None: its process group is its own, and it has no terminal.
    CSYSTEM_GROUP_OWN,
    // Its own group has the terminal, which is descriptor 0. Take it back afterwards (tcsetpgrp(3)).
    CSYSTEM_GROUP_FOREGROUND,
} csystem_group;

typedef struct {
    // Ends with NULL. The first is found in PATH, unless it holds a slash.
    char *const *arguments;
    // `NAME=value`, ends with NULL; NULL for this process's.
    char *const *environment;
    // NULL for this process's.
    const char *directory;
    const sigset_t *mask;
    // What become the descriptors 0 to 2, each above 2; -1 for this process's, closed where that closes at an execution.
    int streams[3];
    csystem_group group;
} csystem_command;

// Starts a command with no descriptor but 0 to 2; 0, or the `errno` of what failed. On Linux it gets SIGTERM when the calling thread ends.
// Wait for `child` afterwards. One whose group is not this process's ends with this process, and with it what it started, where that is
// ended by a SIGINT, SIGTERM, SIGHUP or SIGQUIT that nobody takes; EAGAIN where 1,024 of them run. Forget it before it is waited for.
int csystem_spawn(const csystem_command *command, pid_t *child);

// The command's number is about to be another process's.
void csystem_forget_command(pid_t child);

// Kills the groups of all commands that run and have one, for the end of this process: what is started from now on is killed, too. May be
// called by a signal handler (signal-safety(7)).
void csystem_end_commands(void);

// Ends this process by the signal, whether or not it is handled, and blocked in this thread. May be called by a signal handler.
void csystem_end_by(int number);

// A descriptor that can be read once the process has ended (pidfd_open(2)); -1 and `errno` where there is none to be had. Close-on-exec.
int csystem_watch_process(pid_t process);

// The user who connected a Unix socket (SO_PEERCRED, unix(7); getpeereid(3)): 0 on success.
int csystem_unix_peer_user(int fd, uid_t *user);

// Who is at the other end of a TCP connection.
typedef enum {
    // A process of `user`.
    CSYSTEM_PEER_USER,
    // It closed its end before it could be asked: nobody can say whose it was.
    CSYSTEM_PEER_GONE,
    // Another machine.
    CSYSTEM_PEER_REMOTE,
    // Somebody on this machine, and the system does not say who.
    CSYSTEM_PEER_UNKNOWN,
} csystem_peer;

// A socket to ask the kernel about other sockets (sock_diag(7)); -1 and `errno` where there is none to be had.
int csystem_open_diagnosis(void);

// Asks the kernel, through `diagnosis` (-1: not that way), then the tables in /proc/net (proc(5)). One caller at a time per `diagnosis`.
csystem_peer csystem_tcp_peer(int fd, int diagnosis, uid_t *user);

// Whether the file at `path`, no link followed, is immutable or append-only (statx(2)): 1, 0, or -1 where that cannot be told.
int csystem_is_unchangeable(const char *path);

#endif
