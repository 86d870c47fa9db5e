#include "csystem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

// In C, since a signal handler may call nothing of Swift's runtime, which makes globals at their first use (signal-safety(7)).

// Held, as long as nothing that works once may have been sent, is `connecting`; a signal makes it `leaving`: nothing is to be sent then.
enum { idle, connecting, leaving, spending, asked, ending };

static atomic_int phase = idle;
// The signal that waits.
static atomic_int waiting = 0;
// When it came, in monotonic milliseconds.
static atomic_llong waiting_since = 0;
// Written to when what still connects is to give up; -1 without one.
static int stop[2] = {-1, -1};

static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { held_count = sizeof held / sizeof *held };

static const char words[] = "\nsquire: an answer is waited for, to be saved: what was sent works once.\n"
                            "squire: another Ctrl-C or SIGTERM ends this at once, and may cost the login.\n";

static atomic_bool interrupt_exits = false;

static void die(int number) {
    csystem_end_commands();
    if (number == SIGINT && atomic_load(&interrupt_exits)) _exit(128 + SIGINT);
    csystem_end_by(number);
}

static long long now(void) {
    struct timespec time;
    return clock_gettime(CLOCK_MONOTONIC, &time) == 0 ? time.tv_sec * 1000LL + time.tv_nsec / 1000000 : 0;
}

// Whether a signal behind the one that waits is somebody in a hurry. SIGHUP never is: a shell and the kernel may both say that the terminal
// is gone. Neither is a SIGTERM behind that, which service managers send together with it. Nor is anything in the first half second: timeout(1)
// signals a process, and then its group.
static int hurries(int number, int before) {
    if (number == SIGHUP || now() - atomic_load(&waiting_since) < 500) return 0;
    return number != SIGTERM || before != SIGHUP;
}

static void came(int number) {
    int code = errno, expected = idle;
    if (atomic_compare_exchange_strong(&phase, &expected, ending)) {
        die(number);
        errno = code;
        return;
    }
    if (expected == connecting) {
        atomic_store(&waiting, number);
        atomic_store(&waiting_since, now());
        if (atomic_compare_exchange_strong(&phase, &expected, leaving)) {
            if (stop[1] >= 0) {
                ssize_t ignored = write(stop[1], "", 1);
                (void)ignored;
            }
            errno = code;
            return;
        }
    }
    if (expected == spending) {
        atomic_store(&waiting, number);
        atomic_store(&waiting_since, now());
        expected = spending;
        if (atomic_compare_exchange_strong(&phase, &expected, asked)) {
            ssize_t ignored = write(2, words, sizeof words - 1);
            (void)ignored;
        } else {
            // It has ended meanwhile, or another thread was first.
            if (expected != asked) die(number);
        }
    } else if (hurries(number, atomic_load(&waiting))) {
        die(number);
    } else if (number != SIGHUP) {
        atomic_store(&waiting, number);
    }
    errno = code;
}

static sigset_t all_held(void) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < held_count; i++) sigaddset(&set, held[i]);
    return set;
}

// Has `came` called for that signal, unless it is ignored.
static void handle(int number) {
    if (csystem_ignores(number)) return;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = came;
    action.sa_flags = SA_RESTART;
    // One at a time.
    action.sa_mask = all_held();
    sigaction(number, &action, 0);
}

void csystem_hold_signals(int waits_elsewhere) {
    sigset_t blocked = all_held();
    if (waits_elsewhere) pthread_sigmask(SIG_BLOCK, &blocked, 0);
    for (int i = 0; i < held_count; i++) handle(held[i]);
    int expected = idle;
    if (atomic_compare_exchange_strong(&phase, &expected, connecting)) return;
    while (expected == ending) pause();
}

int csystem_stop_descriptor(void) {
    if (stop[0] < 0 && pipe(stop) == 0) {
        for (int i = 0; i < 2; i++) {
            fcntl(stop[i], F_SETFD, FD_CLOEXEC);
            fcntl(stop[i], F_SETFL, O_NONBLOCK);
        }
    }
    return stop[0];
}

int csystem_may_send(void) {
    int expected = connecting;
    return atomic_compare_exchange_strong(&phase, &expected, spending) || expected != leaving;
}

void csystem_interrupt_exits(void) {
    atomic_store(&interrupt_exits, true);
    handle(SIGINT);
}

void csystem_release_signals(void) {
    int expected = spending;
    if (atomic_compare_exchange_strong(&phase, &expected, idle)) return;
    if (expected == connecting && atomic_compare_exchange_strong(&phase, &expected, idle)) return;
    if (expected != asked && expected != leaving) return;
    die(atomic_load(&waiting));
    // It is on its way.
    for (;;) pause();
}
