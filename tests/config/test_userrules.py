"""Users' own rules: read after the administrator's, about their own messages, and with less power."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.policy.rules import engine
from smsd.policy.rules.letter import Facts, Letter, Verdict
from smsd.policy.rules.model import Rule

GOOD = """\
server: {name: mx.example.org, domains: [sms.example.org], postmaster: root@example.org}
listeners:
  - {id: mail, type: smtp, listen: ["tcp:2525:interface=127.0.0.1"]}
gateways:
  - {id: gsm1, type: loopback, deliver_to: Ann@example.org}
  - {id: gsm2, type: loopback}
  - {id: box, type: folder}
databases:
  - {name: crm, url: "sqlite:crm.db"}
outgoing:
  - {title: all of us, do: [{frame: {after: A}}]}
accounts:
  - user: ann
    password: x
    demo: yes
    email: ann@example.org
"""
FRAME = """\
    outgoing_rules:
      - {title: mine, do: [{frame: {after: M}}]}
"""
SMS_FOLDER = """\
    incoming_rules:
      - title: into my folder
        if: {from: "sms:"}
        do: [{folder: ann@example.org/SMS}]
"""
"""001: From contains `sms:` → move to <user>/SMS."""


class UserRules(SynchronousTestCase):
    def load(self, more: str) -> Configuration:
        return load_text(GOOD + more, "/etc/smsd/smsd.yaml", {})

    def problems(self, more: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, more)
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]

    def judged(self, rules: tuple[Rule, ...], **letter: Any) -> Verdict:
        values: dict[str, Any] = {
            "outgoing": True,
            "sender": "x@example.org",
            "to": "",
            "body": "hi",
            **letter,
        }
        verdict = engine.judge(engine.compile(rules), Letter(**values), Facts())
        assert isinstance(verdict, Verdict)
        return verdict

    def test_after_the_administrators_and_for_the_users_messages_alone(self) -> None:
        rules = self.load(FRAME).rules.outgoing
        self.assertEqual([(rule.title, rule.user) for rule in rules], [("all of us", ""), ("mine", "ann")])
        self.assertEqual(rules[1].source, "/etc/smsd/smsd.yaml:18")
        for account, letter in (("ann", "AM"), ("Ann", "A"), ("bob", "A"), ("", "A")):
            with self.subTest(account=account):
                body = self.judged(rules, account=account).letter.body
                self.assertEqual("".join(c for c in body if c in "AM"), letter)

    def test_the_example_of_the_document(self) -> None:
        rules = self.load(SMS_FOLDER).rules.incoming
        for to, gateway, moved in (
            ("ann@example.org", "gsm2", 1),  # #ann@example.org# in the text
            ("ANN@example.org", "gsm2", 1),
            ("", "gsm1", 1),  # her gateway delivers to her when nobody says anything else
            ("", "gsm2", 0),
            ("bob@example.org", "gsm1", 0),
        ):
            with self.subTest(to=to, gateway=gateway):
                verdict = self.judged(
                    rules, outgoing=False, sender="sms:+15551234567@sms.example.org", to=to, gateway=gateway
                )
                self.assertEqual(len(verdict.effects), moved)

    def test_what_only_the_administrator_may(self) -> None:
        rules = (
            "    outgoing_rules:\n"
            "      - {title: a, do: [{program: [/bin/true]}]}\n"
            "      - {title: b, do: [{url: 'http://x.example/'}]}\n"
            "      - {title: c, do: [{sql: {database: crm, statement: 'delete from x'}}]}\n"
            "      - {title: d, if: {not: {sql: {database: crm, statement: 'select 1'}}}, do: [accept]}\n"
        )
        wrong = "users' rules do not"
        self.assertEqual(
            [problem.partition("; ")[0] for problem in self.problems(rules)],
            [
                f"18:9: accounts[0].outgoing_rules[0]: {wrong} start programs",
                f"19:9: accounts[0].outgoing_rules[1]: {wrong} request URLs",
                f"20:9: accounts[0].outgoing_rules[2]: {wrong} run SQL",
                f"21:9: accounts[0].outgoing_rules[3]: {wrong} ask databases",
            ],
        )
        self.assertEqual(len(self.load(rules + "    may_execute: yes\n").rules.outgoing), 5)

    def test_mistakes_at_their_places(self) -> None:
        unknown, action, regex = self.problems(
            "    outgoing_rules:\n"
            "      - {title: a, user: bob, do: [accept]}\n"
            "      - {title: b, do: [accpt]}\n"
            "      - {title: c, if: {to: {regex: '('}}, do: [accept]}\n"
        )
        self.assertIn("18:20: accounts[0].outgoing_rules[0].user: unknown key", unknown)
        self.assertIn("19:25: accounts[0].outgoing_rules[1].do[0].accpt: there is no action 'accpt'", action)
        self.assertIn("20:24: accounts[0].outgoing_rules[2].if: ", regex)

    def test_a_wrong_shape(self) -> None:
        [problem] = self.problems("    incoming_rules: none\n")
        self.assertIn("17:21: accounts[0].incoming_rules: this must be a list", problem)

    def test_incoming_rules_need_a_mailbox(self) -> None:
        text = (GOOD + SMS_FOLDER).replace("    email: ann@example.org\n", "")
        error = self.assertRaises(ConfigError, load_text, text, "x.yaml", {})
        self.assertIn("accounts[0].incoming_rules: these are about mail for the account", str(error))
