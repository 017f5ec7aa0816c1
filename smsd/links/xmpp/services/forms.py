"""Data forms (XEP-0004): what people fill in, and what they have filled in. Bounded: whoever sends more fills in no form
of ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.words.xish.domish import Element

from smsd.links.xmpp.services.asking import Declined, put
from smsd.links.xmpp.stanzas import children, text_of

FORMS = "jabber:x:data"
MOST_FIELDS = 50
LONGEST = 2_000
"""Characters of one value."""
LONGEST_SHOWN = 500
"""Characters of one value of an answer."""


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is asked for. `kind` is one of XEP-0004 section 3.3; `options` are (value, label)."""

    var: str
    label: str
    kind: str = "text-single"
    value: str = ""
    required: bool = False
    options: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody is to fill in."""

    title: str
    instructions: str
    fields: Sequence[Field] = ()

    def element(self, form_type: str = "") -> Element:
        """As it is sent; `form_type` is the hidden FORM_TYPE (XEP-0068)."""
        made = _begun("form", self.title, self.instructions)
        if form_type:
            put(put(made, "field", var="FORM_TYPE", type="hidden"), "value", form_type)
        for field in self.fields:
            asked = put(made, "field", var=field.var, type=field.kind, label=field.label)
            if field.required:
                put(asked, "required")
            if field.value:
                put(asked, "value", field.value)
            for value, label in field.options:
                put(put(asked, "option", label=label), "value", value)
        return made


def told(title: str, lines: Iterable[tuple[str, str, str]]) -> Element:
    """An answer of facts: (var, label, value). Never a table (XEP-0004 section 3.4): text programs show none of it, and
    Gajim 1.7 stumbles over one that ends a command."""
    made = _begun("result", title)
    for var, label, value in lines:
        put(put(made, "field", var=var, type="text-single", label=label), "value", value[:LONGEST_SHOWN])
    return made


def _begun(kind: str, title: str, instructions: str = "") -> Element:
    made = Element((FORMS, "x"))
    made["type"] = kind
    put(made, "title", title)
    if instructions:
        put(made, "instructions", instructions)
    return made


def read(parent: Element) -> tuple[str, dict[str, str]] | None:
    """The type and the values (the first of each field) of the form in `parent`; None when there is no form. Declined for one
    that is too big."""
    form: Any = next((one for one in children(parent) if (one.uri, one.name) == (FORMS, "x")), None)
    if form is None:
        return None
    values: dict[str, str] = {}
    for number, field in enumerate(children(form)):
        if number >= MOST_FIELDS:
            raise Declined("not-acceptable", f"a form here has at most {MOST_FIELDS} fields")
        var = field.getAttribute("var")
        if field.name != "field" or not var:
            continue
        value = next((text_of(one) for one in children(field) if one.name == "value"), "")
        if len(value) > LONGEST or len(var) > LONGEST:
            raise Declined("not-acceptable", f"a field here has at most {LONGEST} characters")
        values[var] = value
    return str(form.getAttribute("type", "submit")), values


def yes(value: str) -> bool:
    """A boolean field."""
    return value in ("1", "true")
