"""Why a message went where it went: by the number of a delivery or a message, by the list it was judged by, without secrets."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import timezone
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import explain as cli_explain
from smsd.cli import main
from smsd.core import trying
from smsd.core.arriving import Arrivals, Rulebook
from smsd.core.clerk import Clerk
from smsd.core.control import Control
from smsd.core.explaining import Explainer
from smsd.core.traces import trace_json
from smsd.core.trying import Trier
from smsd.interfaces import PartIn
from smsd.policy.rules import engine, xml
from smsd.policy.rules.model import (
    All,
    And,
    Clock,
    Field,
    Forward,
    Frame,
    How,
    Network,
    Not,
    Or,
    Program,
    Rule,
    Rules,
    Send,
    SetHeader,
    SqlCondition,
    Stop,
    TextTest,
    Url,
)
from smsd.store import operating
from smsd.values.delivery import Accepted, Failure, Kind, Scope
from smsd.values.errors import InvalidValue
from smsd.values.message import Parameters
from tests.core.arriving import parts
from tests.house import House

OUT = Rule("from us", Not(Field("to", TextTest(How.CONTAINS, "@"))), (Frame(after="!"),))
IN = Rule("tell", All(), (Send("+15550000009", "look"), Forward("boss@example.org", copy=True)))
SECRET = Rule("call", All(), (Url("https://ann:hunter2@example.org/?pass=topsecret&text=%body%"),))


class Explaining(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.house.open()
        self.explainer = Explainer(self.house.store, self.house.planner, self.house.judge)

    def use(self, rules: Rules) -> None:
        """As `smsd.rulework` does it."""
        house, version = self.house, 7
        text = xml.write(rules).decode()
        house.wait(house.store.keep_ruleset(version, "x", text))
        house.judge.use(engine.compile(rules.outgoing), version)
        incoming = engine.compile(rules.incoming)
        house.inbound.arriving.rules = Rulebook(
            judge=(lambda letter, facts: engine.judge(incoming, letter, facts)) if rules.incoming else None,
            ruleset=incoming if rules.incoming else None,
            further=house.judge.rule,
            trace=lambda verdict: trace_json(verdict, version),
        )

    def delivery(self, target: str) -> int:
        (found,) = [row["id"] for row in self.house.rows() if row["target"] == target]
        return int(found)

    def told(self, number: int) -> dict[str, Any]:
        told: dict[str, Any] = self.house.wait(Deferred.fromCoroutine(self.explainer.delivery(number)))
        return told

    def test_what_a_rule_for_incoming_messages_sends_was_judged_by_the_outgoing_ones(self) -> None:
        self.use(Rules((OUT,), (IN,)))
        (octets,) = parts("hello")
        self.house.wait(self.house.inbound.part(PartIn("gsm1", octets, "SM:1")))
        self.house.settle()
        self.assertEqual(
            self.told(self.delivery("sms:+15550000009"))["rules"],
            [
                "'from us': matched: not: to contains \"@\"",
                "what they did:",
                "  'from us' matched: not: to contains \"@\"",
                '    body: "look" is now "look!"',
            ],
        )
        self.assertEqual(
            self.told(self.delivery("mailto:ann@example.org"))["rules"][0], "'tell': matched: every message"
        )

    def test_what_was_sent_instead(self) -> None:
        self.use(Rules((OUT,)))
        self.house.send()
        told = self.told(self.delivery("sms:+15550000001"))
        self.assertEqual((told["about"]["body"], told["made"]), ("hello", "hello!"))

    def test_the_queue_and_a_trial_show_what_is_sent(self) -> None:
        copied = Rule("copy", All(), (Forward("boss@example.org", copy=True),))
        self.use(Rules((OUT, copied), (Rule("in", All(), (Frame(after="?"), *copied.actions)),)))
        self.house.send()
        self.assertEqual([row["text"] for row in self.house.rows()], ["hello!", "hello!"])
        given = {"from": "ann@example.org", "to": "+15550000001", "text": "hello"}
        told = self.house.wait(Deferred.fromCoroutine(self.explainer.trial(given)))
        self.assertEqual(
            (told["text"], told["sends"]), ("hello!", [{"to": "mailto:boss@example.org", "what": "hello!"}])
        )
        told = self.house.wait(Deferred.fromCoroutine(self.house.inbound.trial("gsm1", "+15550000002", "hi")))
        self.assertEqual(
            (told["text"], told["sends"]), ("hi?", [{"to": "mailto:boss@example.org", "what": "hi?"}])
        )

    def test_a_trial_names_every_rule_and_what_decided(self) -> None:
        other = Rule("other", Not(Field("body", TextTest(How.CONTAINS, "8"))), (Frame(after="!"),))
        self.use(Rules((OUT, other), (other, IN)))
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s", None)
        explainer = Explainer(
            self.house.store, self.house.planner, self.house.judge,
            lambda *given: Deferred.fromCoroutine(self.house.inbound.trial(*given)),
        )  # fmt: skip

        def rules(**given: Any) -> list[str]:
            told = self.house.wait(Deferred.fromCoroutine(explainer.trial(given)))
            return [line for line in told["rules"] if not line.startswith(" ")]

        matched, passed = (
            f'\'other\': {how}: not: body contains "8" (it is "{saw}")'
            for how, saw in (("matched", "7!"), ("did not match", "8!"))
        )
        ours = '\'from us\': matched: not: to contains "@" (it is "+15550000001")'
        to = "+15550000001"
        self.assertEqual(rules(to=to, text="7")[:2], [ours, matched])
        self.assertEqual(rules(to=to, text="8")[:2], [ours, passed])
        given = {"incoming": True, "gateway": "gsm1", "from": "+15550000002"}
        passed = passed.replace("8!", "8")
        self.assertEqual(rules(**given, text="8")[:2], [passed, "'tell': matched: every message"])
        self.house.judge.use(None, 1)
        self.assertEqual(rules(to=to, text="8"), ["no rule was asked"])

    def test_a_brief_trial_reads_no_rules(self) -> None:
        self.use(Rules((OUT,), (Rule("in", All(), (Frame(after="!"),)),)))
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("ann@example.org", "%s", None)
        trier = Trier(
            self.house.store, self.house.planner, self.house.judge,
            lambda *given: Deferred.fromCoroutine(self.house.inbound.trial(*given)),
        )  # fmt: skip
        overrides: Any = None
        control = Control(
            store=self.house.store, dispatcher=self.house.dispatcher, queue=self.house.queue, overrides=overrides,
            explainer=trier, status=dict, reload=lambda: succeed([]),
        )  # fmt: skip
        clerk = Clerk(self.house.store, self.house.planner, None, self.house.accounts.get)
        clerk.control = control
        explain = mock.Mock(return_value=[])
        self.patch(trying, "explain", explain)
        out = {"to": "+15550000001", "text": "hello"}
        into = {"incoming": True, "gateway": "gsm1", "from": "+15550000002", "text": "hello"}
        for given in (out, into):
            for everything in (False, True):
                told = self.house.wait(Deferred.fromCoroutine(clerk.trial("", given, everything)))
                self.assertEqual((told["text"], "rules" in told), ("hello!", everything))
                self.assertEqual(explain.called, everything)
            explain.reset_mock()

    def tried(self, **given: Any) -> Any:
        """A message to a phone, and what would become of it."""
        told = self.house.wait(
            Deferred.fromCoroutine(self.explainer.trial({"to": "+15550000001", "text": "hello", **given}))
        )
        self.assertEqual(self.house.rows(), [])
        return told

    def test_a_trial_says_of_each_rule_what_it_looked_at(self) -> None:
        night = Clock(22 * 60, 7 * 60)
        self.use(
            Rules(
                (
                    Rule("by night", night, (Frame(after=" (night)"),)),
                    Rule("door", Field("door", TextTest(How.EQUALS, "smtp")), (Frame(after=" (mail)"),)),
                    Rule("inside", Network(("10.0.0.0/8",)), (Frame(after=" (inside)"),)),
                    Rule("host", Field("host", TextTest(How.EQUALS, "pc7")), (Frame(after=" (pc7)"),)),
                    Rule(
                        "header", Field("header:x-foo", TextTest(How.EQUALS, "a")), (Frame(after=" (foo)"),)
                    ),
                    Rule("pinned", Field("to", TextTest(How.CONTAINS, "@")), (Stop(),)),
                    Rule("calls", All(), (Program(("/bin/true", "%number%")),)),
                )
            )
        )
        self.house.judge.zone = timezone.utc
        self.house.judge.gateways = frozenset({"gsm1"})
        told = self.tried(at="2027-01-14 12:00")
        self.assertEqual(
            told["rules"][:5],
            [
                "'by night': did not match: time 22:00-07:00 (it is Thu 12:00)",
                '\'door\': did not match: door is "smtp" (it is "trial")',
                "'inside': did not match: ip in 10.0.0.0/8 (it is no address)",
                '\'host\': did not match: host is "pc7" (it is "")',
                '\'header\': did not match: header:x-foo is "a" (it is "")',
            ],
        )
        self.assertEqual(told["sends"], [{"to": "program:true", "what": "/bin/true +15550000001"}])
        told = self.tried(
            at="23:00",
            door="smtp",
            ip="10.1.2.3",
            host="pc7",
            headers=["X-Foo: a"],
            gateway="gsm1",
        )
        self.assertEqual(
            (told["text"], told["route"]), ("hello (night) (mail) (inside) (pc7) (foo)", "gw:gsm1")
        )
        self.assertEqual(told["rules"][-1], "'calls': not asked")
        for to in ("+15550000001@gsm1", "sms:+15550000001?id=gsm1&maxmsgs=1"):
            told = self.tried(to=to, text="x" * 200)
            self.assertEqual((told["to"], told["route"]), ("sms:+15550000001", "gw:gsm1"))
        self.assertEqual(told["parts"], 1)

    def test_a_trial_of_what_there_is_not(self) -> None:
        for given, why in (
            ({"account": "nobody"}, "no account 'nobody'"),
            ({"gateway": "gsm7"}, "no gateway 'gsm7'"),
            ({"at": "25:00"}, "'25:00' is no time: write 23:30 or"),
            ({"ip": "10.1.2"}, "'10.1.2' is no address"),
            ({"headers": ["Urgent"]}, "'Urgent' is no header"),
            ({"headers": ["X-A: b\r\nX-B: c"]}, "is no header"),
            ({"at": "23:00", "incoming": True, "from": "x", "gateway": "gsm7"}, "cannot be tried here"),
            ({"to": "+15550000001@gsm7"}, "no gateway 'gsm7'"),
            ({"to": "ann@example.org"}, "no gateway 'example.org'"),
        ):
            with self.subTest(given=given), self.assertRaisesRegex(InvalidValue, why):
                self.tried(**given)
        with self.assertRaisesRegex(InvalidValue, "nothing comes in through 'gsm7'"):
            self.house.wait(Deferred.fromCoroutine(self.house.inbound.trial("gsm7", "+15550000002", "hi")))

    def test_a_trial_asks_databases(self) -> None:
        asked: list[Any] = []

        def ask(question: Any) -> Deferred[str]:
            asked.append(question.values)
            return succeed("1")

        self.house.judge.ask = ask
        self.use(Rules((Rule("asks", SqlCondition("crm", "select ?", ("%number%",)), (Frame(after="!"),)),)))
        self.assertEqual(self.tried()["text"], "hello!")
        self.assertEqual(asked, [("+15550000001",)])

    def test_a_rule_that_was_left_out_says_what_it_asks(self) -> None:
        contains = Field("body", TextTest(How.CONTAINS, "casino"))
        rewrites = SetHeader("To", "$1@gsm1", "^([+]39.*)")
        both = And((contains, Or((contains, Not(Field("account", TextTest(How.EQUALS, "ann")))))))
        rules = (
            Rule("one", contains, (Stop(),)), Rule("two", both, (Stop(),)), Rule("italy", All(), (rewrites,)),
            Rule("both", contains, (rewrites,)),
        )  # fmt: skip
        self.use(Rules(rules))
        receipt = self.house.send()
        self.assertEqual(
            self.told(receipt.message)["rules"],
            [
                "'one': did not match: body contains \"casino\"",
                '\'two\': did not match: body contains "casino" and (body contains "casino" or not: account is "ann")',
                "'italy': has nothing to rewrite",
                "'both': did not match, or has nothing to rewrite: body contains \"casino\"",
            ],
        )

    def test_a_database_that_did_not_answer(self) -> None:
        asks = Rule("asks", SqlCondition("crm", "select 1", default=True), (Frame(after="!"),))
        self.use(Rules((asks,)))
        receipt = self.house.send()
        self.assertEqual(
            self.told(receipt.message)["rules"],
            [
                "'asks': matched: answer of the database crm",
                "what they did:",
                "  the database crm did not answer: yes counts",
                "  'asks' matched: answer of the database crm",
                '    body: "hello" is now "hello!"',
            ],
        )

    def test_by_the_number_of_the_message(self) -> None:
        receipt = self.house.send(numbers=["+15550000001", "+15550000002"])
        first, second = (one.delivery for one in receipt.recipients)
        told = self.told(receipt.message)
        self.assertEqual((told["id"], [one["id"] for one in told["siblings"]]), (first, [second]))
        single = self.house.send()
        self.assertEqual(self.told(single.message)["id"], single.recipients[0].delivery)

    def test_why_it_waits(self) -> None:
        """Which gateways could carry it, and what each of them says: also one that was asked too fast."""
        house = self.house
        self.explainer = Explainer(
            house.store, house.planner, house.judge,
            waits=lambda route: house.queue.serving.waits(route, house.queue.now()),
        )  # fmt: skip
        house.gsm.answer = lambda piece: Failure(
            Kind.TEMPORARY, "slow down", scope=Scope.SPEED, retry_after=300
        )
        (queued,) = house.send("+15550000001").recipients
        house.settle()
        explain = lambda: house.wait(Deferred.fromCoroutine(self.explainer.delivery(queued.delivery)))  # noqa: E731
        self.assertEqual(explain()["waits"], {"gsm1": "too fast, says 'slow down'; next in 5 min"})
        house.gsm.answer = lambda piece: Failure(
            Kind.TEMPORARY, "no credit", scope=Scope.GATEWAY, retry_after=900
        )
        house.queue.release("gsm1")
        house.settle()
        self.assertIn("stopped after 'no credit'", explain()["waits"]["gsm1"])
        house.gsm.answer = lambda piece: Accepted("1")
        house.queue.release("gsm1")
        house.settle()
        self.assertNotIn("waits", explain())

    def test_nobody_is_left_to_carry_it(self) -> None:
        """A message waits for a gateway that the configuration has not got any more: it says so, and what to do."""
        house = self.house
        self.explainer = Explainer(
            house.store, house.planner, house.judge,
            waits=lambda route: house.queue.serving.waits(route, house.queue.now()),
        )  # fmt: skip
        house.outlet("gsm1").closed("no SIM")
        (queued,) = house.send("+15550000001", parameters=Parameters(gateway="gsm1")).recipients
        told = house.wait(Deferred.fromCoroutine(self.explainer.delivery(queued.delivery)))
        self.assertNotIn("nobody", told)
        house.wait(house.queue.remove("gsm1"))
        told = house.wait(Deferred.fromCoroutine(self.explainer.delivery(queued.delivery)))
        out = io.StringIO()
        with mock.patch.object(cli_explain, "call", return_value=told), redirect_stdout(out):
            self.assertEqual(main.main(["explain", str(queued.delivery)]), 0)
        self.assertIn(
            "waits: there is no gateway gsm1 any more: add it again (smsd reload), or smsd queue cancel "
            f"{queued.delivery}\n",
            out.getvalue(),
        )

    def test_the_command_says_what_an_errand_runs_and_which_rule_wants_it(self) -> None:
        run = Program(("/bin/log", "--password", "hunter2", "%number%"))
        self.use(Rules((Rule("log it", All(), (run,)),)))
        receipt = self.house.send()
        self.house.settle()
        errand = self.delivery("program:log")
        out = io.StringIO()
        told = self.told(errand)
        with mock.patch.object(cli_explain, "call", return_value=told), redirect_stdout(out):
            self.assertEqual(main.main(["explain", str(errand)]), 0)
        self.assertIn(f"the rule 'log it' wants it, because of message {receipt.message}\n", out.getvalue())
        self.assertIn("\nwhat is run: /bin/log --password *** +15550000001\n", out.getvalue())

    def test_no_secrets(self) -> None:
        self.use(Rules((SECRET,)))
        receipt = self.house.send()
        shown = [self.told(row["id"]) for row in self.house.rows()]
        shown += [
            self.house.wait(self.house.store.ask(operating.explain, row["id"])) for row in self.house.rows()
        ]
        text = json.dumps([shown, self.house.rows(), self.told(receipt.message)])
        self.assertIn("text=hello", text)
        for secret in ("hunter2", "topsecret"):
            self.assertNotIn(secret, text)
