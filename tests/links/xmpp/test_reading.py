"""What a message stanza means: whom it is for, what it says, and what is not taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.reading import Unwilling, Written, read
from smsd.values.errors import InvalidValue
from tests.links.xmpp.reading import read as element

SMS = Domain("sms.example.org")
EMAIL = Domain("email.example.org", "email")
FAX = Domain("fax.example.org", "fax")


def message(
    inside: str = "<body>Hi</body>", to: str = "+15551234567@sms.example.org", more: str = ""
) -> Element:
    """One of ann's."""
    return element(f"<message from='ann@example.org/phone' to='{to}' type='chat' id='m1' {more}>{inside}</message>".replace(
        "type='chat' id='m1' type=", "type=").replace("id='m1' id=", "id="))  # fmt: skip


class ToWhom(SynchronousTestCase):
    def wanted(self, to: str, domain: Domain, inside: str = "<body>Hi</body>") -> list[tuple[str, str]]:
        """Addresses and as what they were written."""
        written = read(message(inside, to), domain)
        assert written is not None
        return [(str(one.address), one.typed) for one in written.wanted]

    def refused(self, to: str, domain: Domain, inside: str = "<body>Hi</body>") -> str:
        return self.assertRaises(Unwilling, read, message(inside, to), domain).condition

    def test_numbers_and_mailboxes(self) -> None:
        for to, domain, address in (
            ("+15551234567@sms.example.org", SMS, "sms:+15551234567"),
            ("123242342@sms.example.org/x", SMS, "sms:123242342"),
            ("+1555@email.example.org", EMAIL, "sms:+1555"),
            ("john%doe.com@email.example.org", EMAIL, "mailto:john@doe.com"),
            ("john\\40doe.com@sms.example.org", SMS, "mailto:john@doe.com"),
            ("+1555@fax.example.org", FAX, "fax:+1555"),
        ):
            self.assertEqual(self.wanted(to, domain), [(address, to.partition("/")[0])])

    def test_domains_that_take_one_kind_only(self) -> None:
        only = Domain("sms.example.org", only=True)
        self.assertEqual(self.refused("john%doe.com@sms.example.org", only), "item-not-found")
        self.assertEqual(
            self.refused("+1555@email.example.org", Domain("email.example.org", "email", True)),
            "item-not-found",
        )
        self.assertEqual(self.refused("john%doe.com@fax.example.org", FAX), "item-not-found")

    def test_what_is_no_mailbox(self) -> None:
        for node in ("a\\20b%doe.com", "a%b;c", "a\\22%doe.com", "a%" + "b" * 256):
            self.assertEqual(self.refused(f"{node}@sms.example.org", SMS), "item-not-found", node)

    def test_half_a_mailbox_is_told_how_a_whole_one_is_written(self) -> None:
        for node in ("%doe.com", "john%", "%", "\\40doe.com", "john\\40", "a\\20b%doe.com"):
            told = self.assertRaises(
                Unwilling, read, message("<body>Hi</body>", f"{node}@sms.example.org"), SMS
            )
            self.assertIn("is no mail address: write to ann%example.com@sms.example.org", told.text, node)

    def test_several_with_commas(self) -> None:
        self.assertEqual(
            self.wanted("+1555,+1666@sms.example.org", SMS),
            [("sms:+1555", "+1555@sms.example.org"), ("sms:+1666", "+1666@sms.example.org")],
        )
        self.assertEqual(self.refused(",@sms.example.org", SMS), "item-not-found")

    def test_group_texts(self) -> None:
        inside = (
            "<body>Hi</body><addresses xmlns='http://jabber.org/protocol/address'>"
            "<address type='to' jid='+1@sms.example.org'/><address type='cc' uri='sms:+2'/><address type='bcc' uri='tel:+3;x=y'/>"
            "<address type='to' jid='+1@sms.example.org/x'/><address type='to' jid='+4@sms.example.org' delivered='true'/>"
            "<address type='replyto' jid='ann@example.org'/></addresses>"
        )
        self.assertEqual(
            [address for address, _ in self.wanted("sms.example.org", SMS, inside)],
            ["sms:+1", "sms:+2", "sms:+3"],
        )
        self.assertEqual(self.wanted("+9@sms.example.org", SMS, inside)[0][0], "sms:+9")

    def test_group_texts_to_others_to_nobody_to_too_many(self) -> None:
        for inside, condition in (
            ("<address type='to' jid='bob@example.org'/>", "not-acceptable"),
            ("<address type='to'/>", "not-acceptable"),
            ("<address type='replyto' jid='+1@sms.example.org'/>", "bad-request"),
            ("", "bad-request"),
            ("".join(f"<address type='to' uri='sms:+1{n}'/>" for n in range(51)), "not-acceptable"),
        ):
            whole = (
                f"<body>Hi</body><addresses xmlns='http://jabber.org/protocol/address'>{inside}</addresses>"
            )
            self.assertEqual(self.refused("sms.example.org", SMS, whole), condition, inside[:60])

    def test_the_gateway_itself(self) -> None:
        self.assertEqual(self.wanted("sms.example.org", SMS), [])


class What(SynchronousTestCase):
    def written(self, inside: str, more: str = "", subject: str = "ignore") -> Written | None:
        return read(message(inside, more=more), SMS, subject)

    def test_it_is_the_body(self) -> None:
        written = self.written(
            "<subject>S</subject><body>a\n b</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body>no</body></html>"
        )
        assert written is not None
        self.assertEqual(
            (written.text, written.subject, written.id, written.kind), ("a\n b", "S", "m1", "chat")
        )
        self.assertEqual(written.sender.full, "ann@example.org/phone")

    def test_the_subject_as_configured(self) -> None:
        for subject, expected in (("ignore", "B"), ("prefix", "S: B"), ("only", "S")):
            written = self.written("<subject> S </subject><body>B</body>", subject=subject)
            assert written is not None
            self.assertEqual(written.text, expected)

    def test_what_nobody_has_written_is_passed_over(self) -> None:
        for inside, more in (
            ("<composing xmlns='http://jabber.org/protocol/chatstates'/>", ""),
            ("<body>  \n</body>", ""),
            ("<received xmlns='urn:xmpp:receipts' id='x'/>", ""),
            ("<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>", ""),
            ("<subject>S</subject>", ""),
            ("<body>x</body>", "type='headline'"),
            ("<body>x</body>", "type='error'"),
            ("<body>x</body><sent xmlns='urn:xmpp:carbons:2'/>", ""),
            ("<result xmlns='urn:xmpp:mam:2'/><body>x</body>", ""),
            ("<encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>", ""),
        ):
            self.assertIsNone(self.written(inside, more), inside)

    def test_what_is_refused(self) -> None:
        for inside, more, condition in (
            ("<body>x</body>", "type='groupchat'", "service-unavailable"),
            ("<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='m0'/>", "", "not-acceptable"),
            (
                "<body>I sent you</body><encrypted xmlns='eu.siacs.conversations.axolotl'><header/></encrypted>",
                "",
                "not-acceptable",
            ),
            ("<encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>", "", "not-acceptable"),
            ("<body>This is</body><x xmlns='jabber:x:encrypted'>abc</x>", "", "not-acceptable"),
            ("<openpgp xmlns='urn:xmpp:openpgp:0'>abc</openpgp>", "", "not-acceptable"),
            ("<body>?OTRv23?</body>", "", "not-acceptable"),
            (
                "<body>I take it back</body><retract xmlns='urn:xmpp:message-retract:1' id='m0'/>",
                "",
                "not-acceptable",
            ),
            ("<body>x</body>", f"id='{'x' * 1001}'", "bad-request"),
        ):
            error = self.assertRaises(Unwilling, self.written, inside, more)
            self.assertEqual(error.condition, condition, inside)

    def test_the_quote_before_an_answer_is_left_out(self) -> None:
        answer = "<body>&gt; Hello \U0001f600\nYes</body><reply xmlns='urn:xmpp:reply:0' id='x'/>"
        for start, end, expected in (
            ("0", "10", "Yes"),
            ("0", "13", None),
            ("0", "x", None),
            ("1", "3", None),
            ("", "", None),
        ):
            part = f"<body start='{start}' end='{end}'/>"
            fallback = f"<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>{part}</fallback>"
            written = self.written(answer + fallback)
            assert written is not None
            self.assertEqual(written.text, expected or "> Hello \U0001f600\nYes")

    def test_a_receipt_is_wanted_only_with_an_id(self) -> None:
        request = "<body>x</body><request xmlns='urn:xmpp:receipts'/>"
        for more, wanted in (("", True), ("id=''", False)):
            written = self.written(request, more)
            assert written is not None
            self.assertEqual(written.receipt, wanted)


class Identity(SynchronousTestCase):
    def key(
        self, body: str = "Hi", id: str = "", origin: str = "", sender: str = "ann@example.org/phone"
    ) -> str:
        inside = f"<body>{body}</body>" + (
            f"<origin-id xmlns='urn:xmpp:sid:0' id='{origin}'/>" if origin else ""
        )
        made = message(inside, more=f"id='{id}'")
        made["from"] = sender
        written = read(made, SMS)
        assert written is not None
        return written.key

    def test_nothing_is_known_of_what_has_no_unique_id(self) -> None:
        for id in ("", "1", "msg_12"):
            self.assertEqual(self.key(id=id), "")

    def test_the_same_again(self) -> None:
        self.assertEqual(self.key(id="abcdefgh"), self.key(id="abcdefgh"))
        self.assertNotEqual(self.key(id="abcdefgh"), self.key("Ho", id="abcdefgh"))
        self.assertNotEqual(self.key(id="abcdefgh"), self.key(id="abcdefgh", sender="ann@example.org/desk"))

    def test_an_origin_id_is_the_same_from_every_device(self) -> None:
        self.assertEqual(
            self.key(origin="o1234567", id="1"), self.key(origin="o1234567", sender="ann@example.org/desk")
        )
        self.assertNotEqual(self.key(origin="o1234567"), self.key(origin="o1234568"))


NAMES = st.sampled_from(
    ["body", "subject", "addresses", "address", "replace", "encrypted", "request", "origin-id", "x", "html"]
)
URIS = st.sampled_from(
    [
        "jabber:component:accept",
        "urn:xmpp:sid:0",
        "http://jabber.org/protocol/address",
        "urn:xmpp:receipts",
        "",
        "urn:xmpp:omemo:2",
    ]
)
TEXT = st.text(max_size=20)


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> Element:
    """Anything that a server may send on."""
    made = Element((draw(URIS), draw(NAMES)))
    for key in draw(st.lists(st.sampled_from(["id", "jid", "uri", "type", "delivered"]), max_size=3)):
        made[key] = draw(TEXT | st.sampled_from(["to", "bcc", "sms:+1", "+1@sms.example.org"]))
    made.children = draw(st.lists(TEXT | elements(depth + 1) if depth < 2 else TEXT, max_size=3))
    return made


class Anything(SynchronousTestCase):
    @given(
        elements(),
        TEXT,
        TEXT | st.sampled_from(["+1@sms.example.org", "sms.example.org", "a%b@sms.example.org"]),
    )
    def test_it_is_read_passed_over_or_refused(self, inside: Element, sender: str, to: str) -> None:
        made = Element((None, "message"))
        made["from"], made["to"] = sender or "ann@example.org", to
        made.children = [inside]
        try:
            read(made, SMS, "prefix")
        except (Unwilling, InvalidValue) as error:
            self.assertTrue(str(error))
