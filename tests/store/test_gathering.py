"""Caps, digests and holds over a real store: who waits, what the digest says, and what the senders hear."""

from __future__ import annotations

import json
from dataclasses import replace

from smsd.core.control import WAITING
from smsd.interfaces import MessageIn
from smsd.store import digests, gathering, operating
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind, NetworkReport
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Parameters, Priority, Report, Submission, Text, Ticket, Wants, Window
from smsd.values.plan import Acceptance
from tests.house import submission
from tests.store.caring import ANN, BOB, CareCase, cap, digest, pause

FAILED = Failure(Kind.PERMANENT, "no such number")


class Caps(CareCase):
    def test_a_storm_is_two_messages_and_a_digest(self) -> None:
        for number in range(40):
            self.send(f"disk {number}", cap(2))
        self.assertEqual(self.texts(), ["disk 0", "disk 1"])
        self.assertEqual(self.house.states().count("gathered"), 38)
        self.later(1)
        self.assertEqual(self.texts(), ["disk 0", "disk 1", "38 more: disk 2"])
        self.assertEqual(self.house.states(), ["sent"] * 2 + ["merged"] * 38 + ["sent"])

    def test_each_recipient_has_a_storm_of_its_own(self) -> None:
        for to in (ANN, BOB, ANN, BOB):
            self.send(f"for {to}", cap(1), to=to)
        self.assertEqual((len(self.texts(ANN)), len(self.texts(BOB))), (1, 1))

    def test_one_that_waited_alone_leaves_as_it_is(self) -> None:
        self.send("first", cap(1))
        alone = self.send("second", cap(1))
        self.later(1)
        self.assertEqual(self.texts(), ["first", "second"])
        self.assertEqual((self.state(alone), self.row(alone)["reason"]), ("sent", None))

    def test_the_digest_is_the_first_of_the_next_window(self) -> None:
        for text in "abc":
            self.send(text, cap(1))
        self.later(1)
        for text in "de":
            self.send(text, cap(1))
        self.assertEqual(self.texts(), ["a", "2 more: b"])
        self.later(1.1)
        self.assertEqual(self.texts(), ["a", "2 more: b", "2 more: d"])
        self.later(2)
        self.send("f", cap(1))
        self.assertEqual(self.texts()[-1], "f")

    def test_two_caps_of_one_rule(self) -> None:
        both = (cap(2, 1), cap(3, 60))
        for text in "abc":
            self.send(text, *both)
        self.later(1)
        self.assertEqual(self.texts(), ["a", "b", "c"])
        for text in "de":
            self.send(text, *both)
            self.later(2)
        self.assertEqual(
            self.texts(), ["a", "b", "c", "d"]
        )  # c waited for the minute, and the hour has not counted it
        self.later(60)
        self.assertEqual(self.texts(), ["a", "b", "c", "d", "e"])

    def test_many_recipients_of_one_message(self) -> None:
        for text in "ab":
            self.send(text, cap(1), numbers=[ANN, BOB])
        self.assertEqual(self.house.states(), ["sent", "sent", "gathered", "gathered"])
        self.later(1)
        self.assertEqual((self.texts(ANN), self.texts(BOB)), (["a", "b"], ["a", "b"]))

    def test_nothing_is_left_of_a_window_that_gathered_nothing(self) -> None:
        self.send("a", cap(2))
        self.later(1.1)
        self.assertEqual(self.select("select * from gathering"), [])


class Gathering(CareCase):
    def test_all_within_the_window(self) -> None:
        for text in ("a", "b", "c"):
            self.send(text, digest(10, "%count%: %first% … %last%"))
            self.later(1)
        self.assertEqual(self.texts(), [])
        self.later(8)
        self.assertEqual(self.texts(), ["3: a … c"])
        self.assertEqual(self.select("select * from gathering"), [])

    def test_binary_messages_cannot_be_gathered_and_pass(self) -> None:
        self.send("a", digest())
        binary = self.send("", digest(), content=Binary(b"\1\2"))
        self.assertEqual(self.state(binary), "sent")

    def test_what_a_rule_made_of_the_text_is_what_is_gathered(self) -> None:
        for text in "ab":
            given = submission(ANN, text)
            (one,) = given.recipients
            changed = replace(one, gather=(digest(text="%first%/%last%"),), content=Text(f"[{text}]"))
            self.house.wait(self.house.dispatcher.submit(replace(given, recipients=(changed,))))
        self.later(1)
        self.assertEqual(self.texts(), ["[a]/[b]"])

    def test_accounts_are_never_mixed(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        for account in ("ann", "bob", "ann", "bob"):
            self.send(f"of {account}", digest(text="%count% %first% %last%"), account=account)
        self.later(1)
        self.assertEqual(sorted(self.texts()), ["2 of ann of ann", "2 of bob of bob"])
        (ann, bob) = (row for row in self.house.rows() if row["door"] == "digest")
        self.assertEqual({ann["account"], bob["account"]}, {"ann", "bob"})

    def test_a_digest_goes_the_way_of_its_messages(self) -> None:
        self.house.gateway("gsm2", self.house.gsm.abilities)
        self.house.outlet("gsm2").opened(1)
        for text in "ab":
            self.send(text, digest(), parameters=Parameters(gateway="gsm2", priority=Priority.BULK))
        self.send("c", digest(), parameters=Parameters(gateway="gsm2", priority=Priority.URGENT))
        self.later(1)
        (row,) = self.house.rows(door="digest")
        self.assertEqual((row["route"], row["gateway"]), ("gw:gsm2", "gsm2"))
        self.assertEqual(self.texts(), [])
        self.assertEqual(self.select(f"select priority from delivery where id={row['id']}"), [(0,)])

    def test_more_than_fit_into_one_become_several(self) -> None:
        self.patch(digests, "MOST", 3)
        self.patch(gathering, "MOST", 3)
        for number in range(8):
            self.send(f"n{number}", digest())
        self.later(1)
        self.assertEqual(self.texts(), ["3 more: n0", "3 more: n3", "2 more: n6"])

    def test_while_nothing_can_carry_a_digest_its_messages_wait(self) -> None:
        for text in "ab":
            self.send(text, digest())
        plan, self.house.store.carrying.plan = self.house.store.carrying.plan, lambda *_: None
        self.later(1)
        self.assertEqual(self.house.states(), ["gathered"] * 2)
        self.house.store.carrying.plan = plan
        self.later(1.1)
        self.assertEqual(self.texts(), ["2 more: a"])

    def test_a_lane_that_nothing_carries_keeps_no_other_waiting(self) -> None:
        self.patch(digests, "MOST", 3)
        self.patch(gathering, "MOST", 3)
        for number in range(8):
            self.send(f"dead {number}", digest(), account="dead")
        for number in range(8):
            self.send(f"n{number}", digest())
        plan = self.house.store.carrying.plan

        def some(submission: Submission, parent: int) -> Acceptance | None:
            return None if submission.account == "dead" or plan is None else plan(submission, parent)

        self.house.store.carrying.plan = some
        self.later(1)
        self.assertEqual(self.texts(), ["3 more: n0", "3 more: n3", "2 more: n6"])
        self.assertEqual(self.house.states().count("gathered"), 8)
        self.house.store.carrying.plan = plan
        self.later(1.1)
        self.assertEqual(self.texts()[3:], ["3 more: dead 0", "3 more: dead 3", "2 more: dead 6"])

    def answers(self, text: str = "thanks") -> list[tuple[str, str]]:
        """Who gets what a phone writes now."""
        before = len(self.house.mail.pieces)
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", ANN, Text(text))))
        for _ in range(4):
            self.house.advance(1)
        pieces = self.house.mail.pieces[before:]
        return sorted((piece.target.target, dict(piece.headers).get("subject", "")) for piece in pieces)

    def wrote(self, name: str, text: str, *cares: Window) -> None:
        ticket = Ticket(Address("mailto", f"{name}@example.org"), subject=f"of {name}")
        self.send(text, *cares, ticket=ticket)

    def test_an_answer_goes_to_everybody_of_whom_there_is_a_message_in_it(self) -> None:
        self.house.store.replies.keep = 3_600_000
        for name in "abab":
            self.wrote(name, "fire", cap(1))
        self.later(1)
        self.assertEqual(self.texts(), ["fire", "3 more: fire"])
        self.assertEqual(self.answers(), [("a@example.org", "Re: of a"), ("b@example.org", "Re: of b")])
        came = [row for row in self.house.rows(door="gsm1") if row["state"] == "sent"]
        self.assertEqual(len(came), 2)
        told = sorted(json.loads(self.row(row["id"])["trace"])[2][0] for row in came)
        self.assertIn("as do all 2 of whom the digest", told[0])
        self.assertIn("mailto:b@example.org wrote to this phone", told[1])

    def test_who_has_written_since_makes_it_a_conflict(self) -> None:
        self.house.store.replies.keep = 3_600_000
        for name in "ab":
            self.wrote(name, "fire", digest())
        self.later(1)
        self.wrote("b", "forget it")
        self.assertEqual(self.answers(), [])
        (held,) = self.house.rows(door="gsm1")
        self.assertIn("an answer to any of 2", held["reason"])

    def test_while_it_has_not_left_others_go_before(self) -> None:
        self.house.store.replies.keep = 3_600_000
        self.wrote("c", "hello")
        self.house.outlet("gsm1").closed("unplugged")
        for name in "ab":
            self.wrote(name, "fire", digest())
        self.later(1)
        self.assertEqual(self.answers(), [("c@example.org", "Re: of c")])

    def test_the_digest_does_not_count_for_the_months_limit(self) -> None:
        self.house.accounts["ann"] = Account("ann")
        for text in "abc":
            self.send(text, digest(), account="ann")
        self.later(1)
        self.assertEqual(self.select("select account, n from counter"), [("ann", 3)])

    def test_explained(self) -> None:
        members = [self.send(text, digest()) for text in "ab"]
        waiting = self.row(members[0])
        self.assertEqual(waiting["reason"], "waits for the digest of the rule 'digest'")
        self.assertEqual(waiting["due"], waiting["about"]["arrived"] + 60_000)
        self.later(1)
        (row,) = self.house.rows(door="digest")
        told = self.row(row["id"])
        self.assertEqual(
            [(one["id"], one["text"]) for one in told["gathered"]], [*zip(members, "ab", strict=True)]
        )
        self.assertEqual(told["about"]["parent"], waiting["message"])
        self.assertEqual(self.row(members[0])["reason"], f"in the digest {row['id']}")
        self.assertEqual(self.row(members[1])["merged"], row["id"])


class Holding(CareCase):
    def test_kept_until_its_time(self) -> None:
        held = self.send("good morning", pause(self.house, 3600))
        told = self.row(held)
        self.assertEqual((told["state"], told["reason"]), ("ready", "held by the rule 'night'"))
        self.later(59)
        self.assertEqual(self.texts(), [])
        self.later(1)
        self.assertEqual(self.texts(), ["good morning"])

    def test_urgent_passes(self) -> None:
        self.send("fire", pause(self.house, 3600), parameters=Parameters(priority=Priority.URGENT))
        self.assertEqual(self.texts(), ["fire"])

    def test_urgent_ones_do_not_wait_with_those_of_the_morning(self) -> None:
        urgent = Parameters(priority=Priority.URGENT)
        night = pause(self.house, 7 * 3600)
        for window, at_once in ((digest(), 0), (cap(2), 2)):
            self.house.gsm.pieces.clear()
            for text in "abc":
                self.send(text, night, window)
            for text in "wxyz":
                self.send(text, night, window, parameters=urgent)
            self.assertEqual(self.texts(), list("wxyz")[:at_once])
            self.later(1)
            self.assertEqual(self.texts()[at_once:], [f"{4 - at_once} more: {'wxyz'[at_once]}"])
            self.later(10)
            self.assertEqual(len(self.texts()), at_once + 1)

    def test_by_day_urgent_ones_wait_with_all_others(self) -> None:
        self.send("a", digest())
        self.send("b", digest(), parameters=Parameters(priority=Priority.URGENT))
        self.later(1)
        self.assertEqual(self.texts(), ["2 more: a"])

    def test_of_several_the_longest(self) -> None:
        self.send("x", pause(self.house, 7200), pause(self.house, 60))
        self.later(119)
        self.assertEqual(self.texts(), [])
        self.later(1)
        self.assertEqual(self.texts(), ["x"])

    def test_others_to_the_same_phone_do_not_wait_behind_it(self) -> None:
        self.send("later", pause(self.house, 3600))
        self.send("now")
        self.assertEqual(self.texts(), ["now"])

    def test_with_a_digest_the_morning_is_one_message(self) -> None:
        for text in "abc":
            self.send(text, pause(self.house, 3600), digest())
        self.later(59)
        self.assertEqual(self.texts(), [])
        self.later(1)
        self.assertEqual(self.texts(), ["3 more: a"])

    def test_with_a_cap_the_morning_is_no_storm(self) -> None:
        until = pause(self.house, 3600)
        for number in range(8):
            self.send(f"n{number}", until, cap(2))
            self.later(5)
        self.later(20)
        self.assertEqual(self.texts(), ["n0", "n1", "6 more: n2"])

    def test_it_expires_in_the_night_if_it_is_not_good_for_longer(self) -> None:
        held = self.send("x", pause(self.house, 3600), parameters=Parameters(expire_minutes=10))
        self.later(10)
        self.assertEqual(self.state(held), "expired")
        self.later(60)
        self.assertEqual(self.texts(), [])

    def test_a_wait_that_was_ordered_is_no_delay(self) -> None:
        self.send("x", pause(self.house, 10 * 3600))
        self.later(9 * 60)
        self.assertEqual(self.house.mail.pieces, [])


class Operators(CareCase):
    def test_a_cancelled_message_is_not_counted(self) -> None:
        members = [self.send(text, digest()) for text in "abc"]
        self.operate("cancel", members[0])
        self.later(1)
        self.assertEqual(self.texts(), ["2 more: b"])
        self.assertEqual(self.state(members[0]), "cancelled")
        (report,) = self.house.mail.pieces
        self.assertEqual(report.content.event, "cancelled")  # type: ignore[union-attr]

    def test_retry_means_now(self) -> None:
        members = [self.send(text, digest()) for text in "abc"]
        self.operate("retry", members[1])
        self.assertEqual(self.texts(), ["b"])
        self.later(1)
        self.assertEqual(self.texts(), ["b", "2 more: a"])

    def test_what_is_in_a_digest_can_be_neither_sent_nor_cancelled(self) -> None:
        members = [self.send(text, digest()) for text in "ab"]
        self.later(1)
        for verb in ("retry", "cancel"):
            error = self.assertRaises(InvalidValue, self.operate, verb, members[0])
            self.assertIn(f"is merged: too late to {verb} it", str(error))

    def test_when_all_are_gone_nothing_is_sent(self) -> None:
        for member in [self.send(text, digest()) for text in "ab"]:
            self.operate("cancel", member)
        self.later(1.1)
        self.assertEqual(self.texts(), [])
        self.assertEqual(self.select("select * from gathering"), [])

    def test_they_are_seen_in_the_queue(self) -> None:
        self.send("a", digest())
        (row,) = self.house.rows(states=WAITING)
        self.assertEqual(row["state"], "gathered")
        (counted,) = self.house.wait(self.house.store.ask(operating.counts))
        self.assertEqual((counted["state"], counted["deliveries"]), ("gathered", 1))


class Senders(CareCase):
    """Who wanted to hear of a message hears what became of the digest that it is in."""

    def reports(self) -> list[tuple[str, str, str]]:
        self.later(0.1)
        return sorted(
            (piece.target.target, piece.content.event, piece.content.text)
            for piece in self.house.mail.pieces
            if isinstance(piece.content, Report)
        )

    def three(self, *wants: Wants) -> None:
        for name, want in zip("abc", wants, strict=True):
            ticket = Ticket(Address("mailto", f"{name}@example.org"))
            self.send(f"text {name}", digest(), wants=want, ticket=ticket)

    def test_failure(self) -> None:
        self.house.gsm.answer = lambda piece: FAILED
        self.three(Wants.FAILURE, Wants.NOTHING, Wants.FAILURE | Wants.SUCCESS)
        self.later(1)
        self.assertEqual(
            self.reports(),
            [("a@example.org", "failed", "text a"), ("c@example.org", "failed", "text c")],
        )
        reason = self.house.mail.pieces[0].content.reason  # type: ignore[union-attr]
        self.assertIn("no such number (it was part of the digest ", reason)
        self.assertEqual(self.select("select * from telling"), [])

    def test_delivery(self) -> None:
        self.three(Wants.FAILURE, Wants.SUCCESS, Wants.NOTHING)
        self.later(1)
        (piece,) = self.house.gsm.pieces
        self.assertTrue(piece.report)
        self.assertEqual(self.reports(), [])
        self.house.wait(self.house.outlet("gsm1").reported(NetworkReport("1", ANN, "delivered")))
        self.assertEqual(self.reports(), [("b@example.org", "delivered", "text b")])

    def test_nobody_asked(self) -> None:
        self.house.gsm.answer = lambda piece: FAILED
        self.three(Wants.NOTHING, Wants.NOTHING, Wants.NOTHING)
        self.later(1)
        self.assertFalse(self.house.gsm.pieces[0].report)
        self.assertEqual(self.reports(), [])

    def test_delay_and_expiry(self) -> None:
        self.house.outlet("gsm1").closed("pulled out")
        self.three(Wants.DELAY, Wants.FAILURE, Wants.NOTHING)
        self.later(1)
        self.later(240)
        self.assertEqual(self.reports(), [("a@example.org", "delayed", "text a")])
        self.later(7200)
        self.assertEqual(
            self.reports(),
            [("a@example.org", "delayed", "text a"), ("b@example.org", "expired", "text b")],
        )

    def test_a_cancelled_digest(self) -> None:
        self.house.outlet("gsm1").closed("pulled out")
        self.three(Wants.FAILURE, Wants.FAILURE, Wants.NOTHING)
        self.later(1)
        (row,) = self.house.rows(door="digest")
        self.operate("cancel", row["id"])
        self.later(0.1)
        self.assertEqual([event for _, event, _ in self.reports()], ["cancelled", "cancelled"])

    def test_many_are_told_in_bites(self) -> None:
        self.patch(digests, "TOLD_AT_ONCE", 2)
        self.house.gsm.answer = lambda piece: FAILED
        for number in range(5):
            self.send(f"text {number}", digest())
        self.later(1)
        self.assertEqual([text for _, _, text in self.reports()], [f"text {n}" for n in range(5)])

    def test_it_is_worth_sending_as_long_as_one_of_its_messages_is(self) -> None:
        self.house.outlet("gsm1").closed("pulled out")
        for minutes in (5, 30, 10):
            self.send(f"good for {minutes}", digest(), parameters=Parameters(expire_minutes=minutes))
        self.later(1)
        self.later(20)
        self.house.outlet("gsm1").opened(1)
        self.house.settle()
        self.assertEqual(self.texts(), ["3 more: good for 5"])

    def test_what_expires_while_it_waits_is_not_in_it(self) -> None:
        short = self.send("short", digest(10), parameters=Parameters(expire_minutes=5))
        for text in "ab":
            self.send(text, digest(10))
        self.later(10)
        self.assertEqual((self.state(short), self.texts()), ("expired", ["2 more: a"]))
        self.assertEqual(self.reports(), [("bob@example.org", "expired", "short")])
