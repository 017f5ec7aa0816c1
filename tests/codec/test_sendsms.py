"""Kannel's sendsms: what its fields mean, as octets, in forms, headers and XML."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import sendsms
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Parameters, Priority, Text


def read(query: str) -> sendsms.Sendsms:
    return sendsms.read(sendsms.read_form(query.encode()))


class TextTest(SynchronousTestCase):
    """`text`, `coding`, `charset`, `udh`: the content."""

    def content(self, query: str) -> tuple[object, int | None]:
        made = read("to=123&" + query)
        return made.content, made.parameters.coding

    def test_utf8(self) -> None:
        self.assertEqual(self.content("text=Gr%C3%BC%C3%9Fe+an+alle"), (Text("Grüße an alle"), None))
        self.assertEqual(self.content("text=%C3%BC&coding=0"), (Text("ü"), None))

    def test_a_charset(self) -> None:
        self.assertEqual(self.content("text=%E9&charset=ISO-8859-1"), (Text("é"), None))
        self.assertEqual(self.content("text=%80&charset=windows-1252"), (Text("€"), None))

    def test_unicode(self) -> None:
        self.assertEqual(self.content("text=%04%16%00%20&coding=2"), (Text("Ж "), 8))
        self.assertEqual(self.content("text=%04%16&coding=2&charset=UTF-16BE"), (Text("Ж"), 8))
        self.assertEqual(self.content("text=%04%16&coding=2&charset=UCS-2"), (Text("Ж"), 8))
        self.assertEqual(self.content("text=%D0%96&coding=2&charset=utf8"), (Text("Ж"), 8))
        self.assertEqual(self.content("text=%D8%3D%DE%00&coding=2"), (Text("😀"), 8))

    def test_octets(self) -> None:
        self.assertEqual(self.content("text=%00%01%FF&coding=1"), (Binary(b"\x00\x01\xff"), 4))
        ports = "%06%05%04%15%8A%00%00"
        self.assertEqual(
            self.content(f"text=%01%02&udh={ports}"), (Binary(b"\x01\x02", b"\x05\x04\x15\x8a\x00\x00"), 4)
        )

    def test_a_text_with_a_header(self) -> None:
        self.assertEqual(
            self.content("text=ab&coding=0&udh=%05%00%03%06%02%01"),
            (Text("ab", b"\x00\x03\x06\x02\x01"), None),
        )

    def test_classes(self) -> None:
        self.assertEqual(self.content("text=a&mclass=0"), (Text("a"), 0x10))
        self.assertEqual(self.content("text=a&mclass=0&alt-dcs=1"), (Text("a"), 0xF0))
        self.assertEqual(self.content("text=%D0%96&mclass=0"), (Text("Ж"), 0x18))
        self.assertEqual(self.content("text=%04%16&mclass=1&coding=2"), (Text("Ж"), 0x19))
        self.assertEqual(self.content("text=a&mclass=3&coding=1"), (Binary(b"a"), 0x17))

    def test_message_waiting(self) -> None:
        self.assertEqual(self.content("text=a&mwi=0"), (Text("a"), 0xD8))
        self.assertEqual(self.content("text=a&mwi=6"), (Text("a"), 0xD2))
        self.assertEqual(self.content("text=%04%16&mwi=1&coding=2"), (Text("Ж"), 0xE9))

    def test_what_is_wrong_in_kannels_words(self) -> None:
        for query, words in {
            "text=%E9": "Charset or body misformed, rejected",
            "text=a&charset=nonsense": "Charset or body misformed, rejected",
            "text=a&charset=punycode": "Charset or body misformed, rejected",
            "text=a&charset=hex": "Charset or body misformed, rejected",
            "text=%00&coding=2": "Charset or body misformed, rejected",
            "text=%D8%00&coding=2": "Charset or body misformed, rejected",
            "text=a%00": "Charset or body misformed, rejected",
            "text=a&udh=%05%00": "UDH field misformed, rejected",
            "text=a&udh=%03%00%03%01": "UDH field misformed, rejected",
            "text=a&udh=%8C" + "%00" * 140: "UDH field is too long, rejected",
            "text=a&coding=3": "Coding field misformed, rejected",
            "text=a&mclass=4": "MClass field misformed, rejected",
            "text=a&mwi=8": "MWI field misformed, rejected",
            "text=a&alt-dcs=2": "Alt-DCS field misformed, rejected",
            "text=a&rpi=3": "RPI field misformed, rejected",
            "text=a&compress=2": "Compress field misformed, rejected",
        }.items():
            error = self.assertRaises(InvalidValue, read, "to=123&" + query)
            self.assertEqual(str(error), words, query)

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=50))
    def test_any_text_in_any_way(self, text: str) -> None:
        wide = quote_from_bytes(text.encode("utf-16-be"), safe="")
        self.assertEqual(self.content(f"coding=2&text={wide}")[0], Text(text))
        self.assertEqual(self.content(urlencode({"text": text}))[0], Text(text))
        self.assertEqual(
            self.content(urlencode({"text": text, "coding": 2, "charset": "utf8"}))[0], Text(text)
        )

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200))
    def test_rubbish_is_refused_or_read(self, octets: bytes) -> None:
        try:
            sendsms.read(sendsms.read_form(octets))
        except InvalidValue as error:
            self.assertTrue(str(error))


class FieldsTest(SynchronousTestCase):
    """The others."""

    def test_receivers(self) -> None:
        for written, numbers in {
            "123+456": ("123", "456"),
            "123%20456": ("123", "456"),
            "+15551234567": ("+15551234567",),
            "%2B15551234567": ("+15551234567",),
            "+15551234567+15557654321": ("+15551234567", "15557654321"),
            "+15551234567++15557654321": ("+15551234567", "+15557654321"),
            "%2B15551234567+%2B15557654321": ("+15551234567", "+15557654321"),
        }.items():
            self.assertEqual(read(f"to={written}&text=a").to, numbers, written)

    def test_no_receiver(self) -> None:
        self.assertEqual(
            str(self.assertRaises(InvalidValue, read, "text=a")), "Missing receiver number, rejected"
        )
        error = self.assertRaises(InvalidValue, read, "to=&text=a")
        self.assertEqual(str(error), "Empty receiver number not allowed, rejected")

    def test_everything(self) -> None:
        made = read(
            "to=123&text=a&from=Shop&smsc=gw1&validity=10&deferred=5&priority=2&pid=65&dlr-mask=31"
            "&dlr-url=http%3A%2F%2Fh%2F%25d&account=acc&binfo=bi&meta-data=%3Fsmpp%3Fa%3Db&rpi=1"
        )
        self.assertEqual(
            made.parameters,
            Parameters(
                gateway="gw1", sender="Shop", expire_minutes=10, priority=Priority.URGENT, protocol_id=65
            ),
        )
        self.assertEqual((made.mask, made.dlr_url, made.deferred), (31, "http://h/%d", 5))
        facts = made.facts
        self.assertEqual(
            (facts.receiver, facts.account, facts.billing, facts.meta), ("Shop", "acc", "bi", "?smpp?a=b")
        )

    def test_what_kannel_reads_as_not_given(self) -> None:
        self.assertEqual(read("to=1&text=a&coding=x&priority=&validity=soon").parameters, Parameters())
        self.assertEqual(read("to=1&text=a&dlr-mask=31").mask, 0)
        self.assertEqual(read("to=1&text=a&validity=0").parameters.expire_minutes, None)

    def test_bounds(self) -> None:
        for query, words in {
            "dlr-mask=99": "DLR-Mask field misformed, rejected",
            "dlr-url=ftp://h/": "DLR-URL field misformed, rejected",
            "dlr-url=http:///": "DLR-URL field misformed, rejected",
            "dlr-url=http://h/" + "a" * 9_000: "DLR-URL field misformed, rejected",
            "validity=-2": "Validity field misformed, rejected",
            "deferred=-2": "Deferred field misformed, rejected",
            "deferred=99999999": "Deferred field misformed, rejected",
            "priority=4": "Priority field misformed, rejected",
            "pid=256": "PID field misformed, rejected",
        }.items():
            error = self.assertRaises(InvalidValue, read, "to=1&text=a&" + query)
            self.assertEqual(str(error), words, query)
        error = self.assertRaises(InvalidValue, read, "to=1&text=a&validity=5&deferred=5")
        self.assertIn("Validity", str(error))

    def test_smsc_names(self) -> None:
        fields = sendsms.read_form(b"to=1&text=a&smsc=old")
        self.assertEqual(sendsms.read(fields, {"old": "gsm1"}).parameters.gateway, "gsm1")
        self.assertEqual(sendsms.read(fields, {}).parameters.gateway, "old")
        self.assertEqual(sendsms.read(fields, {"old": ""}).parameters.gateway, None)
        self.assertEqual(sendsms.read(fields, {"gw1": "gw1", "*": ""}).parameters.gateway, None)


XML = """<?xml version="1.0" encoding="%s"?>
<message><submit>
 <da><number>123</number><number>456</number></da>
 <oa><number>Shop</number></oa>
 <ud>%s</ud>
 <udh>%s</udh>
 <dcs><mclass>1</mclass><coding>%s</coding></dcs>
 <vp><delay>10</delay></vp><timing><delay>5</delay></timing>
 <statusrequest><dlr-mask>3</dlr-mask><dlr-url>http://h/?a=%%d&amp;b=1</dlr-url></statusrequest>
 <from><user>tester</user><pass>foobar</pass><account>acc</account></from>
 <to>gw1</to>
</submit></message>"""


class OtherWaysTest(SynchronousTestCase):
    """POST with headers, and with XML."""

    def test_headers(self) -> None:
        fields = sendsms.read_headers(
            [("x-kannel-username", "tester"), ("x-kannel-to", "123"), ("x-kannel-udh", "05000301 0201")],
            b"\x00\xff",
            "application/octet-stream",
        )
        self.assertEqual(fields["username"], b"tester")
        made = sendsms.read(fields)
        self.assertEqual(made.content, Binary(b"\x00\xff", b"\x00\x03\x01\x02\x01"))

    def test_headers_with_a_charset(self) -> None:
        fields = sendsms.read_headers([("x-kannel-to", "1")], b"\xe9", "text/plain; charset=iso-8859-1")
        self.assertEqual(sendsms.read(fields).content, Text("é"))

    def test_headers_with_a_bad_header(self) -> None:
        error = self.assertRaises(
            InvalidValue, sendsms.read_headers, [("x-kannel-udh", "zz")], b"", "text/plain"
        )
        self.assertEqual(str(error), "UDH field misformed, rejected")

    def test_xml(self) -> None:
        fields = sendsms.read_xml((XML % ("ISO-8859-1", "Grüße &amp; K", "", "0")).encode("latin-1"))
        self.assertEqual((fields["username"], fields["password"]), (b"tester", b"foobar"))
        made = sendsms.read(fields)
        self.assertEqual((made.to, made.content), (("123", "456"), Text("Grüße & K")))
        self.assertEqual((made.mask, made.dlr_url, made.deferred), (3, "http://h/?a=%d&b=1", 5))
        self.assertEqual((made.parameters.gateway, made.parameters.expire_minutes), ("gw1", 10))

    def test_xml_with_a_header(self) -> None:
        fields = sendsms.read_xml((XML % ("UTF-8", "ab", "050003060201", "0")).encode())
        self.assertEqual(sendsms.read(fields).content, Text("ab", b"\x00\x03\x06\x02\x01"))

    def test_xml_that_is_hostile(self) -> None:
        bomb = b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaa">]><message><submit><ud>&a;</ud></submit></message>'
        for body in (
            bomb,
            b"<message>",
            b"",
            b"<a>" * 100,
            b"\xff\xfe\x00",
            b"<message><submit><ud/></submit></mess>",
        ):
            error = self.assertRaises(InvalidValue, sendsms.read_xml, body)
            self.assertTrue(str(error))
