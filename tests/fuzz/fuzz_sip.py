"""Targets in SIP: what arrives is read, or ends in `Malformed`; what was read is written and read alike; every transaction ends."""

from __future__ import annotations

import contextlib
import zlib

from smsd.codec import sip
from smsd.codec.sip import Malformed, Peer, Request, Response
from smsd.values.errors import storable
from tests.fuzz.driver import target

_TYPES = (
    "text/plain",
    "text/plain;charset=utf-16",
    "text/html; charset=iso-2022-jp",
    "message/cpim",
    "message/imdn+xml",
    'multipart/mixed;boundary="b"',
    "text/plain;charset=utf-7",
    "application/im-iscomposing+xml",
)
_LIMITS = sip.Limits(header=4_000, body=2_000, headers=60)
_HOSTS = ("192.0.2.4", "2001:db8::4", "192.0.2.9")


def _secret(user: str, algorithm: str) -> str:
    return sip.ha1(algorithm, user, "example.org", "secret")


def _chosen(octets: bytes) -> int:
    """A number below 256 that the same octets always give."""
    return zlib.crc32(octets) & 0xFF


def _refused(error: Malformed) -> None:
    assert error.status in sip.REASONS
    storable(sip.readable(error.text))
    if error.request is not None:
        sip.write(sip.respond(error.request, error.status, tag="t", headers=error.headers))


def _look_into(message: Request | Response) -> None:
    """Everything that is read at need only."""
    for look in (
        lambda: message.contacts,
        lambda: str(message.sender.target),
        lambda: [str(one) for one in (message.via, message.sender, message.to)],
        lambda: str(sip.read_uri(message.uri)) if isinstance(message, Request) else "",
    ):
        with contextlib.suppress(Malformed):
            look()
    if isinstance(message, Request):
        sip.unsupported(message)
        answer = sip.respond(
            message, 486, tag="t", headers=(sip.warning("example.org", message.get("Subject")),)
        )
        assert isinstance(sip.parse(sip.write(answer)), Response)
        challenger = sip.Challenger("example.org", b"key")
        claimed = challenger.claimed(message)
        with contextlib.suppress(Malformed):
            assert challenger.judge(message, 1.0, _secret).user == claimed
    else:
        asked = Request("MESSAGE", "sip:ann@example.org", message.headers)
        sip.is_refused(asked, message)
        sip.credentials(message, asked, "ann", "secret", "c")
    _body(message)


def _body(message: Request | Response) -> None:
    try:
        content = sip.read_body(message)
    except Malformed as error:
        _refused(error)
        return
    if content.text is not None:
        storable(content.text)
    if content.notification is not None:
        assert sip.read_imdn(sip.write_imdn(content.notification)).status == content.notification.status


@target("sip-message")
def message(octets: bytes) -> None:
    """A datagram."""
    try:
        read = sip.parse(octets, _LIMITS)
    except Malformed as error:
        _refused(error)
        return
    assert sip.parse(sip.write(read)) == read
    _look_into(read)


@target("sip-stream", "sip-message")
def stream(octets: bytes) -> None:
    """Twice, and cut in some way: what comes out does not depend on that, and never more is kept than the limits say."""
    size, octets = _chosen(octets) + 1, octets * 2
    found = []
    for cut in (len(octets) or 1, size):
        framer = sip.Framer(_LIMITS)
        items: list[bytes | Malformed] = []
        for start in range(0, len(octets), cut):
            items += framer.feed(octets[start : start + cut])
            assert framer.waiting <= _LIMITS.header + _LIMITS.body + 4 + cut
        found.append(
            [str(item) if isinstance(item, Malformed) else item for item in items if item != sip.PING]
        )
    assert found[0] == found[1]


@target("sip-transactions", "sip-message")
def transactions(octets: bytes) -> None:
    """The message comes by several ways and again, is answered (or not) and cancelled; all is over after a while."""
    ways = _chosen(octets)
    layer = sip.Transactions(b"secret", limits=_LIMITS, most=4, server="smsd")
    peers = [Peer(("UDP", "TCP")[ways & 1], host, 5060, "flow") for host in _HOSTS]
    now = 0.0
    outputs: list[sip.Output] = []
    request = sip.ask(
        "MESSAGE",
        "sip:ann@example.org",
        sender=sip.Party("sip:1@example.org"),
        to=sip.Party("sip:ann@example.org"),
        via=sip.Via("UDP", "192.0.2.1", 5060),
        token="776asdhds",
        call_id="1",
    )
    outputs += layer.ask(request, peers[0], now)[1]
    first, _, rest = octets.partition(b" ")
    for step in range(12):
        now += (ways >> 1 & 3) * 0.3
        peer = peers[step % 3 if ways & 64 else 0]
        outputs += layer.heard(
            octets if step % 4 < 3 else b"CANCEL " + rest.replace(first, b"CANCEL"), peer, now
        )
        outputs += layer.heard(b"ACK " + rest.replace(first, b"ACK"), peer, now) if step == 5 else []
        assert len(layer) <= 4
        for output in outputs:
            if isinstance(output, sip.Asked) and ways & 8:
                response = sip.respond(output.request, 180 + step * 20, tag=layer.tag(output.request))
                outputs += layer.answer(output.key, response, now)
            elif isinstance(output, sip.Send):
                assert output.to.host in _HOSTS
                outputs += layer.failed(output.key, now) if ways & 16 and step == 7 else []
        outputs.clear()
        outputs += layer.tick(now)
    for _ in range(200):
        due = layer.wake()
        if due is None:
            break
        assert now <= due <= now + 40, due
        layer.tick(due)
        now = due
    assert len(layer) == 0
    assert layer.wake() is None
    assert now <= 140


@target("sip-body")
def body(octets: bytes) -> None:
    """The first octet chooses the type."""
    if octets:
        _body(Request("MESSAGE", "sip:x", (("Content-Type", _TYPES[octets[0] % len(_TYPES)]),), octets[1:]))
