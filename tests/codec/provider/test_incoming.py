"""Mappings: what may be written, what is said of what may not, and what they find in requests that nobody documented."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.provider import handed
from smsd.codec.provider.incoming import Incoming, read_incoming
from smsd.codec.provider.taking import Heard, take
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Text

MESSAGE = {"sender": "from", "text": "text"}
REPORT = {"reference": "id", "status": "status", "delivered": "ok", "failed": ["bad", "007"]}


def read(incoming: Any = None, reports: Any = None) -> Incoming:
    found = read_incoming({"incoming": incoming, "reports": reports}, "providers.x")
    assert found is not None
    return found


def messages(mapping: dict[str, Any], query: str) -> tuple[Heard, ...]:
    return take(read({**MESSAGE, **mapping}), handed.read(query.encode(), b"", "")).messages


class Reading(SynchronousTestCase):
    def test_nothing(self) -> None:
        self.assertIsNone(read_incoming({}, "x"))
        self.assertIsNone(read_incoming({"incoming": None, "reports": None}, "x"))

    def test_defaults(self) -> None:
        found = read(MESSAGE)
        self.assertEqual(
            (found.ways, found.parameter, found.said.status, found.reports),
            (("secret",), "secret", 200, None),
        )
        only = read(None, {**REPORT, "signature": "jwt", "answer": {"status": "204", "body": ""}})
        self.assertEqual((only.ways, only.said.status, only.messages), (("jwt",), 204, None))

    def test_mistakes_are_named_with_their_place(self) -> None:
        for incoming, reports, place in (
            ({"text": "text"}, None, "providers.x.incoming.sender: write the name"),
            ({"sender": "from"}, None, "incoming.text: write the name"),
            ({**MESSAGE, "txet": "a"}, None, "incoming: 'txet' is not known here: one of answer, "),
            ({**MESSAGE, "signature": "twillio"}, None, "incoming.signature: 'twillio' is no signature known here"),
            ({**MESSAGE, "answer": {"status": "503"}}, None, "incoming.answer.status: an answer of success"),
            ({**MESSAGE, "answer": {"code": "200"}}, None, "incoming.answer: 'code' is not known"),
            ({**MESSAGE, "answer": "OK"}, None, "incoming.answer: this is no mapping"),
            ({**MESSAGE, "charset": "punycode"}, None, "incoming.charset: 'punycode' is no charset"),
            ({**MESSAGE, "charset": {"default": "utf-8"}}, None, "incoming.charset.field: write the name"),
            ({**MESSAGE, "udh": {"field": "udh", "as": "oct"}}, None, "incoming.udh.as: 'oct' is not known: one of base64"),
            ({**MESSAGE, "udh": {"field": "udh", "length": "2"}}, None, "incoming.udh.length: '2' is not known"),
            ({**MESSAGE, "time": {"field": "t", "zone": "Europe/Prague"}}, None, "incoming.time.zone: 'Europe/Prague' is no"),
            ({**MESSAGE, "time": {"field": "t", "format": "%Y"}}, None, "incoming.time.format: '%Y' is not known"),
            ({**MESSAGE, "when": {"x": []}}, None, 'incoming.when.x: write a word, a list of words, "*" or "-"'),
            ({**MESSAGE, "when": {"a..b": "x"}}, None, "incoming.when.a..b: at character"),
            ({**MESSAGE, "concat": {"reference": "r"}}, None, "incoming.concat.total: write the name"),
            ({**MESSAGE, "numbers": "odd"}, None, "incoming.numbers: 'odd' is not known: one of address, digits, plain"),
            ({**MESSAGE, "paths": "sms/x"}, None, "incoming.paths: 'sms/x' is no path"),
            ({**MESSAGE, "sender": {"a": "b"}}, None, "incoming.sender: write the name"),
            ({**MESSAGE, "list": ["a"]}, None, "incoming.list: this is one word"),
            (["from"], None, "providers.x.incoming: this is no mapping"),
            (None, {"status": "status"}, "reports.reference: write the name"),
            (None, {**REPORT, "pending": "7"}, "reports.failed: '007' stands under pending too"),
            (None, {**REPORT, "reasons": {"field": "code", "words": ["x"]}}, "reports.reasons.words: this is no mapping"),
            (None, {**REPORT, "deliverd": "x"}, "reports: 'deliverd' is not known here"),
            (MESSAGE, {**REPORT, "answer": {}}, "reports: 'answer' is not known here"),
        ):  # fmt: skip
            with self.assertRaises(InvalidValue) as caught:
                read(incoming, reports)
            self.assertIn(place, str(caught.exception))


class Taking(SynchronousTestCase):
    def test_numbers(self) -> None:
        for written, typed, expected in (
            ("plain", "%2B15551234567", "+15551234567"),
            ("plain", "15551234567", "15551234567"),
            ("digits", "15551234567", "+15551234567"),
            ("digits", "%2B15551234567", "+15551234567"),
            ("digits", "70007", "70007"),
            ("digits", "0015551234567", "0015551234567"),
            ("digits", "Acme", "Acme"),
            ("address", "sms:%2B15551234567%40example.org", "+15551234567"),
            ("address", '"sms:%2B15551234567?user=x"%40example.org', "+15551234567"),
            ("address", "%2B15551234567", "+15551234567"),
        ):
            (heard,) = messages({"numbers": written}, f"from={typed}&text=x")
            self.assertEqual(heard.sender, expected, typed)

    def test_when(self) -> None:
        for when, expected in (
            ({"kind": "mo"}, 1), ({"kind": ["a", "MO"]}, 1), ({"kind": "*"}, 1), ({"none": "-"}, 1), ({"n": "7"}, 1),
            ({"kind": "mt"}, 0), ({"none": "*"}, 0), ({"kind": "-"}, 0), ({"kind": "mo", "none": "*"}, 0), ({"empty": "*"}, 0),
            ({"empty": "-"}, 0),
        ):  # fmt: skip
            self.assertEqual(
                len(messages({"when": when}, "from=1&text=x&kind=Mo&empty=&n=007")), expected, when
            )

    def test_binary_by_itself_and_by_a_word(self) -> None:
        data = {"data": {"field": "data", "as": "hex"}}
        self.assertEqual(messages(data, "from=1&data=00ff")[0].content, Binary(b"\x00\xff"))
        self.assertEqual(messages(data, "from=1&text=hi&data=00ff")[0].content, Text("hi"))
        by_word = {**data, "binary": {"kind": "8"}}
        self.assertEqual(messages(by_word, "from=1&text=hi&data=00ff&kind=8")[0].content, Binary(b"\x00\xff"))
        self.assertEqual(messages(by_word, "from=1&text=&data=00ff&kind=0")[0].content, Text(""))

    def test_headers_with_and_without_their_length(self) -> None:
        for length, octets in (("yes", "0500034a0201"), ("no", "00034a0201"), ("yes", "00034a0201")):
            udh = {"udh": {"field": "udh", "length": length}, "data": {"field": "data"}}
            (heard,) = messages(udh, f"from=1&text=x&udh={octets}")
            self.assertEqual((heard.join, heard.seq, heard.total), ("|8|74", 1, 2), octets)

    def test_ids_of_any_length(self) -> None:
        short, long = (messages({"id": "id"}, f"from=1&text=x&id={'7' * n}")[0].id for n in (200, 201))
        self.assertEqual((short, len(long)), ("7" * 200, 64))

    def test_references_are_as_long_as_those_of_answers(self) -> None:
        long = "r" * 230
        taken = take(read(None, REPORT), handed.read(f"id={long}&status=ok".encode(), b"", ""))
        self.assertEqual(taken.reports[0].reference, long)

    def test_reports(self) -> None:
        reports = read(
            None,
            {**REPORT, "reasons": {"field": "code", "words": {"01": "gone"}}, "detail": ["status", "code"]},
        )

        def told(query: str) -> tuple[str, str]:
            taken = take(reports, handed.read(query.encode(), b"", ""))
            return taken.reports[0].status, taken.reports[0].detail

        self.assertEqual(told("id=1&status=OK"), ("delivered", "OK"))
        self.assertEqual(told("id=1&status=7&code=1"), ("failed", "7 1 gone"))
        self.assertEqual(told("id=1&status=odd"), ("pending", "odd"))
        for query in ("status=ok", "id=1", "id=&status=ok"):
            taken = take(reports, handed.read(query.encode(), b"", ""))
            self.assertEqual((taken.reports, len(taken.wrong)), ((), 1))

    def test_messages_when_only_reports_are_known(self) -> None:
        both = read({**MESSAGE, "when": {"status": "-"}}, {**REPORT, "when": {"status": "*"}})
        said = handed.read(b"from=1&text=x", b"", "")
        self.assertEqual((len(take(both, said).messages), take(both, said, reports_only=True).others), (1, 1))

    @settings(deadline=None, max_examples=200)
    @given(st.text(), st.sampled_from(["utf-8", "utf-16be", "utf-16le"]))
    def test_texts_survive(self, text: str, charset: str) -> None:
        try:
            octets = text.encode(charset)
        except UnicodeEncodeError:
            return
        mapping = {"charset": {"field": "charset", "default": "iso-8859-1"}}
        (heard,) = messages(mapping, f"from=1&text={quote_from_bytes(octets)}&charset={charset}")
        expected = text.removeprefix("\ufeff").replace("\0", "�")
        self.assertEqual(heard.content, Text(expected))

    @settings(deadline=None, max_examples=200)
    @given(
        st.dictionaries(
            st.sampled_from(
                ["from", "to", "text", "id", "charset", "data", "udh", "kind", "ref", "total", "part", "time"]
            ),
            st.one_of(
                st.binary(max_size=30), st.sampled_from([b"2", b"1", b"8", b"utf-16be", b"0500034a0201"])
            ),
        ),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["from", "text", "all", "status", "id", "ref", "data"]), inner
                )
            ),
        ),
    )
    def test_garbage(self, fields: dict[str, bytes], root: Any) -> None:
        mapping = read(
            {
                **MESSAGE, "own": "to", "id": "id", "list": "all", "charset": {"field": "charset"}, "binary": {"kind": "8"},
                "data": {"field": "data"}, "udh": {"field": "udh", "length": "yes"}, "time": {"field": "time"},
                "concat": {"reference": "ref", "total": "total", "part": "part"}, "numbers": "digits",
            },
            {**REPORT, "when": {"status": "*"}},
        )  # fmt: skip
        query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields.items())
        taken = take(mapping, handed.read(query.encode(), json.dumps(root).encode(), "application/json"))
        for heard in taken.messages:
            for text in (heard.sender, heard.own, heard.id, heard.join):
                self.assertNotIn("\0", text)
                text.encode()
            self.assertTrue(1 <= heard.seq <= heard.total <= 255)
