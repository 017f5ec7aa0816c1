"""What keeps treq from doing more than it is told: the URL leaves octet by octet, no cookie is kept, nothing is unpacked."""

from __future__ import annotations

from typing import Any

from hyperlink import EncodedURL
from treq.cookies import IndexableCookieJar
from twisted.internet.defer import Deferred, succeed
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

SOMEWHERE = EncodedURL.from_text("http://server/")
"""For treq, which would write a URL its own way, and knows none with an IPv6 address; `Exactly` asks for the right one."""


@implementer(IAgent)
class Exactly:
    """Asks for the URL as it is, and for the answer as it is: what treq added is taken off again, and what it would decode is
    hidden from it."""

    def __init__(self, agent: Agent, where: bytes) -> None:
        self._agent = agent
        self._where = where
        self.headers = Headers()

    def request(
        self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None
    ) -> Deferred[Any]:
        """See `IAgent`."""
        kept = headers.copy()
        kept.setRawHeaders(
            b"accept-encoding", [x for x in kept.getRawHeaders(b"accept-encoding", []) if x != b"gzip"]
        )
        if not kept.getRawHeaders(b"accept-encoding"):
            kept.removeHeader(b"accept-encoding")
        requesting: Deferred[Any] = self._agent.request(method, self._where, kept, bodyProducer)
        return requesting.addCallback(self._answered)

    def _answered(self, response: Any) -> Any:
        self.headers = response.headers.copy()
        response.headers.removeHeader(b"content-encoding")
        return response


class NoCookies(IndexableCookieJar):
    """Keeps none, and reads none."""

    def add_cookie_header(self, request: Any) -> None:
        """There are none."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """They are not kept."""


@implementer(IBodyProducer)
class Octets:
    """The body of a request."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Write it."""
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It is written already."""

    def resumeProducing(self) -> None:
        """It is written already."""

    def stopProducing(self) -> None:
        """It is written already."""
