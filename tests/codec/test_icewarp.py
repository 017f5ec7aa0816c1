"""IceWarp's lines and gateways as values: what the document describes is read, everything else is a mistake with its line."""

from __future__ import annotations

import datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.icewarp import (
    Broken,
    Gateways,
    Line,
    decode,
    known_charset,
    map_path,
    read_expiry,
    read_gateways,
    read_line,
    read_lines,
    read_map,
    write_line,
)
from smsd.values.errors import DecodeError

ANN = "ann:secret:O2_HTTP:Ann from sales:500:3:1163685600:40:39846:0"

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), max_size=20)
numbers = st.integers(0, 10**15)
lines = st.builds(
    Line,
    texts,
    texts,
    texts.map(str.strip),
    texts,
    numbers,
    numbers,
    st.integers(0, 253_402_300_799),
    numbers,
    st.none() | st.dates(datetime.date(1899, 12, 31)),
    st.booleans(),
)


class Lines(SynchronousTestCase):
    def test_every_field(self) -> None:
        self.assertEqual(
            read_line(ANN),
            Line(
                "ann",
                "secret",
                "O2_HTTP",
                "Ann from sales",
                500,
                3,
                1163685600,
                40,
                datetime.date(2009, 2, 2),
                False,
            ),
        )

    def test_what_is_empty_is_nothing(self) -> None:
        self.assertEqual(read_line(":::::::::"), Line("", ""))
        self.assertEqual(read_line(":::::::::1"), Line("", "", inactive=True))

    @given(lines)
    def test_written_and_read(self, line: Line) -> None:
        self.assertEqual(read_line(write_line(line)), line)

    @given(st.text())
    def test_any_text_is_a_line_or_a_mistake_that_does_not_quote_it(self, text: str) -> None:
        try:
            read_line(text)
        except DecodeError as error:
            self.assertTrue(len(text) < 20 or text not in str(error))

    def test_a_password_is_in_no_mistake_and_no_print(self) -> None:
        self.assertNotIn("secret", repr(read_line(ANN)))
        for broken in (
            "ann:secret:secret:gw::1:2:3:4:5:0",
            "a:secret:secret:secret:secret:0:0:0:0:0",
            "a:b:c:d:0:0:secret:0:0:0",
            "a:b:c:d:0:0:0:0:secret:0",
            "a:b:c:d:0:0:0:0:0:secret",
            "a:secret\x01:c:d:0:0:0:0:0:0",
        ):
            self.assertNotIn("secret", str(self.assertRaises(DecodeError, read_line, broken)))

    def test_what_is_wrong(self) -> None:
        for text, told in (
            ("ann:pw:gw", "there are 3 fields instead of 10"),
            ("ann:p:w:gw::0:0:0:0:0:0", "there are 11 fields"),
            ("ann:pw:gw::-1:0:0:0:0:0", "maxsend"),
            ("ann:pw:gw::1e3:0:0:0:0:0", "maxsend"),
            ("ann:pw:gw::٣:0:0:0:0:0", "maxsend"),
            ("ann:pw:gw::0:9999999999999999:0:0:0:0", "sent"),
            ("ann:pw:gw::0:0:39846.5:0:0:0", "lastsent"),
            ("ann:pw:gw::0:0:253402300800:0:0:0", "lastsent"),
            ("ann:pw:gw::0:0:0:x:0:0", "prevsent"),
            ("ann:pw:gw::0:0:0:0:soon:0", "expire"),
            ("ann:pw:gw::0:0:0:0:0:2", "inactive"),
            ("ann:pw:gw::0:0:0:0:0:yes", "inactive"),
            ("a\x07nn:pw:gw::0:0:0:0:0:0", "user: there is a control character"),
            ("ann:p\ud800w:gw::0:0:0:0:0:0", "password: there is a character that no text has"),
        ):
            self.assertIn(told, str(self.assertRaises(DecodeError, read_line, text)))

    def test_a_file_tells_all_its_mistakes_with_their_lines(self) -> None:
        text = ANN + "\r\n\r\nbad\r\n" + ANN.replace("500", "x") + "\n"
        error = self.assertRaises(Broken, read_lines, text)
        self.assertEqual([line for line, _ in error.mistakes], [3, 4])
        self.assertEqual(read_lines(f"\n{ANN}\r\n  \n{ANN}"), [(2, read_line(ANN)), (4, read_line(ANN))])

    def test_what_cannot_be_written(self) -> None:
        self.assertRaises(DecodeError, write_line, Line("a:b", ""))
        self.assertRaises(DecodeError, write_line, Line("a", "b\nc"))


class Expiry(SynchronousTestCase):
    def test_never(self) -> None:
        for text in ("", " ", "0", "0.0", "1899-12-30", "1899-12-30 00:00", "1899/12/30"):
            self.assertIsNone(read_expiry(text), text)

    def test_days(self) -> None:
        self.assertEqual(read_expiry("39846"), datetime.date(2009, 2, 2))
        self.assertEqual(read_expiry("39846.75"), datetime.date(2009, 2, 2))
        self.assertEqual(read_expiry("39846,75"), datetime.date(2009, 2, 2))
        self.assertEqual(read_expiry("1"), datetime.date(1899, 12, 31))
        self.assertEqual(read_expiry("2958465"), datetime.date(9999, 12, 31))
        self.assertEqual(read_expiry("2009/04/05"), datetime.date(2009, 4, 5))

    def test_no_date(self) -> None:
        for text in (
            "2958466",
            "1163685600",
            "-1",
            "1899-12-29",
            "2009-02-30",
            "39846.",
            ".5",
            "5.4.2009",
            "nan",
        ):
            self.assertRaises(DecodeError, read_expiry, text)

    @given(st.dates(datetime.date(1899, 12, 31)))
    def test_a_day_is_the_same_in_days_and_written_out(self, day: datetime.date) -> None:
        days = (day - datetime.date(1899, 12, 30)).days
        self.assertEqual((read_expiry(str(days)), read_expiry(str(day))), (day, day))


class Characters(SynchronousTestCase):
    def test_utf_8_or_else_cp1252(self) -> None:
        self.assertEqual(decode("Jörg".encode()), ("Jörg", "UTF-8"))
        self.assertEqual(decode("Jörg €".encode("cp1252")), ("Jörg €", "CP1252"))
        self.assertEqual(decode(b"\xef\xbb\xbf" + "Jörg".encode()), ("Jörg", "UTF-8"))
        self.assertEqual(decode(b"\xff\xfe" + "Jörg".encode("utf-16-le"), "cp1250"), ("Jörg", "UTF-16-LE"))

    def test_said(self) -> None:
        self.assertEqual(decode("Žižka".encode("cp1250"), "cp1250"), ("Žižka", "CP1250"))

    def test_octets_that_it_has_not(self) -> None:
        error = self.assertRaises(Broken, decode, b"a\n\xfcb\n\x81\n")
        self.assertEqual(error.mistakes[0][0], 3)
        self.assertEqual(self.assertRaises(Broken, decode, b"a\n\xff\n", "utf-8").mistakes[0][0], 2)

    def test_names(self) -> None:
        for name in ("utf-8", "CP1250", "latin-1", "utf-16"):
            self.assertTrue(known_charset(name), name)
        for name in ("base64", "rot13", "zlib", "idna", "punycode", "unicode_escape", "x", "", "ü", "a\0"):
            self.assertFalse(known_charset(name), name)


GATEWAY = (
    "<ITEMS>\n <ITEM><ACTIVE>1</ACTIVE>\n  <CLIENTCERT>C:\\certificates\\cert_o2.pem</CLIENTCERT>"
    "<PIN>1234</PIN></ITEM>\n <ITEM><CLIENTCERT/></ITEM>\n</ITEMS>"
)


class GatewayFile(SynchronousTestCase):
    def test_certificates_and_what_nothing_describes(self) -> None:
        self.assertEqual(
            read_gateways(GATEWAY.encode()),
            (
                Gateways(
                    ((3, "C:\\certificates\\cert_o2.pem"),),
                    (("ACTIVE", 1), ("ITEM", 2), ("ITEMS", 1), ("PIN", 1)),
                ),
                "UTF-8",
            ),
        )

    def test_encodings(self) -> None:
        text = "<a><CLIENTCERT>C:\\klíče\\ž.pem</CLIENTCERT></a>"
        wanted = ((1, "C:\\klíče\\ž.pem"),)
        declared = f'<?xml version="1.0" encoding="windows-1250"?>{text}'
        self.assertEqual(read_gateways(declared.encode("cp1250"))[0].certificates, wanted)
        self.assertEqual(read_gateways(text.encode("cp1250"), "cp1250")[0].certificates, wanted)
        self.assertEqual(read_gateways(b"\xff\xfe" + text.encode("utf-16-le"))[0].certificates, wanted)
        self.assertRaises(Broken, read_gateways, b'<?xml version="1.0" encoding="base64"?><a/>')

    def test_tricks_are_refused(self) -> None:
        for text in (
            '<!DOCTYPE a [<!ENTITY x "y">]><a><CLIENTCERT>&x;</CLIENTCERT></a>',
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            "<a><CLIENTCERT>&x;</CLIENTCERT></a>",
            "<a>",
            "",
            "<a>" * 100 + "</a>" * 100,
            "<a><CLIENTCERT>C:\\a\nb</CLIENTCERT></a>",
            "<a>" + "<b/>" * 100_001 + "</a>",
        ):
            error = self.assertRaises(Broken, read_gateways, text.encode())
            self.assertGreaterEqual(error.mistakes[0][0], 1)

    @given(
        st.binary(max_size=200)
        | st.text(max_size=100).map(lambda text: f"<a>{text}</a>".encode(errors="replace"))
    )
    def test_anything_is_read_or_refused(self, data: bytes) -> None:
        try:
            found, _ = read_gateways(data)
        except Broken:
            return
        self.assertTrue(found.others or found.certificates or data.upper().count(b"CLIENTCERT"))


class Paths(SynchronousTestCase):
    def test_mapped(self) -> None:
        maps = [
            read_map("C:\\certificates=/etc/smsd/certs/"),
            read_map("c:\\=/mnt"),
            read_map("\\\\host\\share=/share"),
        ]
        for old, new in (
            ("C:\\certificates\\cert_o2.pem", "/etc/smsd/certs/cert_o2.pem"),
            ("c:/CERTIFICATES/sub\\a.pem", "/etc/smsd/certs/sub/a.pem"),
            ("C:\\certificates2\\a.pem", "/mnt/certificates2/a.pem"),
            ("\\\\Host\\Share\\a.pem", "/share/a.pem"),
            ("D:\\a.pem", None),
            ("C:\\certificates\\..\\a.pem", None),
        ):
            self.assertEqual(map_path(old, maps), new)

    def test_the_root(self) -> None:
        self.assertEqual(map_path("C:\\a\\b", [read_map("C:\\=/")]), "/a/b")

    def test_no_maps(self) -> None:
        for text in ("C:\\certificates", "/a=/b", "C:\\a=b", "=", "x=/y"):
            self.assertRaises(DecodeError, read_map, text)
