"""Two parsers read YAML, libyaml's where it is there: they must read the same, and say the same of what is wrong."""

from __future__ import annotations

from typing import Any
from unittest import mock, skipIf

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.config import positions
from smsd.config.positions import ConfigError, Document, KeyPath, read

_PIECES = (
    "a", "b: ", "- ", "\n", "\n  ", "\n    ", ": ", ":", "'", '"', "[", "]", "{", "}", ", ", ",", "# c", "|\n", "> \n", "|-\n", "%",
    "%a%", "@", "`", "&x ", "*x", "!t ", "? ", "é", "😀", "\t", " ", "+39", "--- ", "...", "\\", "~", "null", "no", "\u2028",
    "\x85", "\ufeff", "\x07", "http://x", "12:30", "''", "key: v", "- {a: b}", "\r\n", "\r", "\ud800",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=14).map("".join)


def said(text: str | bytes) -> tuple[Any, ...]:
    """What is read of a text, and where it stands; or what is wrong."""
    try:
        document = read(text, "x.yaml")
    except ConfigError as error:
        return (str(error),)
    places = {path: place for path, place in document.values.items() if not _empty(document, path)}
    return document.data, document.keys, places, list(map(str, document.problems))


def _empty(document: Document, path: KeyPath) -> bool:
    """The key of an explicit `? ` and a document that is empty: the two see what is not there in different places."""
    value: Any = document.data
    for step in path:
        value = value[step]
    return value is None and (not path or not path[-1])


@skipIf(positions._Quick is None, "PyYAML was built without libyaml")
class BothParsers(SynchronousTestCase):
    def both(self, text: str | bytes) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        with mock.patch.object(positions, "_Quick", None):
            slow = said(text)
        return said(text), slow

    @given(TEXTS)
    @settings(max_examples=400)
    def test_whatever_is_written(self, text: str) -> None:
        quick, slow = self.both(text)
        self.assertEqual(quick, slow)
        quick, slow = self.both(f"key: {text}")
        self.assertEqual(quick, slow)

    def test_octets(self) -> None:
        for octets in (
            b"a: \xff",
            b"\xff\xfea\0:\0 \0b\0",
            b"a: \xc3\xa9",
            b"\xef\xbb\xbfa: b",
            b"a:\tb",
            b"",
        ):
            quick, slow = self.both(octets)
            self.assertEqual(quick, slow, octets)

    def test_what_is_wrong_is_said_in_the_words_that_help(self) -> None:
        for text, hint in (
            ("a: @b", "quotes"),
            ("a: &b c", "anchors"),
            ("a: *b", "aliases"),
            ("a: b: c", "colon"),
        ):
            self.assertIn(hint, said(text)[0])

    def test_deep_nesting(self) -> None:
        quick, slow = self.both("a: " + "[" * 3000 + "]" * 3000)
        self.assertEqual(quick, slow)
        self.assertIn("nested too deeply", quick[0])

    def test_libyaml_is_what_reads(self) -> None:
        with mock.patch.object(positions, "_Loader", None):
            self.assertEqual(read("a: b # c\nd: [1, 'x']\n", "x").data, {"a": "b", "d": ["1", "x"]})
