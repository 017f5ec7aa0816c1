"""What a MESSAGE says, whatever it is wrapped in: texts, CPIM (RFC 3862), delivery notifications (RFC 5438)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sip
from smsd.codec.sip import (
    ACCEPT,
    Content,
    Malformed,
    Notification,
    Request,
    read_body,
    read_cpim,
    read_imdn,
    text_body,
    write_cpim,
    write_imdn,
)
from smsd.values.errors import storable

CPIM = (
    b"From: MR SANDERS <im:piglet@100akerwood.com>\r\nTo: Depressed Donkey <im:eeyore@100akerwood.com>\r\n"
    b"DateTime: 2000-12-13T13:40:00-08:00\r\nSubject: the weather will be fine today\r\n"
    b"Subject:;lang=fr beau temps prevu pour aujourd'hui\r\nNS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n"
    b"Require: MyFeatures.VitalMessageOption\r\nMyFeatures.VitalMessageOption: Confirmation-requested\r\n"
    b"MyFeatures.WackyMessageOption: Use-silly-font\r\n\r\n"
    b"Content-type: text/plain; charset=utf-8\r\nContent-ID: <1234567890@foo.com>\r\n\r\n"
    b"Here is the text of my message."
)
"""RFC 3862 section 4.1, with a text in place of XML."""

ASKED = (
    b"From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n"
    b"imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n"
    b"Content-type: text/plain\r\nContent-length: 12\r\n\r\nHello World\r\n"
)
"""RFC 5438 section 7.2.1."""

IMDN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\r\n<imdn xmlns="urn:ietf:params:xml:ns:imdn">\r\n'
    b"<message-id>34jk324j</message-id>\r\n<datetime>2008-04-04T12:16:49-05:00</datetime>\r\n"
    b"<recipient-uri>im:bob@example.com</recipient-uri>\r\n<original-recipient-uri>im:bob@example.com</original-recipient-uri>\r\n"
    b"<delivery-notification>\r\n<status>\r\n<delivered/>\r\n</status>\r\n</delivery-notification>\r\n</imdn>\r\n"
)
"""RFC 5438 section 7.2.1.1."""

NOTIFIED = (
    b"From: Bob <im:bob@example.com>\r\nTo: Alice <im:alice@example.com>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
    b"imdn.Message-ID: d834jied93rf\r\n\r\nContent-type: message/imdn+xml\r\nContent-Disposition: notification\r\n"
    b"Content-length: 100\r\n\r\n" + IMDN
)


TYPES = st.sampled_from(
    [
        "message/cpim",
        "multipart/mixed;boundary=b",
        "message/imdn+xml",
        "text/html",
        "text/plain;charset=gb2312",
    ]
)
PIECES = (
    b"--b", b"\r\n", b"\n", b"Content-Type: ", b"message/cpim", b"multipart/mixed;boundary=b", b"<", b">", b"imdn",
    b"From: ", b"\xff", b"\0", b"=", b"&#0;",
)  # fmt: skip
NOISE = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=40)


def read(content_type: str, body: bytes, *more: tuple[str, str]) -> Content:
    """The content of a MESSAGE."""
    headers = (("Content-Type", content_type), *more) if content_type else more
    return read_body(Request("MESSAGE", "sip:x", headers, body))


class TextTests(SynchronousTestCase):
    """text/plain, text/html."""

    def test_charsets(self) -> None:
        """Any that the world writes."""
        for content_type, body, expected in (
            ("text/plain", "Grüße 😀".encode(), "Grüße 😀"),
            ("Text/Plain;CharSet=utf-8", "ü".encode(), "ü"),
            ('text/plain; format=flowed ; charset="ISO-8859-1"', b"\xfc", "ü"),
            ("text/plain;charset=us-ascii", "ü".encode(), "ü"),
            ("text/plain;charset=windows-1251", b"\xcf\xf0\xe8", "При"),
            ("text/plain;charset=KOI8-R", b"\xf0\xd2\xc9", "При"),
            ("text/plain;charset=UTF-16", b"\xff\xfeh\0i\0", "hi"),
            ("text/plain;charset=utf-16le", b"h\0i\0", "hi"),
            ("text/plain;charset=GB2312", b"\xc4\xe3", "你"),
            ("text/plain;charset=Shift_JIS", b"\x82\xb1", "こ"),
            ("text/plain;charset=iso-2022-jp", b"\x1b$B$3\x1b(B", "こ"),
            ("text/plain;charset=utf-8", b"\xef\xbb\xbfa\r\nb\rc\r\n", "a\nb\nc"),
            ("", b"no type", "no type"),
            ("text/html;charset=utf-8", "<p>a&amp;ü<br>b</p>".encode(), "a&ü\nb"),
        ):
            self.assertEqual(read(content_type, body).text, expected, content_type)
        self.assertEqual(read("text/plain;charset=KOI8-R", b"a").charset, "KOI8-R")

    def test_nothing(self) -> None:
        """No body says nothing; someone who types says nothing either."""
        self.assertEqual(read("text/plain", b""), Content())
        self.assertEqual(read("application/im-iscomposing+xml", b"<isComposing/>"), Content(composing=True))

    def test_not_taken(self) -> None:
        """415, with what is taken."""
        for content_type in (
            "application/sdp", "image/png", "text/plain;charset=klingon", "text/plain;charset=rot13", "text/plain;charset=idna",
            "text/plain;charset=utf-99", "text/plain;charset=../../x", "garbage", "/",
        ):  # fmt: skip
            error = self.assertRaises(Malformed, read, content_type, b"x")
            self.assertEqual((error.status, error.headers), (415, (("Accept", ACCEPT),)), content_type)
        error = self.assertRaises(Malformed, read, "text/plain", b"x", ("Content-Encoding", "gzip"))
        self.assertEqual((error.status, error.headers), (415, (("Accept-Encoding", "identity"),)))
        self.assertEqual(read("text/plain", b"x", ("Content-Encoding", "identity")).text, "x")

    def test_unreadable(self) -> None:
        """400 for octets that are not what they say, NUL, and broken parameters."""
        for content_type, body in (
            ("text/plain", b"\xff"), ("text/plain", b"a\0b"), ("text/plain;charset=utf-16", b"a"),
            ("text/plain;charset=utf-7", b"+2AA-"),
            ('text/plain;charset="utf-8', b"a"), ("text/plain;;", b"a"), ("text/plain;charset=gb2312", b"\xff"),
        ):  # fmt: skip
            self.assertEqual(
                self.assertRaises(Malformed, read, content_type, body).status, 400, (content_type, body)
            )

    @given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\ufeff")))
    @settings(deadline=None)
    def test_written(self, text: str) -> None:
        """Our texts are read alike."""
        (header,), body = text_body(text)
        self.assertEqual(read(header[1], body).text or "", text.rstrip("\n"))


class CpimTests(SynchronousTestCase):
    """message/cpim."""

    def test_rfc_3862(self) -> None:
        """Section 4.1."""
        wrapper = read_cpim(CPIM)
        self.assertEqual(
            (wrapper.sender, wrapper.to), ("im:piglet@100akerwood.com", "im:eeyore@100akerwood.com")
        )
        self.assertEqual(
            (wrapper.date, wrapper.subject), ("2000-12-13T13:40:00-08:00", "the weather will be fine today")
        )
        self.assertEqual(wrapper.get("{mid:MessageFeatures@id.foo.com}WackyMessageOption"), "Use-silly-font")
        self.assertEqual(dict(wrapper.content_headers)["content-id"], "<1234567890@foo.com>")
        content = read("message/cpim", CPIM)
        self.assertEqual((content.text, content.cpim), ("Here is the text of my message.", wrapper))

    def test_rfc_5438(self) -> None:
        """Section 7.2.1: notifications are asked for."""
        content = read("message/cpim", ASKED)
        assert content.cpim is not None
        self.assertEqual((content.text, content.cpim.message_id), ("Hello World", "34jk324j"))
        self.assertEqual(content.cpim.wants, {"positive-delivery", "negative-delivery"})

    def test_loosely(self) -> None:
        """Bare line feeds, another prefix, none declared, an escaped and translated subject, no headers of MIME."""
        loose = ASKED.replace(b"\r\n", b"\n").replace(b"NS: imdn <urn:ietf:params:imdn>\n", b"")
        self.assertEqual(read_cpim(loose).message_id, "34jk324j")
        other = ASKED.replace(b"imdn.", b"x.").replace(b"NS: imdn", b"NS: x")
        self.assertEqual(read_cpim(other).message_id, "34jk324j")
        wrapper = read_cpim(b"Subject:;lang=fr \\u00e9t\\u00e9 \\\\ \\ud83d\\ude00 \\ud83d\r\n\r\n\r\nhello")
        self.assertEqual(
            (wrapper.subject, wrapper.sender, wrapper.content), ("été \\ 😀 \ufffd", "", b"hello")
        )
        self.assertEqual(read("message/cpim", b"From: <sip:a@b>\r\n\r\n\r\nhello").text, "hello")

    def test_folded(self) -> None:
        """MIME's headers may go over several lines."""
        body = b"From: <sip:a@b>\r\n\r\nContent-Type: text/plain;\r\n\tcharset=koi8-r\r\n\r\n\xf0"
        self.assertEqual(read("message/cpim", body).text, "П")

    def test_notification_wrapped(self) -> None:
        """As RFC 5438 section 7.2.1.1 wants it sent."""
        made = Notification("m1", "failed")
        body = write_cpim(
            write_imdn(made),
            "message/imdn+xml",
            sender="sip:a@b",
            to="sip:c@d",
            message_id="m2",
            disposition="notification",
        )
        self.assertIn(b"\r\nContent-Disposition: notification\r\n", body)
        content = read("message/cpim", body)
        assert content.cpim is not None
        self.assertEqual(
            (content.notification, content.cpim.message_id, content.cpim.wants), (made, "m2", frozenset())
        )

    def test_broken(self) -> None:
        """400, never more."""
        for body in (
            b"x", b"From: <a>\r\n\r\nhello", b"x\r\n\r\nContent-Type: text/plain\r\n\r\nhello",
            b"A: b\r\n" * 300 + b"\r\n\r\n", b"A: " + b"b" * 70_000 + b"\r\n\r\n\r\n",
        ):  # fmt: skip
            self.assertEqual(self.assertRaises(Malformed, read, "message/cpim", body).status, 400)
        nested = ASKED
        for _ in range(10):
            nested = b"From: <a>\r\n\r\nContent-Type: message/cpim\r\n\r\n" + nested
        self.assertEqual(self.assertRaises(Malformed, read, "message/cpim", nested).status, 400)
        self.assertEqual(
            self.assertRaises(
                Malformed, read, "message/cpim", ASKED.replace(b"text/plain", b"image/gif")
            ).status,
            415,
        )

    def test_written(self) -> None:
        """Ours are read alike, and nothing breaks out of its header."""
        body = write_cpim(
            "hä".encode(), "text/plain;charset=utf-8", sender="sip:+1555@example.org", to="sip:ann@example.org",
            date="2026-01-01T00:00:00Z", message_id="Ab\r\nX: y", wants=("positive-delivery", "negative-delivery"),
        )  # fmt: skip
        content = read("message/cpim", body)
        assert content.cpim is not None
        self.assertEqual(
            (content.text, content.cpim.sender, content.cpim.to),
            ("hä", "sip:+1555@example.org", "sip:ann@example.org"),
        )
        self.assertEqual((content.cpim.message_id, content.cpim.date), ("Ab  X: y", "2026-01-01T00:00:00Z"))
        self.assertEqual(content.cpim.wants, {"positive-delivery", "negative-delivery"})


class ImdnTests(SynchronousTestCase):
    """message/imdn+xml."""

    def test_rfc_5438(self) -> None:
        """Section 7.2.1.1, alone and in its wrapper."""
        expected = Notification(
            "34jk324j",
            "delivered",
            "delivery",
            "2008-04-04T12:16:49-05:00",
            "im:bob@example.com",
            "im:bob@example.com",
        )
        self.assertEqual(read_imdn(IMDN), expected)
        content = read("message/cpim", NOTIFIED)
        self.assertEqual((content.text, content.notification), (None, expected))
        self.assertEqual(read("message/imdn+xml", IMDN).notification, expected)

    def test_all_statuses(self) -> None:
        """Each is written and read."""
        for kind, statuses in (
            ("delivery", ("delivered", "failed", "forbidden", "error")),
            ("display", ("displayed", "forbidden", "error")),
            ("processing", ("processed", "stored", "forbidden", "error")),
        ):
            for status in statuses:
                made = Notification("a&<b", status, kind, "2026-01-01T00:00:00Z", 'sip:"x"@y', "")
                self.assertEqual(read_imdn(write_imdn(made)), made)
        self.assertRaises(Malformed, write_imdn, Notification("a", "eaten"))
        self.assertRaises(Malformed, write_imdn, Notification("", "delivered"))

    def test_loosely(self) -> None:
        """A prefix, no namespace, extensions."""
        prefixed = IMDN.replace(b"xmlns=", b"xmlns:i=").replace(b"</", b"</i:")
        for name in (
            b"imdn ",
            b"message-id",
            b"datetime",
            b"recipient-uri",
            b"original-recipient-uri",
            b"delivery-notification",
            b"status",
        ):
            prefixed = prefixed.replace(b"<" + name, b"<i:" + name)
        prefixed = prefixed.replace(b"<delivered/>", b'<i:delivered/><x:more xmlns:x="urn:x">1</x:more>')
        self.assertEqual(read_imdn(prefixed), read_imdn(IMDN))
        bare = IMDN.replace(b' xmlns="urn:ietf:params:xml:ns:imdn"', b"")
        self.assertEqual(read_imdn(bare), read_imdn(IMDN))

    def test_tricks(self) -> None:
        """Document types are refused at once, whatever they would do; so are depth, breadth and length."""
        begin, end = b'<?xml version="1.0"?>', IMDN.partition(b"?>")[2]
        for doctype in (
            b"<!DOCTYPE imdn>", b'<!DOCTYPE imdn SYSTEM "file:///etc/passwd">', b'<!DOCTYPE imdn [<!ENTITY a "x">]>',
            b'<!DOCTYPE imdn [<!ENTITY % a SYSTEM "http://example.org/">%a;]>',
        ):  # fmt: skip
            self.assertIn("DOCTYPE", self.assertRaises(Malformed, read_imdn, begin + doctype + end).text)
        for octets in (
            b"", b"<imdn", b"<imdn/>", b"<a>" * 30, b"<a>" + b"<b/>" * 300 + b"</a>", IMDN.replace(b"34jk324j", b"x" * 1_001),
            IMDN.replace(b"34jk324j", b"&a;"), IMDN.replace(b"UTF-8", b"x-unknown"), IMDN.replace(b"34jk324j", b""),
            IMDN.replace(b"<delivered/>", b"<eaten/>"), IMDN.replace(b"34jk324j", b"\xff"), IMDN.replace(b"34jk324j", b"\0"),
        ):  # fmt: skip
            self.assertEqual(self.assertRaises(Malformed, read_imdn, octets).status, 400, octets[:300])
        self.assertEqual(self.assertRaises(Malformed, read_imdn, b" " * 70_000).status, 413)


class MultipartTests(SynchronousTestCase):
    """multipart/mixed."""

    def test_first_text(self) -> None:
        """The first part that says something, decoded."""
        body = (
            b"preamble\r\n--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n"
            b"--b\t\r\ncontent-type: text/plain;\r\n charset=utf-8\r\n"
            b"Content-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A4\r\n"
            b"--b\r\n\r\nsecond\r\n--b--\r\nepilogue\r\n--b\r\n\r\nthird"
        )
        self.assertEqual(read('multipart/mixed;boundary="b"', body).text, "hä")
        self.assertEqual(read("multipart/mixed;boundary=b", b"--b\n\nplain\n--b--").text, "plain")
        encoded = b"--b\r\nContent-Transfer-Encoding: BASE64\r\n\r\naMOk\r\n--b--"
        self.assertEqual(read("multipart/alternative;boundary=b", encoded).text, "hä")
        wrapped = b"--b\r\nContent-Type: message/cpim\r\n\r\n" + NOTIFIED + b"\r\n--b--"
        self.assertEqual(read("multipart/mixed;boundary=b", wrapped).notification, read_imdn(IMDN))

    def test_empty_text(self) -> None:
        """An empty part is passed over as long as another says something."""
        empty = b"--b\r\nContent-Type: text/plain\r\n\r\n\r\n"
        self.assertEqual(read("multipart/mixed;boundary=b", empty + b"--b\r\n\r\nhi\r\n--b--").text, "hi")
        self.assertEqual(read("multipart/mixed;boundary=b", empty + b"--b--").text, "")

    def test_none(self) -> None:
        """Nothing that is taken, nothing at all, and no boundary."""
        for content_type, body, status in (
            ("multipart/mixed;boundary=b", b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--", 415),
            ("multipart/mixed;boundary=b", b"no parts", 415),
            ("multipart/mixed;boundary=b", b"--b\r\n\r\n\xff\r\n--b--", 400),
            (
                "multipart/mixed;boundary=b",
                b"--b\r\nContent-Transfer-Encoding: uuencode\r\n\r\nx\r\n--b--",
                400,
            ),
            (
                "multipart/mixed;boundary=b",
                b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--",
                400,
            ),
            ("multipart/mixed;boundary=b", b"--b\r\n\r\n\r\n" * 60, 400),
            ("multipart/mixed", b"--b\r\n\r\nx\r\n--b--", 400),
            ("multipart/mixed;boundary=" + "b" * 71, b"x", 400),
        ):
            self.assertEqual(self.assertRaises(Malformed, read, content_type, body).status, status, body[:80])

    @given(TYPES, NOISE)
    @settings(deadline=None)
    def test_noise(self, content_type: str, pieces: list[bytes]) -> None:
        """Whatever stands in it, it is read or refused."""
        try:
            content = read(content_type, b"".join(pieces))
        except Malformed as error:
            self.assertIn(error.status, sip.REASONS)
            return
        storable(content.text or "")
