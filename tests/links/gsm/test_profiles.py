"""Every simulated model is recognised, sends, receives, and is read when it announces nothing."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import tpdu
from smsd.config.positions import ConfigError
from smsd.links.gsm.profile import Profile, load, recognise
from smsd.simulator.profiles import PROFILES as SIMULATED
from smsd.values.delivery import Accepted
from tests.links.gsm.fake import PROFILES, GsmCase
from tests.links.gsm.simulated import SimulatedRig

EXPECTED = {
    "generic": "simulator",
    "siemens-tc35": "siemens",
    "huawei-e220": "huawei-e220",
    "huawei-e1556": "huawei-e1556",
    "multitech": "wavecom",
    "sim800": "sim800",
    "quectel-ec25": "quectel",
    "ublox": "u-blox",
    "telit": "telit",
    "zte": "zte",
    "nokia-sendonly": "nokia-phone",
}


class Simulated(GsmCase):
    """The whole dialogue with each of them."""

    def simulated(self, profile: str, **options: object) -> SimulatedRig:
        rig = SimulatedRig(self.folder(), profile, **options)
        self.addCleanup(rig.sim.stop)
        self.addCleanup(lambda: rig.gateway.running and rig.gateway.stopService())
        return rig

    def dialogue(self, profile: str) -> None:
        rig = self.simulated(profile).start()
        self.assertTrue(rig.outlet.is_open, f"{rig.outlet.calls}\n{rig.conversation}")
        self.assertEqual(rig.sim.sent, [])
        outcomes = []
        for n in range(5):
            outcomes.append(rig.send(f"message {n}", report=True))
            rig.turn(1)
        self.assertEqual([sent.text for sent in rig.sim.sent], [f"message {n}" for n in range(5)])
        self.assertTrue(all(isinstance(o[0], Accepted) for o in outcomes), outcomes)
        self.assertEqual(rig.outlet.calls[-1], ("opened", 2))
        if not SIMULATED[profile].receives:
            return
        rig.sim.receive("+15551230001", "hello there")
        rig.turn(3)
        texts = [tpdu.decode_mt(part.octets).user_data.text for part in rig.inbound.parts]
        self.assertEqual(texts, ["hello there"], rig.conversation)


class Recognised(SynchronousTestCase):
    """Profiles are found by what a modem says of itself."""

    def test_simulated_models(self) -> None:
        self.assertEqual(set(EXPECTED), set(SIMULATED))
        for name, expected in EXPECTED.items():
            model = SIMULATED[name]
            words = f"{model.manufacturer}\n{model.model}\n{model.revision}"
            self.assertEqual(recognise(PROFILES, words)[0], expected, words)

    def test_real_words(self) -> None:
        for words, expected in (
            ("SIEMENS\nES75\nREVISION 01.000", "siemens"),
            ("Cinterion\nMC75i", "siemens"),
            ("huawei\nE220\n11.117", "huawei-e220"),
            ("huawei\nE1750\n11.126", "huawei-e1556"),
            ("WAVECOM MODEM\nMULTIBAND  900E  1800", "wavecom"),
            ("SIMCOM_Ltd\nSIMCOM_SIM900\nRevision:1137", "sim800"),
            ("SIMCOM INCORPORATED\nSIMCOM_SIM7600E", "simcom-7600"),
            ("Quectel\nEG25\nEG25GGBR07", "quectel"),
            ("u-blox\nSARA-G350", "u-blox"),
            ("Telit\nHE910", "telit"),
            ("ZTE INCORPORATED\nMF627", "zte"),
            ("Nokia\nNokia 6230i", "nokia-phone"),
            ("ACME\nRoadrunner", "generic"),
        ):
            self.assertEqual(recognise(PROFILES, words)[0], expected, words)

    def test_configured_template_wins(self) -> None:
        self.assertEqual(recognise(PROFILES, "SIEMENS\nTC35i", "send-only-phone")[0], "send-only-phone")


class File(GsmCase):
    """Everything wrong in a profile file is told with its place and key."""

    def read(self, text: str) -> list[str]:
        path = os.path.join(self.folder(), "modems.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            load(path)
        except ConfigError as error:
            return [line.replace(path, "modems.yaml") for line in str(error).splitlines()]
        return []

    def test_good(self) -> None:
        self.assertEqual(self.read("generic:\n  poll: 5\nacme:\n  match: [acme]\n"), [])

    def test_generic_shows_what_is_not_written(self) -> None:
        self.assertEqual(PROFILES["generic"], Profile(about=PROFILES["generic"].about))

    def test_everything_wrong_at_once(self) -> None:
        problems = self.read(
            "generic:\n"
            "  about: x\n"
            "acme:\n"
            "  match: ['(']\n"
            "  cnmi: ['2,1']\n"
            "  memories: [sim]\n"
            "  init: ['AT+CPIN=1234', 'ATE0']\n"
            "  chunks: 18\n"
            "  chunk_pause: soon\n"
        )
        for line, key in (
            (4, "match"),
            (5, "cnmi"),
            (6, "memories"),
            (7, "init"),
            (8, "chunks"),
            (9, "chunk_pause"),
        ):
            self.assertTrue(
                any(p.startswith(f"modems.yaml:{line}:") and f"acme.{key}" in p for p in problems),
                (key, problems),
            )

    def test_generic_is_needed(self) -> None:
        (problem,) = self.read("acme:\n  match: [acme]\n")
        self.assertIn("generic", problem)


def _case(profile: str):
    def test(self: Simulated) -> None:
        self.dialogue(profile)

    test.__name__ = f"test_{profile.replace('-', '_')}"
    return test


for _name in SIMULATED:
    setattr(Simulated, f"test_{_name.replace('-', '_')}", _case(_name))
