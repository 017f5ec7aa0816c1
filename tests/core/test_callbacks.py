"""Events for programs: told in the commit of their cause, in order, until somebody has them; dead ones can be told again."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.core.arriving import Arrivals
from smsd.core.callbacks import MOST, make_cursor, read_cursor
from smsd.gateways.callback.silent import FEW, LONGEST, Silent
from smsd.gateways.callback.silent import MOST as MOST_SERVERS
from smsd.gateways.exchange import Unanswered
from smsd.interfaces import MessageIn
from smsd.policy.answer import MOST_HOPS
from smsd.policy.rules.letter import Effect, Facts, Letter, Trace, Verdict
from smsd.policy.rules.model import Forward
from smsd.store import operating
from smsd.store.sweeping import Tick
from smsd.values.address import Address
from smsd.values.delivery import Failure, Kind
from smsd.values.errors import InvalidValue, Refused
from smsd.values.message import Report, Text, Ticket, Wants
from tests.core.arriving import rule
from tests.core.programs import CONFIGURATION, LOST, Asked, Network, Programs, answered
from tests.house import House

BARRED = Failure(Kind.PERMANENT, "barred by the network")
DAY = 86_400


class Case(SynchronousTestCase):
    configuration = CONFIGURATION

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.programs = Programs(self.house, self.configuration)
        self.network = self.programs.network

    def anew(self) -> None:
        """With nothing in the store."""
        self.house.close()
        self.house = House()
        self.programs = Programs(self.house, self.configuration)
        self.network = self.programs.network

    def states(self) -> list[str]:
        return [row["state"] for row in self.programs.rows()]

    def sweep(self) -> None:
        self.house.wait(self.house.store.tick(Tick(self.house.store.now(), 90 * DAY * 1000)))

    def die(self) -> None:
        """Another process life over what is on disk."""
        self.house = self.house.crash()
        self.programs = Programs(self.house, self.configuration, self.network)


class Reports(Case):
    def test_what_became_of_a_message_is_posted(self) -> None:
        self.house.gsm.answer = lambda piece: BARRED
        delivery = self.programs.send(msgid="order-7")
        self.house.settle()
        [asked] = self.network.asked
        self.assertEqual((asked.method, asked.url), ("POST", "https://app.example/in?token=s3cret"))
        data = asked.event["data"]
        self.assertEqual(asked.event["type"], "message.failed")
        self.assertEqual(asked.event["timestamp"], "2027-01-15T08:00:00.000Z")
        told = {name: data[name] for name in ("delivery", "recipient", "state", "reason", "msgid", "account")}
        self.assertEqual(
            told,
            {"delivery": str(delivery), "recipient": "+15550000001", "state": "failed",
             "reason": "barred by the network", "msgid": "order-7", "account": "demo"},
        )  # fmt: skip
        [row] = self.programs.rows()
        self.assertEqual((asked.headers["webhook-id"], row["state"]), (str(row["id"]), "sent"))

    def test_an_answer_of_the_phone_is_posted(self) -> None:
        delivery = self.programs.send(msgid="order-7")
        self.programs.arrive("yes, please")
        [asked] = self.network.asked
        self.assertEqual(asked.event["type"], "message.received")
        data = asked.event["data"]
        self.assertEqual(
            (data["from"], data["to"], data["text"], data["gateway"]),
            ("+15550000001", "+15559990000", "yes, please", "gsm1"),
        )
        self.assertEqual(data["in_reply_to"], {"delivery": str(delivery), "msgid": "order-7"})

    def test_who_does_not_want_answers_gets_none(self) -> None:
        self.programs.send(events=["failed"])
        self.programs.arrive("yes")
        self.assertEqual(self.network.asked, [])
        self.assertEqual(self.house.rows()[-1]["target"], "mailto:ann@example.org")

    def test_what_a_subscriber_does_not_want_is_on_record_and_goes_nowhere(self) -> None:
        self.house.gsm.answer = lambda piece: Failure(Kind.TEMPORARY, "busy")
        self.programs.send("shop")
        self.house.wait(self.house.store.control(_cancel(self.house)))
        self.house.settle()
        [row] = self.programs.rows()
        self.assertEqual(
            (row["state"], row["reason"]), ("cancelled", "subscriber till does not want to hear 'cancelled'")
        )

    def test_a_url_of_a_sender(self) -> None:
        self.house.gsm.answer = lambda piece: BARRED
        self.programs.send("other", named="https://u:p@else.example/x?pass=1")
        self.house.settle()
        [asked] = self.network.asked
        self.assertEqual(asked.event["type"], "message.failed")
        self.assertNotIn("webhook-signature", asked.headers)
        [shown] = self.programs.act(self.programs.callbacks.find("", False, 0, 10)) or [{"to": "-"}]
        self.assertEqual(shown["to"], "-")  # nothing waits any more

    def test_what_waits_for_a_program_is_no_digest(self) -> None:
        self.house.backlog.minutes = 1
        self.network.answer = lambda asked: 410
        self.programs.send()
        for text in ("one", "two", "three", "four"):
            self.programs.arrive(text)
        self.assertEqual(self.states(), ["failed", "ready", "ready", "ready"])
        self.house.advance(3600)
        self.network.answer = lambda asked: 200
        self.programs.gateways["hook-app"].again()
        self.house.settle()
        self.assertEqual(self.states(), ["failed", "sent", "sent", "sent"])

    def test_the_operator_sees_no_more_of_a_senders_url_than_its_server(self) -> None:
        self.network.answer = lambda asked: LOST
        delivery = self.programs.send("other", named="https://u:p4ss@x.example/hooks/s3cret?a=1")
        self.programs.arrive("yes")
        rows = self.house.rows()
        self.assertEqual(rows[-1]["target"], "hook:https://x.example/…")
        told = [self.house.wait(self.house.store.ask(operating.explain, row["id"])) for row in rows]
        self.assertIn("reply log: hook:https://x.example/… wrote", told[-1]["trace"])
        self.assertEqual(rows[0]["id"], delivery)
        self.assertNotIn("s3cret", str((rows, told)))
        self.assertNotIn("p4ss", str((rows, told)))

    def test_an_event_is_a_commit_with_its_cause(self) -> None:
        """What the process that dies now has told the network of, is either unknown as a whole, or an event of its own."""
        self.network.answer = lambda asked: None
        self.house.gsm.answer = lambda piece: BARRED
        self.programs.send()
        self.house.settle()
        self.network.open.clear()
        self.network.answer = lambda asked: 200
        self.die()
        self.house.settle()
        first, second = self.network.asked
        self.assertEqual(
            (first.headers["webhook-id"], first.body), (second.headers["webhook-id"], second.body)
        )
        self.assertEqual(self.states(), ["sent"])

    def test_a_report_waits_for_a_subscriber_that_is_not_there_now(self) -> None:
        self.house.wait(self.house.queue.remove("hook-app"))
        self.house.gsm.answer = lambda piece: BARRED
        self.programs.send()
        self.assertEqual(self.states(), ["ready"])
        [settings] = [one.settings for name, one in self.programs.gateways.items() if name == "hook-app"]
        self.programs.start(settings)
        self.assertEqual(self.states(), ["sent"])


def _cancel(house: House) -> Any:
    from smsd.store.operating import Verb

    return Verb("cancel", house.rows()[0]["id"], house.store.now(), 0)


class WhoWritesFirst(Case):
    """Phones that answer nothing: a gateway, or a rule, gives their messages to a subscriber."""

    def use(self, deliver_to: str = "", judge: Any = None) -> None:
        arriving = self.house.inbound.arriving
        arriving.arrivals["gsm1"] = Arrivals(deliver_to, "%s", None)
        arriving.rules = replace(arriving.rules, judge=judge)

    def test_a_gateways(self) -> None:
        self.use("hook:app")
        self.programs.arrive("hello")
        [asked] = self.network.asked
        data = asked.event["data"]
        self.assertEqual((asked.event["type"], data["from"]), ("message.received", "+15550000001"))
        self.assertEqual((data["text"], data["gateway"], data["in_reply_to"]), ("hello", "gsm1", None))
        self.assertIn("webhook-signature", asked.headers)

    def test_one_that_fetches(self) -> None:
        self.use("hook:till")
        self.programs.arrive("hello")
        self.programs.send("shop", number="+15550000002")
        self.programs.arrive("an answer", number="+15550000002")
        events, _ = self.programs.fetch()
        texts = [event.data["text"] for event in events if event.type == "message.received"]
        self.assertEqual(texts, ["hello", "an answer"])

    def test_what_names_a_mailbox_or_answers_goes_there(self) -> None:
        self.use("hook:app")
        ann = Address("mailto", "ann@example.org")
        self.house.send("+15550000001", origin=ann, ticket=Ticket(ann), door="smtp")
        self.house.settle()
        self.programs.arrive("an answer")
        self.assertEqual(self.network.asked, [])
        self.assertEqual(self.house.rows()[-1]["target"], "mailto:ann@example.org")

    def test_a_rules(self) -> None:
        self.use("ann@example.org", rule(Forward("hook:app")))
        self.programs.arrive("hello")
        [asked] = self.network.asked
        data = asked.event["data"]
        self.assertEqual((data["from"], data["text"]), ("+15550000001", "hello"))
        self.assertEqual((data["to"], data["gateway"]), ("+15559990000", "gsm1"))
        self.assertEqual(self.house.mail.pieces, [])

    def test_a_copy(self) -> None:
        self.use("ann@example.org", rule(Forward("hook:app", copy=True)))
        self.programs.arrive("hello")
        self.assertEqual((len(self.network.asked), len(self.house.mail.pieces)), (1, 1))

    def test_a_users_rule_reaches_no_subscriber(self) -> None:
        def judge(letter: Letter, facts: Facts) -> Verdict:
            effects = (Effect("mine", Forward("hook:app"), user="other"),)
            return Verdict("accept", letter, "", effects, frozenset(), Trace(b"", (), ""))

        self.use("ann@example.org", judge)
        self.programs.arrive("hello")
        self.assertEqual((self.network.asked, len(self.house.mail.pieces)), ([], 1))

    def test_servers_that_hand_it_to_each_other_for_ever(self) -> None:
        self.use("hook:app")
        for hops in (0, 3, MOST_HOPS, MOST_HOPS + 1):
            message = MessageIn("gsm1", "+15550000001", Text("hello"), hops=hops)
            self.house.wait(self.house.inbound.message(message))
            self.house.settle()
        counted = [asked.headers["X-SMSD-Hops"] for asked in self.network.asked]
        self.assertEqual(counted, ["1", "4", str(MOST_HOPS + 1)])
        [*_, last] = self.programs.rows()
        self.assertEqual(last["state"], "held")
        self.assertIn("in a circle", last["reason"])

    def test_what_a_rule_deletes_is_no_dead_event(self) -> None:
        for fate, state in (("delete", "cancelled"), ("reject", "rejected")):
            self.use("hook:app", rule(fate=fate))
            self.programs.arrive("hello")
            self.assertEqual(self.house.rows()[-1]["state"], state)
        self.assertEqual(self.programs.act(self.programs.callbacks.replay_dead("app")), 0)
        self.assertEqual(self.network.asked, [])


class WaysBack(Case):
    def test_which(self) -> None:
        back = self.programs.callbacks.way_back
        usual = Wants.ANSWERS | Wants.SUCCESS | Wants.FAILURE
        self.assertEqual(back("demo"), (Address("hook", "app"), usual))
        self.assertEqual(back("shop"), (Address("hook", "till"), usual | Wants.SENT))
        self.assertIsNone(back("other"))
        self.assertIsNone(back(None))
        self.assertEqual(
            back(None, "http://x.example/", ["sent", "delayed", "buffered"]),
            (Address("hook", "http://x.example/"), Wants.SENT | Wants.DELAY | Wants.BUFFERED),
        )

    def test_refused(self) -> None:
        for arguments, why in (
            (("other", "app"), "no subscriber of yours"),
            ((None, "app"), "no subscriber of yours"),
            (("demo", "till"), "no subscriber of yours"),
            (("demo", "file:///etc/passwd"), "neither with http:// nor with https://"),
            (("demo", "https://x.example/" + "a" * 2000), "longer than 2000 characters"),
            (("demo", None, ["lost"]), "'lost' is not understood"),
            (("demo", None, ["buffered"]), "not told of 'buffered'"),
            (("other", None, ["failed"]), "without callback"),
        ):
            with self.subTest(arguments=arguments), self.assertRaisesRegex(Refused, why):
                self.programs.callbacks.way_back(*arguments)

    def test_urls_may_be_switched_off(self) -> None:
        self.programs = Programs(House(), self.configuration + "callbacks: {urls: no}")
        self.addCleanup(self.programs.house.close)
        self.assertNotIn("hooks", self.programs.gateways)
        with self.assertRaisesRegex(Refused, "URLs are not taken"):
            self.programs.callbacks.way_back("demo", "https://x.example/")


class Order(Case):
    def failures(self, number: int) -> list[int]:
        self.house.gsm.answer = lambda piece: BARRED
        deliveries = [self.programs.send(number=f"+1555000{n:04}") for n in range(number)]
        self.house.settle()
        return deliveries

    def test_a_retry_holds_up_the_later_ones(self) -> None:
        self.network.answer = lambda asked: 500
        deliveries = self.failures(3)
        self.assertEqual(len(self.network.asked), 1)
        for wait in (5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 3600):
            before = len(self.network.asked)
            self.house.advance(wait - 1)
            self.assertEqual(len(self.network.asked), before)
            self.house.advance(2)
            self.assertEqual(len(self.network.asked), before + 1)
        self.assertEqual(len(set(self.network.ids)), 1)
        self.network.answer = lambda asked: 204
        self.house.advance(3601)
        self.assertEqual(
            [asked.event["data"]["delivery"] for asked in self.network.asked][-3:], list(map(str, deliveries))
        )
        self.assertEqual([row["tries"] for row in self.programs.rows()], [0, 0, 0])

    def test_each_try_has_its_own_time_and_the_same_body(self) -> None:
        self.network.answer = lambda asked: answered(503, retry_after="100")
        self.failures(1)
        self.house.advance(99)
        self.assertEqual(len(self.network.asked), 1)
        self.house.advance(2)
        first, second = self.network.asked
        self.assertEqual(first.body, second.body)
        self.assertEqual(
            int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]), 101
        )
        self.assertNotEqual(first.headers["webhook-signature"], second.headers["webhook-signature"])

    def test_nobody_hears_what_days_did_not_bring_until_it_is_replayed(self) -> None:
        self.network.answer = lambda asked: LOST
        self.failures(2)
        for _ in range(80):
            self.house.advance(3600)
        self.sweep()
        self.house.settle()
        self.assertEqual(self.states(), ["expired", "expired"])
        dead = self.programs.act(self.programs.callbacks.find("app", True, 0, 10))
        self.assertEqual(
            [(one["event"], one["to"], one["state"]) for one in dead], [("failed", "app", "expired")] * 2
        )
        self.assertIn("did not answer in time", dead[1]["reason"])
        self.assertGreater(dead[1]["attempts"], 50)
        self.assertNotIn("s3cret", str(dead))
        before = self.network.ids[-1]
        self.network.answer = lambda asked: 200
        self.network.asked.clear()
        self.assertEqual(self.programs.act(self.programs.callbacks.replay_dead("app")), 2)
        self.assertEqual(self.network.ids, [str(row["id"]) for row in self.programs.rows()])
        self.assertIn(before, self.network.ids)
        self.assertEqual(self.states(), ["sent", "sent"])

    def test_a_replay_waits_for_nothing(self) -> None:
        self.network.answer = lambda asked: answered(503, retry_after="80000")
        self.failures(2)
        self.assertEqual(len(self.network.asked), 1)
        self.network.answer = lambda asked: 200
        self.house.advance(60)
        self.assertEqual(len(self.network.asked), 1)
        self.assertEqual(self.programs.act(self.programs.callbacks.replay_dead("app")), 0)
        self.assertEqual(self.states(), ["sent", "sent"])

    def test_gone_stops_it_over_restarts_until_somebody_lets_it_go_on(self) -> None:
        self.network.answer = lambda asked: 410
        self.failures(2)
        self.assertEqual(self.states(), ["failed", "ready"])
        self.assertIn("410", self.house.outlet("hook-app").reason)
        self.die()
        self.house.advance(DAY)
        self.assertEqual((len(self.network.asked), self.states()), (1, ["failed", "ready"]))
        self.network.answer = lambda asked: 200
        self.assertEqual(self.programs.act(self.programs.callbacks.replay(int(self.network.ids[0]))), 1)
        self.assertEqual(self.states(), ["sent", "sent"])
        self.die()
        self.failures(1)
        self.assertEqual(len(self.network.asked), 4)

    def test_another_url_begins_anew(self) -> None:
        self.network.answer = lambda asked: 410
        self.failures(2)
        self.configuration = CONFIGURATION.replace("app.example", "new.example")
        self.network.answer = lambda asked: 200
        self.die()
        self.assertEqual(self.states(), ["failed", "sent"])

    def test_one_that_is_refused_for_ever_lets_the_others_go_on(self) -> None:
        for status in (400, 409, 413, 422):
            with self.subTest(status=status):
                self.anew()
                self.failures(3)  # taken
                bad = str(self.programs.send(number="+15559999999"))
                self.network.asked.clear()
                self.network.answer = lambda asked, s=status, b=bad: (
                    s if asked.event["data"]["delivery"] == b else 200
                )
                self.failures(2)
                self.assertEqual(len(self.network.asked), 1, "while it may be for now, they wait")
                for wait in (5, 15, 30, 60, 120, 300, 600):
                    self.assertEqual(self.states()[3:], ["ready"] * 3)
                    self.house.advance(wait + 1)
                self.assertEqual(self.states()[3:], ["failed", "sent", "sent"])
                self.assertEqual(len(self.network.asked), 8 + 2)
                [dead] = self.programs.act(self.programs.callbacks.find("app", True, 0, 10))
                self.assertIn("refused 8 times, the next ones go on", dead["reason"])

    def test_a_wrong_secret_does_not_kill_one_event_after_the_other(self) -> None:
        self.network.answer = lambda asked: 400
        self.failures(3)
        self.tries(7)
        self.assertEqual(self.states(), ["failed", "ready", "ready"])
        self.assertEqual(self.network.ids.count(self.network.ids[-1]), 1, "the next one, at once")
        self.tries(14)
        self.assertEqual(self.states(), ["failed", "ready", "ready"])
        self.tries(1)
        self.assertEqual(self.states(), ["failed", "failed", "ready"])
        self.network.answer = lambda asked: 200
        self.tries(1)
        self.assertEqual(self.states(), ["failed", "failed", "sent"])
        self.assertEqual(self.programs.gateways["hook-app"]._dead, 0)

    def tries(self, number: int) -> None:
        """Time passes until events were posted so many times more."""
        for _ in range(number):
            before = len(self.network.asked)
            for _ in range(70):
                self.house.advance(60)
                if len(self.network.asked) > before:
                    break

    def test_what_is_about_no_single_event_kills_none(self) -> None:
        for status in (401, 403, 404, 405, 429, 302, 500):
            with self.subTest(status=status):
                self.anew()
                self.network.answer = lambda asked, s=status: s
                self.failures(2)
                for _ in range(30):
                    self.house.advance(3600)
                self.assertEqual(self.states(), ["ready", "ready"])
                self.assertEqual(len(set(self.network.ids)), 1)

    def test_there_is_nothing_to_replay(self) -> None:
        with self.assertRaisesRegex(InvalidValue, "there is no event 7"):
            self.programs.act(self.programs.callbacks.replay(7))
        with self.assertRaisesRegex(InvalidValue, "there are: app, till"):
            self.programs.act(self.programs.callbacks.replay_dead("nobody"))
        self.programs.send()
        [row] = self.house.rows()
        with self.assertRaisesRegex(InvalidValue, "there is no event"):  # it is a message
            self.programs.act(self.programs.callbacks.replay(row["id"]))


class Unreliable(SynchronousTestCase):
    """A subscriber that fails as it likes, a process that dies as it likes: every event comes, in order, under its one id."""

    @given(
        st.lists(
            st.sampled_from(["send", "send", "reply", "pass", "bad", "lost", "good", "die"]), max_size=25
        )
    )
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def test_every_event_comes_in_order(self, steps: list[str]) -> None:
        house, network = House(), Network()
        programs = Programs(house, network=network)
        house.gsm.answer = lambda piece: BARRED
        wanted: list[str] = []
        done: list[tuple[str, bytes]] = []
        mood = [200]

        def answer(asked: Asked) -> Any:
            said = mood[0]
            if said in (200, "lost"):  # what got lost was heard all the same
                done.append((asked.headers["webhook-id"], asked.body))
            return LOST if said == "lost" else said

        network.answer = answer
        try:
            for step in [*steps, "good"]:
                if step == "send":
                    programs.send(number=f"+1555{len(wanted):07}")
                    house.settle()
                    wanted.append("message.failed")
                elif step == "reply" and wanted:
                    programs.arrive(f"answer {len(wanted)}", "+15550000000")
                    wanted.append("message.received")
                elif step == "pass":
                    house.advance(17)
                elif step == "die":
                    house = house.crash()
                    programs = Programs(house, network=network)
                    house.gsm.answer = lambda piece: BARRED
                else:
                    mood[0] = {"bad": 503, "lost": "lost", "good": 200}.get(step, 200)  # type: ignore[list-item]
            mood[0] = 200
            for _ in range(50):
                house.advance(3600)
            firsts = list(dict.fromkeys(done))
            self.assertEqual([id for id, _ in firsts], [str(row["id"]) for row in programs.rows()])
            self.assertEqual(len(firsts), len(wanted))
            self.assertEqual({row["state"] for row in programs.rows()} - {"sent"}, set())
            # A repeat begins where the last one was: nothing is told after what came behind it.
            places = [firsts.index(one) for one in done]
            self.assertEqual(places, sorted(places))
        finally:
            house.close()


class Fetching(Case):
    def report(self, number: str = "+15550000001") -> None:
        self.house.gsm.answer = lambda piece: BARRED
        self.programs.send("shop", number)
        self.house.settle()

    def test_what_was_handed_out_is_confirmed_by_asking_on(self) -> None:
        self.report("+15550000001")
        self.report("+15550000002")
        events, cursor = self.programs.fetch()
        self.assertEqual([event.data["recipient"] for event in events], ["+15550000001", "+15550000002"])
        self.assertEqual(self.programs.fetch()[0], events)  # the client has died before it did anything
        self.assertEqual(self.states(), ["ready", "ready"])
        self.assertEqual(self.programs.fetch(cursor=cursor), ([], "0"))
        self.assertEqual(self.states(), ["delivered", "delivered"])
        self.assertEqual(self.programs.fetch(), ([], "0"))
        self.assertEqual(self.network.asked, [])

    def test_a_few_at_a_time_and_over_restarts(self) -> None:
        for n in range(5):
            self.report(f"+1555000000{n}")
        seen: list[str] = []
        cursor = "0"
        for _ in range(3):
            events, cursor = self.programs.fetch(cursor=cursor, limit=2)
            seen += [event.data["recipient"][-1] for event in events]
            self.die()
        self.assertEqual("".join(seen), "01234")

    def test_answers_of_phones_too(self) -> None:
        self.programs.send("shop")
        self.programs.arrive("hello shop")
        (sent, event), _ = self.programs.fetch()
        self.assertEqual((sent.type, sent.data["state"]), ("message.sent", "sent"))
        self.assertEqual((event.type, event.data["text"]), ("message.received", "hello shop"))

    def test_an_event_with_an_earlier_id_that_comes_later_is_not_passed_over(self) -> None:
        """Ids are made before their commit: here one waits in memory while a later one is fetched and confirmed."""
        early = self.programs.house.planner.plan(_report())
        self.report()
        events, cursor = self.programs.fetch()
        self.assertGreater(int(events[0].id), early.planned[0].delivery)
        self.house.wait(self.house.dispatcher.commit(early))
        [late], _ = self.programs.fetch(cursor=cursor)
        self.assertEqual(int(late.id), early.planned[0].delivery)

    def test_a_cursor_of_somebody_else_confirms_nothing(self) -> None:
        self.network.answer = lambda asked: 500
        self.house.gsm.answer = lambda piece: BARRED
        self.programs.send("demo")
        self.report()
        rows = self.programs.rows()
        foreign = make_cursor([row["id"] for row in rows if row["target"] == "hook:app"])
        self.programs.fetch(cursor=foreign)
        self.assertEqual(self.states(), ["ready", "ready"])

    def test_who_may(self) -> None:
        for account in ("demo", "other", "nobody"):
            with self.assertRaisesRegex(Refused, "no events to fetch"):
                self.programs.fetch(account)

    def test_nobody_fetches_it_in_time(self) -> None:
        self.report()
        _, cursor = self.programs.fetch()
        self.house.advance(4 * DAY)
        self.sweep()
        self.assertEqual(self.programs.fetch(), ([], "0"))
        self.programs.fetch(cursor=cursor)  # but it had been handed out
        self.assertEqual(self.states(), ["delivered"])

    @given(st.data())
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    def test_whatever_writers_and_readers_do_nothing_is_lost(self, data: Any) -> None:
        house = House()
        programs = Programs(house)
        try:
            planned: list[Any] = []
            everything: set[str] = set()
            processed: set[str] = set()
            cursor, handed = "0", set[str]()
            for step in data.draw(
                st.lists(st.sampled_from(["plan", "commit", "fetch", "crash"]), max_size=25)
            ):
                if step == "plan":
                    planned.append(house.planner.plan(_report()))
                elif step == "commit" and planned:
                    one = planned.pop(data.draw(st.integers(0, len(planned) - 1)))
                    house.wait(house.dispatcher.commit(one))
                    everything.add(str(one.planned[0].delivery))
                elif step == "fetch":
                    processed |= handed  # asking on says so
                    events, cursor = programs.fetch(cursor=cursor, limit=data.draw(st.integers(1, 3)))
                    handed = {event.id for event in events}
                else:  # the client dies: it has neither the events nor the cursor
                    cursor, handed = "0", set()
            processed |= handed
            while True:
                events, cursor = programs.fetch(cursor=cursor)
                if not events:
                    break
                processed |= {event.id for event in events}
            self.assertEqual(processed, everything)
        finally:
            house.close()


def _report() -> Any:
    from smsd.values.message import Recipient, Submission

    report = Report("failed", 1, 2, "+15550000009", "barred", 0, 0, "")
    return Submission("notice", Address("account", "smsd"), (Recipient(Address("hook", "till")),), report)


class Cursors(SynchronousTestCase):
    @given(st.sets(st.integers(1, 2**63 - 1), max_size=30))
    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    def test_it_names_what_it_was_made_of(self, ids: set[int]) -> None:
        shuffled = random.Random(1).sample(sorted(ids), len(ids))
        self.assertEqual(read_cursor(make_cursor(shuffled)), tuple(sorted(ids)))

    @given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True))
    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    def test_rubbish_is_refused_or_read(self, text: str) -> None:
        try:
            ids = read_cursor(text)
        except Refused:
            return
        self.assertTrue(all(0 <= one < 1 << 63 for one in ids))

    def test_it_fits_into_a_url(self) -> None:
        first = 911_814_159_937_581_056
        apart = (1 << 22) * 86_400_000
        ids = [first + n * apart // MOST for n in range(MOST)]
        self.assertEqual(read_cursor(make_cursor(ids)), tuple(ids))
        self.assertLess(len(make_cursor(ids)), 6000)


class Kannel(Case):
    def test_a_dlr_url_is_requested(self) -> None:
        from smsd.codec import kannel

        self.house.gsm.answer = lambda piece: BARRED
        ticket = kannel.ticket("https://rapid.example/dlr?id=7&s=%d&to=%p", 31, kannel.Facts())
        self.house.send(ticket=ticket, wants=kannel.wants(31))
        self.house.settle()
        [asked] = self.network.asked
        self.assertEqual(
            (asked.method, asked.url), ("GET", "https://rapid.example/dlr?id=7&s=16&to=%2B15550000001")
        )
        self.assertEqual(self.states(), ["sent"])

    def test_an_answer_of_the_phone_does_not_go_there(self) -> None:
        from smsd.codec import kannel

        ticket = kannel.ticket("https://rapid.example/dlr?s=%d", 1, kannel.Facts())
        self.house.send(ticket=ticket, wants=kannel.wants(1))
        self.programs.arrive("yes")
        self.assertEqual(self.network.asked, [])
        self.assertEqual(self.house.rows()[-1]["target"], "mailto:ann@example.org")


class SilentServers(Case):
    def test_one_does_not_hold_the_slots_that_all_share(self) -> None:
        self.house.gsm.answer = lambda piece: BARRED
        self.network.answer = lambda asked: LOST if "dead" in asked.url else 200
        for n in range(30):
            self.programs.send("other", f"+1555{n:07}", named="https://dead.example/a")
        self.programs.send("other", "+15559999999", named="https://good.example/a")
        self.house.settle()
        asked = [one.url for one in self.network.asked]
        self.assertEqual((asked.count("https://dead.example/a"), len(asked)), (FEW, FEW + 1))
        self.assertIn("is left alone for a while", str(self.programs.rows()[20]["reason"]))
        for _ in range(3):
            self.house.advance(10)
        self.assertEqual(len(self.network.asked), FEW + 2, "one tries it again")
        self.network.answer = lambda asked: 200
        for _ in range(90):
            self.house.advance(60)
        self.assertEqual(set(self.states()), {"sent"})
        self.assertEqual(len(set(self.network.ids)), 31)

    def test_for_how_long(self) -> None:
        silent = Silent()
        for now in (1.0, 2.0, 3.0, 4.0):
            self.assertEqual(silent.rest("a", now, 5), 0 if now < 4 else 14)
            silent.failed("a", now)
        self.assertEqual(silent.rest("b", 4, 5), 0)
        self.assertEqual([silent.rest("a", 18.0, 5), silent.rest("a", 18.0, 5)], [0, 5])
        silent.failed("a", 23.0)
        self.assertEqual(silent.rest("a", 23.0, 5), 30)
        now = 23.0
        for _ in range(20):
            now += silent.rest("a", now, 5)
            self.assertEqual(silent.rest("a", now, 5), 0)
            now += 5
            silent.failed("a", now)
        self.assertEqual(silent.rest("a", now, 5), LONGEST)
        silent.answered("a")
        self.assertEqual(silent.rest("a", now, 5), 0)
        for n in range(MOST_SERVERS + 5):
            silent.failed(f"{n}", now)
        self.assertEqual(len(silent._known), MOST_SERVERS)


class Refusals(Case):
    def test_what_a_senders_url_refuses_is_dead_and_what_fails_is_tried_again(self) -> None:
        self.house.gsm.answer = lambda piece: BARRED
        forbidden = Unanswered(
            "10.0.0.7 is in a network that requests of senders may not reach", False, forbidden=True
        )
        for said, state in (
            (404, "failed"),
            (302, "failed"),
            (forbidden, "failed"),
            (503, "ready"),
            (LOST, "ready"),
        ):
            with self.subTest(said=said):
                self.network.answer = lambda asked, said=said: said  # type: ignore[misc]
                self.programs.send("other", f"+1555{len(self.network.asked):07}", named="https://x.example/a")
                self.house.settle()
                row = self.programs.rows()[-1]
                self.assertEqual(row["state"], state)
        reasons = " ".join(str(row["reason"]) for row in self.programs.rows())
        self.assertIn("callbacks.allow_networks", reasons)
        self.assertIn("redirects are not followed", reasons)
