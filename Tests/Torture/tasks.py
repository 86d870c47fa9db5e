"""Tasks on one thread: generators that wait for a socket or for time, over epoll. What a process of the torture is made of.

A task yields `(descriptor, mask, deadline)` and is resumed with the events, 0 when the deadline came first; a descriptor of -1 only sleeps.
Streams are sockets that never block, through TLS where there is any, and can end in every way there is.
"""
import collections, errno, heapq, itertools, select, socket, ssl, struct, time

IN, OUT = select.EPOLLIN, select.EPOLLOUT
now = time.monotonic


class Task:
    __slots__ = "generator", "ticket", "descriptor", "is_over"

    def __init__(self, generator):
        self.generator, self.ticket, self.descriptor, self.is_over = generator, 0, -1, False


class Loop:
    def __init__(self):
        self.poll = select.epoll()
        self.known, self.waiting = set(), {}
        self.timers, self.order = [], itertools.count()
        self.ready = collections.deque()
        self.lag = lambda: None
        self.running = 0

    def spawn(self, generator):
        task = Task(generator)
        self.running += 1
        self.ready.append((task, None))
        return task

    def cancel(self, task):
        """Ends a task that waits; its `finally` clauses run."""
        task.ticket, task.is_over = -1, True
        if self.waiting.get(task.descriptor) is task:
            del self.waiting[task.descriptor]
        task.generator.close()
        self.running -= 1

    def forget(self, descriptor):
        """Before a descriptor is closed."""
        self.known.discard(descriptor)
        self.waiting.pop(descriptor, None)

    def run(self, until):
        """Until `until()`, which is asked in each turn."""
        while not until():
            begun = now()
            while self.timers and self.timers[0][0] <= begun:
                _, _, task, ticket = heapq.heappop(self.timers)
                if task.ticket == ticket:
                    if self.waiting.get(task.descriptor) is task:
                        del self.waiting[task.descriptor]
                    self._wake(task, 0)
            for _ in range(len(self.ready)):
                self._resume(*self.ready.popleft())
            if now() - begun > 0.3:
                self.lag()
            timeout = 0 if self.ready else max(0, min(0.05, self.timers[0][0] - now())) if self.timers else 0.05
            before = now()
            for descriptor, events in self.poll.poll(timeout):
                task = self.waiting.pop(descriptor, None)
                if task is not None:
                    self._wake(task, events)
            if now() - before > timeout + 0.3:
                self.lag()

    def _wake(self, task, events):
        # What else it waited for is void from now on.
        task.ticket += 1
        self.ready.append((task, events))

    def _resume(self, task, events):
        if task.is_over:
            return
        try:
            descriptor, mask, deadline = task.generator.send(events)
        except StopIteration:
            task.is_over = True
            self.running -= 1
            return
        task.descriptor = descriptor
        if descriptor >= 0:
            mask |= select.EPOLLONESHOT
            if descriptor in self.known:
                self.poll.modify(descriptor, mask)
            else:
                self.known.add(descriptor)
                self.poll.register(descriptor, mask)
            self.waiting[descriptor] = task
        if deadline is not None:
            heapq.heappush(self.timers, (deadline, next(self.order), task, task.ticket))


def sleep(seconds):
    yield -1, 0, now() + seconds


class Stream:
    """A socket that never blocks. `read` and `write` are one try each: None when they would have to wait."""

    def __init__(self, loop, sock):
        sock.setblocking(False)
        self.loop, self.sock, self.descriptor = loop, sock, sock.fileno()
        self.is_secure = isinstance(sock, ssl.SSLSocket)
        self.has_finished = False

    def read(self, size=65536):
        try:
            return self.sock.recv(size)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ssl.SSLWantWriteError:
            return None
        except ssl.SSLError as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error))

    def write(self, data):
        try:
            return self.sock.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLError as error:
            raise ConnectionResetError(errno.ECONNRESET, str(error))

    def receive(self, deadline):
        """Bytes, b"" at the end; None at the deadline."""
        while True:
            data = self.read()
            if data is not None:
                return data
            if not (yield self.descriptor, IN, deadline):
                return None

    def send(self, data, patience=20):
        """All of it; TimeoutError when nothing moves for so long."""
        view = memoryview(data)
        while view:
            count = self.write(view)
            if count is None:
                if not (yield self.descriptor, OUT, now() + patience):
                    raise TimeoutError("the other side takes nothing")
            else:
                view = view[count:]

    def handshake(self, context, deadline):
        """From now on through TLS, as its server."""
        self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.is_secure = True
        while True:
            try:
                return self.sock.do_handshake()
            except ssl.SSLWantReadError:
                mask = IN
            except ssl.SSLWantWriteError:
                mask = OUT
            except ssl.SSLError as error:
                raise ConnectionResetError(errno.ECONNRESET, str(error))
            if not (yield self.descriptor, mask, deadline):
                raise TimeoutError("handshake")

    # Ends

    def finish(self, notify=True):
        """No more is sent: FIN, and before it what TLS says at the end unless told otherwise."""
        self.has_finished = True
        try:
            if self.is_secure and notify:
                try:
                    self.sock.unwrap()
                except (ssl.SSLError, ValueError):
                    pass
            # On the descriptor, whatever the TLS layer makes of it.
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.close()

    def close(self):
        if self.descriptor >= 0:
            self.loop.forget(self.descriptor)
            self.descriptor = -1
            try:
                self.sock.close()
            except OSError:
                pass
