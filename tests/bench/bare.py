"""What Twisted itself can do on this machine: `python -m tests.bench.bare http|smtp PORT DATABASE`.

A bare resource and a bare ESMTP server with one durable insert per message through the same group commit as smsd's, and
nothing else: no accounts, no numbers, no queue. The reference of the accept benchmarks.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.mail import smtp
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

from smsd.house import QUICK
from smsd.store.group import GroupCommit
from smsd.store.sqlite import CHECKPOINT, SWITCH_INTERVAL


def open_group(path: str) -> GroupCommit:
    """A store of one table, as durable as smsd's."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=FULL")
    connection.execute(f"pragma wal_autocheckpoint={CHECKPOINT}")
    connection.execute("create table if not exists message(id integer primary key, number text, body text)")
    return GroupCommit(connection, reactor, quick=QUICK)


def keep(cursor: sqlite3.Cursor, items: Sequence[tuple[str, str]]) -> list[int]:
    """The handler: one insert per message."""
    first = int(cursor.execute("select coalesce(max(id), 0) from message").fetchone()[0]) + 1
    cursor.executemany(
        "insert into message(id, number, body) values(?,?,?)",
        [(first + at, number, body) for at, (number, body) in enumerate(items)],
    )
    return list(range(first, first + len(items)))


class Door(Resource):
    """`/sms/?number=…&data=…`."""

    isLeaf = True

    def __init__(self, group: GroupCommit) -> None:
        super().__init__()
        self._group = group

    def render_GET(self, request: Request) -> int:
        """Answers after the commit."""
        number = request.args[b"number"][0].decode()
        body = request.args[b"data"][0].decode()

        def answer(message: int) -> None:
            text = b"OK %d\n" % message
            request.setHeader(b"content-length", b"%d" % len(text))
            request.setHeader(b"content-type", b"text/plain")
            request.write(text)
            request.finish()

        self._group.call(keep, (number, body), ahead=True).addCallback(answer)
        return NOT_DONE_YET


class QuietSite(Site):
    """Without an access log, as smsd's door."""

    def log(self, request: Request) -> None:
        """Nothing."""


@implementer(smtp.IMessageDelivery)
class Delivery:
    """Takes everything."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group

    def receivedHeader(self, helo: Any, origin: Any, recipients: Any) -> bytes:
        """None is added."""
        return b""

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        """Everybody."""
        return origin

    def validateTo(self, user: smtp.User) -> Any:
        """Every number."""
        number = user.dest.local.decode()
        return lambda: Message(self._group, number)


@implementer(smtp.IMessage)
class Message:
    """Collects lines; its 250 comes after the commit."""

    def __init__(self, group: GroupCommit, number: str) -> None:
        self._group, self._number = group, number
        self._lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """One more."""
        self._lines.append(line)

    def eomReceived(self) -> Deferred[Any]:
        """The lone dot."""
        body = b"\n".join(self._lines[self._lines.index(b"") + 1 :]).decode()
        return self._group.call(keep, (self._number, body), ahead=True)

    def connectionLost(self) -> None:
        """Nothing is kept."""


class Factory(smtp.SMTPFactory):
    """Sessions."""

    noisy = False

    def __init__(self, group: GroupCommit) -> None:
        super().__init__()
        self._group = group

    def buildProtocol(self, addr: IAddress | None) -> smtp.ESMTP:
        """One."""
        session = smtp.ESMTP()
        session.factory = self
        session.host = b"bare"
        session.delivery = Delivery(self._group)
        return session


def main() -> None:
    """See the module."""
    kind, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    group = open_group(path)
    factory = QuietSite(Door(group)) if kind == "http" else Factory(group)
    reactor.listenTCP(port, factory, interface="127.0.0.1", backlog=200)
    reactor.run()


if __name__ == "__main__":
    main()
