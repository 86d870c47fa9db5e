// Whose process is at the other end of a connection within this machine.
#include "csystem.h"

#ifdef __linux__
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// struct ucred, which <sys/socket.h> declares under _GNU_SOURCE only.
struct peer_credentials { pid_t pid; uid_t uid; gid_t gid; };

int csystem_unix_peer_user(int fd, uid_t *user) {
    struct peer_credentials peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || length != sizeof peer) return -1;
    *user = peer.uid;
    return 0;
}

int csystem_open_diagnosis(void) {
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
}

// One end of a connection: 4 bytes of address or 16, and the port, in network order.
struct end { int family; unsigned char address[16]; uint16_t port; };

static bool read_end(const struct sockaddr_storage *from, struct end *end) {
    memset(end, 0, sizeof *end);
    end->family = from->ss_family;
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        memcpy(end->address, &in->sin_addr, 4);
        end->port = in->sin_port;
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        memcpy(end->address, &in->sin6_addr, 16);
        end->port = in->sin6_port;
    } else {
        return false;
    }
    return true;
}

// 127.0.0.0/8, ::1, or the former within the latter's family.
static bool is_loopback(const struct end *end) {
    if (end->family == AF_INET) return end->address[0] == 127;
    const struct in6_addr *address = (const struct in6_addr *)end->address;
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && end->address[12] == 127);
}

// Whether the connection still has both its ends, as far as the kernel has heard.
static bool is_established(int fd) {
    struct tcp_info info;
    socklen_t length = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_ESTABLISHED;
}

// What one way of asking came to.
enum finding { FOUND, CLOSED, ABSENT, NO_ANSWER };

// Asks for the one socket whose own end is `peer` and whose other end is `own`.
static enum finding ask_kernel(int diagnosis, const struct end *own, const struct end *peer, uid_t *user) {
    static _Thread_local uint32_t sequence;
    struct { struct nlmsghdr header; struct inet_diag_req_v2 body; } request;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = ++sequence;
    request.body.sdiag_family = (unsigned char)own->family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0u;
    request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    request.body.id.idiag_sport = peer->port;
    request.body.id.idiag_dport = own->port;
    memcpy(request.body.id.idiag_src, peer->address, 16);
    memcpy(request.body.id.idiag_dst, own->address, 16);
    // What an earlier question left unread is no answer to this one.
    union { struct nlmsghdr header; char bytes[2048]; } reply;
    while (recv(diagnosis, &reply, sizeof reply, MSG_DONTWAIT) > 0) {}
    if (send(diagnosis, &request, sizeof request, 0) != (ssize_t)sizeof request) return NO_ANSWER;
    // The kernel answers within send(2).
    ssize_t count = recv(diagnosis, &reply, sizeof reply, MSG_DONTWAIT);
    if (count < (ssize_t)sizeof reply.header || reply.header.nlmsg_seq != sequence) return NO_ANSWER;
    if (reply.header.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
        count >= (ssize_t)(NLMSG_HDRLEN + sizeof(struct inet_diag_msg))) {
        struct inet_diag_msg message;
        memcpy(&message, reply.bytes + NLMSG_HDRLEN, sizeof message);
        // No connection: somebody else's listener on the peer's port.
        if (message.idiag_state == TCP_LISTEN) return ABSENT;
        *user = message.idiag_uid;
        // A socket that its process has closed belongs to root, says the kernel.
        return message.idiag_inode == 0 && message.idiag_uid == 0 ? CLOSED : FOUND;
    }
    if (reply.header.nlmsg_type == NLMSG_ERROR && count >= (ssize_t)(NLMSG_HDRLEN + sizeof(struct nlmsgerr))) {
        struct nlmsgerr error;
        memcpy(&error, reply.bytes + NLMSG_HDRLEN, sizeof error);
        if (error.error == -ENOENT) return ABSENT;
    }
    return NO_ANSWER;
}

// "0100007F:1F90" as the table writes an end: each 32 bits of the address as a number of this machine.
static void write_end(const struct end *end, char *text) {
    static const char digits[] = "0123456789ABCDEF";
    size_t words = end->family == AF_INET ? 1 : 4;
    for (size_t word = 0; word < words; word++) {
        uint32_t value;
        memcpy(&value, end->address + word * 4, 4);
        for (int shift = 28; shift >= 0; shift -= 4) *text++ = digits[value >> shift & 15];
    }
    *text++ = ':';
    uint16_t port = ntohs(end->port);
    for (int shift = 12; shift >= 0; shift -= 4) *text++ = digits[port >> shift & 15];
    *text = 0;
}

// The next word of a line, null-terminated in place; NULL when there is none.
static char *next_word(char **rest) {
    char *start = *rest;
    while (*start == ' ') start++;
    if (*start == 0) return NULL;
    char *end = start;
    while (*end != ' ' && *end != 0) end++;
    *rest = *end == 0 ? end : end + 1;
    *end = 0;
    return start;
}

static bool read_number(const char *text, unsigned long *number) {
    if (text == NULL || *text == 0) return false;
    *number = 0;
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || *number > UINT32_MAX) return false;
        *number = *number * 10 + (unsigned long)(*text - '0');
    }
    return true;
}

// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …`
static enum finding read_line(char *line, const char *local, const char *remote, uid_t *user) {
    char *words[10];
    for (int index = 0; index < 10; index++) {
        words[index] = next_word(&line);
        if (words[index] == NULL) return ABSENT;
    }
    if (strcmp(words[1], local) != 0 || strcmp(words[2], remote) != 0) return ABSENT;
    unsigned long uid, inode;
    if (!read_number(words[7], &uid) || !read_number(words[9], &inode)) return NO_ANSWER;
    *user = (uid_t)uid;
    return inode == 0 && uid == 0 ? CLOSED : FOUND;
}

static enum finding search_table(const char *path, const struct end *own, const struct end *peer, uid_t *user) {
    char local[40], remote[40];
    write_end(peer, local);
    write_end(own, remote);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return NO_ANSWER;
    enum finding finding = ABSENT;
    char buffer[8192];
    size_t held = 0;
    while (finding == ABSENT) {
        ssize_t count = read(file, buffer + held, sizeof buffer - 1 - held);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) finding = NO_ANSWER;
        if (count <= 0) break;
        held += (size_t)count;
        buffer[held] = 0;
        char *line = buffer, *end;
        while (finding == ABSENT && (end = strchr(line, '\n')) != NULL) {
            *end = 0;
            finding = read_line(line, local, remote, user);
            line = end + 1;
        }
        held -= (size_t)(line - buffer);
        memmove(buffer, line, held);
        // A line that does not end is none of the kernel's.
        if (held == sizeof buffer - 1) finding = NO_ANSWER;
    }
    close(file);
    return finding;
}

// The same connection as the other family writes it: ::ffff:127.0.0.1 is 127.0.0.1. False where there is no such form.
static bool other_family(const struct end *end, struct end *other) {
    static const unsigned char prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    memset(other, 0, sizeof *other);
    other->port = end->port;
    if (end->family == AF_INET) {
        other->family = AF_INET6;
        memcpy(other->address, prefix, 12);
        memcpy(other->address + 12, end->address, 4);
        return true;
    }
    if (memcmp(end->address, prefix, 12) != 0) return false;
    other->family = AF_INET;
    memcpy(other->address, end->address + 12, 4);
    return true;
}

static enum finding search_tables(const struct end *own, const struct end *peer, uid_t *user) {
    const char *tables[2] = {"/proc/net/tcp", "/proc/net/tcp6"};
    enum finding finding = search_table(tables[own->family == AF_INET6], own, peer, user);
    struct end other_own, other_peer;
    if (finding != ABSENT || !other_family(own, &other_own) || !other_family(peer, &other_peer)) return finding;
    finding = search_table(tables[other_own.family == AF_INET6], &other_own, &other_peer, user);
    // A machine without IPv6 has no table of it, and no socket in it.
    return finding == NO_ANSWER && errno == ENOENT ? ABSENT : finding;
}

csystem_peer csystem_tcp_peer(int fd, int diagnosis, uid_t *user) {
    struct sockaddr_storage own_address, peer_address;
    socklen_t own_length = sizeof own_address, peer_length = sizeof peer_address;
    struct end own, peer;
    if (getpeername(fd, (struct sockaddr *)&peer_address, &peer_length) != 0) {
        return errno == ENOTCONN ? CSYSTEM_PEER_GONE : CSYSTEM_PEER_UNKNOWN;
    }
    if (getsockname(fd, (struct sockaddr *)&own_address, &own_length) != 0) return CSYSTEM_PEER_UNKNOWN;
    if (!read_end(&own_address, &own) || !read_end(&peer_address, &peer)) return CSYSTEM_PEER_UNKNOWN;

    enum finding finding = diagnosis < 0 ? NO_ANSWER : ask_kernel(diagnosis, &own, &peer, user);
    if (finding == NO_ANSWER) finding = search_tables(&own, &peer, user);
    switch (finding) {
    case FOUND: return CSYSTEM_PEER_USER;
    case CLOSED: return CSYSTEM_PEER_GONE;
    case ABSENT:
        if (!is_loopback(&peer)) return CSYSTEM_PEER_REMOTE;
        return is_established(fd) ? CSYSTEM_PEER_UNKNOWN : CSYSTEM_PEER_GONE;
    case NO_ANSWER:
        // From an address of this machine to itself: somebody here, whom nobody names.
        if (is_loopback(&peer) || memcmp(own.address, peer.address, sizeof own.address) == 0) return CSYSTEM_PEER_UNKNOWN;
        return CSYSTEM_PEER_REMOTE;
    }
    return CSYSTEM_PEER_UNKNOWN;
}

#else

int csystem_unix_peer_user(int fd, uid_t *user) {
    gid_t group;
    return getpeereid(fd, user, &group);
}

int csystem_open_diagnosis(void) {
    return -1;
}

csystem_peer csystem_tcp_peer(int fd, int diagnosis, uid_t *user) {
    (void)fd;
    (void)diagnosis;
    (void)user;
    return CSYSTEM_PEER_UNKNOWN;
}

#endif
