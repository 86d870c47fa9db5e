// libevent for Swift: the headers EventIO uses, and nothing typed by macro.
#ifndef SQUIRE_CLIBEVENT_SHIM_H
#define SQUIRE_CLIBEVENT_SHIM_H

// libevent's event-config.h defines _GNU_SOURCE. If it comes first, its view of <sys/types.h> (`fd_set`) differs from
// the one that CCurl and Dispatch see, and Swift refuses to build (swiftlang/swift#69311). Including one libc header
// before any of libevent's makes all three agree.
#include <sys/types.h>

#include <event2/event.h>
#include <event2/listener.h>

// Swift imports the flag macros as Int32 while the functions take `short`.
static inline struct event *clibevent_new(struct event_base *base, evutil_socket_t fd, int flags,
                                          event_callback_fn callback, void *context) {
    return event_new(base, fd, (short)flags, callback, context);
}

#endif
