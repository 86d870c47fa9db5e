#include "csystem.h"

#include <errno.h>
#include <string.h>
#include <termios.h>

// In C, for what a signal handler may call: see hold.c.

static const int seen[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { seen_count = sizeof seen / sizeof *seen };

static struct termios shown, hidden;
static struct sigaction former[seen_count];

static void reveal(int number);

static void watch(int number, struct sigaction *before) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = reveal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, before);
}

// Gives the terminal back before the process ends or stops by the signal.
static void reveal(int number) {
    int code = errno;
    tcsetattr(0, TCSANOW, &shown);
    for (int i = 0; i < seen_count; i++) {
        if (seen[i] == number) sigaction(number, &former[i], 0);
    }
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, 0);
    raise(number);
    // It was stopped, and goes on.
    watch(number, 0);
    tcsetattr(0, TCSANOW, &hidden);
    errno = code;
}

int csystem_hide_typing(void) {
    if (tcgetattr(0, &shown) != 0) return -1;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    for (int i = 0; i < seen_count; i++) {
        if (csystem_ignores(seen[i])) {
            sigaction(seen[i], 0, &former[i]);
        } else {
            watch(seen[i], &former[i]);
        }
    }
    // Before it is asked for: what is typed ahead is thrown away, and an answer must not be.
    return tcsetattr(0, TCSAFLUSH, &hidden);
}

void csystem_show_typing(void) {
    tcsetattr(0, TCSAFLUSH, &shown);
    for (int i = 0; i < seen_count; i++) sigaction(seen[i], &former[i], 0);
}
