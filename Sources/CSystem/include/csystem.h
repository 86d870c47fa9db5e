// System calls that Swift cannot import: variadic ones and GNU extensions.
#ifndef SQUIRE_CSYSTEM_SHIM_H
#define SQUIRE_CSYSTEM_SHIM_H

#include <sys/types.h>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <elf.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
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

#ifdef __linux__
#if __SIZEOF_POINTER__ == 8
typedef Elf64_Phdr csystem_program_header;
#else
typedef Elf32_Phdr csystem_program_header;
#endif
#endif

// Lets go of the program's own code and constants that only starting took (madvise(2)): relocations, command line, configuration. They
// stay in the page cache, and come back from there when they are touched. What may have been written to is left alone. Finds itself by
// its program headers (getauxval(3)).
static inline void csystem_release_startup_pages(void) {
#ifdef __linux__
    const csystem_program_header *headers = (const csystem_program_header *)getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM), page = getauxval(AT_PAGESZ);
    if (!headers || !page || headers[0].p_type != PT_PHDR) return;  // PT_PHDR comes first where there is one (elf(5))
    unsigned long base = (unsigned long)headers - headers[0].p_vaddr;
    for (unsigned long i = 0; i < count; i++) {
        if (headers[i].p_type != PT_LOAD || (headers[i].p_flags & PF_W)) continue;
        unsigned long start = (base + headers[i].p_vaddr + page - 1) & ~(page - 1);
        unsigned long end = (base + headers[i].p_vaddr + headers[i].p_filesz) & ~(page - 1);
        if (end > start) madvise((void *)start, end - start, MADV_DONTNEED);
    }
#endif
}

// The user who connected a Unix socket (SO_PEERCRED, unix(7); getpeereid(3)): 0 on success.
static inline int csystem_unix_peer_user(int fd, uid_t *user) {
#ifdef __linux__
    // struct ucred, which <sys/socket.h> declares under _GNU_SOURCE only.
    struct { pid_t pid; uid_t uid; gid_t gid; } peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return -1;
    *user = peer.uid;
    return 0;
#else
    gid_t group;
    return getpeereid(fd, user, &group);
#endif
}

#ifdef __linux__
// Whether an address is 127.0.0.0/8, ::1, or the former within the latter's family.
static inline int csystem_is_loopback(const struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET) {
        return (ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24) == 127;
    }
    const struct in6_addr *ip = &((const struct sockaddr_in6 *)address)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

// Whether the connection still has both its ends, as far as the kernel has heard.
static inline int csystem_is_established(int fd) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}
#endif

// The user whose process owns the other end of a TCP connection within this machine (sock_diag(7)): 0 on success, 1 when that end is
// closed already, so that nobody can say whose it was, -1 when the kernel does not know it. Looks up one socket by its
// addresses; costs a few microseconds.
static inline int csystem_tcp_peer_user(int fd, uid_t *user) {
#ifdef __linux__
    struct sockaddr_storage own, peer;
    socklen_t own_length = sizeof own, peer_length = sizeof peer;
    if (getsockname(fd, (struct sockaddr *)&own, &own_length) != 0) return -1;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) != 0) return errno == ENOTCONN ? 1 : -1;
    struct { struct nlmsghdr header; struct inet_diag_req_v2 body; } request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.body.sdiag_family = (unsigned char)own.ss_family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0u;
    request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    // The peer's socket: its source is our peer.
    if (own.ss_family == AF_INET) {
        struct sockaddr_in *source = (struct sockaddr_in *)&peer, *target = (struct sockaddr_in *)&own;
        request.body.id.idiag_sport = source->sin_port;
        request.body.id.idiag_dport = target->sin_port;
        memcpy(request.body.id.idiag_src, &source->sin_addr, 4);
        memcpy(request.body.id.idiag_dst, &target->sin_addr, 4);
    } else if (own.ss_family == AF_INET6) {
        struct sockaddr_in6 *source = (struct sockaddr_in6 *)&peer, *target = (struct sockaddr_in6 *)&own;
        request.body.id.idiag_sport = source->sin6_port;
        request.body.id.idiag_dport = target->sin6_port;
        memcpy(request.body.id.idiag_src, &source->sin6_addr, 16);
        memcpy(request.body.id.idiag_dst, &target->sin6_addr, 16);
    } else {
        return -1;
    }
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0) return -1;
    int status = -1;
    char reply[1024];
    if (send(netlink, &request, sizeof request, 0) == (ssize_t)sizeof request) {
        ssize_t count = recv(netlink, reply, sizeof reply, 0);
        struct nlmsghdr *header = (struct nlmsghdr *)reply;
        if (count >= (ssize_t)(sizeof *header + sizeof(struct inet_diag_msg)) &&
            header->nlmsg_type == SOCK_DIAG_BY_FAMILY) {
            struct inet_diag_msg *message = (struct inet_diag_msg *)(reply + NLMSG_HDRLEN);
            *user = message->idiag_uid;
            // A socket that its process has closed belongs to root, says the kernel.
            status = message->idiag_inode == 0 && *user == 0 ? 1 : 0;
        } else if (count >= (ssize_t)(sizeof *header + sizeof(struct nlmsgerr)) && header->nlmsg_type == NLMSG_ERROR &&
                   ((struct nlmsgerr *)NLMSG_DATA(header))->error == -ENOENT && csystem_is_loopback(&peer) &&
                   !csystem_is_established(fd)) {
            status = 1;
        }
    }
    close(netlink);
    return status;
#else
    (void)fd;
    (void)user;
    return -1;
#endif
}

#endif
