"""Texts in XML: whatever it was, a parser takes it, and what was legal is as it was."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.xmltext import clean, escaped


class Cleaning(SynchronousTestCase):
    @given(st.text(alphabet=st.characters(codec=None)))
    def test_every_text_can_stand_in_an_element_and_in_an_attribute(self, text: str) -> None:
        octets = f'<a b="{escaped(text)}">{escaped(text)}</a>'.encode()
        read = ElementTree.fromstring(octets)
        self.assertEqual(read.text or "", clean(text))

    def test_what_is_forbidden_can_be_seen(self) -> None:
        self.assertEqual(clean("a\x0bb\x00c\ud800\uffff"), "a\u240bb\u2400c\ufffd\ufffd")

    def test_what_is_allowed_stays(self) -> None:
        for text in ("a\tb\nc\r", "\x7f\x85\ue000\ufffd", "\U0001f600"):
            self.assertEqual(clean(text), text)
