"""Messages that tests send to each other."""

from __future__ import annotations

from smsd.codec import sip
from smsd.codec.sip import Party, Peer, Request, Via

ANN = Peer("UDP", "192.0.2.4", 5060)
BY_TCP = Peer("TCP", "192.0.2.4", 40_000, "connection 1")


def request(
    method: str = "MESSAGE", branch: str = "one", cseq: int = 1, call_id: str = "call", headers: sip.Pairs = (),
    body: bytes = b"hello", via: str = "", to_tag: str = "",
) -> bytes:  # fmt: skip
    """A request from Ann."""
    made = Request(
        method,
        "sip:+15551234567@example.org",
        (
            ("Via", via or f"SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bK{branch}"),
            ("Max-Forwards", "70"),
            ("From", "<sip:ann@example.org>;tag=a"),
            ("To", "<sip:+15551234567@example.org>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ),
        body,
    )
    return sip.write(made)


def ours(token: str = "t0", **more: object) -> Request:
    """A request to Ann."""
    return sip.ask(
        "MESSAGE",
        "sip:ann@192.0.2.4",
        sender=Party("sip:+15551234567@example.org"),
        to=Party("sip:ann@example.org"),
        via=Via("UDP", "192.0.2.1", 5060),
        token=token,
        call_id="ours@example.org",
        **more,  # type: ignore[arg-type]
    )


def response(to: Request, status: int) -> bytes:
    """Ann's answer to it."""
    return sip.write(sip.respond(to, status, tag="ann"))
