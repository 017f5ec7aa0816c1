"""Whatever a file says is read or refused: never an exception, never a rule made of a mistake without a report."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import xml
from smsd.policy.rules.language import actions, conditions
from smsd.policy.rules.language.comparisons import KEYS
from smsd.policy.rules.language.merging import merge
from smsd.policy.rules.language.reading import Checks, KeyPath, Reader
from smsd.policy.rules.language.rules import DIRECTIONS, read_rules
from smsd.policy.rules.language.writing import plain_rule
from smsd.policy.rules.model import Rules
from smsd.policy.rules.xmltree import XmlError
from tests.policy.rules.strategies import rules

FIELDS = (
    "title",
    "if",
    "do",
    "name",
    "value",
    "file",
    "database",
    "statement",
    "minutes",
    "from",
    "until",
    "days",
    "above",
)
WORDS = st.sampled_from((*conditions.WORDS, *actions.WORDS, *KEYS, *FIELDS))
SCALARS = (
    st.none()
    | WORDS
    | st.sampled_from(("", "yes", "7", "08:00", "mon-fri", "10.0.0.0/8", "/x", "http://a"))
    | st.text(max_size=4)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda parts: (
        st.lists(parts, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), parts, max_size=3)
    ),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {"title": st.text(min_size=1, max_size=3), "do": ANYTHING}, optional={"if": ANYTHING, "active": ANYTHING}
)


class Sink:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def report(self, path: KeyPath, wrong: str, allowed: str = "", at_key: bool = False) -> None:
        self.reports.append(f"{path}: {wrong}; {allowed}")

    def source(self, path: KeyPath) -> str:
        return f"file:{path}"


def read(data: dict[str, Any]) -> tuple[Rules, list[str]]:
    sink = Sink()
    reader = Reader(sink, Checks())
    found = read_rules(data, reader)
    assert reader.mistakes == len(sink.reports)
    return found, sink.reports


class Reading(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(st.dictionaries(st.sampled_from(DIRECTIONS), st.lists(NEARLY | ANYTHING, max_size=3) | ANYTHING))
    def test_anything_is_read_or_refused(self, data: dict[str, Any]) -> None:
        found, reports = read(data)
        if not reports:
            # What was taken can be written, and is read as the same.
            again = {
                direction: [plain_rule(rule) for rule in getattr(found, direction)]
                for direction in DIRECTIONS
            }
            self.assertEqual(read(again), (found, []))

    @settings(max_examples=200, deadline=None)
    @given(rules())
    def test_what_is_written_is_read(self, given: Rules) -> None:
        data = {
            direction: [plain_rule(rule) for rule in getattr(given, direction)] for direction in DIRECTIONS
        }
        self.assertEqual(read(data), (given, []))

    @settings(max_examples=150, deadline=None)
    @given(rules(), st.data())
    def test_broken_xml_is_read_or_refused(self, given: Rules, data: st.DataObject) -> None:
        octets = bytearray(xml.write(given))
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(0, len(octets) - 1))
            octets[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
        try:
            found = xml.read(bytes(octets), "x.xml")
        except XmlError as error:
            self.assertTrue(error.mistakes)
        else:
            self.assertEqual(xml.read(xml.write(found), "x.xml"), found)


class Merging(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(rules(), rules())
    def test_what_is_imported_is_there_and_nothing_else_is_lost(self, old: Rules, new: Rules) -> None:
        merged, changes = merge(old, new)
        for direction in DIRECTIONS:
            there = {(rule.title, rule.user): rule for rule in getattr(merged, direction)}
            for rule in getattr(new, direction):
                self.assertEqual(there.pop((rule.title, rule.user)), rule)
            kept = [rule for rule in getattr(old, direction) if (rule.title, rule.user) in there]
            self.assertEqual(len(kept), len(there))
            self.assertEqual(sorted(kept, key=lambda rule: bool(rule.user)), list(there.values()))
        self.assertEqual(len(changes), len(new.outgoing) + len(new.incoming))
        self.assertEqual(merge(merged, new)[0], merged)
        self.assertEqual({change.kind for change in merge(merged, new)[1]} - {"unchanged"}, set())
