"""Rules for property tests: whatever a configuration could give, and nothing else.

`rules()` has any text anywhere, for readers and writers. `rules(RUNNABLE)` has only expressions and templates that compile,
for the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from smsd.policy.rules.language.conditions import FIELDS, FLAGS
from smsd.policy.rules.model import (
    Accept,
    Action,
    AddHeader,
    All,
    And,
    Cap,
    Clock,
    Condition,
    Delete,
    DeleteHeader,
    Each,
    Escalate,
    Field,
    Flag,
    Folder,
    Forward,
    Frame,
    Gather,
    HasPriority,
    Hold,
    How,
    Network,
    Not,
    Or,
    Program,
    Reject,
    Respond,
    Rule,
    Rules,
    Send,
    SetHeader,
    SetPriority,
    Size,
    Sql,
    SqlCondition,
    Stop,
    TextTest,
    Url,
)
from smsd.values.message import Priority

_NOT_IN_XML = "".join(chr(code) for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))
_ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=_NOT_IN_XML), max_size=12)
_WORDS = st.text(st.sampled_from("aZ 0+9@.é😀&<>\"'\n\t"), max_size=8)


@dataclass(frozen=True)
class Texts:
    """What texts are made of: `plain` ones are compared, `templates` are filled in, `regexes` are expressions."""

    plain: SearchStrategy[str]
    templates: SearchStrategy[str]
    regexes: SearchStrategy[str]


ANYTHING = Texts(_ANY, _ANY, _ANY)
RUNNABLE = Texts(
    _WORDS,
    st.lists(
        st.one_of(_WORDS, st.sampled_from(("%from%", "%%To%%", "%number%", "%sender%", "%:body%"))),
        max_size=3,
    ).map("".join),
    st.sampled_from(
        (r"^(\+1)(.*)", r"^(?!.*@)(.*)$", "a|b", r"\d{3}", "^hello$", "[a-f]+x?", "(?:é|😀)", ".")
    ),
)

_names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=8
)
_ids = st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True)
_paths = _ids.map(lambda name: f"/lists/{name}.txt")
_minutes = st.integers(0, 24 * 60 - 1)
_networks = st.one_of(
    st.ip_addresses().map(str),
    st.integers(0, 255).map(lambda octet: f"10.{octet}.0.0/16"),
    st.just("2001:db8::/32"),
)
_compares = st.sampled_from(("text", "number"))
_priorities = st.sampled_from(Priority)


def _some(texts: SearchStrategy[str]) -> SearchStrategy[str]:
    return texts.filter(bool)


def _tuple(texts: SearchStrategy[str], least: int = 0) -> SearchStrategy[tuple[str, ...]]:
    return st.lists(texts, min_size=least, max_size=3).map(tuple)


@st.composite
def text_tests(draw: Callable[..., Any], texts: Texts = ANYTHING) -> TextTest:
    """A comparison."""
    how = draw(st.sampled_from(How))
    rest = {"case": draw(st.booleans()), "each": draw(st.sampled_from(Each)), "compare": draw(_compares)}
    if how is How.EMPTY:
        return TextTest(how, **rest)
    if how is How.REGEX:
        return TextTest(how, draw(_some(texts.regexes)), **rest)
    if how in (How.ITEM, How.IN):
        items = draw(_tuple(_some(texts.plain)))
        file = draw(_paths if not items else st.one_of(st.just(""), _paths))
        return TextTest(how, "", items, file, **rest)
    return TextTest(how, draw(_some(texts.plain)), **rest)


def clocks() -> SearchStrategy[Clock]:
    """Times of the day and of the week."""
    days = st.frozensets(st.integers(0, 6), min_size=1)
    span = st.tuples(_minutes, st.integers(0, 24 * 60)).filter(lambda pair: pair[0] != pair[1])
    return st.builds(lambda span, days: Clock(*span, days), span, days)


def sizes() -> SearchStrategy[Size]:
    """Limits between which there is a size."""
    some = st.integers(0, 10**6)
    return st.one_of(
        st.builds(Size, above=some),
        st.builds(Size, below=some.map(lambda size: size + 1)),
        st.builds(lambda above, more: Size(above, above + 2 + more), some, some),
    )


def conditions(texts: Texts = ANYTHING) -> SearchStrategy[Condition]:
    """Conditions inside each other."""
    names = st.one_of(
        st.sampled_from([word.replace("_", "-") for word in FIELDS]),
        _names.map(lambda name: f"header:{name}"),
    )
    leaves: SearchStrategy[Condition] = st.one_of(
        st.just(All()),
        st.builds(Field, names, text_tests(texts)),
        sizes(),
        st.builds(Flag, st.sampled_from(FLAGS), st.booleans()),
        st.builds(Network, _tuple(_networks, 1)),
        clocks(),
        st.builds(HasPriority, _priorities),
        st.builds(
            SqlCondition,
            _ids,
            _some(texts.plain),
            _tuple(texts.templates),
            st.none() | text_tests(texts),
            st.integers(1, 600).map(lambda tenths: tenths / 10),
            st.booleans(),
        ),
    )
    return st.recursive(leaves, _grown, max_leaves=6)


def _grown(parts: SearchStrategy[Condition]) -> SearchStrategy[Condition]:
    several = st.lists(parts, min_size=1, max_size=4).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, parts))


def actions(texts: Texts = ANYTHING) -> SearchStrategy[Action]:
    """Each action there is."""
    some, template = _some(texts.templates), texts.templates
    paths = texts.plain.map(lambda text: f"/{text}")
    urls = template.map(lambda text: f"https://example.org/{text}")
    kinds = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
    hold = st.tuples(_minutes, _minutes).filter(lambda pair: pair[0] != pair[1])
    return st.one_of(
        st.sampled_from([Accept(), Delete(), Stop()]),
        st.builds(Reject, some),
        st.builds(Forward, some, st.booleans()),
        st.builds(Send, some, some, template),
        st.builds(Respond, some, template),
        st.builds(AddHeader, _names.filter(lambda name: name.lower() != "body"), template),
        st.builds(SetHeader, _names, template),
        st.builds(SetHeader, _names, template, _some(texts.regexes)),
        st.builds(DeleteHeader, _names),
        st.one_of(st.builds(Frame, some), st.builds(Frame, st.just(""), some), st.builds(Frame, some, some)),
        st.builds(SetPriority, _priorities),
        st.builds(
            lambda path, rest, reply: Program((path, *rest), reply), paths, _tuple(template), st.booleans()
        ),
        st.builds(Url, urls, reply=st.booleans()),
        st.builds(
            Url,
            urls,
            reply=st.booleans(),
            escapes=st.just("kannel"),
            charset=st.sampled_from(["UTF-8", "cp1252"]),
        ),
        st.builds(Url, urls, st.just("POST"), template, kinds, st.booleans()),
        st.builds(Sql, _ids, _some(texts.plain), _tuple(template), st.booleans()),
        st.builds(Folder, some, st.booleans()),
        st.builds(Cap, st.integers(1, 1000), st.integers(1, 10080), some),
        st.builds(Gather, st.integers(1, 10080), some),
        hold.map(lambda pair: Hold(*pair)),
        st.builds(Escalate, _tuple(some, 1), st.integers(1, 1440), _tuple(_some(texts.plain), 1)),
    )


def titles() -> SearchStrategy[str]:
    """One line, without blanks at its ends."""
    return _ANY.map(lambda text: "".join(filter(str.isprintable, text)).strip()).filter(bool)


def lists_of_rules(texts: Texts = ANYTHING) -> SearchStrategy[tuple[Rule, ...]]:
    """Rules whose titles differ."""
    rule = st.builds(
        Rule,
        titles(),
        conditions(texts),
        st.lists(actions(texts), min_size=1, max_size=3).map(tuple),
        st.booleans(),
        texts.plain,
        st.just("") if texts is RUNNABLE else st.sampled_from(["", "ann@example.org"]),
    )
    return st.lists(rule, max_size=3, unique_by=lambda rule: (rule.title, rule.user)).map(tuple)


def rules(texts: Texts = ANYTHING) -> SearchStrategy[Rules]:
    """Both lists."""
    return st.builds(Rules, lists_of_rules(texts), lists_of_rules(texts))
