"""Addresses of chats: what is read is what was written, and mailboxes as nodes come back as themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import jid
from smsd.codec.jid import Jid
from smsd.values.errors import InvalidValue

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40)


class Parsing(SynchronousTestCase):
    def test_its_parts(self) -> None:
        for text, expected in (
            ("ann@example.org/phone", ("ann", "example.org", "phone")),
            ("Ann@Example.ORG.", ("ann", "example.org", "")),
            ("example.org/a@b/c", ("", "example.org", "a@b/c")),
            ("+15551234567@sms.example.org", ("+15551234567", "sms.example.org", "")),
            ("j\\40x%y@[::1]", ("j\\40x%y", "[::1]", "")),
        ):
            read = Jid.parse(text)
            self.assertEqual((read.node, read.domain, read.resource), expected)
            self.assertEqual(Jid.parse(read.full), read)

    def test_what_is_none(self) -> None:
        for text in ("", "@example.org", "ann@", "ann@example.org/", "a b@example.org", "a@b@c", "a@b c", "a<@b", "x" * 1024 + "@b",
                     "a@b/\0", "\ud800@b"):  # fmt: skip
            self.assertRaises(InvalidValue, Jid.parse, text)

    @given(st.text(max_size=60))
    def test_anything_is_read_or_refused(self, text: str) -> None:
        try:
            read = Jid.parse(text)
        except InvalidValue:
            return
        self.assertEqual(Jid.parse(read.full), read)


class Escaping(SynchronousTestCase):
    def test_as_the_xep_shows_it(self) -> None:
        for text, node in (
            ("space cadet", "space\\20cadet"),
            ('call me "ishmael"', "call\\20me\\20\\22ishmael\\22"),
            ("at&t guy", "at\\26t\\20guy"),
            ("d'artagnan", "d\\27artagnan"),
            ("/.fanboy", "\\2f.fanboy"),
            ("::foo::", "\\3a\\3afoo\\3a\\3a"),
            ("<foo>", "\\3cfoo\\3e"),
            ("user@host", "user\\40host"),
            ("c:\\net", "c\\3a\\net"),
            ("c:\\cool stuff", "c\\3a\\cool\\20stuff"),
            ("c:\\5commas", "c\\3a\\5c5commas"),
        ):
            self.assertEqual(jid.escape(text), node)
            self.assertEqual(jid.unescape(node), text)

    @given(TEXTS)
    def test_it_comes_back_and_is_a_node(self, text: str) -> None:
        text = text.strip(" ")
        node = jid.escape(text)
        self.assertEqual(jid.unescape(node), text)
        if (
            node
            and not any(c.isupper() or c.lower() != c for c in node)
            and len(node.encode()) <= jid.LONGEST
        ):
            self.assertEqual(Jid.parse(f"{node}@example.org").node, node)


class Mailboxes(SynchronousTestCase):
    def test_with_percent_or_escaped(self) -> None:
        for node in ("john%doe.com", "john\\40doe.com"):
            self.assertEqual(jid.mailbox(node), "john@doe.com")
        self.assertEqual(jid.mailbox("a%b\\40doe.com"), "a%b@doe.com")
        self.assertEqual(jid.mailbox("a%b%doe.com"), "a%b@doe.com")

    def test_numbers_are_none(self) -> None:
        for node in ("+15551234567", "123242342", "%doe.com", "john%", "", "\\40"):
            self.assertIsNone(jid.mailbox(node), node)

    @given(st.emails())
    def test_they_come_back(self, address: str) -> None:
        self.assertEqual(jid.mailbox(jid.node_of(address)), address)

    def test_the_document_s_own(self) -> None:
        self.assertEqual(jid.node_of("john@doe.com"), "john%doe.com")
        self.assertEqual(jid.node_of("a%b@doe.com"), "a%b\\40doe.com")
