"""Octets of a mail to Unicode: no guessing, three steps that can be explained.

A declared charset whose octets can be wrong (multi-byte, stateful) is asked first, because it would notice; one that
takes any octets (the single-byte ones) comes after UTF-8, because mail programs often declare ISO-8859-1 and send UTF-8.
What is left goes to the configured fallback. Decoding never fails and gives no lone surrogates.
"""

from __future__ import annotations

import codecs
import re

_ALIASES = {
    "iso-8859-1": "cp1252",  # what is labelled so is nearly always Windows' superset; C1 controls are in no text
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "ansi_x3.4-1968": "utf-8",
    "unknown-8bit": "utf-8",
    "x-unknown": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
}
_CHECKING = re.compile(r"utf.?(7|16|32)|iso.?2022|hz|gb|big5|euc|shift|s.?jis|cp(932|936|949|950)|johab|ks")
_REFUSED = re.compile(r"punycode|idna|escape|undefined|mbcs|oem|palmos")
_SURROGATES = re.compile("[\ud800-\udfff]")


def decode(data: bytes, declared: str | None, fallback: str) -> tuple[str, bool]:
    """The text, and whether it is what the mail declared (False: read as UTF-8 or the fallback instead)."""
    if data.isascii() and (declared is None or not _CHECKING.match(declared.strip().lower())):
        return data.decode("ascii"), True
    name = _known(declared)
    order = ["utf-8"] if name is None else ["utf-8", name]
    if name and _CHECKING.match(name):
        order.reverse()
    for codec in order:
        try:
            text = data.decode(codec)
        except (UnicodeError, LookupError):
            continue
        return _SURROGATES.sub("\ufffd", text), codec == name or declared is None
    return _SURROGATES.sub("\ufffd", data.decode(fallback, "replace")), False


def _known(declared: str | None) -> str | None:
    """The codec for a declared name, None when there is none that belongs in a mail."""
    if declared is None:
        return None
    name = declared.strip().lower()
    name = _ALIASES.get(name, name)
    if len(name) > 40 or not name.isascii() or "\0" in name or _REFUSED.search(name):
        return None
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return name if getattr(found, "_is_text_encoding", True) else None
