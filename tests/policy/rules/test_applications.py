"""Every example of document 001, chapter Outgoing Messages, "Applications", with the document's own expressions and values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.engine import compile, judge
from smsd.policy.rules.letter import Effect, Facts, Letter, Verdict
from smsd.policy.rules.model import (
    Action,
    AddHeader,
    All,
    And,
    Condition,
    Field,
    Forward,
    How,
    Not,
    Or,
    Reject,
    Rule,
    SetHeader,
    Stop,
    TextTest,
)

UNROUTED = r"^(?!.*@)(.*)$"
TO_GATEWAY = SetHeader("To:", r"\$1@gatewayid", r'"^(?!.*@)(.*)\$"')
TO_US = SetHeader("To:", r"\$1\$2@usgatewayid", r'"^(\\+1)(.*)"')
CALLER_ID = SetHeader("To:", "$1@$2&sender=%sender_phonealias%", "^(.*@)(.*)$")


def to(expression: str) -> Condition:
    return Field("to", TextTest(How.REGEX, expression))


def rule(condition: Condition, *actions: Action, title: str = "rule") -> Rule:
    return Rule(title, condition, actions)


def letter(to: str = "+15551234567", body: str = "Hello", sender: str = "ann@icewarpdemo.com") -> Letter:
    return Letter(True, sender, to, body, number=to.partition("@")[0], size=len(body), phone="+15550001111")


class Applications(SynchronousTestCase):
    def judged(
        self, letter: Letter, *rules: Rule, lists: dict[str, tuple[str, ...]] | None = None
    ) -> Verdict:
        verdict = judge(compile(rules), letter, Facts(lists or {}))
        assert isinstance(verdict, Verdict)
        return verdict

    def test_load_balancing(self) -> None:
        """Whether it goes through a specific gateway already; if not, by prefix; the rest is left to any gateway."""
        rules = (
            rule(to("@"), Stop(), title="has a gateway"),
            rule(to(r"^(\+1)(.*)"), TO_US, title="America"),
        )
        self.assertEqual(self.judged(letter("+15551234567"), *rules).letter.to, "+15551234567@usgatewayid")
        pinned = self.judged(letter("+15551234567@modem2"), *rules)
        self.assertEqual((pinned.letter.to, pinned.trace.stopped), ("+15551234567@modem2", "has a gateway"))
        self.assertEqual(self.judged(letter("+393331234567"), *rules).letter.to, "+393331234567")

    def test_archiving(self) -> None:
        """A copy of every SMS to a mailbox, with headers that say who wrote to whom."""
        archive = rule(
            All(),
            AddHeader("X-SMS-From", "%%From%%"),
            AddHeader("X-SMS-To", "%%To%%"),
            Forward("sms-archive@icewarpdemo.com", copy=True),
            title="archive",
        )
        verdict = self.judged(letter("+15551234567@gw"), archive)
        self.assertEqual(
            verdict.letter.headers,
            (("X-SMS-From", "ann@icewarpdemo.com"), ("X-SMS-To", "+15551234567@gw")),
        )
        self.assertEqual(
            verdict.effects, (Effect("archive", Forward("sms-archive@icewarpdemo.com", copy=True), 2),)
        )
        self.assertEqual((verdict.fate, verdict.changed), ("accept", {"headers"}))

    def test_filtering(self) -> None:
        """By content; to mail, or back to the SMS gateway; and the document's expression for the presence of @."""
        unwanted = Or(
            (
                Field("body", TextTest(How.ITEM, items=("casino", "lottery"))),
                Field("body", TextTest(How.ITEM, file="words.txt")),
            )
        )
        lists = {"words.txt": ("viagra",)}
        rules = (
            rule(unwanted, Reject("we do not send this"), title="spam"),
            rule(
                Field("body", TextTest(How.CONTAINS, "invoice")),
                Forward("accounting@icewarpdemo.com"),
                Forward("sms:+15557654321"),
            ),
        )
        for body in ("The CASINO is open", "cheap Viagra"):
            refused = self.judged(letter(body=body), *rules, lists=lists)
            self.assertEqual((refused.fate, refused.text), ("reject", "we do not send this"))
        kept = self.judged(letter(body="Your invoice 17"), *rules, lists=lists)
        self.assertEqual(kept.fate, "accept")
        self.assertEqual(
            [effect.action for effect in kept.effects],
            [Forward("accounting@icewarpdemo.com"), Forward("sms:+15557654321")],
        )
        ruleset = compile([rule(to(r"(.[?[\d]*)(?!@)"), Stop(), title="@ is present")])
        [warning] = ruleset.warnings
        self.assertIn("'@ is present'", warning)
        self.assertIn("true for every text", warning)
        for address in ("+15551234567", "+15551234567@gw"):
            verdict = judge(ruleset, letter(address), Facts())
            assert isinstance(verdict, Verdict)
            self.assertEqual(verdict.trace.stopped, "@ is present")

    def test_least_cost_routing(self) -> None:
        """The three ways of the document: plain text behind a condition, an expression that is skipped, a number prefix."""
        plain = rule(to(UNROUTED), SetHeader("To:", "%%To%%@gatewayid"), Stop())
        skipped = rule(All(), TO_GATEWAY)
        for way in (plain, skipped):
            self.assertEqual(self.judged(letter("+15551234567"), way).letter.to, "+15551234567@gatewayid")
            unchanged = self.judged(letter("+15551234567@example.org"), way)
            self.assertEqual(
                (unchanged.letter.to, unchanged.changed), ("+15551234567@example.org", frozenset())
            )
        american = rule(to(UNROUTED), TO_US)
        verdict = self.judged(letter("+15551234567"), american, skipped)
        self.assertEqual(
            (verdict.letter.to, verdict.letter.gateway), ("+15551234567@usgatewayid", "usgatewayid")
        )
        self.assertEqual(
            self.judged(letter("+3933312345"), american, skipped).letter.to, "+3933312345@gatewayid"
        )

    def test_validating_the_sender(self) -> None:
        """Incoming: From against an expression, or against the lines of a file; who is not on the list goes no further."""

        def incoming(number: str) -> Letter:
            return Letter(False, f"sms:{number}@icewarpdemo.com", "", "Hello", number=number, size=5)

        forward = Forward("john.doe@icewarp.com")
        expression = Field("from", TextTest(How.REGEX, r'"(\\+15551234567)|(\\+15551238866)"'))
        listed = Field("from", TextTest(How.ITEM, file="senders.txt"))
        lists = {"senders.txt": ("+15551234567", "+15551238866")}
        for condition in (expression, listed):
            for number in lists["senders.txt"]:
                verdict = self.judged(incoming(number), rule(condition, forward), lists=lists)
                self.assertEqual([effect.action for effect in verdict.effects], [forward])
            other = self.judged(incoming("+15550000000"), rule(condition, forward), lists=lists)
            self.assertEqual(other.effects, ())

    def test_rewriting_the_caller_id(self) -> None:
        """The account's phone number as the sender; only for what is not routed to mail; the @ too many counts as none."""
        not_mail = And((to("@"), Not(Field("to", TextTest(How.ENDS, "@icewarpdemo.com")))))
        rules = (rule(not_mail, CALLER_ID),)
        verdict = self.judged(letter("+15551234567@gw"), *rules)
        self.assertEqual(verdict.letter.to, "+15551234567@gw&sender=+15550001111")
        self.assertEqual((verdict.letter.number, verdict.letter.gateway), ("+15551234567", ""))
        for address in ("+15551234567", "ann@icewarpdemo.com"):
            self.assertEqual(self.judged(letter(address), *rules).letter.to, address)

    def test_least_cost_routing_and_caller_id_together(self) -> None:
        rules = (rule(to(UNROUTED), TO_US), rule(to("@"), CALLER_ID))
        self.assertEqual(
            self.judged(letter(), *rules).letter.to, "+15551234567@usgatewayid&sender=+15550001111"
        )
