"""The sections `groups` and `limits`: what is taken, every mistake with its place, and where a group's id may stand."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.groups import made
from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.frontends.smtp import DoorFactory
from smsd.policy.route import Group
from smsd.workshop import nameable
from tests.docs.page import Example, Page
from tests.docs.stage import Stage
from tests.frontends import fakes
from tests.frontends.smtp.dialogue import Dialogue
from tests.house import submission

BEFORE = """\
server: {postmaster: postmaster@example.org, domains: [sms.example.org]}
listeners:
  - {id: smtp, type: smtp, listen: ["tcp:2525:interface=127.0.0.1"], require_auth: no}
gateways:
  - {id: a, type: loopback}
  - {id: b, type: loopback}
  - {id: c, type: loopback, active: no}
"""


class Mistakes(SynchronousTestCase):
    def load(self, text: str) -> Configuration:
        return load_text(BEFORE + text, "/etc/smsd/smsd.yaml", {})

    def problems(self, text: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, text)
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]

    def groups(self, *groups: str) -> list[str]:
        return self.problems("groups:\n" + "".join(f"  - {{{group}}}\n" for group in groups))

    def test_members_that_do_not_exist(self) -> None:
        self.assertEqual(
            self.groups("id: out, share: [a, x], spare: [[b], [y]]"),
            [
                "9:26: groups[0].share[1]: there is no gateway or group 'x'; allowed: a, b, c",
                "9:44: groups[0].spare[1][0]: there is no gateway or group 'y'; allowed: a, b, c",
            ],
        )

    def test_circles(self) -> None:
        self.assertEqual(
            self.groups("id: one, share: [a], spare: [two]", "id: two, share: [b, three]", "id: three, share: [one]"),
            [
                "9:10: groups[0].id: group 'one' contains itself: one > two > three > one; take one of them out",
                "10:10: groups[1].id: group 'two' contains itself: two > three > one > two; take one of them out",
                "11:10: groups[2].id: group 'three' contains itself: three > one > two > three; take one of them out",
            ],
        )  # fmt: skip
        self.assertEqual(
            self.groups("id: one, share: [one]"),
            ["9:10: groups[0].id: group 'one' contains itself: one > one; take one of them out"],
        )

    def test_who_only_leads_into_a_circle_is_not_told(self) -> None:
        said = self.groups("id: out, share: [one]", "id: one, share: [two]", "id: two, share: [one]")
        self.assertEqual([line.partition(":")[0] for line in said], ["10", "11"])

    def test_twice_and_too_many_and_none(self) -> None:
        self.assertIn("'a' is in this group twice", self.groups("id: out, share: [a, b], spare: [a]")[0])
        self.assertIn("at least one", self.groups("id: out, share: []")[0])
        self.assertIn("missing", self.groups("id: out")[0])

    def test_ids_are_unique_among_gateways_doors_and_groups(self) -> None:
        self.assertIn("'A' is used twice (first in line 5)", self.groups("id: A, share: [a]")[0])
        self.assertIn("used twice", self.groups("id: smtp, share: [a]")[0])
        self.assertIn("name of smsd's own", self.groups("id: notice, share: [a]")[0])
        self.assertIn("server.domains", self.groups("id: sms.example.org, share: [a]")[0])

    def test_one_mistake_is_told_once(self) -> None:
        self.assertEqual(len(self.groups("id: out, share: [a, in]", "id: in, shares: [b], share: [b]")), 1)

    def test_nobody_active(self) -> None:
        warnings = self.load("groups:\n  - {id: out, share: [c]}\n").warnings
        self.assertIn("group out: none of its gateways is active, so its messages wait", warnings)

    def test_limits(self) -> None:
        for said, expected in (
            ("{per_minute: 0}", "limits.per_minute: '0'"),
            ("{per_minute: some}", "'some' is no whole number; allowed: 1 to 1000000 SMS"),
            ("{per_week: 5}", "unknown key; allowed: per_day, per_hour"),
            ("5", "this must be a mapping"),
        ):
            text = f"accounts: []\nsimulators: []\ngateways: [{{id: z, type: loopback, limits: {said}}}]\n"
            error = self.assertRaises(ConfigError, load_text, text, "smsd.yaml", {})
            self.assertIn(expected, str(error))

    def test_an_account_may_have_one(self) -> None:
        text = "groups:\n  - {id: out, share: [a]}\naccounts:\n  - {user: ann, password: x, gateway: out, demo: yes}\n"
        self.assertEqual(self.load(text).accounts[0].gateway, "out")
        self.assertIn("allowed: a, b, c, out", self.problems(text.replace("gateway: out", "gateway: ut"))[0])


class Tiers(SynchronousTestCase):
    def tiers(self, group: str, name: str = "out") -> Group:
        text = f"{BEFORE}groups:\n  - {{id: in, share: [b], spare: [c]}}\n  - {{id: out, {group}}}\n"
        return made(load_text(text, "smsd.yaml", {}).groups)[name]

    def test_as_they_are_written(self) -> None:
        inner = Group("in", (("b",), ("c",)))
        for said, tiers in (
            ("share: [a, b]", (("a", "b"),)),
            ("share: [a], spare: [b, c]", (("a",), ("b", "c"))),
            ("share: [a], spare: [[b], [c]]", (("a",), ("b",), ("c",))),
            ("share: [a], spare: [[b], c]", (("a",), ("b",), ("c",))),
            ("share: [a], spare: [in]", (("a",), (inner,))),
            ("share: [in, a]", ((inner, "a"),)),
        ):
            self.assertEqual(self.tiers(said), Group("out", tiers), said)


class Named(SynchronousTestCase):
    """Where a gateway's id may stand, a group's may."""

    RULES = (
        "groups:\n  - {id: out, share: [a], spare: [b]}\naccounts:\n  - {user: ann, password: x, gateway: out, demo: yes}\n"
        "outgoing:\n  - {title: by group, if: {body: rule}, do: [{set_header: {name: To, value: '%number%@out'}}]}\n"
    )

    def setUp(self) -> None:
        self.stage = Stage(Page("", BEFORE, [], {}, {}, ""), Example(self.RULES, 1, ""))
        self.addCleanup(self.stage.close)
        self.house = self.stage.house
        self.house.queue.group(made(self.stage.configuration.groups))

    def routes(self) -> list[str]:
        return [row["route"] for row in self.house.rows()]

    def test_rules_and_accounts(self) -> None:
        self.house.send(text="rule")
        self.house.wait(self.house.dispatcher.submit(submission(account="ann")))
        self.assertEqual(self.routes(), ["group:out", "group:out"])

    def test_mail(self) -> None:
        named = nameable(self.stage.configuration)
        self.assertEqual(named, {"a", "b", "out"})
        context = fakes.context(dispatcher=self.house.dispatcher, gateways=named)
        (door,) = self.stage.configuration.listeners
        client = Dialogue(factory=DoorFactory(door, context))
        client.send("EHLO x", "MAIL FROM:<ann@example.org>", "RCPT TO:<+15551234567@Out>", "DATA")
        client.raw(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        self.house.settle()
        self.assertEqual(client.output()[:4], "250 ")
        self.assertEqual(self.routes(), ["group:out"])
