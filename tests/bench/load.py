"""Load from a process of its own: `python -m tests.bench.load http|smtp|sip|kannel PORT --connections N (--seconds S | --count N)`

Plain sockets and epoll, one request outstanding per connection, so that it costs far less than what it measures. Each
message has its own number and text. Prints one JSON object: how many were accepted in the measured time, per second, the
latencies of accepted requests in milliseconds, refusals, and CLOCK_MONOTONIC at the first and last answer.
"""

from __future__ import annotations

import argparse
import base64
import json
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

NUMBERS = 9_000_000


@dataclass
class Tally:
    """What is measured: nothing before `begin`, nothing after `end`; `left` counts down the messages to send."""

    begin: float
    end: float
    left: int
    serial: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    first: float = 0.0
    last: float = 0.0
    said: str = ""

    def next(self) -> int:
        """The number of the next message, or -1 when there is to be none."""
        if self.left <= 0:
            return -1
        self.left -= 1
        self.serial += 1
        return self.serial

    def answered(self, sent: float, good: bool, what: bytes) -> None:
        """A message was accepted or refused."""
        now = time.monotonic()
        if not good:
            self.refused += 1
            self.said = what[:200].decode("latin-1")
            return
        if self.begin <= now <= self.end:
            self.latencies.append(now - sent)
            self.first = self.first or now
            self.last = now


class Http:
    """One keep-alive connection; `path` makes the request line's target of a message number."""

    def __init__(self, tally: Tally, path: Callable[[int], str], port: int) -> None:
        self._tally, self._path = tally, path
        self._tail = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n"
        self._sent = 0.0
        self._buffer = b""

    def connected(self) -> bytes:
        """The first request."""
        return self._request()

    def _request(self) -> bytes:
        number = self._tally.next()
        if number < 0:
            return b""
        self._sent = time.monotonic()
        return f"GET {self._path(number)}{self._tail}".encode()

    def received(self, data: bytes) -> bytes | None:
        """The next request, b"" when there is none, None while the answer is not whole."""
        data = self._buffer = self._buffer + data if self._buffer else data
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return None
        at = head.lower().find(b"content-length:")
        end = head.find(b"\r\n", at)
        length = int(head[at + 15 : end if end > 0 else None])
        if len(body) < length:
            return None
        self._buffer = b""
        self._tally.answered(self._sent, head[9:12] in (b"200", b"202"), data)
        return self._request()


class Smtp:
    """One session: greeting, EHLO, perhaps AUTH, then mail after mail, a round trip per command."""

    def __init__(self, tally: Tally, user: str, password: str, domain: str) -> None:
        self._tally, self._domain = tally, domain
        self._login = base64.b64encode(f"\0{user}\0{password}".encode()) if user else b""
        self._steps = self._session()
        self._buffer = b""
        self._reply = b""

    def connected(self) -> bytes:
        """Nothing: the server speaks first."""
        return next(self._steps)

    def received(self, data: bytes) -> bytes | None:
        """What to say to a whole reply."""
        data = self._buffer = self._buffer + data if self._buffer else data
        if not data.endswith(b"\r\n"):
            return None
        last = data[data.rfind(b"\r\n", 0, -2) + 2 :] if data.count(b"\r\n") > 1 else data
        if last[3:4] == b"-":
            return None
        self._buffer = b""
        self._reply = last
        return next(self._steps)

    def _session(self) -> Any:
        yield b""
        yield b"EHLO load.example.org\r\n"
        if self._login:
            yield b"AUTH PLAIN " + self._login + b"\r\n"
            if not self._reply.startswith(b"235"):
                raise SystemExit(f"AUTH: {self._reply!r}")
        while (number := self._tally.next()) >= 0:
            sent = time.monotonic()
            yield b"MAIL FROM:<load@example.org>\r\n"
            yield f"RCPT TO:<{phone(number)}@{self._domain}>\r\n".encode()
            yield b"DATA\r\n"
            yield MAIL % (number, number, number)
            self._tally.answered(sent, self._reply.startswith(b"250"), self._reply)
        while True:
            yield b""


class Sip:
    """One MESSAGE outstanding at a time, by UDP, each a transaction and a call of its own. Nothing is sent again: nothing gets lost
    on the loopback."""

    def __init__(self, tally: Tally, port: int, domain: str) -> None:
        self._tally, self._port, self._domain = tally, port, domain
        self._sent = 0.0
        self._call = b""

    def connected(self) -> bytes:
        """The first request."""
        return self._request()

    def _request(self) -> bytes:
        number = self._tally.next()
        if number < 0:
            return b""
        self._sent = time.monotonic()
        self._call = b"%d-%d" % (number, time.time_ns())
        to, body = phone(number), f"message {number} of the load: the quick brown fox"
        return (
            f"MESSAGE sip:{to}@{self._domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{self._call.decode()}\r\n"
            f"From: <sip:load@{self._domain}>;tag={number}\r\nTo: <sip:{to}@{self._domain}>\r\nCall-ID: {self._call.decode()}\r\n"
            f"CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nUser-Agent: load\r\nContent-Type: text/plain;charset=UTF-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def received(self, data: bytes) -> bytes | None:
        """The next request, b"" when there is none; None for what answers no request of now."""
        if self._call not in data or data[8:9] == b"1":
            return None
        self._tally.answered(self._sent, data[8:9] == b"2", data)
        return self._request()


MAIL = (
    b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Load <load@example.org>\r\nTo: someone@example.org\r\n"
    b"Subject: load %d\r\nMessage-ID: <%d." + str(time.time_ns()).encode() + b"@load.example.org>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nmessage %d of the load: the quick brown fox\r\n.\r\n"
)


def phone(number: int) -> str:
    """A recipient of its own for each message."""
    return f"+1555{1_000_000 + number % NUMBERS:07d}"


def smsd_path(number: int) -> str:
    """A request as the manual shows it."""
    to = phone(number)[1:]
    return (
        f"/sms/?user=demo&pass=demo&number=%2B{to}&data=message+{number}+of+the+load%3A+the+quick+brown+fox"
    )


def kannel_path(number: int) -> str:
    """The same for Kannel's smsbox."""
    to = phone(number)[1:]
    return (
        f"/cgi-bin/sendsms?username=demo&password=demo&to=%2B{to}"
        f"&text=message+{number}+of+the+load%3A+the+quick+brown+fox"
    )


def connect(port: int, datagrams: bool) -> socket.socket:
    """One connection; of datagrams, a socket that hears nobody else."""
    if not datagrams:
        link = socket.create_connection(("127.0.0.1", port), 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.connect(("127.0.0.1", port))
    return link


def run(make: Callable[[], Any], port: int, connections: int, tally: Tally, datagrams: bool = False) -> None:
    """Drive the connections until the time is over or every message has its answer."""
    poll = select.epoll()
    open_: dict[int, tuple[socket.socket, Any]] = {}
    for _ in range(connections):
        link = connect(port, datagrams)
        link.setblocking(False)
        client = make()
        open_[link.fileno()] = (link, client)
        poll.register(link.fileno(), select.EPOLLIN)
        first = client.connected()
        if first:
            link.sendall(first)
    busy = set(open_)
    while busy:
        now = time.monotonic()
        if now > tally.end:
            break
        for number, _ in poll.poll(min(0.2, max(tally.end - now, 0.001))):
            link, client = open_[number]
            data = link.recv(65536)
            if not data:
                raise SystemExit(f"the server closed a connection; last refusal: {tally.said!r}")
            answer = client.received(data)
            if answer:
                link.sendall(answer)
            elif answer is not None:
                busy.discard(number)
    for link, _ in open_.values():
        link.close()


def percentile(ordered: list[float], share: float) -> float:
    """In milliseconds; 0 for none."""
    return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 3) if ordered else 0.0


def main() -> None:
    """See the module."""
    read = argparse.ArgumentParser(description=__doc__)
    read.add_argument("kind", choices=("http", "smtp", "sip", "kannel"))
    read.add_argument("port", type=int)
    read.add_argument("--connections", type=int, default=10)
    read.add_argument("--seconds", type=float, default=0.0)
    read.add_argument("--warmup", type=float, default=0.0)
    read.add_argument("--count", type=int, default=0)
    read.add_argument("--user", default="")
    read.add_argument("--password", default="")
    read.add_argument("--domain", default="sms.example.org")
    read.add_argument("--offset", type=int, default=0, help="added to the message numbers")
    options = read.parse_args()
    begin = time.monotonic() + options.warmup
    seconds = options.seconds or 3600.0
    tally = Tally(begin, begin + seconds, options.count or 1 << 60, options.offset)
    if options.kind == "smtp":
        run(
            lambda: Smtp(tally, options.user, options.password, options.domain),
            options.port,
            options.connections,
            tally,
        )
    elif options.kind == "sip":
        make = lambda: Sip(tally, options.port, options.domain)  # noqa: E731
        run(make, options.port, options.connections, tally, datagrams=True)
    else:
        path = smsd_path if options.kind == "http" else kannel_path
        run(lambda: Http(tally, path, options.port), options.port, options.connections, tally)
    lasted = min(time.monotonic(), tally.end) - begin
    ordered = sorted(tally.latencies)
    print(
        json.dumps(
            {
                "accepted": len(ordered), "seconds": lasted, "rate": len(ordered) / lasted,
                "p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "most": percentile(ordered, 1.0),
                "refused": tally.refused, "said": tally.said, "first": tally.first, "last": tally.last,
                "processor": time.process_time() / lasted,
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
