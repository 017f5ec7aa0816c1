"""Whose answer it is: addresses in texts, links, and what of them counts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.reply import (
    Conflict,
    Found,
    Link,
    Replying,
    Sent,
    Shared,
    answered,
    choose,
    joined,
    origin,
    tag,
)
from smsd.values.address import Address
from smsd.values.message import Recipient, Submission, Text, Ticket

OURS = Replying(
    domains=frozenset({"icewarpdemo.com", "sms.example.org", "xn--bcher-kva.example"}),
    mailboxes=frozenset({"ann@elsewhere.net"}),
    phones=frozenset({"sms.example.org"}),
)


class Tags(SynchronousTestCase):
    """`#address@domain#` (feature I2)."""

    def read(self, text: str) -> tuple[str, str] | None:
        found = tag(text, OURS)
        return None if found is None else (found.address, found.text)

    def test_wherever_it_stands(self) -> None:
        for text, left in (
            ("#demo@icewarpdemo.com# Hello world", "Hello world"),  # as the document writes it
            ("Hello world #demo@icewarpdemo.com#", "Hello world"),
            ("Hello #demo@icewarpdemo.com# world", "Hello world"),
            ("Hello#demo@icewarpdemo.com#world", "Hello world"),
            ("Hello #demo@icewarpdemo.com#, world", "Hello, world"),
            ("Hello\n#demo@icewarpdemo.com#\nworld", "Hello\n\nworld"),
            ("# demo@icewarpdemo.com # Hello", "Hello"),
            ("#demo@icewarpdemo.com#", ""),
            ("1 # 2 #3#demo@icewarpdemo.com#4", "1 # 2 #3 4"),
        ):
            self.assertEqual(self.read(text), ("demo@icewarpdemo.com", left), text)

    def test_the_first_that_may_be_written_to(self) -> None:
        self.assertEqual(
            self.read("#x@spam.example#demo@icewarpdemo.com#ann@elsewhere.net# Hi"),
            ("demo@icewarpdemo.com", "#x@spam.example ann@elsewhere.net# Hi"),
        )

    def test_whatever_its_capitals(self) -> None:
        self.assertEqual(self.read("#Demo@IceWarpDemo.COM# a"), ("Demo@IceWarpDemo.COM", "a"))
        self.assertEqual(self.read("#Ann@Elsewhere.net# a"), ("Ann@Elsewhere.net", "a"))
        self.assertEqual(self.read("#jo@bücher.example# a"), ("jo@bücher.example", "a"))

    def test_strangers_numbers_and_nonsense_are_text(self) -> None:
        for text in (
            "#x@spam.example# buy",
            "#bob@elsewhere.net# an account's domain is not ours",
            "#ann@elsewhere.net.evil.example# no",
            "#+15551234567@sms.example.org# our domains hold phones: that would be a paid SMS",
            "#0039 333@sms.example.org#",
            "#demo@icewarpdemo.com",
            "demo@icewarpdemo.com#",
            "#@icewarpdemo.com#",
            "#demo@#",
            "#a@b@icewarpdemo.com#",
            "#de mo@icewarpdemo.com#",
            "#<demo@icewarpdemo.com>#",
            "#demo..x@icewarpdemo.com#",
            "#demo@icewarpdemo.com\r\nBcc: y@x.org#",
            "####",
            "",
        ):
            self.assertIsNone(self.read(text), text)

    def test_names_in_a_domain_of_phones_are_mailboxes(self) -> None:
        self.assertEqual(self.read("#help@sms.example.org# x"), ("help@sms.example.org", "x"))

    def test_switched_off(self) -> None:
        self.assertIsNone(tag("#demo@icewarpdemo.com# a", Replying(False, domains=OURS.domains)))

    @given(st.text(st.sampled_from("#@ab. \n\tü<"), max_size=60))
    def test_only_ours_and_nothing_else_is_taken_away(self, text: str) -> None:
        settings = Replying(domains=frozenset({"a", "b", "a.b"}))
        found = tag(text, settings)
        if found is not None:
            local, _, where = found.address.rpartition("@")
            self.assertTrue(local and where in settings.domains)
            rest = re.sub(r"\s", "", text).replace(re.sub(r"\s", "", f"#{found.address}#"), "", 1)
            self.assertEqual(re.sub(r"\s", "", found.text), rest)
            self.assertEqual(found.text, found.text.strip())

    @given(st.text(max_size=200))
    def test_any_text_is_read(self, text: str) -> None:
        self.read(text)

    def test_a_long_hostile_text_takes_no_time(self) -> None:
        # Quadratic, this would be 10^9 steps.
        self.assertIsNone(self.read("#a@" * 13_000))
        self.assertIsNone(self.read("#" + "a" * 39_000))


def submission(where: str, ticket: str | None = None, account: str | None = None) -> Submission:
    to = (Recipient(Address("sms", "+15550000001")),)
    return Submission(
        "smtp",
        Address.parse(where),
        to,
        Text("hi"),
        account=account,
        ticket=Ticket(Address.parse(ticket)) if ticket else None,
    )


class InTwoWays(SynchronousTestCase):
    def test_one_who_wrote_in_two_ways_answers_for_both(self) -> None:
        by_http = Link("xmpp:ann@example.org", (Sent(3, True, "gsm2"), Sent(1, True, "gsm2")))
        in_a_chat = Link("xmpp:ann@example.org", (Sent(2, True, "gsm1"),), more=True)
        whole = joined(by_http, in_a_chat)
        self.assertEqual(([sent.delivery for sent in whole.sent], whole.more), ([3, 2, 1], True))
        bob = Link("mailto:bob@example.org", (Sent(4, True, "gsm1"),))
        self.assertIsInstance(choose([joined(by_http, in_a_chat), bob], "gsm1", ""), Conflict)


class Origins(SynchronousTestCase):
    """Who can get an answer (feature I8)."""

    def test_who(self) -> None:
        for where, ticket, account, expected in (
            ("mailto:Ann@Example.ORG", None, None, "mailto:ann@example.org"),
            ("mailto:a@x.org", "mailto:b@x.org", None, "mailto:b@x.org"),
            ("mailto:prvs=1234567890=ann@x.org", None, None, "mailto:ann@x.org"),
            ("mailto:<>", None, None, None),
            ("account:demo", None, "demo", "account:demo"),
            ("account:demo", "mailto:ann@x.org", "demo", "mailto:ann@x.org"),
            ("account:operator", None, None, None),
            ("door:http", None, None, None),
            ("sms:+15550000002", None, None, None),
            ("xmpp:ann@jabber.example", None, None, "xmpp:ann@jabber.example"),
            ("sip:ann@pbx.example", None, None, "sip:ann@pbx.example"),
        ):
            found = origin(submission(where, ticket, account))
            self.assertEqual(None if found is None else str(found), expected, where)


def link(where: str, *sent: Sent, more: bool = False) -> Link:
    return Link(where, sent or (Sent(1, True, "gsm1"),), more)


ANN, BOB = "mailto:ann@x.org", "mailto:bob@x.org"


class Choices(SynchronousTestCase):
    """Of several links the one that is meant, if it can be known (features I3, I4)."""

    def chosen(self, *links: Link, gateway: str = "gsm1", own: str = "") -> str | tuple[str, ...] | None:
        found = choose(links, gateway, own)
        if isinstance(found, Conflict):
            return found.origins
        return str(found.origin) if isinstance(found, Found) else None

    def test_none_and_one(self) -> None:
        self.assertIsNone(self.chosen())
        self.assertEqual(self.chosen(link(ANN)), ANN)

    def test_one_through_another_gateway_is_still_the_one(self) -> None:
        self.assertEqual(self.chosen(link(ANN), gateway="gsm2"), ANN)
        self.assertEqual(self.chosen(link(ANN, Sent(1, False))), ANN)

    def test_the_gateway_of_the_answer_decides(self) -> None:
        here, there = Sent(1, True, "gsm1"), Sent(2, True, "gsm2")
        self.assertEqual(self.chosen(link(ANN, here), link(BOB, there)), ANN)
        self.assertEqual(self.chosen(link(ANN, here), link(BOB, there), gateway="gsm2"), BOB)
        self.assertEqual(self.chosen(link(ANN, here), link(BOB, there), gateway="gsm3"), (ANN, BOB))
        self.assertEqual(self.chosen(link(ANN, here), link(BOB, here)), (ANN, BOB))

    def test_any_message_of_a_link_may_be_meant_not_only_the_last(self) -> None:
        last, earlier = Sent(3, True, "gsm2"), Sent(1, True, "gsm1")
        self.assertEqual(self.chosen(link(ANN, last, earlier), link(BOB)), (ANN, BOB))

    def test_more_messages_than_are_known_may_have_left_anywhere(self) -> None:
        self.assertEqual(self.chosen(link(ANN, Sent(3, True, "gsm2"), more=True), link(BOB)), (ANN, BOB))

    def test_what_nobody_knows_any_more_may_have_left_here(self) -> None:
        self.assertEqual(self.chosen(link(ANN, Sent(1, None)), link(BOB)), (ANN, BOB))

    def test_what_never_left_cannot_be_meant(self) -> None:
        self.assertEqual(self.chosen(link(ANN, Sent(1, False, "gsm1")), link(BOB)), BOB)
        self.assertEqual(self.chosen(link(ANN, Sent(1, False)), link(BOB, Sent(2, None))), BOB)

    def test_the_number_that_was_written_to_decides_behind_one_gateway(self) -> None:
        one, other = Sent(1, True, "p", "+390001"), Sent(2, True, "p", "00390002")
        named = Sent(3, True, "p", "ACME")
        self.assertEqual(self.chosen(link(ANN, one), link(BOB, other), gateway="p", own="+390002"), BOB)
        self.assertEqual(self.chosen(link(ANN, one), link(BOB, other), gateway="p"), (ANN, BOB))
        self.assertEqual(self.chosen(link(ANN, named), link(BOB, other), gateway="p", own="+390002"), BOB)

    def test_of_one_digest_everybody(self) -> None:
        ann, bob, eve = (Sent(n, True, "gsm1", digest=9) for n in (9, 2, 3))
        found = choose([link(ANN, ann), link(BOB, bob, Sent(1, True, "gsm1"))], "gsm1", "")
        assert isinstance(found, Shared)
        self.assertEqual([str(one.origin) for one in found.found], [ANN, BOB])
        later = link("mailto:eve@x.org", Sent(12, True, "gsm1"), eve)
        self.assertEqual(self.chosen(link(ANN, ann), link(BOB, bob), later), (ANN, BOB, "mailto:eve@x.org"))
        self.assertEqual(self.chosen(link(ANN, ann)), ANN)
        elsewhere = Sent(4, True, "gsm1", digest=8)
        self.assertEqual(self.chosen(link(ANN, ann), link(BOB, elsewhere)), (ANN, BOB))

    def test_whom_nothing_reaches_is_passed_over(self) -> None:
        links = [link("account:demo"), link(ANN)]
        found = choose(links, "gsm1", "", lambda scheme: scheme == "mailto")
        self.assertIsInstance(found, Found)
        self.assertIsNone(choose(links[:1], "gsm1", "", lambda scheme: False))

    def test_the_message_that_is_answered(self) -> None:
        sent = (
            Sent(9, False),
            Sent(5, True, "gsm2", subject="five"),
            Sent(4, True, "gsm1", subject="four"),
            Sent(3, True, "gsm1"),
        )
        found = choose([link(ANN, *sent)], "gsm1", "")
        assert isinstance(found, Found)
        self.assertEqual(found.sent.subject, "four")

    def test_the_mailbox_is_written_as_its_owner_does(self) -> None:
        found = choose([link(ANN, Sent(1, True, "gsm1", address="mailto:Ann@X.org"))], "gsm1", "")
        assert isinstance(found, Found)
        self.assertEqual(str(found.origin), "mailto:Ann@X.org")

    @given(
        st.lists(
            st.tuples(
                st.lists(
                    st.builds(
                        Sent, st.integers(1, 9), st.none() | st.booleans(), st.sampled_from(["", "a", "b"])
                    ),
                    min_size=1,
                    max_size=4,
                ),
                st.booleans(),
            ),
            max_size=4,
        ),
        st.sampled_from(["a", "b", "c"]),
    )
    def test_nobody_gets_what_may_be_for_another(
        self, given_: list[tuple[list[Sent], bool]], gateway: str
    ) -> None:
        links = [Link(f"mailto:{n}@x.org", tuple(sent), more) for n, (sent, more) in enumerate(given_)]
        found = choose(links, gateway, "")
        self.assertEqual(found is None, not links)
        mine = []
        for one in links:
            unknown = one.more or any(sent.left is None for sent in one.sent)
            if unknown or any(sent.left and sent.gateway == gateway for sent in one.sent):
                mine.append(one)
        if len(mine) > 1:
            self.assertIsInstance(found, Conflict)
        if len(mine) == 1:
            assert isinstance(found, Found)
            self.assertEqual(str(found.origin), mine[0].origin)


class Subjects(SynchronousTestCase):
    def test_one_re(self) -> None:
        for subject, expected in (
            ("Lunch", "Re: Lunch"),
            ("Re: Lunch", "Re: Lunch"),
            ("AW: Essen", "AW: Essen"),
            ("RE[2]: Lunch", "RE[2]: Lunch"),
            ("Results", "Re: Results"),
            ("", ""),
        ):
            self.assertEqual(answered(subject), expected)
