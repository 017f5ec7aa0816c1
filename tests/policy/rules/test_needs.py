"""What is known of an expression without RE2 must be what RE2 says."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules import needs, pattern, syntax


def pieces(expression: str) -> set[str]:
    return set(needs.pieces(syntax.read(expression).alternatives))


_made = st.recursive(
    st.sampled_from(("a", "b", "A", "ß", ".", "a*", "b+", "a{0}", "[ab]", "\\b", "^", "$", "\u212a", "k")),
    lambda parts: st.one_of(
        st.tuples(parts, parts).map("".join), st.tuples(parts, parts).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        parts.map("({})".format), parts.map("({})+".format), parts.map("(?:{})?".format),
    ),
    max_leaves=6,
)  # fmt: skip


class Pieces(SynchronousTestCase):
    def test_examples(self) -> None:
        for expression, known in (
            (r"\border 7[0-9]{4}\b", {"order 7"}), ("(?:stop|HALT) it", {"stop", "halt"}), ("a+bc?def", {"def"}),
            ("a|", set()), ("[ab]", set()), ("x{0}yz", {"yz"}), ("(?i)casino", {"casino"}), ("ß1", {"1"}),
        ):  # fmt: skip
            self.assertEqual(pieces(expression), known, expression)

    @given(_made, st.text(st.sampled_from("abAk "), max_size=6))
    def test_what_matches_has_one_of_them(self, expression: str, text: str) -> None:
        compiled = pattern.read(expression)
        if compiled.pieces and compiled.search(text):
            self.assertTrue(any(piece in text.lower() for piece in compiled.pieces), compiled.pieces)


class Beginnings(SynchronousTestCase):
    def test_rewriting_is_the_same_as_by_re2(self) -> None:
        known = 0
        for expression in (
            r"^(\+1555)(.*)$", r"^(.*)$", "^", r"^()(.*)", r"^(\+1)(.*)", r"^\+1", r"^(\+1).*$", r"^(\+)(1)", r"^(\+1)$",
            r"^(.*)(.*)$", r"^(.*)()$", "^(a)(.*)", r"^(\+1)?(.*)$", r"^(\+1){2}(.*)$", r"^\++(.*)$", r"^(.*?)$",
            r"^(\+1)(.*)\z", r"^(?:\+1)(.*)$", r"^(\+1(.*))$", r"^\+1.*5$", r"\A\+1(.*)", r"^(?P<x>\+1)(.*)$", r"^()()$",
            r"^\+()1", r"^(\+1|5)(.*)$", r"(?s)^(\+1)(.*)$",
        ):  # fmt: skip
            compiled, by_re2 = pattern.read(expression), pattern.read.__wrapped__(expression)
            known += compiled._beginning is not None
            by_re2._beginning = None
            for letters in product("+15\né", repeat=4):
                for text in ("".join(letters), "".join(letters[:2])):
                    self.assertEqual(
                        compiled.rewrite(text, "|".join), by_re2.rewrite(text, "|".join), (expression, text)
                    )
        self.assertEqual(known, 12)
