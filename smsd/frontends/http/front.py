"""`/`: a plain page for people, saying how to send. Static; it shows nothing of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from smsd.frontends.http.answer import HTML, Answer
from smsd.frontends.http.request import DoorRequest

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

_PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>smsd</title></head>
<body><h1>smsd</h1>
<p>Send an SMS by GET or POST to <code>/sms/</code>:</p>
<pre>curl /sms/ -u USER -H 'Idempotency-Key: order-7' \\
     --data-urlencode number=+15551234567 --data-urlencode 'data=hello world'</pre>
<p>The answer has one line per number: <code>OK id number parts=n</code> or
<code>ERROR reason number text</code>; JSON with <code>Accept: application/json</code>.
The manual describes every parameter.</p></body></html>
"""


class Front:
    """The page `/`."""

    methods: tuple[bytes, ...] = (b"GET", b"HEAD")

    def __init__(self, door: HttpDoor) -> None:
        self._answer = Answer(
            200,
            _PAGE,
            HTML,
            (b"Content-Security-Policy: default-src 'none'", b"X-Content-Type-Options: nosniff"),
        )

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers at once."""
        request.answer(self._answer)
        return succeed(None)
