"""Queries, forms, JSON and multipart: the same pairs from all of them, and a sentence for everything broken."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.http.fields import (
    MOST_FIELDS,
    read_body,
    read_json,
    read_multipart,
    read_query,
    read_upload,
)
from smsd.values.errors import InvalidValue

FORM = "multipart/form-data; boundary=xx"


def one(query: bytes) -> str:
    [(_, value)] = read_query(query)
    return value


class QueryTests(SynchronousTestCase):
    """URL queries and forms, as the documents write them (feature S3)."""

    def test_plain(self) -> None:
        pairs = read_query(b"number=1&data=a+b%20c&flag&&user=%6a&x%20y=1")
        self.assertEqual(
            pairs, [("number", "1"), ("data", "a b c"), ("flag", ""), ("user", "j"), ("x y", "1")]
        )

    def test_plus_of_a_number(self) -> None:
        for written, meant in (
            (b"+15551234567", "+15551234567"),
            (b"%2B15551234567", "+15551234567"),
            (b"%2b1+555+123", "+1 555 123"),
            (b"+1+555+123", "+1 555 123"),
            (b"%2015551234567", "+15551234567"),
            (b"%20%2015551234567", "+15551234567"),
            (b"+1555,+1666;+1777", "+1555,+1666;+1777"),
            (b"+1555%2C+1666%3b+1777", "+1555,+1666;+1777"),
            (b"sms:+1555", "sms:+1555"),
            (b"sms%3a+1555", "sms:+1555"),
            (b"%22sms:+1555%22@sms.example", '"sms:+1555"@sms.example'),
            (b"0171,+0172", "0171, 0172"),
            (b"0171,%204888", "0171, 4888"),
            (b"004915", "004915"),
        ):
            self.assertEqual(one(b"number=" + written), meant, written)
        self.assertEqual(read_query(b"Number=+1555"), [("Number", "+1555")])

    def test_quotes_are_kept(self) -> None:
        self.assertEqual(one(b'data="hello%20world"'), '"hello world"')

    def test_utf8(self) -> None:
        self.assertEqual(one("data=Grüße".encode()), "Grüße")
        self.assertEqual(one(b"data=%F0%9F%98%80"), "\U0001f600")
        self.assertEqual(one(b"data=100%"), "100%")
        error = self.assertRaises(InvalidValue, read_query, b"data=gr%fc")
        self.assertIn("UTF-8", str(error))
        self.assertIn("data", str(error))
        self.assertRaises(InvalidValue, read_query, b"%ff=1")

    def test_too_many(self) -> None:
        self.assertEqual(len(read_query(b"a=1&" * (MOST_FIELDS - 1) + b"a=1")), MOST_FIELDS)
        self.assertRaises(InvalidValue, read_query, b"&" * MOST_FIELDS)


class JsonTests(SynchronousTestCase):
    """RFC 8259, one flat object."""

    def test_literally(self) -> None:
        body = json.dumps({"number": [" 1555", "+1 666"], "data": "a+b%20", "binary": True, "id": None})
        self.assertEqual(
            read_json(body.encode()),
            [("number", " 1555"), ("number", "+1 666"), ("data", "a+b%20"), ("binary", "1")],
        )

    def test_numbers_are_text(self) -> None:
        self.assertEqual(
            read_json(b'{"number": 15551234567, "maxmsgs": 3, "authenticated": false}'),
            [("number", "15551234567"), ("maxmsgs", "3"), ("authenticated", "0")],
        )
        digits = b"9" * 100_000
        self.assertEqual(read_json(b'{"number": ' + digits + b"}"), [("number", digits.decode())])

    def test_a_name_twice_is_seen(self) -> None:
        self.assertEqual(read_json(b'{"id": "a", "id": "b"}'), [("id", "a"), ("id", "b")])

    def test_broken(self) -> None:
        for body in (
            b"",
            b"[]",
            b'"x"',
            b"{",
            b"{'a': 1}",
            b'{"a": NaN}',
            b'{"a": {"b": 1}}',
            b'{"a": [[1]]}',
            b'{"data": "\xff"}',
            b"[" * 200_000,
            b'{"a":' * 100_000,
            json.dumps({"number": ["1"] * (MOST_FIELDS + 1)}).encode(),
        ):
            error = self.assertRaises(InvalidValue, read_json, body)
            self.assertLess(len(str(error)), 200)


class MultipartTests(SynchronousTestCase):
    """RFC 7578."""

    def test_fields(self) -> None:
        body = (
            b'--xx\r\nContent-Disposition: form-data; name="number"\r\n\r\n+15551234567\r\n'
            b'--xx\r\nContent-Disposition: form-data; name="data"; filename="a;b.txt"\r\n'
            b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\r\n--x\r\n\r\n--xx--\r\n"
        )
        self.assertEqual(read_multipart(body, FORM), [("number", "+15551234567"), ("data", "Grü\r\n--x\r\n")])
        self.assertEqual(
            read_multipart(body.replace(b"--xx", b"--a b"), 'multipart/form-data; boundary="a b"')[0][0],
            "number",
        )

    def test_folded_and_bare_names(self) -> None:
        body = b"--xx\r\nContent-Disposition: form-data;\r\n name=number\r\n\r\n1\r\n--xx--"
        self.assertEqual(read_multipart(body, FORM), [("number", "1")])

    def test_broken(self) -> None:
        part = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        for body, kind in (
            (part + b"--xx--", "multipart/form-data"),
            (part, FORM),
            (b"", FORM),
            (b"--xx\r\nno blank line--xx--", FORM),
            (b"--xx\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xx--", FORM),
            (b"--xx\r\nX: " + b"y" * 5000 + b"\r\n\r\n1\r\n--xx--", FORM),
            (part * (MOST_FIELDS + 1) + b"--xx--", FORM),
            (part.replace(b"1\r\n", b"\xff\r\n") + b"--xx--", FORM),
            (part.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + b"--xx--", FORM),
            (
                part.replace(b"\r\n\r\n1", b"\r\nContent-Type: text/plain; charset=latin1\r\n\r\n\xc3\xbc")
                + b"--xx--",
                FORM,
            ),
        ):
            self.assertRaises(InvalidValue, read_multipart, body, kind)

    def test_a_bomb_costs_little(self) -> None:
        """Headers made for backtracking, in as many parts as fit into a megabyte."""
        head = b"Content-Disposition: form-data" + b"; " * 1900
        body = (b"--xx\r\n" + head + b"\r\n\r\n1\r\n") * 250 + b"--xx--"
        self.assertRaises(InvalidValue, read_multipart, body, FORM)


class BodyTests(SynchronousTestCase):
    """By Content-Type."""

    def test_types(self) -> None:
        for kind, body in (
            ("application/x-www-form-urlencoded", b"number=+1555\r\n"),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"number=%2B1555"),
            ("", b"number=+1555"),
            ("application/json; charset=utf-8", b'{"number": "+1555"}'),
        ):
            self.assertEqual(read_body(body, kind), [("number", "+1555")], kind)
        self.assertIsNone(read_body(b"hello", "text/plain"))

    def test_other_charsets(self) -> None:
        kind = "application/x-www-form-urlencoded; charset=iso-8859-1"
        self.assertEqual(read_body(b"data=plain", kind), [("data", "plain")])
        error = self.assertRaises(InvalidValue, read_body, b"data=%C3%BC", kind)
        self.assertIn("UTF-8", str(error))


class FileTests(SynchronousTestCase):
    """A file among the fields of a form."""

    def name(self, disposition: bytes, kind: bytes = b"text/csv") -> str:
        head = b"Content-Disposition: form-data; name=file; " + disposition + b"\r\nContent-Type: " + kind
        pairs, file, name = read_upload(b"--xx\r\n" + head + b"\r\n\r\n1;\xff\r\n--xx--", FORM)
        self.assertEqual((pairs, file), ([], b"1;\xff"))
        return name

    def test_names(self) -> None:
        for disposition, name in (
            (b'filename="my list.csv"', "my list.csv"),
            (b"filename=list.csv", "list.csv"),
            (b'filename=""', ""),
            ('filename="Gäste.csv"'.encode(), "Gäste.csv"),
            (b"filename*=UTF-8''G%c3%a4ste%2e.csv", "Gäste..csv"),
            (b'filename="../../etc/passwd"', "passwd"),
            (b'filename="C:\\Users\\ann\\a.csv"', "a.csv"),
            (b'filename="a\x00b\x1b[31m\r\n c.csv"', "a b [31m  c.csv"),
            (b"filename*=UTF-8''%2fetc%2f%0d%0a%c2%9bx", "x"),
            ('filename="a\u2028b"'.encode(), "a b"),
            (b'filename="\xff.csv"', "\ufffd.csv"),
            (b'filename="charset=klingon"', "charset=klingon"),
        ):
            self.assertEqual(self.name(disposition), name, disposition)

    def test_charsets(self) -> None:
        """What is said to be something else than it would be read as is refused before anybody gets nonsense."""
        for charset in (b"UTF-8", b'"utf-16"', b"windows-1252", b"iso-8859-1", b"us-ascii"):
            self.assertEqual(self.name(b"filename=x", b"text/csv; charset=" + charset), "x")
        for charset in (b"shift_jis", b"iso-8859-15", b"koi8-r", b'"utf-7"'):
            error = self.assertRaises(InvalidValue, self.name, b"filename=x", b"text/csv; charset=" + charset)
            self.assertIn("is not read: save the file as CSV in UTF-8", str(error))
