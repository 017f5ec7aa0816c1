"""Templates: the document's own URLs, every attribute, what is refused and where, and that nothing else is ever raised."""

from __future__ import annotations

import base64
from encodings.aliases import aliases
from urllib.parse import parse_qsl, quote, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.template import Kind, Template, parse
from smsd.values.errors import InvalidValue

GATEWAY = (
    "number", "data", "udh", "binary", "pid", "dcs", "sender", "sender_phonealias", "parts", "msgid", "condition",
)  # fmt: skip
RULE = (
    "To",
    "From",
    "body",
    "extensionnose",
    "extensionnosep",
    "number",
    "data",
    ":from_alias",
    ":body",
    "phone",
)

ICEWARP = (
    "http://gw.example/sms/?number=%number%&data=%data%&udh=%udh%&binary=%binary%&pid=%pid%&dcs=%dcs%"
    "&sender=%sender%&msgid=%msgid%&user=u&pass=p"
)
CLICKATELL = (
    "http://api.clickatell.com/http/sendmsg?user=xxx&password=xxx&api_id=xxx&to=%number%&udh=%udh;len;hex%"
    "&data=%data;isascii%%data;isunicode;unicode;value=&unicode=1%&concat=%parts%"
)
ROUTO = (
    "http://smsc5.routotelecom.com/SMSsend?user=xxxx&pass=xxxx&number=%number%&message=%data%&type=LongSMS"
    "&ownnum=mysenderid"
)
O2 = "https://smsconnector.cz.o2.com/smsconnector/getpost/GP?action=send&baID=1234567&toNumber=%number%&text=%data%"
UDH = bytes.fromhex("050003040201")


def encode(text: str) -> str:
    return quote(text, safe="")


def message(data: str | bytes, udh: bytes = b"") -> dict[str, str | bytes]:
    """The values of an HTTP gateway for one message."""
    return {
        "number": "+15551234567",
        "data": data,
        "udh": udh,
        "binary": "1" if isinstance(data, bytes) else "0",
        "pid": "0",
        "dcs": "4",
        "sender": "ann@example.org",
        "sender_phonealias": "+420776047467",
        "parts": "2",
        "msgid": "m1",
    }


def query(url: str, data: str | bytes, udh: bytes = b"", kind: Kind = "ascii") -> dict[str, str]:
    """The parameters that the other side reads from a URL filled in."""
    shown = parse(url, GATEWAY).render(message(data, udh), encode, kind)
    return dict(parse_qsl(urlsplit(shown).query, keep_blank_values=True, strict_parsing=True))


class DocumentTests(SynchronousTestCase):
    """The URLs of the customer's document."""

    def test_another_server(self) -> None:
        """Text and octets reach another server as it reads them."""
        found = query(ICEWARP, "50% & more = žluťoučký", kind="unicode")
        self.assertEqual((found["number"], found["data"]), ("+15551234567", "50% & more = žluťoučký"))
        self.assertEqual((found["udh"], found["binary"], found["msgid"], found["user"]), ("", "0", "m1", "u"))
        found = query(ICEWARP, b"\xfb\xff\x00", UDH, "binary")
        self.assertEqual(base64.b64decode(found["data"], validate=True), b"\xfb\xff\x00")
        self.assertEqual(base64.b64decode(found["udh"], validate=True), UDH)

    def test_clickatell_text(self) -> None:
        """Text as it is, without a header; Unicode in hexadecimal with one parameter more."""
        found = query(CLICKATELL, "hello & bye")
        self.assertEqual((found["data"], found["udh"], found["concat"]), ("hello & bye", "", "2"))
        self.assertNotIn("unicode", found)
        found = query(CLICKATELL, "ž€", kind="unicode")
        self.assertEqual((found["data"], found["unicode"]), ("017E20AC", "1"))

    def test_clickatell_binary(self) -> None:
        """The header has its length in front, in whatever order that is written. This URL has no place for octets."""
        for order in ("%udh;len;hex%", "%udh;hex;len%", "%UDH;HEX;LEN%"):
            shown = parse(f"udh={order}", GATEWAY).render(message(b"x", UDH), encode, "binary")
            self.assertEqual(shown, "udh=06050003040201")
        found = parse(CLICKATELL, GATEWAY)
        self.assertEqual(
            [found.shows("data", kind) for kind in ("ascii", "unicode", "binary")], [True, True, False]
        )
        self.assertTrue(found.shows("udh", "binary"))
        self.assertFalse(found.shows("msgid", "ascii"))

    def test_clickatell_sender(self) -> None:
        found = query("http://x/?to=%number;interprefix=%&from=%sender_phonealias%&data=%data%", "hi")
        self.assertEqual(found, {"to": "15551234567", "from": "+420776047467", "data": "hi"})

    def test_routo_and_o2(self) -> None:
        self.assertEqual(query(ROUTO, "ahoj!")["message"], "ahoj!")
        found = query(O2, "ahoj!")
        self.assertEqual(
            (found["toNumber"], found["text"], found["action"]), ("+15551234567", "ahoj!", "send")
        )

    def test_interprefix(self) -> None:
        """The document's own example."""
        found = parse("num=%number;interprefix=00%", GATEWAY)
        self.assertEqual(found.render({"number": "+4205452544"}), "num=004205452544")
        self.assertEqual(found.render({"number": "5452544"}), "num=5452544")

    def test_condition(self) -> None:
        """Always empty, whatever the caller says."""
        found = parse("d=%data%%condition;isunicode;value=&unicode=1%", GATEWAY)
        self.assertEqual(found.render({"data": "x", "condition": "y"}, encode, "unicode"), "d=x&unicode=1")
        self.assertEqual(found.render({"data": "x"}, encode, "ascii"), "d=x")
        self.assertEqual(parse("[%condition%]", GATEWAY).render({}), "[]")

    def test_rules(self) -> None:
        """Values of rules, in their three spellings."""
        values = {"To": "+1555", "From": "ann", "extensionnose": "+15551234567", "phone": "+4207"}
        for text, shown in {
            "%%To%%@gatewayid": "+1555@gatewayid",
            "%%TO%%@gatewayid": "+1555@gatewayid",
            "sms:%%extensionnose%%?maxmsgs=7": "sms:+15551234567?maxmsgs=7",
            "$1@$2&sender=%phone%": "$1@$2&sender=+4207",
            "%from%%%to%%%to%": "ann+1555+1555",
        }.items():
            self.assertEqual(parse(text, RULE, url=False).render(values), shown)

    def test_delivery_script(self) -> None:
        """`%:name%` is a name of its own, else the name without the colon; the document's stray 3 stays."""
        url = "http://a/sms/deliver.html?id=58&number=%:from_alias%&data=%:Body%&pass=1234567"
        found = parse(url, RULE)
        self.assertEqual(found.names, {":from_alias", ":body"})
        self.assertEqual(parse("%:phone%", RULE).names, {"phone"})
        shown = found.render({":from_alias": "+1555", ":body": "a b"}, encode)
        self.assertEqual(shown, "http://a/sms/deliver.html?id=58&number=%2B1555&data=a%20b&pass=1234567")
        self.assertEqual(parse("n=%from%3&d=%data%", RULE).render({"From": "1", "data": "x"}), "n=13&d=x")


class AttributeTests(SynchronousTestCase):
    """Feature G10."""

    def _shown(self, text: str, value: str | bytes, kind: Kind = "ascii", url: bool = True) -> str:
        values: dict[str, str | bytes] = {"data": value, "sender": value}
        return parse(text, GATEWAY).render(values, encode if url else None, kind)

    def test_unicode(self) -> None:
        for text, shown in {
            "%data;unicode%": "D83DDE00",
            "%data;unicode;hex%": "D83DDE00",
            "%data;len;unicode%": "04D83DDE00",
            "%data;unicode;b64%": "2D3eAA%3D%3D",
            "%data;unicode;isascii%": "",
            "%data;isunicode;isascii%": "%F0%9F%98%80",
        }.items():
            self.assertEqual(self._shown(text, "😀", "unicode"), shown, text)

    def test_values(self) -> None:
        """They stand behind what is inserted, in their order, as they are written."""
        shown = self._shown("%data;value=&a=+1;hex;value=&b=/%&c", b"\x0a", "binary")
        self.assertEqual(shown, "0A&a=+1&b=/&c")
        self.assertEqual(self._shown("%data;value=&a%", ""), "&a")

    def test_octets(self) -> None:
        """Base64 unless hex is asked; nothing stays nothing."""
        self.assertEqual(self._shown("%data%", b"\xff\xff", "binary"), "%2F%2F8%3D")
        self.assertEqual(self._shown("%data;len%", b"\xff\xff", "binary"), "Av%2F%2F")
        self.assertEqual(self._shown("%data;hex;len%", b"\0" * 256, "binary"), "0100" + "00" * 256)
        for text in ("%data%", "%data;len;hex%", "%data;len;b64%", "%data;len%", "%data;unicode%"):
            self.assertEqual(self._shown(text, b"", "binary"), "", text)
            self.assertEqual(self._shown(text, ""), "", text)

    def test_a_text_is_never_hexed_for_octets(self) -> None:
        """What is there for a binary message leaves the text of another alone, unless it is asked for texts."""
        for text in ("%data;hex%", "%data;len;hex%", "%data;b64%", "%data;isbinary;hex%%data;isascii%"):
            self.assertEqual(self._shown(text, "hi"), "hi", text)
        self.assertEqual(self._shown("%data;isascii;hex%", "hi"), "6869")
        self.assertEqual(self._shown("%data;charset=cp1252;b64;len%", "é"), "Aek%3D")
        self.assertEqual(self._shown("%sender;len;hex%", "hi"), "026869")

    def test_length_of_a_text(self) -> None:
        """The document's `%body;len%`: its octets in UTF-8 are counted."""
        self.assertEqual(parse("%body;len%", RULE).render({"body": "é!"}), "\x03é!")

    def test_charset(self) -> None:
        """Octets of the charset in a URL; a text that is no URL stays text."""
        self.assertEqual(self._shown("%data;charset=iso-8859-2%", "ž €/"), "%BE%20%3F%2F")
        self.assertEqual(self._shown("%data;charset=iso-8859-2%", "ž €", url=False), "ž €")
        self.assertEqual(self._shown("%data;charset=iso-8859-2;len%", "ž"), "%01%BE")

    def test_every_charset_encodes(self) -> None:
        """None that is let in can fail on a message."""
        taken = 0
        for name in sorted(set(aliases) | set(aliases.values())):
            try:
                found = parse(f"%data;charset={name}%", GATEWAY)
            except InvalidValue:
                continue
            taken += 1
            for text in ("a", "é€ž😀", "\0\x1b~", "ｱ日本語" * 40, "." * 300):
                self.assertNotEqual(found.render({"data": text}, encode), "", name)
        self.assertGreater(taken, 50)


class RefusalTests(SynchronousTestCase):
    """What is said of mistakes, and where."""

    def _refused(self, table: dict[str, str], names: tuple[str, ...] = GATEWAY, url: bool = True) -> None:
        for text, said in table.items():
            error = self.assertRaises(InvalidValue, parse, text, names, url)
            self.assertIn(said, str(error), text)

    def test_unknown_names(self) -> None:
        self._refused(
            {
                "x=%nunber%": "at character 3: there is no variable nunber: did you mean number? known: binary, cond",
                "%%foo%%": "at character 1: there is no variable foo: known: ",
                "pid=%pid%&dcg=%dcg%&sender=%sender%": "at character 15: there is no variable dcg: did you mean dcs?",
                "%dcg%%data%": "at character 1: there is no variable dcg",
                "%foo;hex%": "there is no variable foo",
                "%:to%": "there is no variable :to",
                "%" + "q" * 900 + "%": "there is no variable " + "q" * 40 + "…: known",
            }
        )
        self._refused({"%x%": "known: none"}, ())

    def test_percent_signs(self) -> None:
        """The document's own slips among them."""
        self._refused(
            {
                "to=%number%&data=%data&concat=%parts%": "at character 18: %data has no end: write %data%",
                "%%data%": "at character 1: %%data has no end: write %%data%%",
                "toNumber=Nnumber%&text=%data%": "at character 17: this percent sign begins no variable",
                "a=50%": "at character 5: this",
                "a=%2": "at character 3: this",
                "a=%zz": "at character 3: this",
                "a=\0": "at character 3: NUL",
                "\udcff%data%": "at character 1: NUL or half",
                "%data;hex&x=1": "at character 1: %data has no end",
            }
        )

    def test_no_password_is_shown(self) -> None:
        """Only what stands between percent signs may be quoted."""
        for text in ("pass=hunter2%&n=%number%", "pass=%hunter2&n=%number%", "pass=hunter2&n=%data&x=1"):
            error = self.assertRaises(InvalidValue, parse, text, GATEWAY)
            self.assertNotIn("hunter2", str(error))
        self.assertNotIn("hunter2", repr(parse("pass=hunter2&n=%number;value=&hunter2%", ["number"])))

    def test_attributes(self) -> None:
        self._refused(
            {
                "%data;hexx%": "at character 7: there is no attribute 'hexx': did you mean hex? known: isascii",
                "%data;%": "at character 7: there is no attribute ''",
                "%data;hex;;len%": "at character 11: there is no attribute ''",
                "%data;hex;hex%": "at character 11: hex is given twice",
                "%data;charset=utf-8;charset=utf-8%": "charset is given twice",
                "%data;hex;b64%": "hex excludes b64 and raw",
                "%data;unicode;charset=utf-8%": "unicode excludes charset",
                "%data;hex=1%": "write ;hex without a value",
                "%data;value%": "write ;value= with a value",
                "%data;charset=%": "there is no charset ''",
                "%data;charset=klingon%": "at character 7: there is no charset 'klingon'",
                "%data;charset=rot13%": "there is no charset",
                "%data;charset=idna%": "there is no charset",
                "%data;charset=a\x01b%": "there is no charset",
            }
        )

    def test_texts_that_are_no_urls(self) -> None:
        """A percent sign before anything but a word is itself."""
        names = ("To", "body")
        values = {"To": "T", "body": "B"}
        for text, shown in {
            "50% off": "50% off",
            "100%": "100%",
            "5%, 6%; (7%)": "5%, 6%; (7%)",
            "%20%41": "%20%41",
            "100%ig": "100%ig",
            "50%%body%": "50%B",
            "100%% %%to%%%": "100%% T%",
            "%a b%": "%a b%",
            "": "",
        }.items():
            self.assertEqual(parse(text, names, url=False).render(values), shown, text)
        self._refused(
            {
                "%bdy%": "at character 1: there is no variable bdy: did you mean body?",
                "%%bdy%%": "did you mean body?",
                "ab%cd%ef": "at character 3: there is no variable cd",
                "so: %body.": "at character 5: %body has no end",
            },
            names,
            url=False,
        )

    def test_octets_of_a_url_stay(self) -> None:
        """`%XX` that begins no known name is literal, also before a word."""
        for text in ("%20hello%20world", "%C3%A9%C3caf%E9", "%dc%ab", "%DAtum%20", ""):
            found = parse(text, GATEWAY)
            self.assertEqual((found.render({}, encode), found.names), (text, frozenset()))
        self.assertEqual(parse("%20%data%%20%20", GATEWAY).render({"data": "x"}), "%20x%20%20")


PIECES = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(
            ("%", "%%", "data", "%data%", "%%udh%%", ";", "hex", ";len", ";value=", "=", ";charset=", ";isunicode",
             "utf-16", "%:", "%41", "number", "%sender;interprefix=", ";unicode", ";b64", "%condition;isascii")
        ),
    ),
    max_size=12,
).map("".join)  # fmt: skip
OCTETS_OR_TEXT = st.one_of(st.binary(max_size=300), st.text(max_size=60))


class PropertyTests(SynchronousTestCase):
    """Any template, any message."""

    @given(PIECES, st.booleans())
    def test_nothing_but_invalid_value(self, text: str, url: bool) -> None:
        try:
            found = parse(text, GATEWAY, url)
        except InvalidValue as error:
            self.assertRegex(str(error), r"\Aat character [0-9]+: ")
            return
        self.assertLessEqual(found.names, set(GATEWAY))

    @given(
        PIECES, st.booleans(), OCTETS_OR_TEXT, st.sampled_from(("ascii", "unicode", "binary")), st.booleans()
    )
    def test_complete_values_render(
        self, text: str, url: bool, value: str | bytes, kind: Kind, encoded: bool
    ) -> None:
        try:
            found = parse(text, GATEWAY, url)
        except InvalidValue:
            return
        shown = found.render(dict.fromkeys(found.names, value), encode if encoded else None, kind)
        if not found.names:
            self.assertEqual(shown, text)

    @given(st.text(max_size=40), st.binary(max_size=40))
    def test_what_is_inserted_cannot_add_parameters(self, data: str, udh: bytes) -> None:
        """The other side reads the values as they were given, whatever is in them."""
        found = query("http://x/?d=%data%&u=%udh%&e=%udh;len;hex%&z=1", data, udh)
        self.assertEqual(list(found), ["d", "u", "e", "z"])
        self.assertEqual((found["d"], base64.b64decode(found["u"])), (data, udh))
        self.assertEqual(bytes.fromhex(found["e"])[1:], udh)

    @given(
        st.text(max_size=30).filter(lambda text: not {"%", "\0"} & set(text)),
        st.lists(st.sampled_from(GATEWAY), max_size=5),
    )
    def test_text_around_variables_is_kept(self, text: str, names: list[str]) -> None:
        found: Template = parse(text + "".join(f"%{name}%{text}" for name in names), GATEWAY)
        self.assertEqual(found.render(dict.fromkeys(names, ""), encode), text * (len(names) + 1))
        self.assertEqual(found.names, set(names))
