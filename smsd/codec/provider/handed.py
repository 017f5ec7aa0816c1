"""A request as a provider hands it in: query, form or JSON, with texts kept as octets until their charset is known.

`frontends.http.fields` reads what people send, in UTF-8 and nothing else; providers percent-encode the octets of ISO 8859-1 or
UTF-16, and say so in another field. Everything is bounded: by the door (the body), by `MOST_FIELDS`, and JSON by its depth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from smsd.codec.provider import matching
from smsd.codec.provider.signature import Pairs
from smsd.values.errors import InvalidValue
from smsd.values.frozen import frozen

MOST_FIELDS = 1000
MOST_ITEMS = 1000
"""Messages or reports in one request."""


@frozen
class Handed:
    """What a request says. `root` is its JSON (None without), `query` and `form` the pairs as octets."""

    query: Pairs = ()
    form: Pairs = ()
    root: Any = None

    @property
    def scalars(self) -> Pairs:
        """The fields of a JSON object that are no objects or lists, as they are signed."""
        if not isinstance(self.root, dict):
            return ()
        shown = ((name, matching.plain(value)) for name, value in self.root.items())
        return tuple((_octets(name), _octets(value)) for name, value in shown if value is not None)

    def items(self, path: str) -> list[Item]:
        """The messages or reports of this request: one, or each element of the list at `path` ("" for none, "." for the whole).
        InvalidValue when they are too many."""
        pairs = dict(reversed((*self.form, *self.query)))
        found: Any = self.root
        if path and path != ".":
            for name in path.split("."):
                found = found.get(name) if isinstance(found, dict) else None
        if not path or not isinstance(found, list):
            return [Item(pairs, self.root)]
        if len(found) > MOST_ITEMS:
            raise InvalidValue(f"more than {MOST_ITEMS} messages in one request")
        return [Item(pairs, each) for each in found]


@frozen
class Item:
    """One message or report: where its fields are looked for. What JSON says counts first."""

    pairs: Mapping[bytes, bytes]
    data: Any = None

    def raw(self, names: Sequence[str]) -> str | bytes | None:
        """The first of these fields that is there and says something, else an empty one, else None: octets of a query or a form,
        the text of JSON."""
        empty: str | bytes | None = None
        for name in names:
            for value in (*matching.json_path(name).find(self.data), self.pairs.get(name.encode())):
                if value:
                    return value
                empty = value if empty is None else empty
        return empty

    def text(self, names: Sequence[str]) -> str | None:
        """The same as a text in UTF-8 (or what comes nearest), fit to be stored, without what surrounds it."""
        value = self.raw(names)
        return None if value is None else storable_text(utf8(value)).strip()


def utf8(value: str | bytes) -> str:
    """Octets as UTF-8, or as Windows-1252 where they are none."""
    if isinstance(value, str):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def storable_text(text: str) -> str:
    """With NUL and halves of surrogate pairs shown as what they are; a pair that JSON escaped in two is one character."""
    if "\0" in text:
        text = text.replace("\0", "�")
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def read(query: bytes, body: bytes, content_type: str) -> Handed:
    """Take a request apart; InvalidValue says what is wrong with it."""
    pairs = read_pairs(query)
    if not body.strip():
        return Handed(pairs)
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return Handed(pairs, (), read_json(body))
    if kind in ("application/x-www-form-urlencoded", ""):
        return Handed(pairs, read_pairs(body.strip(b"\r\n")))
    raise InvalidValue(
        f"Content-Type {kind[:60]!r} is not taken: send application/x-www-form-urlencoded or application/json"
    )


def read_pairs(octets: bytes) -> Pairs:
    """The pairs of a query or a form, percent-decoded and no further."""
    if not octets:
        return ()
    if octets.count(b"&") >= MOST_FIELDS:
        raise InvalidValue(f"more than {MOST_FIELDS} fields")
    pairs = []
    for piece in octets.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            pairs.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    return tuple(pairs)


def read_json(body: bytes) -> Any:
    """The value of a JSON body, numbers as the texts they were written as; InvalidValue when it is none, or too deep."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        raise InvalidValue("the JSON body is nested too deeply") from None
    except UnicodeDecodeError:
        raise InvalidValue("the JSON body is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"the body is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
