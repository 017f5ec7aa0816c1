"""Whatever comes in: a MailText that can be stored, or a DecodeError; and soon."""

from __future__ import annotations

import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import MailOptions, MailText, Subject, to_text
from smsd.values.errors import DecodeError
from smsd.values.message import Text

EVERYTHING = MailOptions(Subject.PREFIX, cut_signature=True, cut_quotes=True)
FRAGMENTS = (
    b"\r\n", b"\n", b"\r", b": ", b"; ", b"=", b'"', b"--b", b"--b--", b"<", b">", b"<!--", b"&#", b"99", b"\0", b"\xff",
    b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/alternative; boundary=b",
    b"Content-Type: text/html; charset=", b"utf-7", b"utf-16", b"iso-2022-jp", b"hz", b"+2AA-", b"name*0*=utf-8''%",
    b"Content-Type: text/plain; format=flowed; delsp=yes", b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable", b"Subject: =?utf-8?B?", b"=?=", b"Date: ", b"From: ", b"Message-ID: <",
    b"> ", b"-- ", b"wrote:", b"<pre>", b"<div style='display:none'>", b"</script", b"<script", b"=3D", b"8J+YgA==",
)  # fmt: skip


class PropertyTests(SynchronousTestCase):
    """Random octets, and random heaps of what parsers stumble over."""

    def check(self, raw: bytes) -> None:
        try:
            read = to_text(raw, EVERYTHING)
        except DecodeError:
            return
        self.assertIsInstance(read, MailText)
        Text(read.text)
        for value in (read.subject, read.from_, read.message_id, read.in_reply_to):
            self.assertTrue(value.isprintable() or not value.isascii(), value)
            self.assertNotIn("\n", value)
            Text(value)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=300))
    def test_octets(self, raw: bytes) -> None:
        self.check(raw)

    @settings(max_examples=600, deadline=None)
    @given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=6)), max_size=60))
    def test_fragments(self, pieces: list[bytes]) -> None:
        self.check(b"".join(pieces))

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=200))
    def test_a_text_arrives_as_it_is(self, text: str) -> None:
        raw = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode("utf-8")
        read = to_text(raw).text
        self.assertEqual(read.strip(), text.strip())
        self.assertIn(read, text)


def html(markup: str) -> bytes:
    return b"Content-Type: text/html\r\n\r\n" + markup.encode()


def nested(depth: int) -> bytes:
    return (
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth)
        )
        + b"\r\nx\r\n"
    )


SIZE = 200_000
HOSTILE: dict[str, Callable[[], bytes]] = {
    "encoded words": lambda: b"Subject: " + b"=?utf-8?Q?a?= " * 20_000 + b"\r\n\r\nx",
    "nested multiparts": lambda: nested(2000),
    "many parts": lambda: b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 50_000,
    "dashes": lambda: b'Content-Type: multipart/mixed; boundary="-"\r\n\r\n' + b"-" * SIZE,
    "dash lines": lambda: b'Content-Type: multipart/mixed; boundary="-"\r\n\r\n' + b"-----\r\n" * (SIZE // 7),
    "many fields": lambda: b"A: b\r\n" * (SIZE // 6) + b"\r\nx",
    "long field": lambda: b"Subject: " + b"x" * SIZE + b"\r\n\r\nx",
    "folds": lambda: b"Subject: x" + b"\r\n " * SIZE + b"\r\n\r\nx",
    "parameters": lambda: b"Content-Type: text/plain" + b';a="' * 15_000 + b"\r\n\r\nx",
    "parameter pieces": lambda: b"Content-Type: text/plain" + b";a*0*='" * 9_000 + b"\r\n\r\nx",
    "angles": lambda: b"From: " + b"<" * 60_000 + b"\r\n\r\nx",
    "ats": lambda: b"From: " + b"a@" * 30_000 + b"\r\n\r\nx",
    "parentheses": lambda: b"From: " + b"(" * 60_000 + b"\r\nDate: " + b"(" * 60 + b"\r\n\r\nx",
    "message id": lambda: b"Message-ID: <[x]@>\r\nTo: <\r\n\r\nx",
    "comments": lambda: html("<!--" * 50_000),
    "markers": lambda: html("<![" * 50_000),
    "nested div": lambda: html("<div>" * 40_000),
    "formatting": lambda: html("".join(f"<font color={n}>" for n in range(3000)) + "<p>x" * 30_000),
    "open tags": lambda: html("<a " * 60_000),
    "quotes": lambda: html("<a b=\"<a c='" * 15_000),
    "scripts": lambda: html("<script>" * 25_000),
    "ends": lambda: html("</script <style>" * 15_000),
    "hidden": lambda: html("<div style='display:none'>" * 8_000),
    "references": lambda: html("&#" + "9" * SIZE + ";" + "&" * SIZE),
    "equals": lambda: html("<a " + "=" * SIZE),
    "spaces": lambda: html("<a = " + " " * SIZE + ">" + " " * SIZE + "x"),
    "meta": lambda: html("<meta " * 30_000),
    "quoted lines": lambda: b"\r\n" + b"a:\r\n> q\r\n" * 20_000,
    "leads": lambda: b"\r\n" + b"123:\r\n" * 30_000 + b"> q\r\n",
    "empty leads": lambda: b"\r\n" + b"x\r\n\r\n> q\r\n" * 15_000 + b"\r\n" * 30_000,
    "flowed": lambda: b"Content-Type: text/plain; format=flowed\r\n\r\n" + b">" * SIZE + b" \r\n" + b"a \r\n" * 40_000,
    "base64": lambda: b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * SIZE,
    "quoted-printable": lambda: b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * SIZE,
    "rules": lambda: b"\r\n" + b"_" * SIZE + b"\r\n" + (b"-" * 50 + b"\r\n") * 4000,
}  # fmt: skip


class HostileTests(SynchronousTestCase):
    """Known bombs against mail and HTML parsers: each read or refused within a second of processor time.

    A quadratic step would need minutes at these sizes, so the limit is far from what a busy machine takes."""


def _hostile(name: str, make: Callable[[], bytes]) -> Callable[[HostileTests], None]:
    def test(self: HostileTests) -> None:
        raw = make()
        began = time.process_time()
        try:
            Text(to_text(raw, EVERYTHING).text)
        except DecodeError as error:
            self.assertTrue(str(error))
        self.assertLess(time.process_time() - began, 1.0)

    test.__doc__ = name
    return test


for _name, _make in HOSTILE.items():
    setattr(HostileTests, "test_" + _name.replace(" ", "_").replace("-", "_"), _hostile(_name, _make))
