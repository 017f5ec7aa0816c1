"""Kannel's escapes: what each inserts, and that nothing which is inserted can be taken for more of the URL."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import kannel
from smsd.codec.kannel import Facts, fill
from smsd.values.message import Report, Wants

MO = Facts(
    text="Weather  Berlin *today* & now",
    sender="+4917012345",
    receiver="0012345",
    at=937_923_480,
    gateway="gsm1",
    id="42",
    service="weather",
    header=b"\x05\x00\x03\x01\x02\x01",
)


def report(**changes: object) -> Report:
    values: dict[str, object] = {
        "event": "delivered", "message": 1, "delivery": 7, "recipient": "+15550000001", "reason": "the phone has received it",
        "arrived": 1_000, "at": 2_000_500, "text": "", "parts_sent": 1, "gateway": "smsc1", "reference": "A1", "network": "DELIVRD",
    }  # fmt: skip
    return Report(**{**values, **changes})  # type: ignore[arg-type]


class EscapesTest(SynchronousTestCase):
    """One by one."""

    def test_words(self) -> None:
        shown = fill("/?k=%k&1=%s&2=%S&r=%r&a=%a&b=%b", MO)
        self.assertEqual(
            shown,
            "/?k=Weather&1=Berlin&2=~today~&r=%26+now&a=Weather+Berlin+*today*+%26+now"
            "&b=Weather++Berlin+*today*+%26+now",
        )

    def test_all_words_but_the_first(self) -> None:
        self.assertEqual(fill("%r", MO), "Berlin+*today*+%26+now")

    def test_words_that_are_not_there(self) -> None:
        self.assertEqual(fill("%k|%s|%S|%r|%a|%b", Facts()), "|||||")
        self.assertEqual(fill("%s|%s", Facts(text="one two")), "two|")

    def test_numbers(self) -> None:
        self.assertEqual(fill("%p %P %q %Q", MO), "%2B4917012345 0012345 %2B4917012345 %2B12345")

    def test_times(self) -> None:
        self.assertEqual(fill("%t %T", MO), "1999-09-21+14:18:00 937923480")
        self.assertEqual(fill("%T", Facts()), "")

    def test_ids_and_names(self) -> None:
        facts = Facts(
            gateway="a b",
            id="1",
            foreign="x/y",
            service="s",
            account="acc",
            billing="b&",
            center="+49",
            box="box",
        )
        self.assertEqual(fill("%i %I %F %n %o %B %f %x", facts), "a+b 1 x%2Fy s acc b%26 %2B49 box")

    def test_coding(self) -> None:
        self.assertEqual(fill("%c %m %M %C %O %y", MO), "0 -1 -1 UTF-8 00 0")
        self.assertEqual(fill("%c %C %b %e", Facts(text=b"\x00\xff", coding=1)), "1 8-BIT %00%FF 00FF")
        self.assertEqual(fill("%u %U", MO), "%05%00%03%01%02%01 050003010201")

    def test_charset(self) -> None:
        self.assertEqual(fill("%a %C", Facts(text="é €", charset="ISO-8859-1")), "%E9+%3F ISO-8859-1")
        self.assertEqual(fill("%a", Facts(text="é ü", charset="UTF-16BE")), "%00%E9+%00%FC")

    def test_metadata(self) -> None:
        meta = "?smpp?my=1&you=a%26b?http?x=9"
        self.assertEqual(fill("%#smpp#you#|%#http#x#|%#http#no#|%#no#x#", Facts(meta=meta)), "a%26b|9||")
        self.assertEqual(fill("%D", Facts(meta="?smpp?my=1")), "%3Fsmpp%3Fmy%3D1")

    def test_what_is_no_escape_stays(self) -> None:
        for text in ("100%", "%20", "%z", "%#", "%#a#b", "%%%", "/path?x=%2B"):
            self.assertEqual(fill(text, MO), text.replace("%%", "%"))

    def test_a_percent_sign(self) -> None:
        self.assertEqual(fill("%%C3%%A9", MO), "%C3%A9")


class PropertyTest(SynchronousTestCase):
    """Whatever a phone writes."""

    @settings(max_examples=300, deadline=None)
    @given(
        st.text(st.characters(blacklist_categories=["Cs"]), max_size=60),
        st.text("+0123456789&=#%? é", max_size=12),
    )
    def test_values_stay_values(self, text: str, number: str) -> None:
        shown = fill("http://h/p?a=%a&b=%b&k=%k&s=%s&r=%r&p=%p", Facts(text=text, sender=number))
        self.assertTrue(shown.isascii())
        query = parse_qs(shown.partition("?")[2], keep_blank_values=True, strict_parsing=True)
        self.assertEqual(set(query), set("abksrp"))
        self.assertEqual(query["b"], [text])
        self.assertEqual(query["p"], [number])

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60))
    def test_octets_come_back(self, data: bytes) -> None:
        shown = fill("%b", Facts(text=data, coding=1))
        self.assertEqual(unquote_to_bytes(shown.replace("+", " ")), data)

    @settings(max_examples=300, deadline=None)
    @given(st.text(max_size=80))
    def test_no_template_is_too_strange(self, template: str) -> None:
        self.assertIsInstance(fill(template, MO), str)


class ReportTest(SynchronousTestCase):
    """What becomes of a message, at the URL that its sender gave."""

    URL = "http://h/dlr?s=%d&to=%p&from=%P&a=%A&f=%F&i=%i&id=%I&n=%n&t=%T"

    def test_delivered(self) -> None:
        back = kannel.ticket(self.URL, 3, Facts(receiver="100", service="shop"))
        shown = kannel.callback(back.address.target, report(envelope_id=back.envelope_id))
        self.assertEqual(
            shown, "http://h/dlr?s=1&to=%2B15550000001&from=100&a=DELIVRD&f=A1&i=smsc1&id=7&n=shop&t=2000"
        )

    def test_values(self) -> None:
        for event, sent, value in (
            ("sent", 1, 8), ("buffered", 1, 4), ("delivered", 1, 1), ("failed", 1, 2), ("failed", 0, 16),
            ("expired", 1, 2), ("expired", 0, 16), ("cancelled", 0, 16), ("delayed", 0, 0),
        ):  # fmt: skip
            self.assertEqual(kannel.value(report(event=event, parts_sent=sent)), value, event)

    def test_answers_of_the_network(self) -> None:
        self.assertEqual(kannel.callback("%A", report(event="sent", network="")), "ACK%2F")
        refused = report(event="failed", parts_sent=0, network="", reason="no credit")
        self.assertEqual(kannel.callback("%A", refused), "NACK%2Fno+credit")

    def test_only_what_was_asked(self) -> None:
        for mask in range(32):
            back = kannel.ticket("http://h/%d", mask, Facts())
            for event, sent in (
                ("sent", 1),
                ("buffered", 1),
                ("delivered", 1),
                ("failed", 1),
                ("failed", 0),
                ("delayed", 1),
            ):
                told = report(event=event, parts_sent=sent, envelope_id=back.envelope_id)
                value = kannel.value(told)
                wanted = value & mask or (value == 16 and mask & 2)
                expected = f"http://h/{value}" if wanted else None
                self.assertEqual(kannel.callback("http://h/%d", told), expected, (mask, event, sent))

    def test_wants(self) -> None:
        self.assertEqual(kannel.wants(27), Wants.SUCCESS | Wants.FAILURE | Wants.SENT)
        self.assertEqual(kannel.wants(16), Wants.FAILURE)
        self.assertIn(Wants.SUCCESS, kannel.wants(2))  # else no network would be asked for a report
        self.assertEqual(kannel.wants(4), Wants.BUFFERED)
        self.assertEqual(kannel.wants(0), Wants.NOTHING)
