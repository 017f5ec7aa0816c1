"""The manual page of limits: its configurations are read, and what it says that people see is what they see."""

from __future__ import annotations

import contextlib
import io
from datetime import timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import explain as explaining
from smsd.cli import server as commands
from smsd.config import groups
from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.policy.limits import Limits
from smsd.store import operating
from smsd.values.delivery import Failure, Kind, Scope
from smsd.values.message import Parameters
from tests.docs.page import PAGES, blocks
from tests.house import MODEM, House

TEXT = (PAGES / "limits.rst").read_text("utf-8")
BLOCKS = list(blocks(TEXT))
SERVER = """
server: {name: sms.example.org, postmaster: postmaster@example.org}
listeners:
  - {id: http, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}
"""
SECRETS = dict.fromkeys(("TWILIO_TOKEN", "VONAGE_SECRET", "RESERVE_PASSWORD"), "secret")


def configuration(section: str, number: int = 0) -> Any:
    """The n-th configuration of a section, as it is read."""
    texts = [block.text for block in BLOCKS if block.language == "yaml" and block.section == section]
    return load_text(SERVER + texts[number], "/etc/smsd/smsd.yaml", SECRETS)


def shown(section: str) -> list[str]:
    """The lines that people see, in this section."""
    return [
        line
        for block in BLOCKS
        if block.section == section and block.language != "yaml"
        for line in block.text.splitlines()
    ]


class PageCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.house.queue.zone = timezone.utc
        self.addCleanup(lambda: self.house.close())

    def gateways(self, settings: Any) -> dict[str, Any]:
        """Fake gateways with the limits and the groups of a configuration, all open."""
        made = {}
        self.house.queue.group(groups.made(settings.groups))
        for one in settings.gateways:
            limits = one.limits and Limits(**one.limits.model_dump())
            made[one.id] = self.house.gateway(one.id, MODEM, limits=limits)
        self.house.wait(self.house.queue.start())
        for name in made:
            self.house.outlet(name).opened(4)
        self.house.settle()
        return made

    def printed(self, run: Any, **options: Any) -> str:
        """What a command prints, answered by this house."""
        module = options.pop("module")
        self.patch(module, "call", lambda _, verb, **said: options["answer"])
        self.patch(module, "as_json", lambda *_: False)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            run(options["namespace"])
        return said.getvalue().rstrip("\n")


class Examples(PageCase):
    def test_every_configuration_is_read(self) -> None:
        found = [block for block in BLOCKS if block.language == "yaml"]
        self.assertEqual(len(found), 3)
        for block in found:
            load_text(SERVER + block.text, "/etc/smsd/smsd.yaml", SECRETS)

    def test_limits_as_status_shows_them(self) -> None:
        sim = self.gateways(configuration("Limits"))["sim"]
        for n in range(250):
            self.house.send(f"+1555{n:07}", parameters=Parameters(gateway="sim"))
            if n % 3 == 2:
                self.house.advance(3600 * 20 / 12)  # over several days
        self.house.advance(86_400)
        now = self.house.queue.now()
        midnight = (now // 86_400_000 + 1) * 86_400_000
        self.house.advance((midnight - now) / 1000 + 1)
        for n in range(17):
            self.house.send(f"+1555{n:07}", parameters=Parameters(gateway="sim"))
            if n % 3 == 1 and n < 15:
                self.house.advance(61)
        self.house.advance(0)
        self.assertEqual(len(sim.pieces), 250 + 17)
        self.house.clock.advance(48)
        limits = self.house.outlet("sim").limits(self.house.queue.now())
        said = "; ".join(limits).rpartition(";")[0]
        self.assertIn(f"sim  {said}", shown("Limits")[0])
        self.assertRegex(limits[-1], r"; new ones in \d+ days$")

    def test_a_gateway_that_rests_and_one_that_is_stopped(self) -> None:
        twilio = self.gateways(configuration("Limits"))["twilio"]
        outlet = self.house.outlet("twilio")
        lines = shown("Gateways that fail")
        twilio.answer = lambda piece: Failure(Kind.TEMPORARY, "connection refused", scope=Scope.GATEWAY)
        self.house.send(parameters=Parameters(gateway="twilio"))
        self.assertEqual(f"twilio  {outlet.told(self.house.queue.now())}", lines[0])
        twilio.answer = lambda piece: Failure(
            Kind.TEMPORARY, "no credit", scope=Scope.GATEWAY, retry_after=3600
        )
        self.house.advance(6)
        self.assertIn("stopped after 'no credit'", outlet.told(self.house.queue.now()))
        self.assertIn("stopped after 'no\ncredit'", TEXT)

    def test_release(self) -> None:
        printed = self.printed(
            commands._release, module=commands, answer=None, namespace=type("O", (), {"gateway": "twilio"})
        )
        self.assertEqual(["$ smsd release twilio", printed], shown("Gateways that fail")[1:])

    def test_who_was_asked_as_explain_shows_it(self) -> None:
        made = self.gateways(configuration("Groups"))
        for name in ("sim1", "sim2"):
            made[name].answer = lambda piece: Failure(Kind.TEMPORARY, "network busy")
        receipt = self.house.send(parameters=Parameters(gateway="out"))
        self.house.settle()
        delivery = receipt.recipients[0].delivery
        told = self.house.wait(self.house.store.ask(operating.explain, delivery))
        printed = self.printed(
            explaining._explain, module=explaining, answer={**told, "rules": []},
            namespace=type("O", (), {"dry_run": False, "delivery": delivery, "all": False}),
        )  # fmt: skip
        for line in shown("What one gateway does not take"):
            self.assertIn(line, printed.splitlines())

    def test_tiers_and_groups_in_groups(self) -> None:
        made = self.gateways(configuration("Groups", 1))
        carried = []
        for closed in (None, "sim1", "twilio", "vonage", "sim2"):
            if closed:
                self.house.outlet(closed).closed("gone")
            carried.append(self.house.queue.carriers("out"))
        self.assertEqual(
            carried, [["sim1", "twilio"], ["twilio"], ["vonage"], ["sim2"], ["reserve"]], made.keys()
        )

    def test_a_group_that_contains_itself(self) -> None:
        text = (
            SERVER
            + "gateways: [{id: g, type: loopback}]\ngroups:\n  - {id: a, share: [b]}\n  - {id: b, share: [a]}\n"
        )
        with self.assertRaises(ConfigError) as caught:
            load_text(text, "smsd.yaml", {})
        self.assertIn("smsd.yaml:7:", str(caught.exception))
        self.assertIn("group 'a' contains itself: a > b > a", str(caught.exception))
