"""Names of mail folders (feature R3): `SMS/Alarms` as a rule has it, as a Maildir++ directory, in an address.

A name may come from a message (rules have variables), so whatever it is it becomes one that every mail server can hold and
that leads nowhere else: a mail is never lost over the name of a folder. RFC 3501 section 5.1.3 (modified UTF-7); the layout
of Maildir++ as Courier and Dovecot have it.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from urllib.parse import quote

from smsd.codec.mail.sms import address

MOST_LEVELS = 10
LONGEST_LEVEL = 64
"""Characters."""
LONGEST_NAME = 200
"""Octets of a Maildir++ directory's name: file systems hold 255."""

_SLASHES = re.compile(r"[/\\]")
# Separators and wildcards; and what some servers take for something else at the front.
_SPECIAL = re.compile(r"[.*%]|^[~&#]")
_INDIRECT = re.compile("&|[^ -~]+")


def levels(name: str) -> tuple[str, ...]:
    """The folders on the way, from `SMS/Alarms`; none means the inbox."""
    found: list[str] = []
    for part in _SLASHES.split(name[:1000]):
        part = "".join(letter for letter in part if letter.isprintable() or letter.isspace())
        part = unicodedata.normalize("NFC", " ".join(part.split()))
        part = _SPECIAL.sub("_", part) if part.strip(".") else ""
        if part and (found or part.lower() != "inbox"):
            found.append(part[:LONGEST_LEVEL].strip())
    del found[MOST_LEVELS:]
    while len(maildir(found)) > LONGEST_NAME:
        found[-1] = found[-1][:-1].strip()
        if not found[-1]:
            found.pop()
    return tuple(found)


def maildir(found: list[str] | tuple[str, ...]) -> str:
    """The directory of a folder in a Maildir: `.SMS.Alarms`, "" for the inbox."""
    return "".join("." + utf7(part) for part in found)


def utf7(text: str) -> str:
    """Modified UTF-7: printable ASCII as it is, `&` as `&-`, anything else as `&…-`."""
    return _INDIRECT.sub(_shifted, text)


def _shifted(run: re.Match[str]) -> str:
    if run[0] == "&":
        return "&-"
    octets = b64encode(run[0].encode("utf-16-be", "replace")).decode("ascii")
    return f"&{octets.rstrip('=').replace('/', ',')}-"


def plus(recipient: str, found: tuple[str, ...], separator: str) -> str:
    """`ann+SMS@example.org`, the folder as detail of the local part (RFC 5233), quoted where it must be."""
    local, _, domain = recipient.rpartition("@")
    return address(f"{_bare(local)}+{separator.join(found)}", domain)


def directories(recipient: str) -> tuple[str, str]:
    """The domain and the local part of an address as names of directories: no two mailboxes have the same (save that case
    means nothing), none leads elsewhere."""
    local, _, domain = recipient.rpartition("@")
    return _directory(domain), _directory(_bare(local))


def _bare(local: str) -> str:
    """A local part without its quotes."""
    if len(local) > 1 and local.startswith('"') and local.endswith('"'):
        return re.sub(r"\\(.)", r"\1", local[1:-1])
    return local


def _directory(text: str) -> str:
    name = quote(text.lower(), safe=" !#$&'()+,;=@[]{}^`~|")
    return "%2E" + name[1:] if name.startswith(".") else name
