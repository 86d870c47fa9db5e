// System calls that Swift cannot import: variadic ones and GNU extensions.
#ifndef SQUIRE_CSYSTEM_SHIM_H
#define SQUIRE_CSYSTEM_SHIM_H

#include <sys/types.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#ifdef __linux__
#include <sys/prctl.h>
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

// No core dump and no ptrace(2) by other processes of this user: the memory holds tokens.
static inline void csystem_forbid_dumps(void) {
#ifdef __linux__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

// The user at the other end of a Unix socket; 0 on success.
static inline int csystem_peer_user(int fd, uid_t *user) {
#ifdef __linux__
    struct { pid_t pid; uid_t uid; gid_t gid; } peer;
    socklen_t length = sizeof peer;
    int status = getsockopt(fd, SOL_SOCKET, 17 /* SO_PEERCRED */, &peer, &length);
    if (status == 0) *user = peer.uid;
    return status;
#else
    gid_t group;
    return getpeereid(fd, user, &group);
#endif
}

#endif
