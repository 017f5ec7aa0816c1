"""Requests to providers: what another program reads back is what was meant, wherever it stands."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_to_bytes, urlsplit
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.provider import model
from smsd.codec.provider.model import Credential, Provider, Request
from smsd.codec.provider.request import Facts, HttpRequest, NotCarried, write
from smsd.codec.segment import plan_binary, plan_text
from smsd.values.address import Address
from smsd.values.delivery import Piece
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Parameters, Text

NAMES = model.MESSAGE | {"user", "password"}
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=80)
xml_texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\0\ufffe\uffff"),
    min_size=1,
    max_size=80,
)


def piece(content: Text | Binary | str, **changes: Any) -> Piece:
    """A piece as the planner would have cut it; `parts=True`: its first part."""
    content = Text(content) if isinstance(content, str) else content
    in_parts = changes.pop("parts", False)
    parameters = changes.get("parameters", Parameters())
    if isinstance(content, Binary):
        made = plan_binary(content.data, udh=content.header)
    else:
        made = plan_text(content.text, max_parts=parameters.max_parts)
    values: dict[str, Any] = {
        "delivery": 7, "message": 1, "lane": 1, "gateway": "up", "target": Address("sms", "+15551234567"),
        "content": content, "origin": Address("account", "ann"), "code": made.code, "reference": 0xAB,
        "total": made.total if in_parts else 1,
    }  # fmt: skip
    return Piece(**(values | changes))


def own(url: str, **more: Any) -> Provider:
    """What a gateway's own URL makes."""
    request = Request("GET", model.read_url(url, NAMES), limit=model.fixed_parts(url), **more)
    return Provider("own", request, model.binary_of(request), credentials=(Credential("user"),))


def ask(url: str, content: Text | Binary | str, facts: Facts | None = None, **changes: Any) -> HttpRequest:
    """The request that this URL makes of a message."""
    return write(own(url), piece(content, **changes), facts or Facts({"user": "b", "password": "t&x"}))


def query(request: HttpRequest) -> dict[str, str]:
    """Its parameters."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True, strict_parsing=True))


def posting(body: str, kind: Any, **more: Any) -> Provider:
    """A provider that takes a body."""
    read = model.read_body(body, kind, NAMES)
    return Provider("own", Request("POST", model.read_url("http://x/", NAMES), body=read, type=kind, **more))


class DocumentTests(SynchronousTestCase):
    """The URLs of the customer's document, as it prints them."""

    def test_another_server(self) -> None:
        url = "http://server/sms/?number=%number%&data=%data%&udh=%udh%&binary=%binary%&pid=%pid%&dcs=%dcs%&sender=%sender%"
        found = query(ask(url, "50% & more = žluťoučký", parameters=Parameters(sender="+420776047467")))
        self.assertEqual(
            found,
            {
                "number": "+15551234567", "data": "50% & more = žluťoučký", "udh": "", "binary": "0", "pid": "0",
                "dcs": "8", "sender": "+420776047467",
            },
        )  # fmt: skip
        found = query(ask(url, Binary(b"\xfb\xff\x00", bytes.fromhex("0504158115 81".replace(" ", "")))))
        self.assertEqual(base64.b64decode(found["data"]), b"\xfb\xff\x00")
        self.assertEqual((found["udh"], found["binary"], found["dcs"]), ("BQQVgRWB", "1", "4"))

    def test_clickatell(self) -> None:
        """Byte for byte: ASCII, Unicode, and the number of parts."""
        url = (
            "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%number%&udh=%udh;len;hex%"
            "&data=%data;isascii%%data;isunicode;unicode;value=&unicode=1%&concat=%parts%"
        )
        start = "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%2B15551234567&udh=&data="
        self.assertEqual(ask(url, "hello").url, f"{start}hello&concat=1")
        self.assertEqual(ask(url, "ž").url, f"{start}017E&unicode=1&concat=1")
        self.assertEqual(ask(url, "x" * 161).url, f"{start}{'x' * 161}&concat=2")
        with self.assertRaisesRegex(NotCarried, "does not carry binary messages"):
            ask(url, Binary(b"\0"))

    def test_parts_of_what_is_written_in_utf_16(self) -> None:
        """é is in the GSM alphabet and not in ASCII: as UTF-16 it needs more parts than planned."""
        url = "http://x/?data=%data;isascii%%data;isunicode;unicode;value=&unicode=1%&concat=%parts%"
        found = query(ask(url, "é" * 100))
        self.assertEqual((found["unicode"], found["concat"]), ("1", "2"))
        found = query(ask("http://x/?data=%data%&concat=%parts%", "é" * 100))
        self.assertEqual((found["data"], found["concat"]), ("é" * 100, "1"))

    def test_senders(self) -> None:
        url = "http://x/?to=%number%&from=%sender_phonealias%&text=%data%"
        found = query(ask(url, "hi", Facts(phone="+420776047467")))
        self.assertEqual(found["from"], "+420776047467")
        found = query(ask("http://x/?from=%sender%&text=%data%", "hi", Facts(sender="ACME")))
        self.assertEqual(found["from"], "ACME")

    def test_fixed_concat(self) -> None:
        """A longer text is refused, and so are octets when only one part may go."""
        url = "http://x/?text=%data%&udh=%udh;hex%&concat=2"
        self.assertEqual(query(ask(url, "x" * 306))["text"], "x" * 306)
        with self.assertRaisesRegex(NotCarried, r"needs 3 SMS, and the URL allows 2 \(concat=2\)"):
            ask(url, "x" * 307)
        self.assertEqual(query(ask(url, Binary(b"\0" * 500), parts=True))["udh"], "0003AB0401")
        with self.assertRaisesRegex(NotCarried, "need concat=2 or more"):
            ask(url.replace("=2", "=1"), Binary(b"\0"))

    def test_mistakes(self) -> None:
        """With the position, and without the URL, which may hold a password."""
        for url, wrong in {
            "http://192.168.6.58/sms/?user=b&pass=geheim&number=%number%&dcg=%dcg%": "at character 65: .*mean dcs",
            "http://x/?pass=geheim&toNumber=Nnumber%&text=%data%": "at character 39: ",
            "http://x/?pass=geheim&data=%data&concat=%parts%": "%data has no end: write %data%",
            "ftp://x/": "at character 1: a URL begins with http",
            "http:///x": "at character 1: ",
            "http://a b/": "names no host|no URL",
            "http://%number%.example.org/?t=%data%": "a message does not choose the server: write %number%",
            "http://x:%parts%/?pass=geheim&t=%data%": "does not choose the server",
        }.items():
            with self.assertRaisesRegex(InvalidValue, wrong) as caught:
                model.read_url(url, NAMES)
            self.assertNotIn("geheim", str(caught.exception))


class PartsTests(SynchronousTestCase):
    """Texts go whole, octets part by part (G13)."""

    def test_octets(self) -> None:
        """Each part has the caller's header behind the number of the part."""
        header = bytes.fromhex("05040b8423f0")
        content = Binary(bytes(range(256)) * 2, header)
        url = "http://x/?udh=%udh;len;hex%&data=%data;hex%&n=%parts%"
        data = b""
        for seq in range(1, 5):
            found = query(ask(url, content, parts=True, seq=seq))
            self.assertEqual(found["udh"], f"0B0003AB04{seq:02X}05040B8423F0")
            self.assertEqual(found["n"], "4")
            data += bytes.fromhex(found["data"])
        self.assertEqual(data, content.data)

    def test_text(self) -> None:
        """Whole, cut to the first parts when the sender wants that."""
        found = query(ask("http://x/?t=%data%&u=%udh%&n=%parts%", "x" * 400))
        self.assertEqual((found["t"], found["u"], found["n"]), ("x" * 400, "", "3"))
        found = query(ask("http://x/?t=%data%&n=%parts%", "x" * 400, parameters=Parameters(max_parts=2)))
        self.assertEqual((found["t"], found["n"]), ("x" * 306, "2"))

    def test_split(self) -> None:
        """Part by part for providers that cannot split: in the alphabet of the plan, with the header where it is asked for."""
        url = "http://x/?t=%data;isascii%%data;isunicode;unicode%&u=%udh;hex%"
        text = "é" * 200
        found = [query(ask(url, text, parts=True, seq=seq)) for seq in (1, 2)]
        self.assertEqual("".join(each["t"] for each in found), text)
        self.assertEqual([each["u"] for each in found], ["0003AB0201", "0003AB0202"])
        text = "ž" * 100
        found = [query(ask(url, text, parts=True, seq=seq)) for seq in (1, 2)]
        self.assertEqual(bytes.fromhex("".join(each["t"] for each in found)).decode("utf-16-be"), text)

    def test_values(self) -> None:
        """What a sender adds with value= goes along, and replaces nothing."""
        values = ("&unicode=1", "to=%2B19001&x=a b", "class=0")
        request = ask("http://x/?to=%number%&t=%data%", "hi", parameters=Parameters(values=values))
        self.assertTrue(request.url.endswith("&t=hi&unicode=1&x=a+b&class=0"), request.url)
        self.assertEqual(query(request)["to"], "+15551234567")


class PlaceTests(SynchronousTestCase):
    """Whatever is inserted, the other side reads it as one value."""

    @given(texts, texts)
    def test_url_and_form(self, text: str, password: str) -> None:
        facts = Facts({"user": "u", "password": password})
        request = ask("http://x/%user%?a=%data%&b=%password%&c=1", text, facts)
        self.assertEqual(query(request), {"a": text, "b": password, "c": "1"})
        request = write(posting("a=%data%&b=%password%&c=1", "form"), piece(text), facts)
        assert request.body is not None
        self.assertEqual(
            parse_qs(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True),
            {"a": [text], "b": [password], "c": ["1"]},
        )
        self.assertIn(("Content-Type", "application/x-www-form-urlencoded"), request.headers)

    @given(texts, texts)
    def test_json(self, text: str, password: str) -> None:
        provider = posting('{"m": [{"t": "%data%", "n": %parts%}], "p": "<%password%>"}', "json")
        request = write(provider, piece(text), Facts({"user": "", "password": password}))
        read = json.loads(request.body or b"")
        self.assertEqual((read["m"][0]["t"], read["p"]), (text, f"<{password}>"))

    @given(xml_texts, xml_texts)
    def test_xml(self, text: str, password: str) -> None:
        provider = posting('<?xml version="1.0"?><sms key="%password%"><text>%data%</text></sms>', "xml")
        request = write(provider, piece(text), Facts({"user": "", "password": password}))
        read = ElementTree.fromstring(request.body or b"")
        self.assertEqual((read.findtext("text"), read.get("key")), (text, password))

    def test_xml_white_space_and_control_characters(self) -> None:
        provider = posting("<sms><text>%data%</text></sms>", "xml")
        read = ElementTree.fromstring(write(provider, piece("a\tb\r\nc\x07"), Facts()).body or b"")
        self.assertEqual(read.findtext("text"), "a\tb\r\nc\ufffd")

    @given(texts)
    def test_headers(self, text: str) -> None:
        """One line, or nothing at all."""
        request = Request(
            "GET",
            model.read_url("http://x/", NAMES),
            headers=(("X-Text", model.read_header("X-Text", "t=%data%", NAMES)),),
        )
        try:
            made = write(Provider("own", request), piece(text), Facts())
        except InvalidValue as error:
            self.assertIn("header", str(error))
            self.assertTrue(any(ord(sign) < 32 or ord(sign) == 127 for sign in text))
        else:
            self.assertEqual(dict(made.headers)["X-Text"], f"t={text}")
            self.assertFalse(any(ord(sign) < 32 for sign in dict(made.headers)["X-Text"]))

    def test_login(self) -> None:
        request = Request(
            "GET", model.read_url("http://x/", NAMES), login=model.read_plain("%user%:%password%", NAMES)
        )
        made = write(Provider("own", request), piece("x"), Facts({"user": "ann", "password": "a:ž"}))
        scheme, _, rest = dict(made.headers)["Authorization"].partition(" ")
        self.assertEqual((scheme, base64.b64decode(rest).decode()), ("Basic", "ann:a:ž"))

    def test_octets_and_charsets(self) -> None:
        """Octets themselves, and texts in another charset, percent-encoded."""
        request = ask("http://x/?t=%data;raw%&u=%udh;len;raw%", Binary(b"\0\xff a", b"\x05\x00"))
        pairs = [pair.partition("=")[2] for pair in urlsplit(request.url).query.split("&")]
        self.assertEqual([unquote_to_bytes(pair) for pair in pairs], [b"\0\xff a", b"\x02\x05\x00"])
        self.assertTrue(ask("http://x/?t=%data;charset=iso-8859-1%", "é").url.endswith("?t=%E9"))
        for kind in ("json", "xml", "text"):
            with self.assertRaisesRegex(InvalidValue, "charset= is for URLs and forms"):
                model.read_body('"%data;charset=iso-8859-1%"', kind, NAMES)  # type: ignore[arg-type]

    def test_left_out_when_empty(self) -> None:
        facts = Facts({"user": "", "password": "p"})
        omit = frozenset({"from", "u", "inner"})
        made = write(own("http://x/?from=%sender%&u=%user%&t=%data%", omit=omit), piece("hi"), facts)
        self.assertEqual(made.url, "http://x/?t=hi")
        made = write(posting("from=%sender%&t=%data%&u=%password%", "form", omit=omit), piece("hi"), facts)
        self.assertEqual(made.body, b"t=hi&u=p")
        body = '{"from": "%sender%", "t": "%data%", "inner": {"u": "%user%"}, "n": 0, "e": ""}'
        made = write(posting(body, "json", omit=omit), piece("hi"), facts)
        self.assertEqual(json.loads(made.body or b""), {"t": "hi", "n": 0, "e": ""})

    def test_bodies_that_cannot_be(self) -> None:
        for body, kind, wrong in (
            ('{"t": %data%}', "json", "no JSON"),
            ('{"t": "%data%"', "json", "no JSON"),
            ("<a>%data%</b>", "xml", "no XML"),
            ("<a %data%='1'/>", "xml", "no XML"),
            ('{"t": "%dta%"}', "json", "at character 8: there is no variable dta"),
        ):
            with self.assertRaisesRegex(InvalidValue, wrong):
                model.read_body(body, kind, NAMES)  # type: ignore[arg-type]

    def test_headers_that_cannot_be(self) -> None:
        for name, value in (
            ("Host", "x"),
            ("Content-Length", "1"),
            ("a b", "x"),
            ("X-A", "a\r\nB: c"),
            ("X-A", "%x%"),
        ):
            with self.assertRaises(InvalidValue):
                model.read_header(name, value, NAMES)

    def test_nothing_secret_is_shown(self) -> None:
        facts = Facts({"user": "ann", "password": "geheim"})
        made = write(own("http://x/?p=%password%&q=geheim&t=%data%"), piece("hi"), facts)
        self.assertIn("geheim", made.url)
        self.assertNotIn("geheim", repr(made) + repr(facts) + repr(own("http://x/?q=geheim&t=%data%")))


class KindTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Which texts count as isascii is the provider's affair."""
        url = "http://x/?k=%condition;isascii;value=a%%condition;isunicode;value=u%&t=%data%"
        for plain, text, kind in (
            ("ascii", "hello", "a"), ("ascii", "é", "u"), ("ascii", "`", "u"),
            ("iso-8859-1", "é", "a"), ("iso-8859-1", "Δ", "u"), ("iso-8859-1", "ç", "u"),
            ("gsm", "Δ€é", "a"), ("gsm", "ç", "u"),
        ):  # fmt: skip
            request = own(url).text
            made = write(Provider("x", request, plain=plain), piece(text), Facts())
            self.assertEqual(query(made)["k"], kind, (plain, text))
