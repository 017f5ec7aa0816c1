"""Which transaction a message belongs to (RFC 3261 sections 17.1.3, 17.2.3), and where answers go (18.2.1, 18.2.2, RFC 3581)."""

from __future__ import annotations

from collections.abc import Hashable

from smsd.codec.sip.messages import Request, Response
from smsd.codec.sip.requests import COOKIE
from smsd.codec.sip.values import Via
from smsd.values.frozen import frozen

Key = Hashable
"""Names a transaction."""

_MAGIC = COOKIE.lower()
_DEFAULT_PORT = 5060
DATAGRAMS = "UDP"


@frozen
class Peer:
    """The other end: transport ("UDP", "TCP", "TLS"), its address and port as the socket says, and what the caller calls the
    connection, or the listening socket for datagrams (None: a new connection or any socket, for requests of our own)."""

    transport: str
    host: str
    port: int
    flow: Hashable = None

    @property
    def is_stream(self) -> bool:
        """Whether octets arrive or the connection breaks."""
        return self.transport != DATAGRAMS


def stamped(request: Request, source: Peer) -> Request:
    """The request with `received` and `rport` in its top Via, as our socket saw it; whatever a stranger wrote there is gone."""
    via = request.via
    asked = via.parameter("rport") is not None
    kept = tuple([pair for pair in via.parameters if pair[0] not in ("received", "rport")])
    if asked:
        kept = (*kept, ("received", source.host), ("rport", str(source.port)))
    elif via.host != source.host:
        kept = (*kept, ("received", source.host))
    elif kept == via.parameters:
        return request
    new = Via(via.transport, via.host, via.port, kept)
    headers, done = [], False
    for pair in request.headers:
        if pair[0] == "Via" and not done:
            pair, done = ("Via", str(new)), True
        headers.append(pair)
    return Request(request.method, request.uri, tuple(headers), request.body, request.facts_with(new))


def way_back(request: Request, source: Peer) -> Peer:
    """Where the answer to a stamped request goes: always to the address it came from, never where it merely asks for (maddr, and
    host names in Via, would make us shout at strangers)."""
    if source.is_stream:
        return source
    via = request.via
    port = source.port if via.parameter("rport") is not None else via.port or _DEFAULT_PORT
    # Out of the socket that it came in by: a router between would not let another through (RFC 3581 section 4).
    return Peer(source.transport, source.host, port, source.flow)


def server_key(request: Request, source: Peer, method: str = "") -> Key:
    """The transaction of a request; of an ACK that of its INVITE; for CANCEL give the `method` of what it would cancel.

    Beyond the RFC, the address it came from belongs to it: a stranger who guesses a branch gets no answer and takes no place.
    """
    via = request.via
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    branch = branch_of(via)
    if branch.startswith(_MAGIC) and len(branch) > len(_MAGIC):
        return "s", source.host, branch, via.host, via.port, method
    # RFC 2543: the To tag is left out, because the ACK to our answer has one that the INVITE had not.
    return (
        "o",
        source.host,
        request.uri,
        request.sender.tag,
        request.call_id,
        request.cseq,
        branch,
        via.host,
        via.port,
        method,
    )


def branch_of(via: Via) -> str:
    """The branch in lower case (it is compared so)."""
    return via.branch.lower()


def client_key(message: Request | Response) -> Key:
    """The transaction of a request of our own, and of the responses to it."""
    return "c", branch_of(message.via), message.method


def merge_key(request: Request) -> Key | None:
    """What two copies of one request have in common that came by different ways (section 8.2.2.2); None inside a dialog."""
    if request.to.tag:
        return None
    return request.sender.tag, request.call_id, request.cseq, request.method
