"""Bodies that phones have compressed (Content-Encoding: Linphone does that unasked): unpacked within bounds."""

from __future__ import annotations

import zlib
from dataclasses import replace

from smsd.codec.sip import Request
from smsd.links.sip.refusals import Rejected
from smsd.links.sip.streams import LIMITS

ENCODINGS = "identity, deflate, gzip"
# Windows of zlib: with its own header, with gzip's, and (deflate as many understand it) with none.
_WINDOWS = {"deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS), "gzip": (zlib.MAX_WBITS | 16,)}


def unpacked(request: Request) -> Request:
    """The same with a plain body; Rejected when it cannot be."""
    coding = request.get("Content-Encoding").strip().lower()
    if coding in ("", "identity"):
        return request
    windows = _WINDOWS.get(coding)
    if windows is None:
        raise Rejected(
            415, "this way of packing is not known: send it as it is", (("Accept-Encoding", ENCODINGS),)
        )
    for window in windows:
        opener = zlib.decompressobj(window)
        try:
            body = opener.decompress(request.body, LIMITS.body)
        except zlib.error:
            continue
        if opener.unconsumed_tail:
            raise Rejected(413, f"at most {LIMITS.body} octets are taken, however they are packed")
        if opener.eof:
            kept = tuple(pair for pair in request.headers if pair[0].lower() != "content-encoding")
            return replace(request, headers=kept, body=body)
    raise Rejected(400, f"the body is not packed with {coding}, or not to its end")
