"""URLs of rules with Kannel's escapes: a get-url copied from kannel.conf is requested as Kannel would, and its answer goes back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.interfaces import Abilities, MessageIn
from smsd.policy.rules import engine, xml
from smsd.policy.rules.model import All, Field, How, Rule, Rules, TextTest, Url
from smsd.values.delivery import Accepted
from smsd.values.message import Binary, Call, Text
from tests.core.arriving import PHONE, ArrivingCase
from tests.house import START, House

GET_URL = "http://127.0.0.1/sms?k=%k&s=%s&r=%r&a=%a&b=%b&p=%p&P=%P&i=%i&n=%n&c=%c&C=%C&u=%u&t=%t&T=%T&I=%I&d=%d&x=%20"


class GettingTest(ArrivingCase):
    def begin(self, house: House) -> None:
        super().begin(house)
        self.urls = house.gateway("urls", Abilities(frozenset({"url"})))
        self.urls.answer = lambda piece: Accepted(output="17 degrees")
        house.outlet("urls").opened(1)

    def rule(self, action: Url, condition: Any = None) -> None:
        """This is what is done with every message."""
        compiled = engine.compile((Rule("weather", condition or All(), (action,)),))
        arriving = self.house.inbound.arriving
        arriving.rules = replace(arriving.rules, judge=partial(engine.judge, compiled))

    def asked(self) -> dict[str, str]:
        """The query of the URL that was requested last."""
        content = self.urls.pieces[-1].content
        assert isinstance(content, Call)
        query = parse_qs(urlsplit(content.what).query, keep_blank_values=True, encoding="latin-1")
        return {name: values[0] for name, values in query.items()}

    def test_every_escape(self) -> None:
        self.rule(Url(GET_URL, escapes="kannel", charset="ISO-8859-1"))
        message = MessageIn("gsm1", PHONE, Text("Weather  in Köln & Rom"), own="+3912345678", id="7")
        self.house.wait(self.house.inbound.message(message))
        self.house.settle()
        asked = self.asked()
        self.assertEqual(UUID(asked.pop("I")).version, 5)
        self.assertEqual(
            asked,
            {
                "k": "Weather", "s": "in", "r": "Köln & Rom", "a": "Weather in Köln & Rom", "b": "Weather  in Köln & Rom",
                "p": PHONE, "P": "+3912345678", "i": "gsm1", "n": "weather", "c": "0", "C": "ISO-8859-1", "u": "",
                "t": "2027-01-15 08:00:00", "T": str(int(START)), "d": "-1", "x": " ",
            },
        )  # fmt: skip

    def test_octets(self) -> None:
        self.rule(Url(GET_URL, escapes="kannel"))
        message = MessageIn("gsm1", PHONE, Binary(b"\x01\xff", b"\x70\x00"))
        self.house.wait(self.house.inbound.message(message))
        self.house.settle()
        asked = self.asked()
        self.assertEqual(
            (asked["b"], asked["u"], asked["c"], asked["C"]), ("\x01\xff", "\x02\x70\x00", "1", "8-BIT")
        )

    def test_the_answer_goes_back(self) -> None:
        self.rule(Url(GET_URL, reply=True, escapes="kannel"))
        self.sms("weather")
        self.assertEqual(self.texts(), [(PHONE, "17 degrees")])

    def test_two_messages_are_told_apart(self) -> None:
        self.rule(Url("http://127.0.0.1/?%I", escapes="kannel"))
        self.sms("same")
        self.sms("same")
        first, second = (piece.content.what for piece in self.urls.pieces)
        self.assertNotEqual(first, second)

    def test_what_a_phone_writes_stays_in_its_place(self) -> None:
        self.rule(Url("http://127.0.0.1/?a=%a&s=%S&to=%P", escapes="kannel"))
        self.sms("a&to=1 b&to=2#*")
        self.assertEqual(self.asked(), {"a": "a&to=1 b&to=2#*", "s": "b&to=2#~", "to": ""})

    def test_without_the_word_escapes_they_are_ours(self) -> None:
        self.rule(Url("http://127.0.0.1/?a=%body%"), Field("body", TextTest(How.CONTAINS, "x")))
        self.sms("x y")
        self.assertEqual(self.asked(), {"a": "x y"})


class ConfiguredTest(ArrivingCase):
    """How it is written."""

    def rules(self, action: str) -> Rules:
        return load_text(f"incoming: [{{title: t, do: [{action}]}}]\n", "smsd.yaml").rules

    def test_yaml_and_xml(self) -> None:
        made = self.rules("{url: {url: 'http://a/?a=%a', escapes: kannel, charset: ISO-8859-1, reply: yes}}")
        [rule] = made.incoming
        self.assertEqual(
            rule.actions, (Url("http://a/?a=%a", reply=True, escapes="kannel", charset="ISO-8859-1"),)
        )
        self.assertEqual(xml.read(xml.write(made), "x"), made)

    def test_mistakes(self) -> None:
        for action, words in {
            "{url: {url: 'http://a/', escapes: jasmin}}": "'jasmin' is not possible; allowed: kannel",
            "{url: {url: 'http://a/', charset: UTF-8}}": "only Kannel's escapes have a charset; write `escapes: kannel`",
            "{url: {url: 'http://a/', escapes: kannel, charset: hex}}": "'hex' is not possible; write for example ISO-8859-1",
        }.items():
            error = self.assertRaises(ConfigError, self.rules, action)
            self.assertIn(words, str(error))
