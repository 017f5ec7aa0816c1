"""The address forms of feature S4."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.frontends.smtp import addresses, commands
from smsd.frontends.smtp.addresses import Realm, Target
from smsd.values.errors import Reason, Refused

REALM = Realm.of(
    frozenset({"example.org", "192.0.2.1", "exämple.org"}),
    frozenset({"gw1", "USgateway"}),
    {"Sms7": "maxmsgs=7", "open": "?user=smsalerts&pass=alertpwd", "pinned": "id=gw1&expire=60"},
    max_parts=9,
)


def read(path: str, here: str = "") -> Target:
    return addresses.read(commands.read_mailbox(path, "5.1.3"), REALM, here)


class Forms(SynchronousTestCase):
    """What is understood."""

    def test_number(self) -> None:
        for path in (
            "+15551234567@example.org",
            '"+15551234567"@example.org',
            "sms:+15551234567@example.org",
            "SMS:+15551234567@EXAMPLE.org.",
            '"sms:+15551234567"@example.org',
            '"sms:\\+15551234567"@example.org',
            "sms://+15551234567@example.org",
            "sms:%2B15551234567@example.org",
            "sms:+15551234567@sms.example.org",
            "+15551234567@sms.example.org",
            "+15551234567@192.0.2.1",
            "+15551234567@[192.0.2.1]",
            "sms:+15551234567",
            "+15551234567",
            "@relay.x,@other.x:+15551234567@example.org",
            "+15551234567@xn--exmple-cua.org",
            "+15551234567@exämple.org",
        ):
            target = read(path)
            self.assertEqual(target.number, "+15551234567", path)
            self.assertIsNone(target.wishes.parameters.gateway, path)

    def test_plus_is_never_a_space(self) -> None:
        target = read('"sms:+1?user=a+b&pass=c+d"@example.org')
        self.assertEqual((target.login, target.wishes.password), ("a+b", "c+d"))

    def test_gateway(self) -> None:
        self.assertEqual(read("+1@gw1").wishes.parameters.gateway, "gw1")
        self.assertEqual(read("sms:+1@usGATEWAY").wishes.parameters.gateway, "USgateway")
        self.assertEqual(read('"sms:+1?id=gw1"@example.org').wishes.parameters.gateway, "gw1")
        self.assertEqual(read('"sms:+1?id=GW1"@gw1').wishes.parameters.gateway, "gw1")

    def test_credentials(self) -> None:
        target = read('"sms:+15551234567?user=john%icewarp.com&pass=123"@example.org')
        self.assertEqual((target.login, target.wishes.password), ("john%icewarp.com", "123"))

    def test_login_is_kept_as_typed(self) -> None:
        self.assertEqual(read('"sms:+1?user=john%40x.org"@example.org').login, "john%40x.org")

    def test_mailing_list_member_without_quotes(self) -> None:
        target = read("sms:+15551234567?user=a@b.org&pass=alertpwd@example.org")
        self.assertEqual((target.login, target.wishes.password), ("a@b.org", "alertpwd"))

    def test_our_own_address(self) -> None:
        self.assertEqual(read("+1@[127.0.0.1]", here="127.0.0.1").number, "+1")
        self.assertEqual(read("+1@[IPv6:::1]", here="::1").number, "+1")

    def test_parts(self) -> None:
        for path, parts in {
            "+1@example.org": 9,
            "+1?maxmsgs=3@example.org": 3,
            "sms:+1@example.org": 1,
            "sms:+1?maxmsgs=12@example.org": 12,
            "sms7:+1@example.org": 7,
            "sms7:+1?maxmsgs=3@example.org": 3,
            "sms7:+1?maxmsgs=12@example.org": 7,
            "open:+1@example.org": 1,
        }.items():
            self.assertEqual(read(path).wishes.parameters.max_parts, parts, path)

    def test_helpers(self) -> None:
        target = read("open:+1@example.org")
        self.assertEqual((target.login, target.wishes.password), ("smsalerts", "alertpwd"))
        target = read("open:+1?user=me&pass=x@example.org")
        self.assertEqual((target.login, target.wishes.password), ("me", "x"))
        parameters = read("pinned:+1?id=gw2&expire=90@example.org").wishes.parameters
        self.assertEqual((parameters.gateway, parameters.expire_minutes), ("gw1", 60))


class Refusals(SynchronousTestCase):
    """What is not, and why."""

    def test_reasons(self) -> None:
        for path, reason in {
            "+1@elsewhere.org": Reason.UNKNOWN_DOMAIN,
            "+1@sms.elsewhere.org": Reason.UNKNOWN_DOMAIN,
            "+1@[192.0.2.9]": Reason.UNKNOWN_DOMAIN,
            "+1@[IPv6:::1]": Reason.UNKNOWN_DOMAIN,
            "ann@example.org": Reason.BAD_NUMBER,
            "sms:@example.org": Reason.BAD_NUMBER,
            "sms:+1,+2@example.org": Reason.BAD_NUMBER,
            "sms:+1;+2@example.org": Reason.BAD_NUMBER,
            "fax:+1@example.org": Reason.BAD_NUMBER,
            "+@example.org": Reason.BAD_NUMBER,
            "1" * 41 + "@example.org": Reason.BAD_NUMBER,
            "sms:+1?maxmsgs=x@example.org": Reason.BAD_REQUEST,
            "sms:+1?maxmsgs=1&maxmsgs=2@example.org": Reason.BAD_REQUEST,
            "sms:+1?id=gw2@gw1": Reason.BAD_REQUEST,
            "sms:%ff@example.org": Reason.BAD_REQUEST,
        }.items():
            with self.assertRaises(Refused) as caught:
                read(path)
            self.assertIs(caught.exception.reason, reason, path)
            self.assertTrue(caught.exception.text)

    def test_passwords_are_not_told(self) -> None:
        for path in ("sms:x?user=john&pass=geheim@example.org", "sms:+1?pass=geheim&maxmsgs=x@example.org"):
            with self.assertRaises(Refused) as caught:
                read(path)
            self.assertNotIn("geheim", caught.exception.text)


class Mailboxes(SynchronousTestCase):
    """The grammar of paths."""

    def test_read(self) -> None:
        for path, local, domain in (
            ("ann@x.org", "ann", "x.org"),
            ('"a b"@x.org', "a b", "x.org"),
            ('"a\\"b\\\\c"@x.org', 'a"b\\c', "x.org"),
            ('"a@b"@x.org', "a@b", "x.org"),
            ('"a b"', "a b", ""),
            ("a@b@x.org", "a@b", "x.org"),
            ("ann@[IPv6:::1]", "ann", "[IPv6:::1]"),
        ):
            mailbox = commands.read_mailbox(path, "5.1.3")
            self.assertEqual((mailbox.local, mailbox.domain), (local, domain))

    def test_refuse(self) -> None:
        for path in (
            "@x.org",
            "ann@",
            '""@x.org',
            'a"b"@x.org',
            "ann@x..org",
            "ann@[",
            '"a"b@x.org',
            "@a,@b",
            "@a:",
        ):
            with self.assertRaises(commands.CommandError) as caught:
                commands.read_mailbox(path, "5.1.7")
            self.assertEqual((caught.exception.code, caught.exception.enhanced), (501, "5.1.7"), path)

    def test_text_form_quotes_where_needed(self) -> None:
        for path in ('"a b"@x.org', "ann@x.org", '"a\\"b"@x.org', '"sms:+1"@x.org'):
            self.assertEqual(str(commands.read_mailbox(path, "5.1.7")), path)
        self.assertEqual(str(commands.read_mailbox('"ann"@x.org', "5.1.7")), "ann@x.org")

    def test_xtext(self) -> None:
        self.assertEqual(commands.decode_xtext("ENVID", "a+2Bb+3D+C3+A4"), "a+b=ä")
        for text in ("a+", "a+2", "a+2b", "a=b", "a b", "ä", "a+00"):
            with self.assertRaises(commands.CommandError):
                commands.decode_xtext("ENVID", text)
