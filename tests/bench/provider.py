"""A provider that takes everything: `python -m tests.bench.provider PORT [DELAY]`. Plain sockets and epoll, answers after DELAY
seconds, and counts: `GET /count` tells how many requests came, how many different ones, and when the first and the last
(CLOCK_MONOTONIC); `GET /reset` forgets them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

from tests.rig.processes import Process, listening, python, until

# What Kannel's own servers say; every 2xx does for others.
_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 27\r\n\r\n0: Accepted for delivery.\r\n"


class Provider:
    """Its process."""

    def __init__(self, folder: Path, port: int, delay: float = 0.0) -> None:
        self.port = port
        self._process = Process(
            "provider", python("tests.bench.provider", str(port), str(delay)), folder / f"provider{port}.out"
        )
        until(lambda: listening(port), 20, "the provider", self._process)

    def ask(self, verb: str) -> dict[str, float]:
        """`count` or `reset`; what was counted."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            link.request("GET", f"/{verb}")
            found: dict[str, float] = json.loads(link.getresponse().read())
            return found
        finally:
            link.close()

    def stop(self) -> None:
        """End it."""
        self._process.kill()


class _Serving:
    def __init__(self, port: int, delay: float) -> None:
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1000)
        self._poll = select.epoll()
        self._poll.register(self._listener.fileno(), select.EPOLLIN)
        self._links: dict[int, socket.socket] = {}
        self._rest: dict[int, bytes] = {}
        self._due: deque[tuple[float, socket.socket]] = deque()
        self._reset()

    def _reset(self) -> None:
        self._count, self._first, self._last = 0, 0.0, 0.0
        self._different: set[bytes] = set()

    def run(self) -> None:
        """For ever."""
        links, due = self._links, self._due
        while True:
            wait = max(due[0][0] - time.monotonic(), 0.0) if due else -1
            for number, _ in self._poll.poll(wait):
                if number == self._listener.fileno():
                    link, _ = self._listener.accept()
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    links[link.fileno()] = link
                    self._poll.register(link.fileno(), select.EPOLLIN)
                else:
                    self._read(number, links[number])
            if due:
                now = time.monotonic()
                while due and due[0][0] <= now:
                    self._say(due.popleft()[1], _ANSWER)

    def _read(self, number: int, link: socket.socket) -> None:
        try:
            data = link.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._poll.unregister(number)
            self._links.pop(number).close()
            self._rest.pop(number, None)
            return
        data = self._rest.pop(number, b"") + data
        while b"\r\n\r\n" in data:
            head, _, data = data.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path in (b"/count", b"/reset"):
                self._tell(link, path)
                continue
            now = self._last = time.monotonic()
            self._first = self._first or now
            self._count += 1
            self._different.add(path)
            if self._delay:
                self._due.append((now + self._delay, link))
            else:
                self._say(link, _ANSWER)
        if data:
            self._rest[number] = data

    def _tell(self, link: socket.socket, path: bytes) -> None:
        body = json.dumps(
            {
                "count": self._count,
                "different": len(self._different),
                "first": self._first,
                "last": self._last,
            }
        )
        self._say(link, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        if path == b"/reset":
            self._reset()

    def _say(self, link: socket.socket, octets: bytes) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile
            link.sendall(octets)


if __name__ == "__main__":
    _Serving(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0).run()
