"""Requests taken apart, and time stamps read: octets stay octets, and nothing that comes can do more than be refused."""

from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.provider import handed, stamps
from smsd.codec.provider.handed import read
from smsd.values.errors import InvalidValue

JSON = "application/json"


class Reading(SynchronousTestCase):
    def test_octets_are_kept(self) -> None:
        said = read(
            b"text=Gr%FC%DFe+an%2Balle&a=%00%C3%A9", b"text=%04%1f", "application/x-www-form-urlencoded"
        )
        self.assertEqual(said.query, ((b"text", b"Gr\xfc\xdfe an+alle"), (b"a", b"\x00\xc3\xa9")))
        (item,) = said.items("")
        self.assertEqual((item.raw(["text"]), item.raw(["a"])), (b"\x04\x1f", b"\x00\xc3\xa9"))
        self.assertEqual((item.text(["a"]), item.text(["b"]), item.text(["b", "a"])), ("�é", None, "�é"))

    def test_the_first_that_says_something(self) -> None:
        (item,) = read(b"a=&b=2&b=3", b"", "").items("")
        self.assertEqual((item.raw(["a", "b"]), item.raw(["a", "c"]), item.raw(["c"])), (b"2", b"", None))

    def test_json(self) -> None:
        body = json.dumps({"x": {"y": [{"n": 1e2, "t": True}, None]}, "s": "\ud83d\ude00\0"}).encode()
        said = read(b"q=1", body, "application/cloudevents+json; charset=utf-8")
        (item,) = said.items("")
        self.assertEqual((item.text(["x.y[0].n"]), item.text(["x.y[0].t"])), ("100.0", "true"))
        self.assertEqual((item.text(["s"]), item.text(["q"]), item.text(["x"])), ("😀�", "1", None))
        self.assertEqual(said.scalars, ((b"s", "😀\0".encode()),))

    def test_lists(self) -> None:
        said = read(b"q=1", b'{"r": {"all": [{"n": "a"}, 7, {"n": "b"}]}}', JSON)
        self.assertEqual([item.text(["n"]) for item in said.items("r.all")], ["a", None, "b"])
        self.assertEqual([item.text(["q"]) for item in said.items("r.all")], ["1"] * 3)
        self.assertEqual(len(read(b"", b'[{"n": "a"}, {"n": "b"}]', JSON).items(".")), 2)
        self.assertEqual(len(said.items("r.none")), 1)
        self.assertEqual(read(b"", b'{"r": []}', JSON).items("r"), [])

    def test_refused(self) -> None:
        for body, kind in (
            (b"[" * 200_000, JSON),
            (b'{"a":' * 50_000, JSON),
            (b"{", JSON),
            (b"\xff\xfe{}", JSON),
            (b"<x/>", "text/xml"),
            (b"a=1&" * 2000, ""),
            (b"--x", "multipart/form-data; boundary=x"),
        ):
            with self.assertRaises(InvalidValue):
                read(b"", body, kind)
        with self.assertRaises(InvalidValue):
            read(b"", b"[" + b"1," * 1001 + b"1]", JSON).items(".")
        with self.assertRaises(InvalidValue):
            read(b"&" * 2000, b"", "")

    def test_large_numbers_cost_nothing(self) -> None:
        (item,) = read(b"", b'{"n": ' + b"9" * 500_000 + b"}", JSON).items("")
        self.assertEqual(len(item.text(["n"]) or ""), 500_000)

    @settings(deadline=None, max_examples=200)
    @given(
        st.binary(max_size=300),
        st.one_of(
            st.binary(max_size=300),
            st.recursive(
                st.one_of(st.none(), st.booleans(), st.floats(), st.text()),
                lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner),
            ).map(lambda value: json.dumps(value).encode()),
        ),
        st.sampled_from(["", JSON, "application/x-www-form-urlencoded", "x"]),
        st.sampled_from(["", ".", "a", "a.b"]),
    )
    def test_garbage(self, query: bytes, body: bytes, kind: str, path: str) -> None:
        try:
            said = read(query, body, kind)
            items = said.items(path)
        except InvalidValue:
            return
        for item in items:
            for name in ("a", "a.b", "b[0]"):
                text = item.text([name])
                if text is not None:
                    self.assertNotIn("\0", text)
                    text.encode("utf-8")
        handed.storable_text("".join(value.decode("latin-1") for _, value in said.scalars)).encode()


class Stamps(SynchronousTestCase):
    NOON = 1_577_880_000_000  # 2020-01-01 12:00:00 UTC

    def test_forms(self) -> None:
        for text, written, offset in (
            ("2020-01-01 12:00:00", "iso", 0),
            ("2020-01-01 14:00:00", "iso", 2),
            ("2020-01-0114:00:00", "iso", 2),
            ("2020-01-01 12:00:00 +0000", "iso", 2),
            ("2020-01-01T12:00:00.000+00:00", "iso", 2),
            ("2020-01-01T12:00Z", "iso", 2),
            ("2020-01-01T19:00:00.000+07:00", "iso", 0),
            ("2020-01-01T05:30:00-0630", "iso", 0),
            ("1577880000", "epoch", 5),
            ("1577880000.0", "epoch", 5),
            ("1577880000000", "epoch-ms", 5),
            ("2001011200", "digits", 0),
            ("200101120000", "digits", 0),
        ):
            self.assertEqual(stamps.stamp(text, written, timedelta(hours=offset)), self.NOON, text)
        self.assertEqual(stamps.stamp("2020-01-01T12:00:00.819814Z", "iso", timedelta()), self.NOON + 819)
        self.assertEqual(stamps.stamp("2020-01-01T12:00:00.5Z", "iso", timedelta()), self.NOON + 500)

    def test_none(self) -> None:
        for text in (
            "",
            "x",
            "2020-13-01 12:00:00",
            "2020-01-01",
            "٢٠٢٠-01-01 12:00:00",
            "nan",
            "inf",
            "1e400",
            "-5",
            "0",
        ):
            for written in stamps.FORMATS:
                self.assertIsNone(stamps.stamp(text, written, timedelta()), (text, written))

    def test_zones(self) -> None:
        self.assertEqual(stamps.zone("-03:30"), -timedelta(hours=3, minutes=30))
        for text in ("", "2", "+2", "Europe/Prague", "+02:60"):
            with self.assertRaises(InvalidValue):
                stamps.zone(text)

    @settings(deadline=None)
    @given(st.text(max_size=30), st.sampled_from(stamps.FORMATS))
    def test_garbage(self, text: str, written: str) -> None:
        at = stamps.stamp(text, written, timedelta(hours=23))
        self.assertTrue(at is None or isinstance(at, int))
