"""A provider that says 202 to everything: `python -m tests.bench.sink PORT`. Plain sockets and epoll, for Kannel to send to."""

from __future__ import annotations

import select
import socket
import sys

_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\n0: Accepted for delivery....\n"[
    :-1
]


def main() -> None:
    """See the module."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=200)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    links: dict[int, socket.socket] = {}
    pending: dict[int, bytes] = {}
    while True:
        for number, _ in poll.poll():
            if number == listener.fileno():
                link, _ = listener.accept()
                links[link.fileno()] = link
                poll.register(link.fileno(), select.EPOLLIN)
                continue
            link = links[number]
            try:
                data = link.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                poll.unregister(number)
                links.pop(number).close()
                pending.pop(number, None)
                continue
            data = pending.pop(number, b"") + data
            while b"\r\n\r\n" in data:
                _, _, data = data.partition(b"\r\n\r\n")
                link.sendall(_ANSWER)
            if data:
                pending[number] = data


if __name__ == "__main__":
    main()
