"""Requests of our own (RFC 3261 section 8.1.1). Random tokens (branch, tags, Call-ID) are given by the caller."""

from __future__ import annotations

from dataclasses import replace

from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.grammar import is_token
from smsd.codec.sip.messages import Request
from smsd.codec.sip.uri import Pairs, read_uri
from smsd.codec.sip.values import Party, Via

LARGEST_DATAGRAM = 1300
"""Octets: a request above that goes by TCP (RFC 3261 section 18.1.1)."""
COOKIE = "z9hG4bK"


def ask(
    method: str, uri: str, *, sender: Party, to: Party, via: Via, token: str, call_id: str, cseq: int = 1,
    routes: tuple[str, ...] = (), max_forwards: int = 70, headers: Pairs = (), body: bytes = b"",
) -> Request:  # fmt: skip
    """A new request outside of any dialog. `token` becomes the branch (and the From tag, if `sender` has none); `via` says
    transport and our own host and port (rport is added); `routes` are URIs of outbound proxies (loose routes)."""
    if not sender.tag:
        sender = replace(sender, parameters=(*sender.parameters, ("tag", token)))
    for route in routes:
        if read_uri(route).parameter("lr") is None:
            raise Malformed("the address of an outbound proxy needs the parameter lr")
    return Request(
        method,
        _bare(uri),
        (
            ("Via", str(_branched(via, token))),
            *(("Route", f"<{route}>") for route in routes),
            ("Max-Forwards", str(max_forwards)),
            ("From", str(sender)),
            ("To", str(to)),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ),
        body,
    )


def _bare(uri: str) -> str:
    """The address without what no request line may have (section 19.1.1, table 1): headers, and the method."""
    read = read_uri(uri)
    if not read.headers and read.parameter("method") is None:
        return uri
    return str(
        replace(read, headers=(), parameters=tuple([pair for pair in read.parameters if pair[0] != "method"]))
    )


def _branched(via: Via, token: str) -> Via:
    if not is_token(token):
        raise Malformed("a branch is made of letters and digits")
    kept = [pair for pair in via.parameters if pair[0] not in ("branch", "rport", "received")]
    return replace(via, parameters=(("branch", COOKIE + token), ("rport", ""), *kept))


def again(request: Request, token: str, headers: Pairs = (), via: Via | None = None) -> Request:
    """The same request once more, as after 401 or 407: CSeq one up, a new branch, Call-ID and tags kept; `headers` replace those
    of the same name. `via`: by another transport."""
    replaced = {name for name, _ in headers}
    kept: list[tuple[str, str]] = [("Via", str(_branched(via or request.via, token)))]
    for name, value in request.headers:
        if name == "CSeq":
            value = f"{request.cseq + 1} {request.method}"
        if name != "Via" and name not in replaced:
            kept.append((name, value))
    return Request(request.method, request.uri, (*kept, *headers), request.body)


def is_too_large(octets: bytes) -> bool:
    """Whether a written request must not go by UDP."""
    return len(octets) > LARGEST_DATAGRAM
