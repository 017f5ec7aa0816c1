"""Administrators' expressions: the document's own, what is translated and refused, and that none can stop the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import pattern, syntax
from smsd.values.errors import InvalidValue


def filled(replacement: str, expression: str) -> Callable[[str], str | None]:
    """A rewriting without variables."""
    compiled = pattern.read(expression)
    pieces = pattern.read_replacement(replacement, compiled.groups)

    def filling(groups: Any) -> str:
        return "".join(groups[piece] if isinstance(piece, int) else piece for piece in pieces)

    return lambda text: compiled.rewrite(text, filling)


class TheDocument(SynchronousTestCase):
    """The expressions of document 001, as it prints them."""

    def test_presence_of_an_at_sign(self) -> None:
        for written in (r"^(?!.*@)(.*)$", r'"^(?!.*@)(.*)\$"'):
            rewrite = filled("$1@gatewayid", written)
            self.assertEqual(rewrite("+15551234567"), "+15551234567@gatewayid", written)
            self.assertIsNone(rewrite("+15551234567@other"), written)

    def test_number_prefix(self) -> None:
        for written in (r"^(\+1)(.*)", r'"^(\\+1)(.*)"', r"^(\\+1)(.*)"):
            rewrite = filled(r"\$1\$2@usgatewayid", written)
            self.assertEqual(rewrite("+15551234567"), "+15551234567@usgatewayid", written)
            self.assertIsNone(rewrite("+3915551234567"), written)

    def test_list_of_senders(self) -> None:
        compiled = pattern.read(r'"(\\+15551234567)|(\\+15551238866)"')
        self.assertTrue(compiled.search("sms:+15551238866@icewarpdemo.com"))
        self.assertFalse(compiled.search("sms:+15551238867@icewarpdemo.com"))
        self.assertTrue(any("quotes" in warning for warning in compiled.warnings))

    def test_caller_id(self) -> None:
        rewrite = filled("$1@$2&sender=+1555", "^(.*@)(.*)$")
        self.assertEqual(rewrite("+1555@gw"), "+1555@@gw&sender=+1555")

    def test_the_at_sign_that_is_not_asked_for(self) -> None:
        compiled = pattern.read(r"(.[?[\d]*)(?!@)")
        for text in ("+15551234567", "+15551234567@gw", "5@", "@", "x"):
            self.assertTrue(compiled.search(text), text)
        self.assertFalse(compiled.search(""))
        [warning] = compiled.warnings
        self.assertIn("is true for every text", warning)


class Translated(SynchronousTestCase):
    def test_look_aheads_at_a_known_place(self) -> None:
        for expression, yes, no in (
            (r"^(?!a)b?", "b", "a"),
            (r"(?!a)^b?", "b", "a"),
            (r"^\+39(?!06)", "+39333", "+3906"),
            (r"^(\+39(?!06)\d)", "+39333", "+3906"),
            (r"^(?=.*@)(?!.*gw)\d", "5@x", "5@gw"),
            (r"(?i)^(?!stop)\w", "go", "STOP"),
            (r"^(?:ab|cd)(?!e)", "cdf", "abe"),
        ):
            compiled = pattern.read(expression)
            self.assertTrue(compiled.search(yes), expression)
            self.assertFalse(compiled.search(no), expression)

    def test_look_aheads_at_the_end(self) -> None:
        for expression, yes, no in (
            (r"5(?!@)", "5", "5@"),
            (r"5(?=@)", "5@", "5"),
            (r"x(?!\d\d$)", "x123", "x12"),
            (r"a(?!.*@)", "@a", "a @"),
            (r"a(?!.*\d)", "a @", "a @1"),
            (r"a(?!$)", "ab", "a"),
            (r"a(?!.)", "a", "ab"),
            (r"a(?![bc])", "ad", "ab"),
        ):
            compiled = pattern.read(expression)
            self.assertTrue(compiled.search(yes), expression)
            self.assertFalse(compiled.search(no), expression)
            self.assertEqual(compiled.warnings, (), expression)

    def test_only_what_is_before_a_look_ahead_is_replaced(self) -> None:
        self.assertEqual(filled("<$1>", r"(\d+)(?=@(g))")("+15@gw"), "+<15>@gw")
        self.assertEqual(filled("<$2>", r"(\d+)(?=@(g))")("+15@gw"), "+<g>@gw")

    def test_groups_keep_their_numbers(self) -> None:
        self.assertEqual(filled("$1-$2-$3", r"^(?=(a))(?!(b))(.*)")("abc"), "a--abc")
        self.assertEqual(filled("$1-$2", r"^(a)(?=(b))(?:.*)")("abc"), "a-b")

    def test_refused_with_what_to_do(self) -> None:
        for expression, says in (
            (r"(?<=a)b", "look-behind"),
            (r"(?<!a)b", "look-behind"),
            (r"(a)\1", "back reference"),
            (r"(?P<x>a)(?P=x)", "unknown kind"),
            (r"a(?!b)c", "look-ahead at character 2"),
            (r"(?:(?!a).)*", "look-ahead"),
            (r"(?!a)b", "look-ahead"),
            (r"^a|b(?!c)", "look-ahead"),
            (r"^.*a(?!b)c", "two conditions"),
            (r"a(?!bc|d)", "turned round"),
            (r"a(?!b+)", "turned round"),
            (r"(?m)^(?!a)", "(?m)"),
            (r"(?>a)", "unknown kind"),
            (r"^?(?!a)b", "look-ahead"),
            (r"(?s)a(?!.*b)", "turned round"),
            (r"(?s)a(?!.)", "turned round"),
            (r"a(?i)b(?!c)", "flags at the beginning"),
            ("a\\C", "octet"),
            (r"a\Z", "$"),
            ("(", "missing )"),
            ("+39", r"\+"),
            ("a{2000}", "1000"),
            ("(?:(?:a{100}){100}){10}", "regular expression"),
            ("x" * 1001, "1001 characters"),
            ("\ud800", "surrogate"),
        ):
            with self.assertRaises(InvalidValue, msg=expression) as caught:
                pattern.read(expression)
            self.assertIn(says, str(caught.exception), expression)


class Meaning(SynchronousTestCase):
    def test_capitals(self) -> None:
        self.assertTrue(pattern.read("^stop$").search("STOP"))
        self.assertFalse(pattern.read("^stop$", True).search("STOP"))

    def test_letters_of_any_script(self) -> None:
        self.assertTrue(pattern.read("^.€ш$").search("😀€Ш"))
        self.assertTrue(pattern.read(r"^\pL+$").search("żółć"))
        self.assertFalse(pattern.read(r"^\w+$").search("żółć"))  # ASCII, as the docstring says
        self.assertEqual(filled("<$1>", "é(.)x")("aé😀x€"), "a<😀>€")

    def test_only_the_first_match_is_replaced(self) -> None:
        self.assertEqual(filled("x", "a")("baaa"), "bxaa")
        self.assertEqual(filled("$1@gw", "(.*)")("+1555"), "+1555@gw")

    def test_no_match_no_text(self) -> None:
        self.assertIsNone(filled("x", "a")("b"))

    def test_a_group_that_took_no_part_is_empty(self) -> None:
        self.assertEqual(filled("[$1$2]", "(a)|(b)")("b"), "[b]")

    def test_half_a_surrogate_is_no_trouble(self) -> None:
        self.assertEqual(filled("<$1>", "(b)")("a\ud800b"), "a?<b>")

    def test_replacements(self) -> None:
        for text, pieces in (
            ("$1@gw", (1, "@gw")),
            (r"\$1\$2@gw", (1, 2, "@gw")),
            ("$12", (1, "2")),
            ("${2}3", (2, "3")),
            ("$$1", ("$1",)),
            ("$0$", (0, "$")),
            (r"5\$", (r"5\$",)),
            ("", ()),
            ("%%To%%$2", ("%%To%%", 2)),
        ):
            self.assertEqual(pattern.read_replacement(text, 2), pieces, text)
        self.assertEqual(pattern.read_replacement("${10}", 10), (10,))
        with self.assertRaises(InvalidValue):
            pattern.read_replacement("$1" * 51, 1)
        with self.assertRaises(InvalidValue) as caught:
            pattern.read_replacement("$3", 2)
        self.assertIn("the expression has 2", str(caught.exception))

    def test_marks_of_the_document_only_where_they_are_meant(self) -> None:
        self.assertTrue(pattern.read('"hello"').search('he said "hello"'))
        self.assertEqual(pattern.read('"hello"').warnings, ())
        self.assertTrue(pattern.read(r"^5\$$").search("5$"))
        self.assertTrue(pattern.read(r"a\\+").search("a\\\\"))

    def test_a_dollar_that_was_escaped_by_mistake_is_mentioned(self) -> None:
        [warning] = pattern.read(r"^(.*)\$").warnings
        self.assertIn("dollar sign", warning)


class Time(SynchronousTestCase):
    """Nothing an administrator writes can stop the server."""

    def test_the_engine_is_re2(self) -> None:
        self.assertIsInstance(pattern.read("^(a+)+$")._main, re2._Regexp)
        self.assertFalse(pattern.read("^(a+)+$")._main.options.log_errors)

    def test_expressions_that_stop_others(self) -> None:
        for expression, text in (
            ("^(a+)+$", "a" * 100_000 + "!"),
            ("^(a|a)*$", "a" * 100_000 + "!"),
            ("(.*a){20}$", "a" * 100_000),
            ("^(?!(a+)+$)(.*)$", "a" * 100_000),
            ("(x+x+)+y(?!z)", "x" * 100_000),
        ):
            pattern.read(expression).search(text)
        self.assertFalse(pattern.read("^(a+)+$").search("a" * 60_000 + "!"))

    def test_work_is_bounded(self) -> None:
        small, large = pattern.read("abc"), pattern.read("a(?:.?){900}c")
        words = pattern.read("|".join(f"word{number}" for number in range(60)))
        self.assertEqual((small.reach, small.warnings, words.warnings), (pattern.REACH, (), ()))
        self.assertLessEqual(large.reach * large.size, pattern.WORK)
        self.assertIn("looks only at the first", large.warnings[0])

    def test_only_the_beginning_of_a_long_text_is_looked_at(self) -> None:
        text = "a" * pattern.REACH + "b"
        self.assertFalse(pattern.read("b").search(text))
        self.assertEqual(filled("x", "^aa")(text), "x" + text[2:])
        self.assertEqual(filled("x", "^éa")("é" + text), "x" + text[1:])


# -- compared with another engine, on expressions it can run

_atoms = st.sampled_from(("a", "b", "@", "1", ".", r"\d", "[ab]", "[^a]", "(a)", "(?:ab|b)", "(.)"))
_repeated = st.builds(str.__add__, _atoms, st.sampled_from(("", "", "", "*", "+", "?", "{2}", "*?")))
_sequences = st.lists(_repeated, max_size=3).map("".join)
_fixed = st.lists(_atoms, max_size=2).map("".join)
_simple = st.lists(st.sampled_from(("a", "b", "@", r"\d", "[ab]", ".")), min_size=1, max_size=2).map("".join)
_insides = st.one_of(
    _sequences, _simple, _simple.map(lambda text: text + "$"), _atoms.map(lambda text: ".*" + text)
)
_looks = st.builds(lambda sign, inside: f"(?{sign}{inside})", st.sampled_from("=!"), _insides)
_with_looks = st.one_of(
    st.builds(lambda fixed, look, rest: f"^{fixed}{look}{rest}", _fixed, _looks, _sequences),
    st.builds(lambda fixed, look, rest: f"^({fixed}{look}){rest}", _fixed, _looks, _sequences),
    st.builds(lambda look, more, rest: f"{look}{more}^{rest}", _looks, _looks, _sequences),
    st.builds(lambda rest, look: rest + look, _sequences, _looks),
    st.builds(lambda first, rest, look: f"^{first}{rest}{look}", _looks, _sequences, _looks),
)
_texts = st.text(st.sampled_from("ab@1\n"), max_size=8)


class Compared(SynchronousTestCase):
    @settings(max_examples=800, deadline=None)
    @given(_with_looks, st.lists(_texts, min_size=1, max_size=6))
    def test_translations_mean_the_same(self, expression: str, texts: list[str]) -> None:
        try:
            compiled = pattern.read(expression)
        except InvalidValue:
            assume(False)
        other = re.compile(expression.replace("$", r"\Z"), re.IGNORECASE | re.ASCII)
        for text in texts:
            match = other.search(text)
            self.assertEqual(compiled.search(text), match is not None, text)
            rewritten = compiled.rewrite(text, lambda groups: f"<{groups[0]}|{len(groups)}>")
            if match is None:
                self.assertIsNone(rewritten, text)
            else:
                new = f"<{match[0]}|{other.groups + 1}>"
                self.assertEqual(rewritten, text[: match.start()] + new + text[match.end() :], text)

    @settings(max_examples=800, deadline=None)
    @given(
        st.lists(
            st.sampled_from(
                (
                    "^",
                    "a",
                    "B",
                    "[ab]",
                    "(a|b)",
                    "(?:^a|^B)",
                    "(?i)",
                    "|",
                    "a?",
                    "b*",
                    "a+",
                    "{2}",
                    "\\+",
                    "é",
                    "$",
                    "(?m)",
                    "^?",
                    ".",
                )
            ),
            max_size=6,
        ).map("".join),
        st.text(st.sampled_from("abAB+é\n"), max_size=6),
    )
    def test_every_match_begins_with_a_prefix(self, expression: str, text: str) -> None:
        try:
            compiled = pattern.read(expression, True)
        except InvalidValue:
            assume(False)
        if compiled.prefixes and compiled.search(text):
            self.assertTrue(text.casefold().startswith(tuple(compiled.prefixes)), compiled.prefixes)

    @given(st.text(max_size=30) | st.text(st.sampled_from(r"\()[]{}|?*+^$:=!<>aPd1,-"), max_size=12))
    def test_reading_says_why_or_reads(self, expression: str) -> None:
        try:
            compiled = pattern.read(expression)
        except InvalidValue as error:
            self.assertTrue(str(error))
            return
        for text in ("", expression, "a1", "é😀"):
            compiled.rewrite(text, lambda groups: "".join(groups))

    def test_prefixes(self) -> None:
        for expression, prefixes in (
            (r"^\+39", {"+39"}),
            (r"^(\+1)(.*)", {"+1"}),
            (r"^(?:STOP|halt)\b", {"stop", "halt"}),
            (r"^[Ss]top", {"stop"}),
            (r"^a|^b", {"a", "b"}),
            (r"^ab+c", {"ab"}),
            (r"^(?!.*@)\+1", {"+1"}),
            (r"^ab?", {"a"}),
            (r"a", set()),
            (r"^a|b", set()),
            (r"^.*", set()),
            (r"(?m)^a", set()),
            (r"^é", set()),
        ):
            self.assertEqual(set(pattern.read(expression).prefixes), prefixes, expression)


class Shape(SynchronousTestCase):
    def test_deep_groups_are_left_to_re2(self) -> None:
        deep = "(" * 60 + "a" + ")" * 60
        with self.assertRaises(syntax.Unreadable):
            syntax.read(deep)
        self.assertTrue(pattern.read(deep).search("a"))
