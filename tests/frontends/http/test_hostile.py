"""Requests bent at random: whatever comes, an answer below 500 or none, and nothing logged as a fault."""

from __future__ import annotations

import random

from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.frontends.http.client import Connection, door, query, read_replies, request

RUNS = 4000
SEEDS = [
    request("GET", query(number="+15551234567", data="x")),
    request("POST", "/sms/", b"number=%2B1&data=%C3%BC&user=john&pass=johnpw&maxmsgs=2"),
    request(
        "POST",
        "/sms/",
        b'{"number":["+1555"],"data":"a\\u00fc","user":"john","pass":"johnpw","binary":false}',
        {"Content-Type": "application/json"},
    ),
    request(
        "POST",
        "/sms/",
        b'--b\r\nContent-Disposition: form-data; name="number"\r\n\r\n1\r\n--b--\r\n',
        {"Content-Type": "multipart/form-data; boundary=b"},
    ),
    request("POST", "/sms/", headers={"Transfer-Encoding": "chunked"}) + b"5\r\ndata=\r\n0\r\n\r\n",
    request("GET", "/sms/deliver.html?id=HTTP&pass=1234&number=sms:+1555&data=x&binary=1"),
]
PIECES = [
    b"%00",
    b"%ff",
    b"+",
    b"&value=&x=1",
    b"\r\n",
    b"\\ud800",
    b"[[",
    b"\xed\xa0\x80",
    b"&id=a&id=b",
    b"%",
    b"\x85",
]


def bent(source: random.Random) -> bytes:
    """A request with up to five things wrong, or two behind each other."""
    octets = bytearray(source.choice(SEEDS) * source.choice([1, 1, 2]))
    for _ in range(source.randrange(6)):
        at = source.randrange(len(octets))
        how = source.randrange(5)
        if how == 0:
            octets[at] = source.randrange(256)
        elif how == 1:
            del octets[at : at + source.randrange(1, 30)]
        elif how == 2:
            octets[at:at] = source.randbytes(source.randrange(8))
        elif how == 3:
            octets[at:at] = source.choice(PIECES)
        else:
            octets += octets[at : at + 50]
        octets += b"\n" if not octets else b""
    return bytes(octets)


class HostileTests(SynchronousTestCase):
    """The door against its fakes."""

    def test_no_fault(self) -> None:
        faults: list[LogEvent] = []

        def watch(event: LogEvent) -> None:
            if "log_failure" in event:
                faults.append(event)

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        source = random.Random(29)
        http = door(max_body=3000)
        seen: set[int] = set()
        for _ in range(RUNS):
            octets = bent(source)
            connection = Connection(http)
            at = 0
            while at < len(octets):
                size = source.choice([1, 7, 50, 5000])
                connection.send(octets[at : at + size])
                at += size
            if not octets.startswith(b"HEAD"):
                seen.update(reply.status for reply in read_replies(connection.transport.value()))
            connection.channel.connectionLost(None)
            self.assertEqual(faults, [], octets)
            self.assertLess(max(seen, default=0), 500, octets)
        self.assertEqual(http.factory.channels, set())
        self.assertLessEqual({200, 400, 401, 404}, seen)
