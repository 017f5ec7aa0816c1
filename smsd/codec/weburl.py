"""URLs that rules request, taken apart: where to, what to ask for, the login, and what of it nobody may see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from smsd.values.errors import InvalidValue

LONGEST = 65_536

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_SECRET = re.compile(r"(?i)pass|pwd|pin|token|secret|key|auth|sig")
# As gateways write them, message after message: a server that is known already, and nothing that has to be quoted.
_PLAIN = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]+)?)(/[A-Za-z0-9_.~!$%&'()*+,/:;=?@\[\]-]*)")
_PORT = re.compile(r":\d*$")
_PORTS = {"http": 80, "https": 443}
_SAFE = "!#$%&'()*+,/:;=?@[]~-._"


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart. `secrets` are the parts of it that nobody may see."""

    scheme: str
    host: str
    port: int
    path: str
    login: tuple[str, str] | None
    secrets: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Where, for people: without login, path and query."""
        standard = _PORTS[self.scheme] == self.port
        return f"{self.scheme}://{self.host}" if standard else f"{self.scheme}://{self.host}:{self.port}"


_PLAIN = re.compile(r"/[A-Za-z0-9!$%&'()*+,/:;=?@\[\]~._-]*")


def path_of(url: str, origin: str) -> str | None:
    """What is asked for at `origin` (scheme, host and port as the URL writes them), if nothing of it needs care; then it is the
    path that `read_url` finds, in a twentieth of its time."""
    if not url.startswith(origin) or len(url) > LONGEST:
        return None
    path = url[len(origin) :]
    return path if _PLAIN.fullmatch(path) else None


def read_url(text: str) -> Target:
    """A URL; what may not stand in one is percent-encoded. InvalidValue when it is none, or neither http nor https."""
    if len(text) > LONGEST:
        raise InvalidValue(f"the URL is longer than {LONGEST} characters")
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        return _read(text)
    server, path = plain.groups()
    found = _server(server)
    where, _, query = path.partition("?")
    hidden = tuple(sorted(_hidden(query))) if _SECRET.search(query) or "%" in query else ()
    return Target(
        found.scheme, found.host, found.port, f"{where}?{query}" if query else where, None, hidden
    )  # fmt: skip


@lru_cache(maxsize=256)
def _server(text: str) -> Target:
    return _read(text)


def _read(text: str) -> Target:
    """In the general way."""
    try:
        parts = urlsplit(quote(text.strip(), safe=_SAFE, errors="replace"))
        login, _, where = parts.netloc.rpartition("@")
        port = parts.port
        host = _PORT.sub("", unquote(where)).lower()
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        raise InvalidValue("this is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise InvalidValue("the URL begins neither with http:// nor with https://")
    if not _HOST.fullmatch(host):
        raise InvalidValue("the URL names no host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    user, _, password = login.partition(":")
    hidden = {*_hidden(parts.query), unquote(password), password, quote(unquote(password), safe="")}
    return Target(
        parts.scheme, host, port or _PORTS[parts.scheme], path,
        (unquote(user), unquote(password)) if login else None, tuple(sorted(hidden - {""})),
    )  # fmt: skip


def _hidden(query: str) -> Iterator[str]:
    """The values that nobody may see, as they are and as URLs have them."""
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if value and _SECRET.search(unquote_plus(name)):
            meant = unquote_plus(value)
            yield from {meant, quote(meant, safe="")}
