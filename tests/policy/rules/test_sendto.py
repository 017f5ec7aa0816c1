"""The addresses that rules send to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.model import Escalate, Folder, Forward, Send
from smsd.policy.rules.sendto import check, read_address, read_folder
from smsd.values.errors import InvalidValue


class Addresses(SynchronousTestCase):
    def test_phones_and_mailboxes(self) -> None:
        for text, expected in (
            ("ann@example.org", "mailto:ann@example.org"),
            (" mailto:ann@example.org ", "mailto:ann@example.org"),
            ("MAILTO:ann@example.org?subject=x", "mailto:ann@example.org"),
            ("Ann <ann@example.org>", "mailto:ann@example.org"),
            ("+15551234567", "sms:+15551234567"),
            ("sms:+15551234567@sms.example.org", "sms:+15551234567"),
            ('"sms:+15551234567?maxmsgs=1"@sms.example.org', "sms:+15551234567"),
            ('"ann smith"@example.org', 'mailto:"ann smith"@example.org'),
        ):
            self.assertEqual(str(read_address(text)[0]), expected, text)
        self.assertEqual(read_address("sms:+1555?maxmsgs=2&id=gsm1")[1].max_parts, 2)

    def test_chats_are_their_owners_without_resource_and_port(self) -> None:
        for text, expected in (
            ("xmpp:Ann@Example.org/phone", "xmpp:ann@example.org"),
            ("XMPP:ann@example.org?message", "xmpp:ann@example.org"),
            ("sip:ann@example.org:5060;transport=tcp", "sip:ann@example.org"),
        ):
            self.assertEqual(str(read_address(text)[0]), expected, text)

    def test_what_cannot_be_reached_is_refused_without_its_password(self) -> None:
        for text in (
            "",
            "nobody",
            "ann@",
            "@example.org",
            "mailto:ann@",
            "xmpp:ann",
            "sip:+1555",
            "account:demo",
            "tel:+1555",
            "mailto:ann",
            "sms:@example.org",
            "sms:ann?user=x&pass=topsecret",
        ):
            error = self.assertRaises(InvalidValue, read_address, text)
            self.assertRegex(str(error), "write (xmpp:|sip:|)ann@example.org")
            self.assertNotIn("topsecret", str(error))

    def test_folders(self) -> None:
        address, folder = read_folder("ann@example.org/SMS/2027")
        self.assertEqual((str(address), folder), ("mailto:ann@example.org", "SMS/2027"))
        for text in (
            "SMS",
            "ann/SMS",
            "ann@example.org",
            "ann@example.org/",
            "+1555@x/SMS".replace("@x", ""),
        ):
            self.assertRaises(InvalidValue, read_folder, text)

    def test_what_has_variables_is_seen_when_they_are_known(self) -> None:
        for action in (
            Forward("%from%"),
            Send("%rest%", "x"),
            Folder("%account%"),
            Escalate(("%number%",), 5),
        ):
            check(action)
        for action in (Forward("ann"), Send("ann", "x"), Folder("SMS"), Escalate(("+1555", "ann"), 5)):
            self.assertRaises(InvalidValue, check, action)
