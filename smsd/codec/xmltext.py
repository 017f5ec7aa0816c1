"""What XML 1.0 (section 2.2) can hold. One forbidden character ends an XMPP stream with everything that waits behind it, so no
text goes out that has not come through here."""

from __future__ import annotations

import re

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """The text with what XML forbids made visible: a control character as its picture (a vertical tab is U+240B), anything else
    as U+FFFD. Most texts come back as they are."""
    return _ILLEGAL.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"


def escaped(text: str) -> str:
    """Cleaned, and ready to stand between tags or between any quotation marks."""
    text = clean(text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&apos;").replace("\r", "&#13;")
