"""What each model does its own way."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator import profiles
from smsd.simulator.messaging import ranges
from tests.simulator.rig import HELLO, LENGTH, PLAIN, Rig


def start(profile: str) -> Rig:
    """At its own pace: nothing has happened yet."""
    return Rig(profile, boot=1.0)


class All(SynchronousTestCase):
    def test_every_model_sends_once_it_is_ready(self) -> None:
        for name in profiles.PROFILES:
            rig = start(name)
            rig.clock.advance(10)
            rig.read()
            rig.chat("AT^CURC=0")
            rig.chat("AT+CMGF=0")
            rig.chat('AT+CSCA="+15550000001"')
            prompt = rig.chat(f"AT+CMGS={LENGTH}")
            self.assertIn(b"> ", prompt, name)
            pieces = [PLAIN[at : at + 18].encode() for at in range(0, len(PLAIN), 18)]
            answer = b"".join(rig.write(piece) for piece in [*pieces, b"\x1a"])
            self.assertIn(b"+CMGS: 0", answer, name)
            self.assertIn(b"OK", answer, name)

    def test_the_data_is_consistent(self) -> None:
        for profile in profiles.PROFILES.values():
            names = [name for name, _capacity in profile.storages]
            self.assertIn(profile.memory, names)
            self.assertIn(len(ranges(profile.cnmi)), (0, 5))
            self.assertTrue(profile.about and profile.model and profile.manufacturer)

    def test_unknown_name(self) -> None:
        error = self.assertRaises(ValueError, profiles.find, "nokia")
        self.assertIn("nokia-sendonly", str(error))


class Each(SynchronousTestCase):
    def test_huawei_floods_until_told(self) -> None:
        rig = start("huawei-e220")
        rig.clock.advance(2)
        self.assertIn(b"^BOOT:20293684,0,0,0,72\r\r\n", rig.read())
        rig.chat("AT^CURC=0")
        rig.clock.pump([1] * 20)
        self.assertEqual(rig.read(), b"")
        self.assertEqual(rig.chat("AT+NONE"), b"\r\nCOMMAND NOT SUPPORT\r\n")

    def test_e220_wants_its_service_centre_written_back(self) -> None:
        rig = Rig("huawei-e220")
        self.assertEqual(rig.send(), b"")
        rig.chat('AT+CSCA="+15550000001",145')
        self.assertIn(b"+CMGS: 0", rig.send())

    def test_e1556_counts_from_zero_and_is_silent_when_full(self) -> None:
        rig = Rig("huawei-e1556")
        rig.chat("AT+CNMI=2,1")
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertEqual(rig.read(), b'\r\n+CMTI: "SM",0\r\n')
        rig.modem.fill()
        rig.chat("AT+CMGD=0")
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertEqual(rig.read(), b'\r\n^SMMEMFULL: "SM"\r\n')
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertEqual(rig.read(), b"")

    def test_tc35_prompt_and_missing_references(self) -> None:
        rig = start("siemens-tc35")
        self.assertEqual(rig.chat(f"AT+CMGS={LENGTH}"), b"\r\n> \r\n")
        self.assertEqual(rig.write(PLAIN.encode() + b"\x1a"), b"\r\n\r\n+CMGS: 0\r\n\r\nOK\r\n")
        part = "0041000B915155214365F70004070500038402014100"[:-2]
        answers = [rig.send(part, len(part) // 2 - 1) for _ in range(4)]
        self.assertEqual(answers[3], b"\r\nOK\r\n")
        self.assertEqual(len(rig.modem.sent), 5)
        self.assertEqual(rig.chat("AT+CNMI=2,1,0,2,0"), b"\r\n+CMS ERROR: 303\r\n")

    def test_multitech_starts_slowly_and_leaves_out_ok(self) -> None:
        rig = start("multitech")
        self.assertEqual(rig.chat("AT+CPMS?"), b"\r\nERROR\r\n")
        rig.clock.advance(2)
        self.assertIn(b"+WIND: 4", rig.read())
        self.assertEqual(rig.chat("AT+CPIN?"), b"\r\n+CPIN: READY\r\n")
        self.assertIn(b'+CPMS: (("SM","SR"),("SM"),("SM"))', rig.chat("AT+CPMS=?"))

    def test_sim800_before_sms_ready(self) -> None:
        rig = start("sim800")
        self.assertEqual(rig.chat("AT+CNMI=2,1"), b"\r\n+CMS ERROR: 302\r\n")
        rig.clock.pump([1] * 3)
        self.assertTrue(rig.read().endswith(b"\r\nSMS Ready\r\n"))
        self.assertEqual(rig.chat("AT+CMGR=1"), b"\r\nOK\r\n")
        rig.chat("AT+CMEE=1")
        self.assertEqual(rig.chat("AT+NONE"), b"\r\n+CME ERROR: 100\r\n")

    def test_quectel_reports_cannot_be_read_back(self) -> None:
        rig = Rig("quectel-ec25")
        rig.chat("AT+CNMI=2,1,0,2,0")
        rig.send()
        rig.modem.report()
        self.assertEqual(rig.read(), b'\r\n+CDSI: "ME",0\r\n')
        self.assertEqual(rig.chat("AT+CMGR=0"), b"\r\n+CMS ERROR: 321\r\n")

    def test_ublox_is_in_text_mode_after_every_start(self) -> None:
        rig = Rig("ublox")
        rig.chat("AT+CMGF=0")
        rig.chat("AT+CFUN=1")
        self.assertIn(b"+CMGF: 1", rig.chat("AT+CMGF?"))

    def test_telit_quotes_empty_names(self) -> None:
        rig = Rig("telit")
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertTrue(rig.chat("AT+CMGR=1").startswith(b'\r\n+CMGR: 0,"",24\r\n'))

    def test_zte_floods_until_the_memories_are_asked_for(self) -> None:
        rig = start("zte")
        rig.clock.advance(2)
        self.assertEqual(rig.read(), b"\r\n+ZUSIMR:2\r\n")
        self.assertIn(b"\r\r\n", rig.chat("AT+CPMS?"))
        rig.clock.pump([1] * 10)
        self.assertEqual(rig.read(), b"")

    def test_nokia_sends_only_and_in_small_pieces(self) -> None:
        rig = Rig("nokia-sendonly")
        self.assertEqual(rig.chat("AT+CNMI=2,1"), b"\r\nERROR\r\n")
        rig.modem.network.inject(bytes.fromhex(HELLO))
        self.assertEqual(rig.read(), b"")
        self.assertEqual(rig.send(), b"")
        self.assertEqual(rig.write(b"\x1b"), b"")
        self.assertEqual(rig.modem.sent, [])

    def test_restart_by_command(self) -> None:
        rig = start("siemens-tc35")
        self.assertEqual(rig.chat("AT+CFUN=1,1"), b"\r\nOK\r\n\r\n^SYSSTART\r\n")
        self.assertEqual(rig.chat("AT"), b"AT\r\r\nOK\r\n")
