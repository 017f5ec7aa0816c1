"""Members as they are written: what they mean, what is refused, and that no password ever shows."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.postoffice.members import MOST, Here, Roster, parse_file, read
from smsd.core.postoffice.sending import BATCH, batches
from smsd.core.postoffice.words import size
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import Recipient

HERE = Here(
    domains=frozenset({"example.org"}),
    gateways={"gsm1": "GSM1"},
    country="US",
    boxes=frozenset({("ops", ""), ("night", "lists.example.net")}),
)


def facts(text: str) -> tuple[Any, ...]:
    """What a member comes to: scheme, target, gateway, user, password."""
    member = read(text, HERE)
    return (member.scheme, member.target, member.parameters.gateway, member.user, member.password)


class Reading(SynchronousTestCase):
    def test_forms(self) -> None:
        plus = "+15551234567"
        for text, expected in (
            (
                "sms:+15551234567?user=smsalerts&pass=alertpwd@example.org",
                ("sms", plus, None, "smsalerts", "alertpwd"),
            ),
            ('"sms:+15551234567?user=a&pass=b"@example.org', ("sms", plus, None, "a", "b")),
            ("SMS:+15551234567?user=a&pass=b", ("sms", plus, None, "a", "b")),
            ("sms:+15551234567?user=john%40x.org&pass=p%40ss@example.org", ("sms", plus, None, "john%40x.org", "p@ss")),
            ("sms:+15551234567?user=john@x.org&pass=p@ss@sms.example.org", ("sms", plus, None, "john@x.org", "p@ss")),
            ("sms:+15551234567?user=a&pass=a#b;c@example.org", ("sms", plus, None, "a", "a#b;c")),
            ("sms:+15551234567@GSM1", ("sms", plus, "GSM1", None, "")),
            ("+15551234567@gsm1", ("sms", plus, "GSM1", None, "")),
            ("+15551234567@example.org", ("sms", plus, None, None, "")),
            ("+15551234567?id=gsm1", ("sms", plus, "gsm1", None, "")),
            ("+1 555 123-4567", ("sms", "+1 555 123-4567", None, None, "")),
            ("12345", ("sms", "12345", None, None, "")),
            ("mailto:ann@Example.NET", ("mailto", "ann@example.net", None, None, "")),
            ("ann@example.net", ("mailto", "ann@example.net", None, None, "")),
            ("15551234567@elsewhere.example", ("mailto", "15551234567@elsewhere.example", None, None, "")),
            ("account:john", ("account", "john", None, None, "")),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(facts(text), expected)

    def test_parameters(self) -> None:
        parameters = read("sms:+15551234567?maxmsgs=3&priority=urgent&expire=60&value=a", HERE).parameters
        self.assertEqual(
            (parameters.max_parts, parameters.expire_minutes, parameters.values), (3, 60, ("a",))
        )

    def test_what_is_none(self) -> None:
        for text, why in (
            ("", "no member"),
            ("sms:", "there is no number"),
            ("sms:Vodafone", "a name cannot receive"),
            ("hello", "a name cannot receive"),
            ("xmpp:ann@example.org", "only sms:, mailto: and account:"),
            ("mailto:ann", "no mail address"),
            ("smsalerts?user=a&pass=hidden@example.net", "no mail address"),
            ("sms:+15551234567@elsewhere.example", "neither a domain nor a gateway"),
            ("sms:+15551234567?user=a&pass=p@hidden", "neither a domain nor a gateway"),
            ("sms:+15551234567?user=john@example.org&pass=hidden", "neither a domain nor a gateway"),
            ("sms:+15551234567?user=a&pass=one&hidden=two@example.org", "& inside a value is written %26"),
            ("sms:+15551234567?pass=hidden", "pass needs a user"),
            ("sms:+15551234567?user=a&pass=%FFhidden", "not percent-encoded UTF-8"),
            ("sms:+15551234567?reply=ann%40example.org", "reply is not for members"),
            ("sms:+15551234567?binary=1", "binary is not for members"),
            ("sms:+15551234567?maxmsgs=many", "maxmsgs='many' is not understood"),
            ("sms:+15551234567?id=other@gsm1", "names two gateways"),
            ("mailto:ops@example.org", "mail would go in a circle"),
            ("OPS@sms.example.org", "mail would go in a circle"),
            ("night@lists.example.net", "mail would go in a circle"),
            ("+15551234567\x00", "no member"),
            ("+1555" + "0" * 2000, "no member"),
        ):
            with self.subTest(text=text):
                error = self.assertRaises(InvalidValue, read, text, HERE)
                self.assertIn(why, str(error))
                self.assertNotIn("hidden", str(error))

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
    def test_any_password_comes_out_as_it_was_and_shows_nowhere(self, password: str) -> None:
        member = read(f"sms:+15551234567?user=a&pass={quote(password, safe='')}@example.org", HERE)
        self.assertEqual(member.password, password)
        self.assertEqual(repr(member), repr(read("sms:+15551234567?user=a&pass=other", HERE)))

    @given(st.text(min_size=1, max_size=60), st.text(alphabet="abcXYZ&?=@%:#", max_size=30))
    def test_hostile_texts_are_refused_or_read(self, text: str, more: str) -> None:
        for tried in (text, f"sms:{text}", f"sms:+1555123456?{more}&pass=S3CRETpass{more}", f"{more}?{text}"):
            try:
                member = read(tried, HERE)
            except InvalidValue as error:
                self.assertNotIn("S3CRETpass", str(error))
            else:
                self.assertNotIn("S3CRETpass", repr(member))
                self.assertNotIn("S3CRETpass", member.target)


class Rosters(SynchronousTestCase):
    def test_each_once_and_what_they_need(self) -> None:
        those = [
            "+15551234567",
            "sms:(555) 123-4567?user=a&pass=b",
            "sms:+15550000000?user=a&pass=b",
            "account:x",
        ]
        roster = Roster.of([read(text, HERE) for text in those], "US")
        self.assertEqual([member.target for member in roster.members], ["+15551234567", "+15550000000", "x"])
        self.assertEqual((roster.logins, roster.bare, roster.others), ((("a", "b"),), True, True))

    def test_files(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(
                b"\xef\xbb\xbf# on call\r\n\r\n+15551234567 # Ann\r\nsms:+15550000000?user=a&pass=a#b\n\xff\nhello\n"
            )
        members, wrong = parse_file(path, HERE)
        self.assertEqual([member.target for member in members], ["+15551234567", "+15550000000"])
        self.assertEqual(members[1].password, "a#b")
        self.assertEqual([line for line, _ in wrong], [5, 6])

    def test_files_have_limits(self) -> None:
        path = self.mktemp()
        with open(path, "w") as stream:
            stream.write("+15551234567\n" * (MOST + 5))
        members, wrong = parse_file(path, HERE)
        self.assertEqual((len(members), wrong[0][0]), (MOST, MOST + 1))
        os.mkfifo(path + ".pipe")
        self.assertRaises(InvalidValue, parse_file, path + ".pipe", HERE)
        self.assertRaises(InvalidValue, parse_file, "/dev/zero", HERE)


class Batches(SynchronousTestCase):
    @given(st.integers(0, 3000), st.integers(0, 40))
    def test_everybody_once_and_none_too_big(self, count: int, start: int) -> None:
        recipients = [Recipient(Address("sms", f"+1555{start + n:07}")) for n in range(count)]
        made = batches(recipients)
        self.assertEqual(
            sorted(str(one.address) for _, batch in made for one in batch),
            sorted(str(one.address) for one in recipients),
        )
        self.assertLessEqual(max((len(batch) for _, batch in made), default=0), BATCH)
        self.assertEqual(len({name for name, _ in made}), len(made))
        self.assertTrue(all(batch for _, batch in made))

    def test_who_joins_moves_nobody(self) -> None:
        def where(count: int) -> dict[str, str]:
            recipients = [Recipient(Address("sms", f"+1555{n:07}")) for n in range(count)]
            return {str(one.address): name for name, batch in batches(recipients) for one in batch}

        before, after = where(1600), where(1900)
        self.assertEqual({number: after[number] for number in before}, before)


class Sizes(SynchronousTestCase):
    def test_for_people(self) -> None:
        for octets, shown in ((0, "0 bytes"), (999, "999 bytes"), (1499, "1 kB"), (999_499, "999 kB"),
                              (999_500, "1.0 MB"), (3_440_000, "3.4 MB")):  # fmt: skip
            with self.subTest(octets=octets):
                self.assertEqual(size(octets), shown)
