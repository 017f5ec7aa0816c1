"""Rules as XML (feature R1): the words of the configuration as elements, described by `rules.xsd`.

`write` gives what `read` turns back into equal rules, or refuses. `read` takes a whole or partial file and refuses it with
every mistake at `file:line:column`. A document type is a mistake: without one there are no entities, and nothing to expand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from smsd.policy.rules.language.reading import Checks, Reader, unknown
from smsd.policy.rules.language.rules import DIRECTIONS, read_rules
from smsd.policy.rules.language.writing import plain_rule
from smsd.policy.rules.model import Rule, Rules
from smsd.policy.rules.xmltree import NAMESPACE, Enough, File, XmlError, parse
from smsd.values.errors import InvalidValue

_ATTRIBUTES = (
    *(
        "title",
        "active",
        "user",
        "case",
        "each",
        "compare",
        "name",
        "above",
        "below",
        "from",
        "until",
        "days",
    ),
    *("database", "seconds", "default", "reply", "method", "content_type", "escapes", "charset", "most"),
    "minutes",
)
"""Short values that are written as attributes. `to` is one of `time` only: elsewhere it is a template."""


# -- writing


def write(rules: Rules, titles: Collection[str] | None = None) -> bytes:
    """All rules, or those with these titles, as a file; InvalidValue when a title is not there or a value does not fit."""
    chosen = rules if titles is None else select(rules, titles)
    data = "\n".join(_document(chosen)).encode("utf-8", "surrogatepass") + b"\n"
    if read(data, "export") != chosen:
        raise InvalidValue("these rules have a value that no file could give them, and cannot be exported")
    return data


def select(rules: Rules, titles: Collection[str]) -> Rules:
    """The rules with these titles, of both lists; InvalidValue for a title that there is not."""
    known = {rule.title for rule in (*rules.outgoing, *rules.incoming)}
    for title in titles:
        if title not in known:
            raise InvalidValue(f"there is no rule {title!r}; {unknown(title, sorted(known))}")
    return Rules(
        tuple(rule for rule in rules.outgoing if rule.title in titles),
        tuple(rule for rule in rules.incoming if rule.title in titles),
    )


def write_rule(rule: Rule) -> str:
    """One rule as it stands in a file."""
    return "\n".join(_element("rule", plain_rule(rule), ""))


def _document(rules: Rules) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<rules xmlns="{NAMESPACE}">'
    for direction in DIRECTIONS:
        listed = getattr(rules, direction)
        if listed:
            yield f"  <{direction}>"
            for rule in listed:
                yield from _element("rule", plain_rule(rule), "    ")
            yield f"  </{direction}>"
    yield "</rules>"


def _element(name: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{indent}<{name}>{_escaped(value)}</{name}>" if value else f"{indent}<{name}/>"
        return
    attributes, children = "", []
    if isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, str) and (key in _ATTRIBUTES or (name == "time" and key == "to")):
                attributes += f' {key}="{_escaped(part, quotes=True)}"'
            else:
                children.append((key, part))
    else:
        children = [_worded(part) for part in value]
    yield f"{indent}<{name}{attributes}>" if children else f"{indent}<{name}{attributes}/>"
    for key, part in children:
        yield from _element(key, part, indent + "  ")
    if children:
        yield f"{indent}</{name}>"


def _worded(part: Any) -> tuple[str, Any]:
    """An entry of a list: a text, or a mapping with one key."""
    return ("entry", part) if isinstance(part, str) else next(iter(part.items()))


def _escaped(text: str, *, quotes: bool = False) -> str:
    """`text` so that a parser gives it back unchanged: it would make one \\n of \\r\\n, and blanks of both in attributes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    if quotes:
        text = text.replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return text


# -- reading


def read(data: bytes, source: str, checks: Checks | None = None) -> Rules:
    """The rules in a file called `source`; XmlError with all its mistakes otherwise."""
    file = File(source)
    try:
        plain = parse(data, file)
        rules = read_rules(plain, Reader(file, Checks() if checks is None else checks))
    except Enough:
        rules = Rules()
    if file.mistakes:
        raise XmlError(source, file.mistakes)
    return rules
