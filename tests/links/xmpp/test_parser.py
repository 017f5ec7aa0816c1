"""Octets to stanzas: every split gives the same, nothing grows without end, nothing in a namespace or an attribute breaks it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from smsd.links.xmpp.parser import DEEPEST, MOST_ELEMENTS, Broken, Parser
from smsd.links.xmpp.stanzas import write

HEAD = b"<?xml version='1.0'?>" + (
    b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='7'>"
)
STANZAS = (
    "<message from='a@b' xml:lang='de'><body>h\u00e9&amp;\r\n&lt;</body><x xmlns=\"it's a b\"/></message>"
    " \n<iq xmlns:q='r s' q:k='v'><query xmlns=''/></iq><presence/>"
).encode()


class Reader:
    """A parser and what it told."""

    def __init__(self, **options: int) -> None:
        self.heads: list[dict[str, str]] = []
        self.found: list[Element] = []
        self.full: list[Element] = []
        self.ends = 0
        self.parser = Parser(self.heads.append, self.found.append, self._ended, self.full.append, **options)

    def _ended(self) -> None:
        self.ends += 1

    def feed(self, octets: bytes, bites: list[int]) -> list[str]:
        """In bites of these sizes, the last one over and over; the stanzas, written."""
        at = turn = 0
        while at < len(octets):
            size = bites[min(turn, len(bites) - 1)]
            self.parser.feed(octets[at : at + size])
            at, turn = at + size, turn + 1
        return [write(element) for element in self.found]


class Reading(SynchronousTestCase):
    @given(st.lists(st.integers(1, 40), min_size=1), st.integers(0, 400))
    def test_every_split_gives_the_same_also_over_a_renewal(self, bites: list[int], renew_after: int) -> None:
        whole = HEAD + STANZAS * 3 + b"</stream:stream>"
        expected = Reader().feed(whole, [len(whole)])
        reader = Reader(renew_after=renew_after)
        self.assertEqual(reader.feed(whole, bites), expected)
        self.assertEqual((len(expected), reader.heads, reader.ends), (9, [{"id": "7"}], 1))

    def test_what_it_reads(self) -> None:
        message, iq, _ = Reader().feed(HEAD + STANZAS, [1000])
        self.assertEqual(
            message,
            '<message from="a@b" xml:lang="de"><body>h\u00e9&amp;\n&lt;</body><x xmlns="it&apos;s a b"/></message>',
        )
        self.assertEqual(iq, '<iq xmlns:n0="r s" n0:k="v"><query/></iq>')

    def test_a_stanza_comes_out_with_its_last_octet(self) -> None:
        reader = Reader()
        reader.parser.feed(HEAD + b"<message><body>" + b"x" * 5000)
        reader.parser.feed(b"</body></message>")
        self.assertEqual(len(reader.found), 1)

    def test_a_text_of_line_ends_is_read_at_once(self) -> None:
        reader = Reader()
        reader.parser.feed(HEAD + b"<message><body>" + b"\n&amp;" * 150_000 + b"</body></message>")
        self.assertEqual(len(reader.found[0].children[0].children), 5)  # pieces of 64 KiB

    def broken(self, octets: bytes, **options: int) -> str:
        """The stream error that these octets end with."""
        reader = Reader(**options)
        error = self.assertRaises(Broken, reader.feed, octets, [64])
        return str(error.condition)

    def test_what_ends_it(self) -> None:
        for octets, condition in (
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not-well-formed"),
            (b"<html>", "invalid-namespace"),
            (HEAD + b"<message></body>", "not-well-formed"),
            (HEAD + b"<message>\xff</message>", "not-well-formed"),
            (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + HEAD, "restricted-xml"),
            (HEAD + b"<!-- hello -->", "restricted-xml"),
            (HEAD + b"<?php ?>", "restricted-xml"),
            (HEAD + b"<message>&b;</message>", "not-well-formed"),
        ):
            self.assertEqual(self.broken(octets), condition, octets[:200])

    def test_a_stanza_with_too_much_in_it_is_nobody_else_s_trouble(self) -> None:
        """Chat servers pass on what has 60,000 elements: were it the end of the stream, anybody could end it for all."""
        deep = b"<x>y" * 200 + b"</x>" * 200
        many = b"<a>y</a>" * 30_000
        for inside in (deep, many, many + deep, deep + many, b"<x>" + many + b"</x>" + deep):
            reader = Reader()
            octets = (
                HEAD
                + STANZAS
                + b"<message from='a@b' id='1'><body>x</body>"
                + inside
                + b"z</message>"
                + STANZAS
            )
            found = reader.feed(octets, [5000])
            self.assertEqual(found[:3], found[3:])
            self.assertEqual([write(one) for one in reader.full], ['<message from="a@b" id="1"/>'])

    def test_what_is_just_not_too_much(self) -> None:
        inside = b"<a>" * (DEEPEST - 1) + b"</a>" * (DEEPEST - 1) + b"<b/>" * (MOST_ELEMENTS - DEEPEST - 1)
        (found,) = Reader().feed(HEAD + b"<message>" + inside + b"</message>", [5000])
        self.assertEqual(found.count("<b/>"), MOST_ELEMENTS - DEEPEST - 1)

    def test_a_stanza_without_end(self) -> None:
        self.assertEqual(
            self.broken(HEAD + b"<message><body>" + b"x" * 3000, largest=2000), "policy-violation"
        )
        self.assertEqual(self.broken(HEAD + b"<message a='" + b"x" * 3000, largest=2000), "policy-violation")

    def test_a_new_parser_takes_over_again_and_again(self) -> None:
        reader = Reader(renew_after=1000, largest=500)
        reader.parser.feed(HEAD)
        for number in range(1000):
            reader.parser.feed(b"<message a%d=''><body/></message>" % number)
        self.assertEqual(len(reader.found), 1000)
        self.assertGreater(reader.parser.renewed, 25)

    def test_many_stanzas_are_no_large_one(self) -> None:
        found = Reader(largest=2000).feed(HEAD + b"<message><body>x</body></message>" * 1000, [1500])
        self.assertEqual(len(found), 1000)

    def test_whitespace_between_stanzas_keeps_a_stream_alive_for_ever(self) -> None:
        reader = Reader(largest=2000)
        reader.parser.feed(HEAD)
        for _ in range(5000):
            reader.parser.feed(b" ")
        reader.parser.feed(b"<presence/>")
        self.assertEqual(len(reader.found), 1)
