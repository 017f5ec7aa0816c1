"""One HTTP request as pages see it: its body bounded, in memory, its answer written in one go. Nothing is parsed before a page asks
for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.web.http import Request

from smsd.frontends.http.answer import PHRASES, Answer
from smsd.frontends.sending import send
from smsd.values.errors import Reason, Refused

if TYPE_CHECKING:
    from smsd.frontends.http.wire import DoorChannel

_UPLOADS = (b"/sms/jobs", b"/api/v1/jobs")
"""Where files come, which may be larger."""
MOST_UPLOADS = 8
"""Requests with more than `max_body` at once: nobody has logged in before their body is there, and it is in memory."""


class DoorRequest(Request):
    """One request with its body in `body` (octets), query in `query`, and an answer in one write.

    `gone` is true when the client has left. Nothing is parsed before a page asks for it.
    """

    channel: Any  # DoorChannel, until the answer is written
    gone = False
    query = b""
    body = b""
    _size = 0

    def __init__(self, channel: DoorChannel, queued: object = None) -> None:
        Request.__init__(self, channel, False)
        self._chunks: list[bytes] = []

    @property
    def most(self) -> int:
        """How many octets its body may have."""
        limits = self.channel.factory.limits
        upload = getattr(limits, "max_upload", None) if self.channel._path.startswith(_UPLOADS) else None
        return int(upload or limits.max_body)

    @property
    def peer(self) -> str:
        """The client's address, or "" on a unix socket."""
        return getattr(self.client, "host", "")

    def header(self, name: bytes) -> str | None:
        """A request header's last value, or None; octets that are no UTF-8 are read as ISO 8859-1 (RFC 9110
        5.5)."""
        values = self.requestHeaders.getRawHeaders(name)
        if not values:
            return None
        try:
            return values[-1].decode("utf-8")
        except UnicodeDecodeError:
            return values[-1].decode("latin-1")

    def parseCookies(self) -> None:
        """Nobody here wants cookies."""

    def gotLength(self, length: int | None) -> None:
        """The header is complete; `length` is the announced size of the body, None when it is chunked."""
        codings = self.requestHeaders.getRawHeaders(b"transfer-encoding") or ()
        if any(coding.lower() != b"chunked" for coding in codings):
            # twisted.web passes over "identity", which RFC 9112 has not got: where the request ends is for nobody to guess.
            why = "this Transfer-Encoding is not known here: send chunked, or Content-Length"
            self._turn_away(Refused(Reason.BAD_REQUEST, why))
        elif length is not None and length > self.most:
            self._too_large()
        if self.channel.turned_away:
            # Without this the channel would ask for the body ("100 Continue") all the same.
            self.requestHeaders.removeHeader(b"expect")

    def handleContentChunk(self, data: bytes) -> None:
        """A piece of the body."""
        self._size += len(data)
        if self._size > self.most:
            self._too_large()
        elif self._size > self.channel.factory.limits.max_body and not self._has_room():
            self._turn_away(
                Refused(Reason.UNAVAILABLE, "too many files come in at once: try again in a minute")
            )
        else:
            self._chunks.append(data)

    def _has_room(self) -> bool:
        uploads = self.channel.factory.uploads
        if self not in uploads and len(uploads) >= MOST_UPLOADS:
            return False
        uploads.add(self)
        return True

    def _too_large(self) -> None:
        self._turn_away(Refused(Reason.TOO_LONG, f"the body is larger than {self.most} octets: send less"))

    def _turn_away(self, refusal: Refused) -> None:
        self._chunks.clear()
        factory = self.channel.factory
        factory.uploads.discard(self)
        self.channel.turn_away(factory.spell(self.channel._path, refusal))

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The request is complete."""
        channel = self.channel
        channel.began = None
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, self.query = path.partition(b"?")
        chunks = self._chunks
        if chunks:
            self.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
        channel.factory.serve(self)

    def answer(self, answer: Answer) -> None:
        """Write the whole response; nothing happens when the client has gone."""
        if self.gone or self.finished:
            return
        channel = self.channel
        head = [
            b"HTTP/1.1 %d %b" % (answer.status, PHRASES.get(answer.status, b"Unknown")),
            b"Date: " + channel.factory.date(),
            b"Content-Type: " + answer.kind,
            b"Content-Length: %d" % len(answer.body),
            b"Cache-Control: no-store",
        ]
        head.extend(answer.headers)
        if not channel.persistent:
            head.append(b"Connection: close")
        head.append(b"\r\n")
        self.code = answer.status
        self.startedWriting = 1
        if self._size:
            channel.factory.uploads.discard(self)
        channel.since = channel.factory.reactor.seconds()
        send(channel.transport, b"\r\n".join(head) + (b"" if self.method == b"HEAD" else answer.body))
        self.finish()

    def connectionLost(self, reason: Any) -> None:
        """The client has left before its answer."""
        self.gone = True
        if self.channel is not None:
            self.channel.factory.uploads.discard(self)
        Request.connectionLost(self, reason)


class PlainRequest(DoorRequest):
    """A request that came whole in one read: what is needed of twisted.web's, for a tenth of what that costs to make."""

    def __init__(self, channel: DoorChannel, fields: dict[bytes, bytes]) -> None:
        self.channel = channel
        self.client = channel.getPeer()
        self._fields = fields
        self._chunks = []

    def header(self, name: bytes) -> str | None:
        """See `DoorRequest`; here they are ASCII."""
        value = self._fields.get(name)
        return None if value is None else value.decode("ascii")

    def finish(self) -> None:
        """The answer is written."""
        self.finished = 1
        channel, self.channel = self.channel, None
        channel.requestDone(self)

    def connectionLost(self, reason: Any) -> None:
        """The client has left before its answer."""
        self.gone = True
        self.channel = None
