#!/usr/bin/env python3
"""delay_proxy.py HOST:PORT MILLISECONDS: a TCP proxy on 127.0.0.1 that adds to each request's
latency and takes nothing from its rate. Prints its port; ends at the end of its input."""

import collections
import selectors
import socket
import subprocess
import sys
import threading
import time

PIECE = 256 << 10
MAX_QUEUED = 1 << 20  # in one direction of a connection
MAX_DELAYED = 64 << 20  # the same, for what has to wait: 50 ms of 1.3 GB a second


class Flow:
    """One direction of a connection: a delay line. Each piece goes on `delay` after it came."""

    def __init__(self, source, sink, delay):
        self.source, self.sink, self.delay = source, sink, delay
        self.pieces = collections.deque()  # (due, bytes); empty bytes are the end
        self.queued = 0
        self.ended = self.finished = self.stuck = False

    def wants_input(self):
        return not self.ended and self.queued < (MAX_DELAYED if self.delay else MAX_QUEUED)

    def receive(self, buffer, now):
        try:
            size = self.source.recv_into(buffer)
        except BlockingIOError:
            return
        # Else the store's next piece waits up to 40 ms for what acknowledges the one before.
        self.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.ended = size == 0
        data = memoryview(buffer)[:size]
        if size and not self.delay and not self.pieces:
            data = data[self.send(data):]
        if self.ended or data:
            self.pieces.append((now + self.delay, bytes(data)))
            self.queued += len(data)

    def send(self, data):
        try:
            return self.sink.send(data)
        except BlockingIOError:
            self.stuck = True
            return 0

    def flush(self, now):
        self.stuck = False
        while self.pieces and self.pieces[0][0] <= now and not self.stuck:
            due, data = self.pieces.popleft()
            if not data:
                self.sink.shutdown(socket.SHUT_WR)
                self.finished = True
                return
            sent = self.send(data)
            self.queued -= sent
            if sent < len(data):
                self.pieces.appendleft((due, data[sent:]))

    def next_due(self):
        """None when there is nothing to send, or no room for it."""
        return self.pieces[0][0] if self.pieces and not self.stuck else None


class Link:
    """The two connections that belong together. Only what the client sends is delayed: each answer
    comes that much later."""

    def __init__(self, client, server, delay):
        self.up, self.down = Flow(client, server, delay), Flow(server, client, 0)
        self.events = {client: None, server: None}

    def wanted(self, sock):
        reader, writer = (self.up, self.down) if sock is self.up.source else (self.down, self.up)
        return ((selectors.EVENT_READ if reader.wants_input() else 0) |
                (selectors.EVENT_WRITE if writer.stuck else 0))

    def step(self, buffer, ready, now):
        for flow in (self.up, self.down):
            if ready.get(flow.source, 0) & selectors.EVENT_READ and flow.wants_input():
                flow.receive(buffer, now)
            flow.flush(now)
        return not (self.up.finished and self.down.finished)


class Proxy:
    def __init__(self, address, delay):
        self.address_, self.delay_ = address, delay
        self.selector_ = selectors.DefaultSelector()
        self.buffer_ = bytearray(PIECE)
        self.links_ = set()
        self.listener_ = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.listener_.setblocking(False)
        self.port = self.listener_.getsockname()[1]

    def run(self):
        self.selector_.register(self.listener_, selectors.EVENT_READ)
        self.selector_.register(sys.stdin, selectors.EVENT_READ)
        while True:
            ready = {}
            for key, events in self.selector_.select(self.patience_()):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self.listener_:
                    self.accept_()
                else:
                    ready.setdefault(key.data, {})[key.fileobj] = events
            now = time.monotonic()
            late = [link for link in self.links_ if link.up.next_due() is not None]
            for link in {*ready, *late}:
                self.step_(link, ready.get(link, {}), now)

    def patience_(self):
        times = [due for link in self.links_ if (due := link.up.next_due()) is not None]
        return max(0, min(times) - time.monotonic()) if times else None

    def step_(self, link, ready, now):
        try:
            if link.step(self.buffer_, ready, now):
                self.watch_(link)
                return
        except OSError:
            pass  # one side has gone, so the other has to go
        for sock, events in link.events.items():
            if events:
                self.selector_.unregister(sock)
            sock.close()
        self.links_.remove(link)

    def watch_(self, link):
        for sock, before in link.events.items():
            events = link.wanted(sock)
            if events == before:
                continue
            if not before and events:
                self.selector_.register(sock, events, link)
            elif before and events:
                self.selector_.modify(sock, events, link)
            elif before:
                self.selector_.unregister(sock)
            link.events[sock] = events

    def accept_(self):
        client, _ = self.listener_.accept()
        try:
            server = socket.create_connection(self.address_)
        except OSError:
            client.close()
            return
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server, self.delay_)
        self.links_.add(link)
        self.watch_(link)


class DelayProxy:
    """The proxy as a process of its own, for as long as the `with` lasts."""

    def __init__(self, address, milliseconds):
        self.command_ = [sys.executable, __file__, address, str(milliseconds)]

    def __enter__(self):
        self.process_ = subprocess.Popen(self.command_, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
        self.address = f"127.0.0.1:{int(self.process_.stdout.readline())}"
        return self

    def __exit__(self, *_):
        self.process_.stdin.close()
        self.process_.wait()


class Sink:
    """A server that takes all that comes and answers each connection with one byte at its end."""

    def __enter__(self):
        self.listener_ = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener_.getsockname()[1]}"
        threading.Thread(target=self.serve_, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener_.close()

    def serve_(self):
        buffer = bytearray(1 << 20)
        while True:
            try:
                client, _ = self.listener_.accept()
            except OSError:
                return
            with client:
                while client.recv_into(buffer):
                    pass
                client.sendall(b"!")


def send_through(address, size):
    """Seconds from the first byte of `size` to the answer to the last."""
    host, port = address.split(":")
    block = bytes(min(size, 1 << 20))
    with socket.create_connection((host, int(port))) as sock:
        start = time.perf_counter()
        for _ in range(size // len(block)):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1) != b"!":
            raise SystemExit("bench: the delay proxy lost its connection")
        return time.perf_counter() - start


def quality(address, size):
    """MB a second, and milliseconds for one byte and its answer."""
    latency = min(send_through(address, 1) for _ in range(5))
    return {"ms": round(latency * 1000, 2), "mb_s": round(size / 1e6 / send_through(address, size))}


def qualities(milliseconds, size=1 << 30):
    """What the proxy itself costs."""
    found = {}
    with Sink() as sink:
        for delay in (0, milliseconds):
            with DelayProxy(sink.address, delay) as proxy:
                found[str(delay)] = quality(proxy.address, size)
        found["none"] = quality(sink.address, size)
    return found


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    proxy = Proxy((host, int(port)), int(sys.argv[2]) / 1000)
    print(proxy.port, flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
