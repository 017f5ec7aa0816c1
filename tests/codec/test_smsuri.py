"""Parameters of `sms:` and `/sms/`: every name of feature S2, its limits, and what is said of mistakes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.smsuri import (
    LONGEST_EXPIRY,
    concealed,
    login_names,
    parse_local,
    parse_uri,
    read_base64,
    read_parameters,
    split_numbers,
)
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import DEFAULT_PARAMETERS, Binary, Priority, Text


class ParameterTests(SynchronousTestCase):
    """`read_parameters`."""

    def test_all_of_them(self) -> None:
        wishes = read_parameters(
            [
                ("number", "+15551234567"),
                ("data", "hello"),
                ("user", "john"),
                ("pass", " secret "),
                ("maxmsgs", "3"),
                ("pid", "0x40"),
                ("dcs", "16"),
                ("sender", "ACME"),
                ("sender_required", "1"),
                ("authenticated", "1"),
                ("reply", "ann@example.org"),
                ("id", "gw1"),
                ("msgid", "order-7"),
                ("expire", "60"),
                ("priority", "urgent"),
                ("value", "a"),
                ("value", "b"),
            ]
        )
        self.assertEqual(wishes.numbers, ("+15551234567",))
        self.assertEqual((wishes.data, wishes.user, wishes.password), ("hello", "john", " secret "))
        self.assertTrue(wishes.authenticated)
        self.assertEqual((wishes.reply, wishes.msgid), ("ann@example.org", "order-7"))
        chosen = wishes.parameters
        self.assertEqual((chosen.max_parts, chosen.protocol_id, chosen.coding), (3, 0x40, 16))
        self.assertEqual((chosen.sender, chosen.sender_required, chosen.gateway), ("ACME", True, "gw1"))
        self.assertEqual(
            (chosen.expire_minutes, chosen.priority, chosen.values), (60, Priority.URGENT, ("a", "b"))
        )
        self.assertEqual(wishes.warnings, ())

    def test_nothing_said(self) -> None:
        wishes = read_parameters([])
        self.assertIs(wishes.parameters, DEFAULT_PARAMETERS)
        self.assertIsNone(wishes.data)

    def test_empty_means_not_said(self) -> None:
        """The template of feature G11 sends every name, often with nothing behind it."""
        names = (
            "udh",
            "binary",
            "pid",
            "dcs",
            "sender",
            "msgid",
            "user",
            "pass",
            "maxmsgs",
            "reply",
            "value",
            "number",
        )
        wishes = read_parameters([(name, "") for name in names])
        self.assertIs(wishes.parameters, DEFAULT_PARAMETERS)
        self.assertEqual((wishes.user, wishes.password, wishes.msgid, wishes.numbers), (None, None, None, ()))

    def test_empty_text_is_a_text(self) -> None:
        self.assertEqual(read_parameters([("data", "")]).data, "")

    def test_spellings(self) -> None:
        self.assertEqual(read_parameters([("maxmsg", "2")]).parameters.max_parts, 2)
        self.assertEqual(read_parameters([("MaxMsgs", "2")]).parameters.max_parts, 2)
        self.assertEqual(read_parameters([("dsc", "4")]).parameters.coding, 4)

    def test_maxmsgs_limits(self) -> None:
        self.assertEqual(read_parameters([("maxmsgs", "12")]).warnings, ())
        self.assertEqual(len(read_parameters([("maxmsgs", "13")]).warnings), 1)
        self.assertEqual(read_parameters([("maxmsgs", "128")]).parameters.max_parts, 128)
        for wrong in ("129", "0", "-1", "many", "1_0", "³", "9" * 5000):
            self.assertRaises(InvalidValue, read_parameters, [("maxmsgs", wrong)])

    def test_bad_values_name_the_parameter(self) -> None:
        for name, wrong in (
            ("maxmsgs", "200"),
            ("pid", "256"),
            ("dcs", "F6"),
            ("binary", "maybe"),
            ("authenticated", "2"),
            ("expire", "soon"),
            ("expire", str(LONGEST_EXPIRY + 1)),
            ("priority", "asap"),
            ("reply", "nobody"),
            ("reply", "a@b c"),
            ("reply", "a@b#@c"),
            ("msgid", "x" * 256),
            ("msgid", "a\nb"),
        ):
            error = self.assertRaises(InvalidValue, read_parameters, [(name, wrong)])
            self.assertTrue(str(error).startswith(f"{name}="), str(error))
            self.assertIn(repr(wrong[:40])[:-1], str(error))
            self.assertLess(len(str(error)), 200)

    def test_unknown_ones_give_a_warning(self) -> None:
        wishes = read_parameters([("colour", "red"), ("data", "x")])
        self.assertEqual(wishes.warnings, ("unknown parameter 'colour' is ignored",))

    def test_value_as_the_documents_write_it(self) -> None:
        """`value=&unicode=1` splits at the ampersand before anybody can know that it is one value."""
        wishes = read_parameters([("value", ""), ("unicode", "1"), ("colour", "red")])
        self.assertEqual(wishes.parameters.values, ("&unicode=1",))
        self.assertEqual(len(wishes.warnings), 1)
        self.assertEqual(read_parameters([("value", ""), ("dcs", "1")]).parameters.coding, 1)

    def test_twice_with_two_meanings(self) -> None:
        self.assertEqual(read_parameters([("id", "a"), ("id", "a")]).parameters.gateway, "a")
        error = self.assertRaises(InvalidValue, read_parameters, [("pass", "secret1"), ("pass", "secret2")])
        self.assertIn("pass", str(error))
        self.assertNotIn("secret", str(error))
        self.assertRaises(InvalidValue, read_parameters, [("maxmsg", "1"), ("maxmsgs", "2")])

    def test_what_no_store_can_hold(self) -> None:
        for name in ("data", "id", "sender", "value", "colour", "user", "number"):
            error = self.assertRaises(InvalidValue, read_parameters, [(name, "a\0b")])
            self.assertIn(name, str(error))
            self.assertRaises(InvalidValue, read_parameters, [(name, "\ud800")])
        self.assertRaises(InvalidValue, read_parameters, [("\udfff", "x")])

    def test_nothing_secret_in_a_repr(self) -> None:
        shown = repr(read_parameters([("user", "john"), ("pass", "sesame"), ("data", "good news")]))
        for secret in ("john", "sesame", "good news"):
            self.assertNotIn(secret, shown)

    def test_numbers(self) -> None:
        wishes = read_parameters([("number", "+1555, 0171;4888,,"), ("number", " 17 ")])
        self.assertEqual(wishes.numbers, ("+1555", "0171", "4888", "17"))
        self.assertEqual(split_numbers(" , ;\r\n"), [])
        self.assertEqual(split_numbers("5551234\r\n5557654\n"), ["5551234", "5557654"])


class ContentTests(SynchronousTestCase):
    """What the data becomes."""

    def test_text(self) -> None:
        self.assertEqual(read_parameters([]).content("hi"), Text("hi"))

    def test_reply_goes_into_the_body(self) -> None:
        wishes = read_parameters([("reply", "mailto:ann@example.org")])
        self.assertEqual(wishes.content("hi"), Text("#ann@example.org# hi"))
        self.assertEqual(wishes.reply_to(), Address("mailto", "ann@example.org"))
        self.assertIsNone(read_parameters([]).reply_to())

    def test_binary(self) -> None:
        wishes = read_parameters([("binary", "1"), ("udh", "BQQLhCPw"), ("dcs", "0xf5")])
        self.assertEqual(wishes.udh, bytes.fromhex("05040b8423f0"))
        self.assertEqual(wishes.content("AQID"), Binary(b"\1\2\3", bytes.fromhex("05040b8423f0")))

    def test_a_space_in_base64_was_a_plus(self) -> None:
        self.assertEqual(read_base64("data", "+/ 7"), b"\xfb\xff\xbb")
        self.assertEqual(read_base64("data", "AQ\r\nID"), b"\1\2\3")

    def test_not_base64(self) -> None:
        for wrong in ("A", "AQI", "hello!", "ÄÖÜ="):
            error = self.assertRaises(InvalidValue, read_base64, "data", wrong)
            self.assertIn("data", str(error))

    def test_header_must_be_whole(self) -> None:
        for octets in ("BQ==", "BQQLhCM=", "BgUEC4Qj"):
            error = self.assertRaises(InvalidValue, read_parameters, [("binary", "1"), ("udh", octets)])
            self.assertIn("udh", str(error))
        self.assertRaises(InvalidValue, read_parameters, [("udh", "BQQLhCPw")])


class UriTests(SynchronousTestCase):
    """RFC 5724, tolerantly."""

    def test_forms(self) -> None:
        for local in ("sms:+15551234567", "+15551234567", "sms://+15551234567", "SMS:%2B15551234567"):
            self.assertEqual(parse_local(local), ("+15551234567", []))

    def test_query(self) -> None:
        number, pairs = parse_local("sms:+1555?user=john%40example.org&pass=a+b%26c&&maxmsgs=3&flag")
        self.assertEqual(number, "+1555")
        self.assertEqual(
            pairs, [("user", "john@example.org"), ("pass", "a+b&c"), ("maxmsgs", "3"), ("flag", "")]
        )

    def test_login_with_percent_for_at(self) -> None:
        self.assertEqual(parse_local("+1?user=john%dead.example")[1], [("user", "john%dead.example")])

    def test_not_utf8(self) -> None:
        error = self.assertRaises(InvalidValue, parse_local, "sms:+1?sender=%ff")
        self.assertIn("sender", str(error))
        self.assertRaises(InvalidValue, parse_local, "sms:%ff")
        error = self.assertRaises(InvalidValue, parse_local, "sms:+1?pass=%ffsesame")
        self.assertNotIn("sesame", str(error))

    def test_whole_uri(self) -> None:
        numbers, pairs = parse_uri("sms:+15551,+15552?body=hello%20there")
        self.assertEqual(numbers, ["+15551", "+15552"])
        self.assertEqual(read_parameters(pairs).data, "hello there")
        for wrong in ("mailto:a@b", "sms:", "sms:?body=x", "+1555", ""):
            self.assertRaises(InvalidValue, parse_uri, wrong)

    def test_login_names(self) -> None:
        self.assertEqual(login_names("john", True), ["john"])
        self.assertEqual(login_names("john%example.org", False), ["john%example.org"])
        self.assertEqual(login_names("john%example.org", True), ["john%example.org", "john@example.org"])
        self.assertEqual(
            login_names("a%john/example.org", True), ["a%john/example.org", "a%john@example.org"]
        )
        self.assertEqual(login_names("john%40x", False), ["john%40x", "john@x"])
        self.assertEqual(login_names("john%40x", True), ["john%40x", "john@40x", "john@x"])
        self.assertEqual(login_names("%x", True), ["%x"])


class Secrets(SynchronousTestCase):
    """`concealed`."""

    def test_whatever_follows_the_password_is_no_part_of_it(self) -> None:
        for written, shown in {
            "+1?user=a&pass=s3cret": "+1?user=a&pass=***",
            "+1?pass=s3@cret&user=a@x.org": "+1?pass=***&user=a@x.org",
            '"sms:+1?user=a&Password=s3cret"@x.org': '"sms:+1?user=a&Password=***"@x.org',
            "+1?user\\x{3D}a&pass\\x{3D}s3cret@x.org": "+1?user\\x{3D}a&pass\\x{3D}***@x.org",
            "pass=through@x.org": "pass=through@x.org",
            "+1?pass=": "+1?pass=***",
        }.items():
            self.assertEqual(concealed(written), shown)
