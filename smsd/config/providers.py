"""SMS providers as data: reads `providers.yaml`, and says what is wrong in it with the line, the key, and the place in a template.

The file that came with smsd is read first, then one beside the configuration, whose providers come besides and before those.
`docs/providers.rst` explains every key; what they mean is in `smsd.codec.provider`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from smsd.codec.provider import model
from smsd.codec.provider.matching import charset, expression, json_path
from smsd.codec.provider.model import Answers, Condition, Credential, Provider, Request, Source
from smsd.codec.template import Template
from smsd.config.positions import ConfigError, Document, KeyPath, read_file
from smsd.values.errors import InvalidValue

FILE = "providers.yaml"
KEYS = (
    "description", "documentation", "server", "second", "credentials", "plain", "split", "text", "binary", "answers",
    "incoming", "reports",
)  # fmt: skip
REQUEST = ("method", "url", "login", "headers", "body", "type", "omit")
CLASSES = ("success", "stop", "speed", "elsewhere", "temporary", "permanent", "second")
ANSWERS = ("charset", "id", "reason", *CLASSES)
_CONDITION = ("status", "match", "json", "reason")
_SOURCE = ("match", "json", "header")
_WORD = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_STATUS = re.compile(r"([1-5])xx|([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")
_NOWHERE = "https://server.invalid"
"""Where a template is tried out that wants a server."""

T = TypeVar("T")


def find(name: str, find_data: Callable[[str], str], server: str | None = None) -> Provider:
    """The provider of that name, at `server` instead of its usual one; InvalidValue when there is none, ConfigError when the file
    is wrong."""
    documents = _documents(find_data)
    for document in documents:
        described = _all(document)
        if name in described:
            before = len(document.problems)
            provider = read(name, described[name], ("providers", name), document, server)
            if len(document.problems) > before:
                raise ConfigError(document.problems[before:])
            return provider
    known = sorted({name for document in documents for name in _all(document)})
    raise InvalidValue(f"there is no provider {name!r}: write one of {', '.join(known)}")


def names(find_data: Callable[[str], str]) -> list[tuple[str, str]]:
    """Every provider there is, with its description."""
    found: dict[str, str] = {}
    for document in _documents(find_data):
        for name, data in _all(document).items():
            found.setdefault(name, str(data.get("description") or "") if isinstance(data, dict) else "")
    return sorted(found.items())


def load(path: str) -> dict[str, Provider]:
    """Every provider of a file, each at its usual server; ConfigError with every problem otherwise."""
    document = read_file(path)
    found = {name: read(name, data, ("providers", name), document) for name, data in _all(document).items()}
    if document.problems:
        raise ConfigError(document.problems)
    return found


def _second(reading: Reading, path: KeyPath, data: Any) -> str | None:
    server = reading.text(path, data)
    if server is not None and not model.is_server(server):
        reading.report(path, "this is no server", "write https://sms.example.org")
        return None
    return server


def _wants_server(data: dict[str, Any]) -> bool:
    """Whether a provider does not say where it is."""
    urls = [part.get("url") for part in (data.get("text"), data.get("binary")) if isinstance(part, dict)]
    return not data.get("server") and any(isinstance(u, str) and "%server%" in u.lower() for u in urls)


_read: dict[str, tuple[tuple[int, int, int], Document]] = {}


def _documents(find_data: Callable[[str], str]) -> list[Document]:
    """The administrator's own file, then the one that came with smsd; read again when they change."""
    from smsd.config.places import find_data as installed

    found = []
    for path in dict.fromkeys((os.path.realpath(find_data(FILE)), os.path.realpath(installed(FILE)))):
        try:
            facts = os.stat(path)
            stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        except OSError:
            stamp = (0, 0, 0)
        known = _read.get(path)
        if known is None or known[0] != stamp:
            known = _read[path] = (stamp, read_file(path))
        found.append(known[1])
    return found


def _all(document: Document) -> dict[str, Any]:
    described = document.data.get("providers")
    if not isinstance(described, dict):
        document.report(("providers",), "this must be a mapping", "write providers: and below it NAME: …")
        return {}
    return described


def read(name: str, data: Any, path: KeyPath, document: Document, server: str | None = None) -> Provider:
    """One provider; what is wrong is reported to the document."""
    reading = Reading(document)
    if not reading.mapping(path, data, KEYS):
        return Provider(name, None)
    credentials = _credentials(reading, (*path, "credentials"), data.get("credentials"))
    names = model.MESSAGE | {credential.name for credential in credentials}
    usual = reading.text((*path, "server"), data.get("server"))
    where = server or usual or (_NOWHERE if _wants_server(data) else None)
    text = _request(reading, (*path, "text"), data.get("text"), names, where)
    asked = data.get("binary")
    binary = text if asked == "text" else _request(reading, (*path, "binary"), asked, names, where)
    if text is None and binary is None and "text" not in data:
        reading.report(path, "it carries nothing", "write text: and below it how a text is sent")
    plain = reading.text((*path, "plain"), data.get("plain")) or "ascii"
    if plain != "gsm" and charset(plain) is None:
        reading.report(
            (*path, "plain"), f"{plain[:40]!r} is no charset", "allowed: ascii, iso-8859-1, …, gsm"
        )
        plain = "ascii"
    return Provider(
        name=name,
        text=text,
        binary=binary,
        description=reading.text((*path, "description"), data.get("description")) or "",
        documentation=reading.text((*path, "documentation"), data.get("documentation")) or "",
        credentials=credentials,
        answers=read_answers(document, (*path, "answers"), data.get("answers")),
        plain=plain,
        split=reading.switch((*path, "split"), data.get("split")),
        wants_server=_wants_server(data),
        second=_second(reading, (*path, "second"), data.get("second")),
        incoming=data.get("incoming"),
        reports=data.get("reports"),
    )


def is_name(name: str) -> bool:
    """Whether a credential may be called so."""
    return bool(_WORD.fullmatch(name)) and name not in model.MESSAGE and name != "server"


def _credentials(reading: Reading, path: KeyPath, data: Any) -> tuple[Credential, ...]:
    found = []
    for name, about in reading.entries(path, data):
        here = (*path, name)
        if not is_name(name):
            reading.report(
                here, "this cannot be the name of a credential", "write small letters: user, api_key"
            )
        elif isinstance(about, dict):
            if reading.mapping(here, about, ("about", "default")):
                default = about.get("default", "")
                found.append(Credential(name, str(about.get("about") or ""), str(default or "")))
        else:
            found.append(Credential(name, about if isinstance(about, str) else ""))
    return tuple(found)


def _request(
    reading: Reading, path: KeyPath, data: Any, names: frozenset[str], server: str | None
) -> Request | None:
    if data is None or not reading.mapping(path, data, REQUEST):
        return None
    return read_request(reading, path, data, names, server)


def read_request(
    reading: Reading, path: KeyPath, data: Mapping[str, Any], names: frozenset[str], server: str | None
) -> Request | None:
    """A request; None when a problem was reported. `data` has the keys `REQUEST`."""
    before = reading.count
    url = reading.text((*path, "url"), data.get("url"))
    if url is None:
        reading.report((*path, "url"), "missing", "write url: https://…")
        return None
    read_url = reading.compiled((*path, "url"), _url, url, server, names)
    headers = [
        (name, read)
        for name, value in reading.entries((*path, "headers"), data.get("headers"))
        if (
            read := reading.compiled(
                (*path, "headers", name), model.read_header, name, str(value or ""), names
            )
        )
    ]
    login = reading.text((*path, "login"), data.get("login"))
    read_login = reading.compiled((*path, "login"), model.read_plain, login, names) if login else None
    body = reading.text((*path, "body"), data.get("body"))
    kind = reading.text((*path, "type"), data.get("type")) or "form"
    if kind not in model.MEDIA:
        reading.report(
            (*path, "type"), f"{kind[:40]!r} is not possible", f"allowed: {', '.join(model.MEDIA)}"
        )
        kind = "text"
    read_body = (
        None if body is None else reading.compiled((*path, "body"), model.read_body, body, kind, names)
    )
    method = (
        reading.text((*path, "method"), data.get("method")) or ("GET" if body is None else "POST")
    ).upper()
    if method not in ("GET", "POST", "PUT"):
        reading.report((*path, "method"), f"{method[:20]!r} is not possible", "allowed: GET, POST, PUT")
    if method == "GET" and body is not None:
        reading.report((*path, "body"), "a GET has no body", "write method: POST, or put it into the URL")
    omit = frozenset(each.lower() for each in reading.texts((*path, "omit"), data.get("omit")))
    if reading.count > before or read_url is None:
        return None
    return Request(
        method=method,
        url=read_url,
        headers=tuple(headers),
        body=read_body,
        type=kind if body is not None else None,  # type: ignore[arg-type]
        login=read_login,
        omit=omit,
        limit=model.fixed_parts(url),
    )


def _url(text: str, server: str | None, names: frozenset[str]) -> Template:
    return model.read_url(model.at_server(text, server), names)


def read_answers(document: Document, path: KeyPath, data: Any) -> Answers:
    """How answers are read; what is wrong is reported to the document."""
    reading = Reading(document)
    if data is None or not reading.mapping(path, data, ANSWERS):
        return Answers()
    named = reading.text((*path, "charset"), data.get("charset"))
    known = charset(named) if named else None
    if named and known is None:
        reading.report((*path, "charset"), f"{named[:40]!r} is no charset", "allowed: utf-8, iso-8859-1, …")
    lists = {name: tuple(_conditions(reading, (*path, name), data.get(name))) for name in CLASSES}
    lists["success"] = lists["success"] or model.SUCCESS
    return Answers(
        id=tuple(_sources(reading, (*path, "id"), data.get("id"))),
        reason=tuple(_sources(reading, (*path, "reason"), data.get("reason"))),
        charset=known,
        **lists,
    )


def _conditions(reading: Reading, path: KeyPath, data: Any) -> list[Condition]:
    found = []
    for here, entry in reading.items(path, data):
        if not reading.mapping(here, entry, _CONDITION):
            continue
        match = reading.text((*here, "match"), entry.get("match"))
        paths = []
        for name, values in reading.entries((*here, "json"), entry.get("json")):
            place = (*here, "json", name)
            way = reading.compiled(place, json_path, name)
            if way is not None:
                paths.append((way, frozenset(reading.texts(place, values))))
        found.append(
            Condition(
                status=_statuses(reading, (*here, "status"), entry.get("status")),
                match=reading.compiled((*here, "match"), expression, match) if match else None,
                json=tuple(paths),
                reason=reading.text((*here, "reason"), entry.get("reason")) or "",
            )
        )
        if not (found[-1].status or match or paths):
            reading.report(here, "this says nothing of an answer", "write status:, match: or json:")
    return found


def _sources(reading: Reading, path: KeyPath, data: Any) -> list[Source]:
    found = []
    for here, entry in reading.items(path, data):
        if entry == "msgid":
            found.append(Source(own=True))
            continue
        if not reading.mapping(here, entry, _SOURCE):
            continue
        match = reading.text((*here, "match"), entry.get("match"))
        way = reading.text((*here, "json"), entry.get("json"))
        header = reading.text((*here, "header"), entry.get("header")) or ""
        if not (match or way or header) or (way and (match or header)):
            reading.report(
                here, "this names no place", "write match: (of the body or of a header:), or json:"
            )
        found.append(
            Source(
                match=reading.compiled((*here, "match"), expression, match) if match else None,
                json=reading.compiled((*here, "json"), json_path, way) if way else None,
                header=header.lower(),
            )
        )
    return found


def _statuses(reading: Reading, path: KeyPath, data: Any) -> tuple[range, ...]:
    found = []
    for text in reading.texts(path, data):
        for each in text.replace(" ", "").split(","):
            read = _STATUS.fullmatch(each)
            if read is None:
                reading.report(path, f"{each[:20]!r} is no status", "write 200, 200-299 or 5xx")
            elif read[1]:
                found.append(range(int(read[1]) * 100, int(read[1]) * 100 + 100))
            else:
                found.append(range(int(read[2]), int(read[3] or read[2]) + 1))
    return tuple(found)


class Reading:
    """Takes values of a document as what they should be, and reports those that are not."""

    def __init__(self, document: Document) -> None:
        self._document = document

    @property
    def count(self) -> int:
        """How much is wrong so far."""
        return len(self._document.problems)

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        """Note a problem."""
        self._document.report(path, wrong, allowed, at_key)

    def mapping(self, path: KeyPath, data: Any, keys: tuple[str, ...]) -> bool:
        """Whether it is a mapping; keys that nobody knows are reported."""
        if not isinstance(data, dict):
            self.report(path, "this must be a mapping", "write `key: value` lines")
            return False
        for key in data:
            if key not in keys:
                self.report((*path, key), "unknown key", f"allowed: {', '.join(keys)}", at_key=True)
        return True

    def entries(self, path: KeyPath, data: Any) -> list[tuple[str, Any]]:
        """Name and value of a mapping that may be absent."""
        if data is None:
            return []
        if not isinstance(data, dict):
            self.report(path, "this must be a mapping", "write `name: value` lines")
            return []
        return list(data.items())

    def items(self, path: KeyPath, data: Any) -> list[tuple[KeyPath, Any]]:
        """What a list has; what is none stands for a list of one."""
        if data is None:
            return []
        if not isinstance(data, list):
            return [(path, data)]
        return [((*path, number), entry) for number, entry in enumerate(data)]

    def text(self, path: KeyPath, data: Any) -> str | None:
        """A text, None when it is absent."""
        if data is None or isinstance(data, str):
            return data
        self.report(path, "this must be a text", "write it in quotes")
        return None

    def texts(self, path: KeyPath, data: Any) -> list[str]:
        """A list of texts, or one."""
        found = [self.text(here, each) for here, each in self.items(path, data)]
        return [each for each in found if each is not None]

    def switch(self, path: KeyPath, data: Any) -> bool:
        """Yes or no; no when it is absent."""
        if data is None or data in ("no", "false", "off"):
            return False
        if data not in ("yes", "true", "on"):
            self.report(path, "this is neither yes nor no", "allowed: yes, no")
        return True

    def compiled(self, path: KeyPath, make: Callable[..., T], *given: Any) -> T | None:
        """What `make` makes of what is given; None when it says that the value is wrong."""
        try:
            return make(*given)
        except InvalidValue as error:
            wrong, _, allowed = str(error).partition("; ")
            self.report(path, wrong, allowed)
            return None
