"""Phones as contacts: who sees whom, storms, comings and goings, rooms that are none."""

from __future__ import annotations

from twisted.internet.defer import fail

from smsd.codec.jid import Jid
from smsd.links.xmpp.services import Services, presence
from tests.links.xmpp.room import ANN, BOB, EMAIL, FAX, ONLY, PHONE, SMS, Room

MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
HERE = f"Write to a number at {SMS}."


class Contacts(Room):
    def setUp(self) -> None:
        super().setUp()
        self.register()

    def test_a_phone_is_added(self) -> None:
        self.assertEqual(
            self.come("subscribe", PHONE, Jid.parse(ANN.bare)),
            [
                ("subscribed", PHONE, ANN.bare, ""),
                ("", PHONE, ANN.bare, "SMS to +15551234567"),
                ("subscribe", PHONE, ANN.bare, ""),
            ],
        )
        self.assertEqual(self.come("subscribed", PHONE), [])

    def test_we_ask_back_once_a_day(self) -> None:
        """Two gateways that add each other do not do so for ever."""
        self.come("subscribe", PHONE)
        for _ in range(3):
            self.assertEqual([one[0] for one in self.come("subscribe", PHONE)], ["subscribed", ""])
        self.house.clock.advance(presence.ASK_AGAIN + 1)
        self.assertEqual([one[0] for one in self.come("subscribe", PHONE)], ["subscribed", "", "subscribe"])

    def test_a_phone_is_there(self) -> None:
        self.assertEqual(self.come("probe", PHONE), [("", PHONE, ANN.bare, "SMS to +15551234567")])
        mailbox = f"john%doe.com@{EMAIL}"
        self.assertEqual(self.come("probe", mailbox), [("", mailbox, ANN.bare, "Mail to john@doe.com")])
        self.assertEqual(self.come("probe", SMS), [("", SMS, ANN.bare, HERE)])

    def test_when_no_gateway_can_send_it_is_away(self) -> None:
        self.carries = False
        for to in (PHONE, SMS):
            self.assertEqual(
                self.come("probe", to),
                [("", to, ANN.bare, "No gateway can send just now: texts wait until one can.")],
            )
        self.assertEqual(self.come("probe", f"john%doe.com@{EMAIL}")[0][3], "No mail can leave just now.")
        probe = presence.stanza("presence", sender=str(ANN), to=PHONE, kind="probe")
        self.services.presence(self.domain(PHONE), probe)
        self.assertEqual(str(self.link.sent[-1].show), "away")

    def test_each_kind_for_itself(self) -> None:
        self.carries = ("sms",)
        mailbox, fax = f"john%doe.com@{SMS}", f"+15551234567@{FAX}"
        self.assertEqual(self.come("probe", PHONE)[0][3], "SMS to +15551234567")
        self.assertEqual(self.come("probe", mailbox)[0][3], "No mail can leave just now.")
        self.assertEqual(self.come("probe", fax)[0][3], "No gateway carries faxes just now.")
        self.carries = ("fax", "mailto")
        self.assertEqual(self.come("probe", fax)[0][3], "Fax to +15551234567")
        self.assertEqual(self.come("probe", mailbox)[0][3], "Mail to john@doe.com")

    def test_gateways_come_and_go(self) -> None:
        """Who was shown a phone hears it, once it has lasted: after a start, the chat server is there before the modem."""
        self.carries = ("mailto", "fax")
        self.services.opened(self.domain(SMS))
        for to in (PHONE, SMS, EMAIL):
            self.come("probe", to)
        self.pass_by(2)
        self.assertEqual(self.presences(), [])
        self.carries = True
        self.pass_by(1)
        self.assertEqual(self.presences(), [])
        self.pass_by(1)
        back = [("", PHONE, ANN.bare, "SMS to +15551234567"), ("", SMS, ANN.bare, HERE)]
        self.assertEqual(self.presences(), back)
        self.pass_by(3)
        self.assertEqual(self.presences(), [])
        for self.carries in (False, True, False, True):
            self.pass_by(1)
        self.assertEqual(self.presences(), [])

    def again(self, orderly: bool = True) -> None:
        """Another life of the link."""
        if orderly:
            for one in self.link.domains:
                self.services.closing(one)
            self.house.wait(self.services.stop())
        else:
            self.services._presences.stop()
        self.link.sent.clear()
        self.services = Services(self.link, self.people)
        self.house.wait(self.services.start())
        for one in self.link.domains:
            self.services.opened(one)
        self.house.settle()

    def test_whom_a_stop_hides_is_shown_after_the_start(self) -> None:
        """Nobody asks for them again before he logs in anew."""
        mailbox = f"john%doe.com@{EMAIL}"
        self.come("probe", PHONE)
        self.come("probe", mailbox)
        self.come("probe", f"+15557654321@{SMS}", BOB)
        self.again()
        there = ("", PHONE, ANN.bare, "SMS to +15551234567"), ("", mailbox, ANN.bare, "Mail to john@doe.com")
        shown = self.presences()
        for one in there:
            self.assertEqual(shown.count(one), 1, shown)
        self.assertNotIn(BOB.bare, [one[2] for one in shown])  # who has no account saw nobody before either
        self.again()
        self.assertIn(there[0], self.presences())
        # After a crash nobody was hidden, and what was kept before is not said twice.
        self.again(orderly=False)
        self.assertNotIn(there[0], self.presences())

    def test_stopped_twice_before_all_are_shown_again(self) -> None:
        """Or cut off from the chat server."""
        self.patch(presence, "AT_ONCE", 2)
        numbers = [f"+1555123456{last}@{SMS}" for last in range(5)]
        for to in numbers:
            self.come("probe", to)
        self.house.clock.advance(1)
        self.again()
        first = self.presences()
        self.again()
        self.services.opened(self.domain(SMS))
        for _ in range(5):
            self.house.clock.advance(1)
        shown = {one[1] for one in self.presences() if one[0] == ""}
        self.assertLess(len({one[1] for one in first} & set(numbers)), len(numbers))
        self.assertLessEqual(set(numbers), shown)

    def test_what_is_kept_is_bounded_and_may_be_broken(self) -> None:
        numbers = [f"+1555123456{last}@{SMS}" for last in range(4)]
        self.patch(presence, "MOST_HIDDEN", 2 * len(numbers[0] + ANN.bare))
        for to in numbers:
            self.come("probe", to)
        self.again()
        self.assertEqual([one[1] for one in self.presences() if "+1555" in one[1]], numbers[2:])
        for broken in ("{", "[1]", '[["a"]]', "3"):
            self.house.wait(self.context.memory.remember(presence.HIDDEN, broken))
            self.again(orderly=False)
            self.assertNotIn("+1555", str(self.presences()))

    def test_many_are_corrected_some_at_a_time(self) -> None:
        self.patch(presence, "AT_ONCE", 2)
        self.carries = False
        self.services.opened(self.domain(SMS))
        numbers = [SMS, *(f"+1555123456{last}@{SMS}" for last in range(4))]  # the domain greets who is linked
        for to in numbers[1:]:
            self.come("probe", to)
        self.carries = True
        self.pass_by(2)
        self.assertEqual([one[1] for one in self.presences()], numbers[:2])
        for _ in range(3):
            self.house.clock.pump([0.1] * 11)
        self.assertEqual([one[1] for one in self.presences()], numbers[2:])

    def pass_by(self, times: int) -> None:
        """So many looks."""
        for _ in range(times):
            self.house.clock.advance(presence.LOOK_EVERY)
            self.house.clock.pump([presence.PAUSE] * 3)

    def test_a_phone_is_taken_away(self) -> None:
        self.come("subscribe", PHONE)
        self.assertEqual(
            self.come("unsubscribe", PHONE),
            [
                ("unsubscribed", PHONE, ANN.bare, ""),
                ("unavailable", PHONE, ANN.bare, ""),
                ("unsubscribe", PHONE, ANN.bare, ""),
            ],
        )
        self.assertEqual([one[0] for one in self.come("unsubscribe", PHONE)], ["unsubscribed", "unavailable"])
        self.assertEqual(self.come("unsubscribed", PHONE), [])

    def test_who_comes_is_greeted_once_by_the_domain_only(self) -> None:
        self.assertEqual(self.come("", SMS), [("", SMS, ANN.full, HERE)])
        for _ in range(3):
            self.assertEqual(self.come("", SMS), [])
            self.assertEqual(self.come("", PHONE), [])
        self.assertEqual(self.come("unavailable", SMS), [("unavailable", SMS, ANN.full, "")])
        self.assertEqual(self.come("unavailable", SMS), [])
        self.assertEqual(self.come("", SMS), [("", SMS, ANN.full, HERE)])

    def test_who_does_not_let_us_see_him_sees_us_still(self) -> None:
        self.come("subscribe", PHONE)
        bare = Jid.parse(ANN.bare)
        self.assertEqual(self.come("unsubscribed", PHONE, bare) + self.come("unavailable", PHONE, bare), [])
        self.services.closing(self.domain(PHONE))
        self.assertIn(("unavailable", PHONE, ANN.bare, ""), self.presences())

    def test_no_rooms(self) -> None:
        self.come("", f"{PHONE}/ann", inside=MUC)
        stanza = presence.stanza("presence", sender=str(ANN), to=f"{PHONE}/ann")
        stanza.addElement(("http://jabber.org/protocol/muc", "x"))
        self.services.presence(self.domain(PHONE), stanza)
        (error,) = self.link.sent
        self.assertEqual((error["type"], error["from"]), ("error", f"{PHONE}/ann"))
        self.assertIn("<not-allowed ", error.toXml())
        self.assertIn("there are no rooms here", error.toXml())

    def test_what_is_no_phone(self) -> None:
        for to in (f"no-number-at-all@{SMS}", f"john%doe.com@{ONLY}"):
            for kind in ("subscribe", "probe"):
                self.assertEqual(
                    self.come(kind, to), [("unsubscribed", to, ANN.bare, "that is no phone number")]
                )
            for kind in ("", "unavailable", "unsubscribe"):
                self.assertEqual(self.come(kind, to), [])

    def test_what_is_ignored(self) -> None:
        for kind in ("error", "nothing", "subscribed", "unsubscribed"):
            self.assertEqual(self.come(kind, PHONE), [])
        for sender in (f"+15550000000@{SMS}", EMAIL):
            self.assertEqual(self.come("subscribe", PHONE, Jid.parse(sender)), [])


class Strangers(Room):
    def test_they_are_told_why(self) -> None:
        (told,) = self.come("subscribe", PHONE, BOB)
        self.assertEqual(told[:3], ("unsubscribed", PHONE, BOB.bare))
        self.assertIn("register with sms.example.org", told[3])
        (told,) = self.come("probe", PHONE, BOB)
        self.assertEqual(told[0], "unavailable")
        self.assertEqual(self.come("", SMS, BOB), [])

    def test_whose_account_is_closed(self) -> None:
        self.house.wait(self.people.link(BOB, "old"))
        self.assertEqual(
            self.come("probe", PHONE, BOB),
            [("unavailable", PHONE, BOB.bare, "this account is switched off: ask the administrator")],
        )

    def test_something_unexpected(self) -> None:
        self.patch(self.people, "account", lambda jid: fail(ZeroDivisionError()))
        self.assertEqual(self.come("probe", PHONE), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Storms(Room):
    def setUp(self) -> None:
        super().setUp()
        self.register()
        self.house.clock.advance(presence.PAUSE)

    def probes(self, count: int) -> None:
        for number in range(count):
            element = presence.stanza(
                "presence", sender=ANN.bare, to=f"+1555{number:07d}@{SMS}", kind="probe"
            )
            self.services.presence(self.domain(SMS), element)

    def test_ten_thousand_contacts(self) -> None:
        """All are answered, some at a time; and what the user's own presence brings besides is not."""
        self.probes(10_000)
        self.assertEqual(len(self.link.sent), presence.AT_ONCE)
        for number in range(10_000):
            element = presence.stanza("presence", sender=ANN.full, to=f"+1555{number:07d}@{SMS}")
            self.services.presence(self.domain(SMS), element)
        self.house.clock.pump([presence.PAUSE] * (10_000 // presence.AT_ONCE))
        self.assertEqual(
            [self.shown(one) for one in self.link.sent],
            [f"+1555{number:07d}@{SMS}" for number in range(10_000)],
        )
        self.assertEqual(self.house.clock.getDelayedCalls(), [])

    def test_what_waits_is_bounded(self) -> None:
        self.patch(presence, "MOST_WAITING", 500)
        self.probes(1_000)
        self.house.clock.pump([presence.PAUSE] * 10)
        self.assertEqual(len(self.link.sent), presence.AT_ONCE + 500)
        self.probes(1)
        self.assertEqual(len(self.link.sent), presence.AT_ONCE + 501)

    def test_what_is_remembered_is_bounded(self) -> None:
        for name in ("MOST_SHOWN", "MOST_ASKED"):
            self.patch(presence, name, 50)
        for number in range(200):
            self.come("subscribe", f"+1555{number:07d}@{SMS}")
        rooms = self.services._presences
        self.assertEqual((len(rooms._shown), len(rooms._asked)), (50, 50))


class ComingsAndGoings(Room):
    def test_who_has_registered_sees_us_come(self) -> None:
        self.configure(*({"user": f"a{number}"} for number in range(3)))
        for number in range(250):
            self.house.wait(self.people.link(Jid.parse(f"u{number}@example.net"), f"a{number % 3}"))
        self.services.opened(self.domain(SMS))
        self.services.opened(self.domain(EMAIL))
        self.house.clock.pump([presence.PAUSE] * 5)
        first = self.presences()
        self.assertEqual(len(first), 2 * presence.AT_ONCE)
        self.assertEqual(first[0], ("", SMS, "u0@example.net", HERE))
        # The stream breaks, and comes back: all of its people see it again, and nobody twice at once.
        self.services.opened(self.domain(SMS))
        self.house.clock.pump([0.5] * 5)
        rest = [(one[1], one[2]) for one in self.presences()]
        self.assertEqual(rest.count((SMS, "u249@example.net")), 1)
        self.assertEqual(len(rest), 250 + 50)

    def test_at_the_end_nobody_is_there_any_more(self) -> None:
        self.register()
        self.come("", SMS)
        self.come("probe", PHONE)
        self.come("probe", f"john%doe.com@{EMAIL}")
        self.come("probe", f"+15550000000@{SMS}")
        self.come("unsubscribe", f"+15550000000@{SMS}")
        self.services.closing(self.domain(SMS))
        self.assertEqual(
            sorted(self.presences()),
            sorted(
                [
                    ("unavailable", SMS, ANN.bare, ""),
                    ("unavailable", SMS, ANN.full, ""),
                    ("unavailable", PHONE, ANN.bare, ""),
                ]
            ),
        )
        self.services.closing(self.domain(SMS))
        self.assertEqual(self.presences(), [])

    def test_stopped(self) -> None:
        for number in range(250):
            self.house.wait(self.people.link(Jid.parse(f"u{number}@example.net"), f"a{number % 3}"))
        self.services.opened(self.domain(SMS))
        Storms.probes(self, 1_000)  # type: ignore[arg-type]
        self.services.stop()
        self.link.sent.clear()
        self.house.clock.pump([1.0] * 5)
        self.assertEqual(self.link.sent, [])
