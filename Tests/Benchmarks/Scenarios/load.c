// Sends requests on schedule, whatever becomes of earlier ones (an open loop), so that a pause shows in all requests that fall into it.
//
//   load PORT REQUESTS_A_SECOND SECONDS CONNECTIONS END-OF-BODY < request
//
// Every answer must be a 200 that ends with END-OF-BODY. Says "half" when half the time is over; at the end one line for each request:
// when it was due, and what it took from then to the end of its answer, both in milliseconds. In C, because a client that takes as long
// for a request as the proxy does would measure itself.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER = 8192, EVENTS = 256 };

struct client {
    int descriptor;
    int request;
    size_t received;
    char answer[ANSWER];
};

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "%s: %s\n", what, detail);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int connected(int port, int poll, struct client *client) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1, descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect", strerror(errno));
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
    return descriptor;
}

// Whether the client's answer is whole.
static int receive(struct client *client, const char *tail, size_t tail_length) {
    ssize_t count = recv(client->descriptor, client->answer + client->received, ANSWER - 1 - client->received, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (count <= 0) fail("a request was not answered well", count == 0 ? "the connection ended" : strerror(errno));
    client->received += (size_t)count;
    client->answer[client->received] = 0;
    if (client->received >= 12 && strncmp(client->answer, "HTTP/1.1 200", 12) != 0)
        fail("a request was not answered well", client->answer);
    return client->received >= tail_length &&
           memcmp(client->answer + client->received - tail_length, tail, tail_length) == 0;
}

int main(int count, char **arguments) {
    if (count != 6) fail("usage", "load PORT REQUESTS_A_SECOND SECONDS CONNECTIONS END-OF-BODY < request");
    int port = atoi(arguments[1]), connections = atoi(arguments[4]);
    double rate = atof(arguments[2]), seconds = atof(arguments[3]);
    const char *tail = arguments[5];
    static char message[ANSWER];
    size_t length = fread(message, 1, sizeof message, stdin);
    int total = (int)(rate * seconds), sent = 0, done = 0, available = connections, poll = epoll_create1(0);
    struct client *clients = calloc((size_t)connections, sizeof *clients), **idle = calloc((size_t)connections, sizeof *idle);
    double *took = calloc((size_t)total, sizeof *took);
    if (clients == NULL || idle == NULL || took == NULL || poll < 0) fail("load", "no memory");
    for (int i = 0; i < connections; i++) {
        clients[i].descriptor = connected(port, poll, &clients[i]);
        idle[i] = &clients[i];
    }
    double start = now();
    int told = 0;
    while (done < total) {
        double time = now() - start;
        if (!told && time > seconds * 500) {
            told = puts("half") >= 0 && fflush(stdout) == 0;
        }
        if (time > (seconds + 20) * 1e3) fail("requests were not answered", "after 20 seconds");
        // The connection that answered last: fewer of them are touched, as a pool of clients would do.
        while (available > 0 && sent < total && sent / rate * 1e3 <= time) {
            struct client *client = idle[--available];
            client->request = sent++;
            client->received = 0;
            if (send(client->descriptor, message, length, MSG_NOSIGNAL) != (ssize_t)length) fail("send", strerror(errno));
        }
        struct epoll_event events[EVENTS];
        // Until the next one is due; where none can be sent, until one is answered.
        double until = available > 0 && sent < total ? sent / rate * 1e3 - (now() - start) : 1000;
        if (until < 0) until = 0;
        struct timespec timeout = {.tv_sec = (time_t)(until / 1e3), .tv_nsec = (long)(until * 1e6) % 1000000000};
        int ready = epoll_pwait2(poll, events, EVENTS, &timeout, NULL);
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (!receive(client, tail, strlen(tail))) continue;
            took[client->request] = now() - start - client->request / rate * 1e3;
            idle[available++] = client;
            done++;
        }
    }
    for (int i = 0; i < total; i++) printf("%.3f %.3f\n", i / rate * 1e3, took[i]);
    return 0;
}
