"""The `To:` of an outgoing message as rules see and write it (feature R4): `number[@x][&param=value…]`.

`x` is a gateway's id or a mail domain; which, is for the core to say. Values are percent-encoded where they contain `%`, `&` or
`@`. Nothing here raises: what is odd is read as well as it can be.
"""

from __future__ import annotations

from urllib.parse import unquote

from smsd.values.frozen import frozen

_MAIL_VALUES = frozenset({"reply"})
"""Parameters whose value may well contain an @."""


@frozen
class To:
    """`at` is what stands behind the @, "" for nothing; `parameters` are decoded (name, value) pairs in order."""

    number: str
    at: str = ""
    parameters: tuple[tuple[str, str], ...] = ()


def single_at(text: str) -> str:
    """`@@` as `@`: `^(.*@)(.*)$` → `$1@$2` makes one too many."""
    while "@@" in text:
        text = text.replace("@@", "@")
    return text


def number(text: str) -> str:
    """The number alone."""
    return _split(text)[0]


def number_and_at(text: str) -> tuple[str, str]:
    """The number and what stands behind the @."""
    if "&" in text or "@@" in text:
        return _split(text)[:2]
    phone, _, at = text.partition("@")  # most
    return phone.strip(), at.strip()


def read(text: str) -> To:
    """What a `To:` says.

    `+1555&maxmsgs=2@gw` is what `%%To%%@gw` makes of a message that has parameters already: its gateway is `gw`.
    """
    phone, at, pieces = _split(text)
    parameters = []
    for piece in pieces:
        name, _, value = piece.partition("=")
        if name:
            parameters.append((_decoded(name.strip()), _decoded(value)))
    return To(phone, at, tuple(parameters))


def _split(text: str) -> tuple[str, str, list[str]]:
    """Number, what stands behind the @, and the parameters as written."""
    if "@@" in text:
        text = single_at(text)
    target, *pieces = text.split("&")
    phone, _, at = target.partition("@")
    if pieces and not at:
        name, _, value = pieces[-1].partition("=")
        if value.count("@") > (name.lower() in _MAIL_VALUES):
            pieces[-1], _, at = pieces[-1].rpartition("@")
    return phone.strip(), at.strip(), pieces


def write(to: To) -> str:
    """The text of a `To:`."""
    at = f"@{to.at}" if to.at else ""
    return f"{to.number}{at}" + "".join(
        f"&{_encoded(name).replace('=', '%3D')}={_encoded(value)}" for name, value in to.parameters
    )


def _decoded(text: str) -> str:
    return unquote(text, errors="replace") if "%" in text else text


def _encoded(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26").replace("@", "%40")
