"""The queue over a real store: order, slots, retries, parts, pauses, crashes."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.exchange import idempotency_key
from smsd.interfaces import Abilities
from smsd.store import operating
from smsd.values.address import Address
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport, Scope
from smsd.values.message import Call, Declined, Parameters, Priority, Recipient, Report, Submission, Wants
from tests.house import MODEM, House

TEMPORARY = Failure(Kind.TEMPORARY, "network busy")
PERMANENT = Failure(Kind.PERMANENT, "no such number", status="5.1.1")
GATEWAY = Failure(Kind.TEMPORARY, "modem silent", scope=Scope.GATEWAY)
UNKNOWN = Failure(Kind.UNKNOWN, "modem gone after Ctrl-Z")


class QueueCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.gsm, self.mail = self.house.gsm, self.house.mail
        self.addCleanup(lambda: self.house.close())

    def texts(self) -> list[str]:
        return [piece.content.text for piece in self.gsm.pieces]


class Carrying(QueueCase):
    def test_idle_gateway_gets_it_after_the_commit(self) -> None:
        self.house.open()
        receipt = self.house.send(text="one")
        self.assertEqual([p.delivery for p in self.gsm.pieces], [receipt.recipients[0].delivery])
        self.assertEqual(self.house.states(), ["sent"])

    def test_closed_gateway_waits(self) -> None:
        self.house.send(text="one")
        self.assertEqual((self.texts(), self.house.states()), ([], ["ready"]))
        self.house.open()
        self.assertEqual((self.texts(), self.house.states()), (["one"], ["sent"]))

    def test_what_an_operator_sends_again_is_another_request(self) -> None:
        """Tries after trouble and doubt are the same one, also when somebody hurries them."""
        outcomes = iter([UNKNOWN, GATEWAY, PERMANENT, PERMANENT, Accepted("1")])
        self.gsm.answer = lambda piece: next(outcomes)
        self.house.open()
        (queued,) = self.house.send(text="one").recipients
        retry = operating.Verb("retry", queued.delivery, 0, 0)
        for _ in range(2):
            self.house.advance(3600)
        self.assertEqual([piece.again for piece in self.gsm.pieces], [0, 0, 0])
        for _ in range(2):
            self.house.wait(self.house.store.control(replace(retry, now=self.house.store.now())))
            self.house.queue.wake(self.gsm.pieces[0].lane)
            self.house.settle()
        self.assertEqual([piece.again for piece in self.gsm.pieces], [0, 0, 0, 1, 2])
        keys = [idempotency_key("a", piece) for piece in self.gsm.pieces]
        self.assertEqual(len(set(keys)), 3)
        self.assertEqual(self.house.states()[0], "sent")

    def test_what_waits_and_is_hurried_is_the_same_request(self) -> None:
        (queued,) = self.house.send(text="one").recipients
        now = self.house.store.now()
        self.house.wait(self.house.store.control(operating.Verb("retry", queued.delivery, now, now)))
        self.house.open()
        self.house.settle()
        self.assertEqual([piece.again for piece in self.gsm.pieces], [0])

    def test_one_that_is_being_replaced(self) -> None:
        """What comes meanwhile waits for its successor; for one that leaves for good nothing is taken."""
        self.gsm.manual = True
        self.house.open()
        self.house.send("+15550000001", "one")
        queue = self.house.queue
        queue.serving.keep({"gsm1", "mail"})
        gone = queue.remove("gsm1")
        self.house.send("+15550000002", "two")
        self.gsm.release()
        self.house.wait(gone)
        self.house.send("+15550000003", "three")
        outlet = queue.outlet("gsm1", self.gsm.abilities)
        outlet.gateway = self.gsm
        queue.serving.keep(())
        self.house.send("+15550000004", "four")
        self.gsm.manual = False
        outlet.opened(1)
        self.house.settle()
        self.assertEqual(self.texts(), ["one", "two", "three", "four"])
        self.house.wait(queue.remove("gsm1"))
        refused = self.house.send("+15550000005", "five").recipients[0]
        self.assertIsInstance(refused, Declined)

    def test_order_within_a_lane(self) -> None:
        for n in range(20):
            self.house.send(f"+1555000{n:04}", f"{n}")
        self.house.open(slots=2)
        self.assertEqual(self.texts(), [str(n) for n in range(20)])

    def test_never_more_than_its_slots(self) -> None:
        self.gsm.manual = True
        self.house.open(slots=2)
        for n in range(5):
            self.house.send(f"+1555000{n:04}", f"{n}")
        self.assertEqual(self.texts(), ["0", "1"])
        self.gsm.release()
        self.house.settle()
        self.assertEqual(self.texts(), ["0", "1", "2"])
        while self.gsm.pending:
            self.gsm.release()
            self.house.settle()
        self.assertEqual(self.texts(), ["0", "1", "2", "3", "4"])

    def test_one_recipient_is_never_on_the_wire_twice(self) -> None:
        self.gsm.manual = True
        self.house.open(slots=3)
        for n in range(3):
            self.house.send("+15550000001", f"same {n}")
        self.house.send("+15550000002", "other")
        self.assertEqual(self.texts(), ["same 0", "other"])
        while self.gsm.pending:
            self.gsm.release()
            self.house.settle()
        self.assertEqual(self.texts(), ["same 0", "other", "same 1", "same 2"])

    def test_but_several_where_no_order_is_needed(self) -> None:
        several = self.house.gateway("several", Abilities(frozenset({"program"}), abreast=True))
        several.manual = True
        call = Call("program", "/bin/slow")
        for _ in range(5):
            to = (Recipient(Address("program", "slow"), "slow"),)
            self.house.wait(self.house.dispatcher.submit(Submission("rules", Address("sms", "+1"), to, call)))
        self.house.outlet("several").opened(3)
        self.house.settle()
        self.assertEqual(len(several.pieces), 3)
        ids = [piece.delivery for piece in several.pieces]
        self.assertEqual(ids, sorted(ids))
        several.release()
        self.house.settle()
        self.assertEqual(len(several.pieces), 4)
        while several.pending:
            several.release()
            self.house.settle()
        self.assertEqual([row["state"] for row in self.house.rows()], ["sent"] * 5)

    def test_urgent_overtakes_and_bulk_waits(self) -> None:
        for n, priority in enumerate([Priority.BULK, Priority.NORMAL, Priority.URGENT]):
            self.house.send(f"+1555000000{n}", priority.name, parameters=Parameters(priority=priority))
        self.house.open()
        self.assertEqual(self.texts(), ["URGENT", "NORMAL", "BULK"])

    def test_lanes_take_turns(self) -> None:
        for n in range(4):
            self.house.send(f"+1555000{n:04}", "a", account="ann")
        for n in range(4):
            self.house.send(f"+1555001{n:04}", "b", account="bob")
        self.house.open()
        self.assertIn("".join(self.texts()), ("abababab", "babababa"))

    def test_unpinned_goes_to_whoever_is_open(self) -> None:
        second = self.house.gateway("gsm2", MODEM)
        self.house.wait(self.house.queue.start())
        self.house.outlet("gsm2").opened(1)
        self.house.send()
        self.assertEqual((len(self.gsm.pieces), len(second.pieces)), (0, 1))

    def test_pinned_waits_for_its_gateway(self) -> None:
        second = self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.house.send(parameters=Parameters(gateway="gsm1"))
        self.assertEqual((self.house.states(), second.pieces), (["ready"], []))
        self.house.open()
        self.assertEqual(self.house.states(), ["sent"])


class Trouble(QueueCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.open()

    def test_temporary_waits_and_tries_again_and_holds_nobody_up(self) -> None:
        self.gsm.answer = lambda piece: TEMPORARY if piece.content.text == "bad" else Accepted("1")
        self.house.send("+15550000001", "bad")
        self.house.send("+15550000002", "good")
        self.assertEqual(self.house.states(), ["ready", "sent"])
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.advance(59)
        self.assertEqual(self.texts(), ["bad", "good"])
        self.house.advance(2)
        self.assertEqual(self.texts(), ["bad", "good", "bad"])
        self.assertEqual([row["tries"] for row in self.house.rows()], [1, 0])
        self.assertEqual(self.house.states(), ["sent", "sent"])

    def test_permanent_fails_and_tells(self) -> None:
        self.gsm.answer = lambda piece: PERMANENT
        self.house.send(text="to nobody")
        self.assertEqual(self.house.rows()[0]["state"], "failed")
        (mail,) = self.mail.pieces
        report = mail.content
        self.assertIsInstance(report, Report)
        self.assertEqual(
            (mail.target.target, report.event, report.text, report.reason, report.status),
            ("bob@example.org", "failed", "to nobody", "no such number", "5.1.1"),
        )

    def test_no_report_for_a_report(self) -> None:
        self.gsm.answer = self.mail.answer = lambda piece: PERMANENT
        self.house.send()
        self.assertEqual(self.house.states(), ["failed", "failed"])
        self.assertEqual(len(self.mail.pieces), 1)

    def test_gateway_trouble_costs_no_try(self) -> None:
        self.gsm.answer = lambda piece: GATEWAY
        self.house.send()
        self.house.outlet("gsm1").closed("gone")
        (row,) = self.house.rows()
        self.assertEqual((row["state"], row["tries"]), ("ready", 0))
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.outlet("gsm1").opened(1)
        self.assertEqual(self.house.states(), ["sent"])

    def test_gateway_that_fails_but_stays_open_does_not_spin(self) -> None:
        self.gsm.answer = lambda piece: GATEWAY
        self.house.send()
        self.house.settle()
        self.assertEqual(len(self.gsm.pieces), 1)
        self.house.advance(5.1)
        self.assertEqual(len(self.gsm.pieces), 2)

    def test_speed_pauses_the_gateway(self) -> None:
        slow = Failure(Kind.TEMPORARY, "too fast", scope=Scope.SPEED, retry_after=10)
        self.gsm.answer = lambda piece: slow
        self.house.send("+15550000001", "one")
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.send("+15550000002", "two")
        self.assertEqual(self.texts(), ["one"])
        self.house.advance(10.1)
        self.assertEqual(self.texts(), ["one", "one", "two"])

    def test_unknown_is_sent_again_and_marked(self) -> None:
        self.gsm.answer = lambda piece: UNKNOWN
        self.house.send()
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.advance(16)
        (row,) = self.house.rows()
        self.assertEqual((row["state"], row["maybe_twice"], len(self.gsm.pieces)), ("sent", 1, 2))
        self.assertTrue(self.gsm.pieces[1].maybe_twice)

    def test_unknown_is_held_where_the_gateway_says_so(self) -> None:
        careful = self.house.gateway("careful", MODEM, in_doubt="hold")
        careful.answer = lambda piece: UNKNOWN
        self.house.outlet("careful").opened(1)
        self.house.send(parameters=Parameters(gateway="careful"))
        (row,) = self.house.rows()
        self.assertEqual(row["state"], "held")
        self.assertIn("in doubt", row["reason"])
        self.house.advance(3600)
        self.assertEqual(len(careful.pieces), 1)

    def test_an_exception_nobody_foresaw_is_unknown(self) -> None:
        self.gsm.answer = lambda piece: ZeroDivisionError("oops")
        self.house.send()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        (row,) = self.house.rows()
        self.assertEqual((row["state"], row["maybe_twice"]), ("ready", 1))


class Parts(QueueCase):
    TEXT = "long " * 100  # 500 characters: four parts

    def setUp(self) -> None:
        super().setUp()
        self.house.open()

    def test_parts_go_one_by_one(self) -> None:
        self.gsm.manual = True
        self.house.send(text=self.TEXT)
        seen = []
        while self.gsm.pending:
            seen.append([(p.seq, p.total) for p in self.gsm.pieces])
            self.gsm.release()
            self.house.settle()
        self.assertEqual(seen[0], [(1, 4)])
        self.assertEqual(seen[-1], [(1, 4), (2, 4), (3, 4), (4, 4)])
        self.assertEqual(len({p.reference for p in self.gsm.pieces}), 1)
        self.assertEqual(self.house.states(), ["sent"])

    def test_a_retry_sends_only_what_is_missing(self) -> None:
        self.gsm.answer = lambda piece: TEMPORARY if piece.seq == 3 else Accepted("1")
        self.house.send(text=self.TEXT)
        self.assertEqual(self.house.rows()[0]["sent"], 2)
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.advance(61)
        self.assertEqual([p.seq for p in self.gsm.pieces], [1, 2, 3, 3, 4])

    def test_what_was_begun_stays_with_its_gateway(self) -> None:
        self.gsm.answer = lambda piece: GATEWAY if piece.seq == 3 else Accepted("1")
        self.house.send(text=self.TEXT)
        self.house.settle()
        self.house.outlet("gsm1").closed("gone")
        second = self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.house.advance(100)
        self.assertEqual(second.pieces, [])
        self.gsm.answer = lambda piece: Accepted("1")
        self.house.outlet("gsm1").opened(1)
        self.assertEqual(self.house.states(), ["sent"])
        self.assertEqual([p.seq for p in self.gsm.pieces], [1, 2, 3, 3, 4])

    def test_progress_survives_a_crash(self) -> None:
        self.gsm.manual = True
        self.house.send(text=self.TEXT)
        for _ in range(2):
            self.gsm.release()
            self.house.settle()
        reference = self.gsm.pieces[0].reference
        self.house = after = self.house.crash()
        after.open()
        self.assertEqual([(p.seq, p.reference, p.maybe_twice) for p in after.gsm.pieces],
                         [(3, reference, True), (4, reference, True)])  # fmt: skip


class Crash(QueueCase):
    def test_on_the_wire_is_in_doubt_and_the_rest_is_not(self) -> None:
        self.gsm.manual = True
        self.house.open()
        self.house.send("+15550000001", "wire")
        self.house.send("+15550000002", "queued")
        self.house = after = self.house.crash()
        after.open()
        self.assertEqual([(p.content.text, p.maybe_twice) for p in after.gsm.pieces],
                         [("wire", True), ("queued", False)])  # fmt: skip
        self.assertEqual(after.states(), ["sent", "sent"])

    def test_settled_is_not_sent_again(self) -> None:
        self.house.open()
        self.house.send()
        self.house.settle()
        self.house = after = self.house.crash()
        after.open()
        self.assertEqual(after.gsm.pieces, [])


class Reports(QueueCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.open()

    def send(self, text: str = "hello") -> None:
        self.house.send("+393331234567", text, wants=Wants.SUCCESS | Wants.FAILURE)

    def report(self, reference: str, status: str, number: str = "+393331234567") -> bool:
        report = NetworkReport(reference, number, status, "00")
        return self.house.wait(self.house.outlet("gsm1").reported(report))

    def test_delivered(self) -> None:
        self.send()
        self.assertTrue(self.gsm.pieces[0].report)
        self.assertEqual(self.house.states(), ["sent"])
        self.assertTrue(self.report("1", "delivered"))
        self.assertEqual(self.house.states()[0], "delivered")
        self.assertEqual(self.mail.pieces[0].content.event, "delivered")

    def test_pending_changes_nothing(self) -> None:
        self.send()
        self.report("1", "pending")
        self.assertEqual(self.house.states(), ["sent"])

    def test_failed(self) -> None:
        self.send()
        self.report("1", "failed")
        self.assertEqual(self.house.states()[0], "failed")
        self.assertEqual(self.mail.pieces[0].content.event, "failed")

    def test_another_number_with_the_same_reference_is_not_meant(self) -> None:
        self.send()
        self.assertFalse(self.report("1", "delivered", "+393339999999"))
        self.assertEqual(self.house.states(), ["sent"])

    def test_before_the_answer(self) -> None:
        self.gsm.manual = True
        self.send()
        self.assertFalse(self.report("7", "delivered"))
        self.gsm.release(Accepted("7"))
        self.assertEqual(self.house.states()[0], "delivered")

    def test_every_part_has_to_arrive(self) -> None:
        self.send("x" * 300)
        self.report("2", "delivered")
        self.assertEqual(self.house.states(), ["sent"])
        self.report("1", "delivered")
        self.assertEqual(self.house.states()[0], "delivered")

    def test_twice_tells_once(self) -> None:
        self.send()
        self.report("1", "delivered")
        self.report("1", "delivered")
        self.house.settle()
        self.assertEqual(len(self.mail.pieces), 1)


class Time(QueueCase):
    def setUp(self) -> None:
        super().setUp()
        self.house.sweeper.start()
        self.house.wait(self.house.queue.start())
        self.house.outlet("mail").opened(1)

    def test_warning_then_expiry(self) -> None:
        self.house.send(text="late")
        self.house.advance(4 * 3600 + 2)
        self.house.advance(2)
        self.assertEqual([p.content.event for p in self.mail.pieces], ["delayed"])
        self.house.advance(5 * 24 * 3600)
        self.house.advance(2)
        self.assertEqual([p.content.event for p in self.mail.pieces], ["delayed", "expired"])
        self.assertEqual(self.house.rows()[0]["state"], "expired")
        self.house.open()
        self.assertEqual(self.gsm.pieces, [])

    def test_expiry_by_parameter(self) -> None:
        self.house.send(parameters=Parameters(expire_minutes=10))
        self.house.advance(601)
        self.house.advance(2)
        self.assertEqual(self.house.rows()[0]["state"], "expired")

    def test_a_retry_keeps_the_warning(self) -> None:
        self.gsm.answer = lambda piece: TEMPORARY
        self.house.outlet("gsm1").opened(1)
        self.house.send()
        for _ in range(30):
            self.house.advance(600)
        self.assertEqual([p.content.event for p in self.mail.pieces], ["delayed"])


class Stopping(QueueCase):
    def test_stop_waits_for_the_wire_and_claims_nothing(self) -> None:
        self.gsm.manual = True
        self.house.open()
        self.house.send("+15550000001", "wire")
        self.house.send("+15550000002", "queued")
        stopped = self.house.queue.stop()
        self.house.settle()
        self.assertNoResult(stopped)
        self.gsm.release()
        self.house.wait(stopped)
        self.assertEqual(self.house.states(), ["sent", "ready"])
        self.assertEqual(self.texts(), ["wire"])

    def test_what_comes_while_everything_stops_is_stored(self) -> None:
        """The chat server, say, brings the last texts when the modem has gone."""
        self.house.open()
        self.house.wait(self.house.queue.stop())
        self.house.wait(self.house.queue.remove("gsm1"))
        self.house.outlet("gsm1").closed("stopping")
        self.house.send()
        self.assertEqual(self.house.states(), ["ready"])

    def test_a_gateway_leaves_when_its_wire_is_empty(self) -> None:
        self.gsm.manual = True
        self.house.open()
        self.house.send()
        gone = self.house.queue.remove("gsm1")
        self.assertNoResult(gone)
        self.gsm.release()
        self.house.wait(gone)
        self.assertEqual([outlet.name for outlet in self.house.queue.outlets()], ["mail"])
