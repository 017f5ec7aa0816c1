"""Mails as texts: which part, which charset, which lines."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import MailOptions, Subject, to_text
from smsd.values.errors import DecodeError


def mail(body: bytes | str, *fields: str) -> bytes:
    """A mail with CRLF from its fields and body."""
    octets = body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode("utf-8")
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8") + b"\r\n" + octets


def text(body: bytes | str, *fields: str, **options: Any) -> str:
    return to_text(mail(body, *fields), MailOptions(**options)).text


def multipart(kind: str, *parts: tuple[str, str]) -> bytes:
    """A multipart mail of (Content-Type, body) parts."""
    rows = "".join(f"--b\n{head}\n\n{body}\n" for head, body in parts)
    return mail(f"preamble\n{rows}--b--\nepilogue\n", f'Content-Type: multipart/{kind}; boundary="b"')


PLAIN = "Content-Type: text/plain; charset=utf-8"
HTML = "Content-Type: text/html; charset=utf-8"


class FieldTests(SynchronousTestCase):
    """What else is read besides the text."""

    def test_all_fields(self) -> None:
        read = to_text(
            mail(
                "Hi\n",
                "From: Ann <ann@example.org>",
                "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_Leute?=",
                "Message-ID: <1@example.org>",
                "In-Reply-To: Your message <2@example.org>",
                "Date: Mon, 01 Jan 2024 11:00:00 +0100 (CET)",
            )
        )
        self.assertEqual(read.text, "Hi")
        self.assertEqual(read.from_, "ann@example.org")
        self.assertEqual(read.subject, "Grüße Leute")
        self.assertEqual((read.message_id, read.in_reply_to), ("<1@example.org>", "<2@example.org>"))
        self.assertEqual(read.date, 1704103200000)
        self.assertEqual((read.automatic, read.notes), (False, ()))

    def test_addresses(self) -> None:
        for field, expected in (
            ("ann@example.org", "ann@example.org"),
            ("ann@example.org (Ann)", "ann@example.org"),
            ('"Ann <x>" <"a b"@example.org>', '"a b"@example.org'),
            ('"Ann, A." <ann@example.org>, bob@example.org', "ann@example.org"),
            ("Ann <nobody>", ""),
            ('"sms:+1555"@example.org', '"sms:+1555"@example.org'),
            ("<", ""),
            ("", ""),
        ):
            self.assertEqual(to_text(mail("x", f"From: {field}")).from_, expected)

    def test_dates_that_are_none(self) -> None:
        for field in (
            "yesterday",
            "",
            "Mon, 99 Jan 2024 10:00:00 +0000",
            "1 Jan 99999 00:00:00 +9999",
            "\x00",
        ):
            self.assertIsNone(to_text(mail("x", f"Date: {field}")).date)

    def test_a_date_without_zone_is_utc(self) -> None:
        self.assertEqual(to_text(mail("x", "Date: Mon, 01 Jan 2024 10:00:00 -0000")).date, 1704103200000)

    def test_encoded_words(self) -> None:
        for value, expected in (
            ("=?iso-8859-1?Q?caff=E8?= bar", "caffè bar"),
            ("=?utf-8?B?w6k=?= =?utf-8?B?w6g=?=", "éè"),
            ("=?utf-8?B?8J+Y?= =?utf-8?B?gA==?=", "😀"),  # one character cut in two words
            ("=?utf-8*de?Q?gr=C3=BCn?=", "grün"),
            ("=?utf-8?Q?a?= =?iso-8859-1?Q?=E8?=", "aè"),
            ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
            ("=?nonsense?Q?abc?=", "abc"),
            ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
            ("=?utf-8?B?!!!?=", ""),
            ("caffè", "caffè"),
            ("a\x07b", "a b"),
            ("=?utf-8?Q?a=0D=0AX-Evil=3A_1?=", "a X-Evil: 1"),
        ):
            self.assertEqual(to_text(mail("x", f"Subject: {value}")).subject, expected)

    def test_raw_octets_in_a_subject(self) -> None:
        self.assertEqual(to_text(b"Subject: caff\xe8\r\n\r\nx").subject, "caffè")

    def test_robots(self) -> None:
        for field, automatic in (
            ("Auto-Submitted: auto-replied", True),
            ("Auto-Submitted: Auto-Replied (vacation)", True),
            ('Content-Type: multipart/report; report-type=delivery-status; boundary="b"', True),
            ("X-Autoreply: yes", True),
            ("Precedence: auto_reply", True),
            ("Auto-Submitted: auto-generated", False),
            ("Auto-Submitted: no", False),
            ("Precedence: bulk", False),
        ):
            self.assertEqual(to_text(mail("--b\n\nx\n--b--\n", field)).automatic, automatic, field)

    def test_subject_options(self) -> None:
        fields = ("Subject: Alarm",)
        self.assertEqual(text("Fire", *fields), "Fire")
        self.assertEqual(text("Fire", *fields, subject=Subject.PREFIX), "Alarm\nFire")
        self.assertEqual(text("Fire", *fields, subject=Subject.ONLY), "Alarm")
        self.assertEqual(text("", *fields, subject=Subject.PREFIX), "Alarm")
        self.assertEqual(text("Fire", subject=Subject.PREFIX), "Fire")


class BodyTests(SynchronousTestCase):
    """One part: its encoding, its charset, its lines."""

    def test_without_any_field(self) -> None:
        self.assertEqual(to_text(b"\r\nJust text\r\n").text, "Just text")

    def test_a_text_that_is_no_mail(self) -> None:
        self.assertEqual(to_text(b"Just text\r\nand more\r\n").text, "Just text\nand more")

    def test_bare_line_feeds_and_carriage_returns(self) -> None:
        self.assertEqual(to_text(b"Subject: x\n\na\nb\rc\r\nd\n").text, "a\nb\nc\nd")

    def test_outer_empty_lines_go_inner_ones_stay(self) -> None:
        self.assertEqual(text("\n\na\n\n  b \n \n\n"), "a\n\n  b")
        self.assertEqual(text("a "), "a ")
        self.assertEqual(text(" \n \n"), "")

    def test_mbox_line(self) -> None:
        self.assertEqual(to_text(b"From ann Mon Jan 1\nSubject: x\n\nhi").text, "hi")

    def test_charsets(self) -> None:
        for octets, charset, expected in (
            ("è".encode(), "utf-8", "è"),
            (b"\xe8", "iso-8859-1", "è"),
            (b"\x80", "iso-8859-1", "€"),
            (b"\xa4", "iso-8859-15", "€"),
            ("è".encode(), "iso-8859-1", "è"),  # says Latin, is UTF-8
            (b"\xe8", "utf-8", "è"),  # says UTF-8, is not
            (b"\xe8", "us-ascii", "è"),
            (b"\xe8", "x-nonsense", "è"),
            (b"\xe8", "rot13", "è"),
            (b"\xe8", "punycode", "è"),
            ("日本".encode("iso-2022-jp"), "ISO-2022-JP", "日本"),
            ("中文".encode("gbk"), "gb2312", "中文"),
            ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
            (b"+AOk-", "utf-7", "é"),
            ("hé".encode("utf-16"), "utf-16", "hé"),
        ):
            self.assertEqual(text(octets, f"Content-Type: text/plain; charset={charset}"), expected, charset)

    def test_no_charset_and_no_utf8_is_the_fallback(self) -> None:
        self.assertEqual(text(b"\xe8\x81"), "è\ufffd")
        self.assertEqual(text(b"\xe8", fallback="iso-8859-7"), "θ")

    def test_a_wrong_charset_is_noted(self) -> None:
        read = to_text(mail(b"\xe8", "Content-Type: text/plain; charset=utf-8"))
        self.assertEqual(read.notes, ("the text is not in the charset that the mail names",))

    def test_encodings(self) -> None:
        coded = base64.b64encode("Grüße".encode()).decode()
        for body, encoding, expected in (
            ("Gr=C3=BC=C3=9Fe=\n!", "quoted-printable", "Grüße!"),
            ("a=ZZb=", "quoted-printable", "a=ZZb"),
            (coded, "base64", "Grüße"),
            (coded.rstrip("="), "BASE64", "Grüße"),
            ("!" + coded[:4] + "\n" + coded[4:], "base64", "Grüße"),
            ("Grüße", "8bit", "Grüße"),
            ("Grüße", "", "Grüße"),
        ):
            self.assertEqual(text(body, PLAIN, f"Content-Transfer-Encoding: {encoding}"), expected)

    def test_an_unknown_encoding_is_noted(self) -> None:
        read = to_text(mail("x", "Content-Transfer-Encoding: x-uuencode"))
        self.assertEqual(
            (read.text, read.notes), ("", ("a part in an unknown transfer encoding was ignored",))
        )

    def test_nul_is_refused(self) -> None:
        self.assertRaises(DecodeError, to_text, b"\r\na\0b")

    def test_lone_surrogates_become_replacements(self) -> None:
        self.assertEqual(text(b"A\xd8", "Content-Type: text/plain; charset=utf-16-le"), "AØ")
        self.assertEqual(
            text(b"+2AA-", "Content-Type: text/plain; charset=utf-7").encode().decode(), "\ufffd"
        )

    def test_flowed(self) -> None:
        flowed = "Content-Type: text/plain; charset=utf-8; format=flowed"
        self.assertEqual(text("a \nb\nc\n  d\n", flowed), "a b\nc\n d")
        self.assertEqual(text("日 \n本\n", flowed + "; delsp=yes"), "日本")
        self.assertEqual(text("> q \n> r\nmine\n", flowed), "> q r\nmine")
        self.assertEqual(text("a \n> q\n", flowed), "a \n> q")
        self.assertEqual(text("a\n-- \nAnn\n", flowed), "a\n-- \nAnn")
        self.assertEqual(text("a\n-- \nAnn\n", flowed, cut_signature=True), "a")

    def test_signature(self) -> None:
        body = "Hi\n\n-- \nAnn\nExample Ltd\n"
        self.assertEqual(text(body), "Hi\n\n-- \nAnn\nExample Ltd")
        read = to_text(mail(body), MailOptions(cut_signature=True))
        self.assertEqual((read.text, read.notes), ("Hi", ("signature cut",)))
        self.assertEqual(text("a -- b\n--c\n", cut_signature=True), "a -- b\n--c")

    def test_quotes(self) -> None:
        lead = "On Mon, Jan 1, 2024 at 10:00 AM Bob <bob@example.org>\nwrote:\n"
        for body, expected in (
            (f"Yes\n\n{lead}\n> Will you?\n>\n> Bob\n", "Yes"),
            ("Ja\n\nAm 01.01.2024 um 10:00 schrieb Bob:\n> Kommst du?\n", "Ja"),
            ("Sì\nIl giorno lun 1 gen 2024 Bob ha scritto:\n> Vieni?\n", "Sì"),
            ("> a?\nyes\n> b?\nno\n", "yes\nno"),
            ("The reasons:\n> first\nI agree\n", "The reasons:\nI agree"),
            ("Yes\n-----Original Message-----\nFrom: Bob\nrest\n", "Yes"),
            ("Yes\n________________________________\nFrom: Bob\nrest\n", "Yes"),
            ("no quotes here:\n", "no quotes here:"),
        ):
            self.assertEqual(text(body, cut_quotes=True).strip(), expected)
            self.assertNotEqual(text(body + "> x\n"), expected)


class PartTests(SynchronousTestCase):
    """Mails of several parts."""

    def test_alternative_takes_plain_text_wherever_it_stands(self) -> None:
        for parts in (((PLAIN, "plain"), (HTML, "<p>html")), ((HTML, "<p>html"), (PLAIN, "plain"))):
            self.assertEqual(to_text(multipart("alternative", *parts)).text, "plain")

    def test_alternative_with_empty_plain_text_takes_html(self) -> None:
        self.assertEqual(to_text(multipart("alternative", (PLAIN, " "), (HTML, "<p>html"))).text, "html")

    def test_attachments_are_counted(self) -> None:
        read = to_text(
            multipart(
                "mixed",
                (PLAIN, "text"),
                ("Content-Type: image/png", "x"),
                ("Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt", "x"),
                ('Content-Type: text/plain; name="b.txt"', "x"),
                ("Content-Type: message/rfc822", "Subject: x\n\nx"),
            )
        )
        self.assertEqual((read.text, read.notes), ("text", ("4 attachments ignored",)))

    def test_text_around_a_picture(self) -> None:
        read = to_text(
            multipart("mixed", (PLAIN, "before"), ("Content-Type: image/png", "x"), (PLAIN, "after"))
        )
        self.assertEqual((read.text, read.notes), ("before\nafter", ("1 attachment ignored",)))

    def test_related_reads_the_root(self) -> None:
        read = to_text(multipart("related", (HTML, "<b>hi</b>"), ("Content-Type: image/png", "x")))
        self.assertEqual(read.text, "hi")

    def test_nested(self) -> None:
        inner = (
            multipart("alternative", (PLAIN, "plain"), (HTML, "<p>html"))
            .replace(b"--b", b"--i")
            .replace(b'"b"', b'"i"')
        )
        head, _, body = inner.decode().replace("\r\n", "\n").partition("\n\n")
        read = to_text(multipart("mixed", (head, body), ("Content-Type: application/pdf", "x")))
        self.assertEqual((read.text, read.notes), ("plain", ("1 attachment ignored",)))

    def test_a_boundary_that_begins_like_another(self) -> None:
        raw = mail("--b\n\none\n--bb\n--b-\n--b\n\ntwo\n--b--\n", "Content-Type: multipart/mixed; boundary=b")
        self.assertEqual(to_text(raw).text, "one\n--bb\n--b-\ntwo")

    def test_a_missing_end(self) -> None:
        self.assertEqual(to_text(mail("--b\n\none", "Content-Type: multipart/mixed; boundary=b")).text, "one")

    def test_no_boundary(self) -> None:
        self.assertRaises(DecodeError, to_text, mail("x", "Content-Type: multipart/mixed"))
        self.assertRaises(DecodeError, to_text, mail("x", "Content-Type: multipart/mixed; boundary=b"))

    def test_rfc2231_boundary_and_name(self) -> None:
        raw = mail("--xy\n\none\n--xy--\n", "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y")
        self.assertEqual(to_text(raw).text, "one")
        raw = mail("x", "Content-Type: text/plain; name*=utf-8''%C3%A9.txt")
        self.assertEqual(to_text(raw).notes, ("1 attachment ignored",))

    def test_folded_content_type(self) -> None:
        raw = mail("--b\n\none\n--b--\n", "Content-Type: multipart/mixed;\r\n\tboundary=b")
        self.assertEqual(to_text(raw).text, "one")
