"""A relay of TCP between a machine and one port: it passes on, cuts, stalls, or is late. It does not look into what it carries, but where
`late` names some bytes of a plain connection."""
import asyncio, contextlib, threading, time


class Relays:
    """Their loop, on a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def relay(self, port):
        return self.call(self.made(port))

    async def made(self, port):
        relay = Relay(self, port)
        relay.server = await asyncio.start_server(relay.serve, "127.0.0.1", 0, backlog=256)
        relay.port = relay.server.sockets[0].getsockname()[1]
        return relay

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def end(self):
        async def cancel():
            for task in asyncio.all_tasks() - {asyncio.current_task()}: task.cancel()
        self.call(cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Relay:
    """To `target`, from `port`. Calls of its methods may come from any thread, and are done when they return."""

    def __init__(self, relays, target):
        self.relays, self.target = relays, target
        self.is_cut, self.seconds = False, 0.0
        self.marks = []             # [bytes, seconds, how often]
        self.open = asyncio.Event()
        self.open.set()
        self.tasks, self.transports = set(), set()
        self.connections = 0        # that were made, ever
        self.delivered_late = 0     # pieces

    def do(self, work):
        async def go(): return work()
        return self.relays.call(go())

    def cut(self):
        """Ends what is there, and whatever comes: as a host that refuses."""
        self.do(self.cut_off)

    def cut_off(self):
        self.is_cut = True
        for task in list(self.tasks): task.cancel()
        for transport in list(self.transports): transport.abort()

    def stall(self):
        """Nothing passes any more, and nothing ends: as a cable that was pulled."""
        self.do(self.open.clear)

    def delay(self, seconds):
        """What comes from the machine is passed on that much later, even when the machine has hung up since."""
        self.do(lambda: setattr(self, "seconds", seconds))

    def late(self, mark, seconds, count=1):
        """The same for the next pieces that hold `mark`, and for what follows on their connections."""
        self.do(lambda: self.marks.append([mark, seconds, count]))

    def mend(self):
        """As at first; what was stalled goes on."""
        def work():
            self.is_cut, self.seconds, self.marks = False, 0.0, []
            self.open.set()
        self.do(work)

    def alive(self):
        """How many connections there are now."""
        return self.do(lambda: len(self.transports) // 2)

    # On the loop

    async def serve(self, reader, writer):
        self.connections += 1
        if self.is_cut: return writer.transport.abort()
        task = asyncio.current_task()
        self.tasks.add(task)
        self.transports.add(writer.transport)
        other = None
        try:
            await self.open.wait()
            there, other = await asyncio.open_connection("127.0.0.1", self.target)
            self.transports.add(other.transport)
            back = asyncio.create_task(self.pump_back(there, writer))
            self.tasks.add(back)
            back.add_done_callback(self.tasks.discard)
            await self.pump(reader, other)
            await back
        except (OSError, asyncio.CancelledError): pass
        finally:
            self.tasks.discard(task)
            for one in filter(None, (writer, other)):
                self.transports.discard(one.transport)
                one.transport.abort()

    async def pump(self, reader, writer):
        """From the machine: pieces wait for their time, and are delivered though the machine has gone."""
        pieces = asyncio.Queue()

        async def read():
            while True:
                try: data = await reader.read(1 << 16)
                except OSError: data = b""
                await pieces.put((time.monotonic() + self.wait_of(data), data))
                if not data: return
        reading = asyncio.create_task(read())
        try:
            while True:
                due, data = await pieces.get()
                if (rest := due - time.monotonic()) > 0:
                    await asyncio.sleep(rest)
                    self.delivered_late += 1
                await self.open.wait()
                if not data:
                    with contextlib.suppress(OSError): writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        finally: reading.cancel()

    def wait_of(self, data):
        for entry in self.marks:
            if entry[0] in data and entry[2] > 0:
                entry[2] -= 1
                return entry[1]
        return self.seconds

    async def pump_back(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self.open.wait()
                # The machine may have hung up: what it sent last is delivered all the same.
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()
        with contextlib.suppress(OSError): writer.write_eof()
