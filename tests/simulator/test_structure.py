"""SUBMITs as networks take and refuse them; vectors made by hand from TS 23.040."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.simulator import structure
from tests.simulator.rig import LENGTH, PLAIN, Rig

TPDU = PLAIN[2:]


class Submits(SynchronousTestCase):
    def test_fields(self) -> None:
        fields = structure.walk(bytes.fromhex("71000B915155214365F70008A7080500038402010041"))
        self.assertEqual(fields.destination.hex(), "0b915155214365f7")
        self.assertEqual((fields.protocol, fields.coding, fields.validity, fields.length), (0, 8, b"\xa7", 8))
        self.assertTrue(fields.report_wanted)
        self.assertTrue(fields.has_header)

    def test_every_validity_format(self) -> None:
        head, tail = "000B915155214365F70000", "0141"
        for first, validity in (("01", ""), ("11", "A7"), ("09", "00" * 7), ("19", "62111220359100")):
            self.assertEqual(
                structure.walk(bytes.fromhex(first + head + validity + tail)).validity.hex(), validity.lower()
            )

    def test_what_counts_septets(self) -> None:
        for coding in (0x00, 0x0C, 0x10, 0x40, 0x80, 0xC0, 0xC8, 0xD0, 0xF0, 0xF1):
            self.assertTrue(structure.septet_coded(coding), hex(coding))
        for coding in (0x04, 0x08, 0x18, 0x20, 0x48, 0xE0, 0xF4):
            self.assertFalse(structure.septet_coded(coding), hex(coding))

    def test_refused(self) -> None:
        cases = {
            "a DELIVER": "04" + TPDU[2:],
            "one octet short": TPDU[:-2],
            "one octet more": TPDU + "00",
            "no digits": "0100009100000141",
            "21 digits": "010015915155214365F75155214365F70000" + "0141",
            "no filler": TPDU.replace("65F7", "6507"),
            "type without bit 7": TPDU.replace("0B91", "0B11"),
            "161 septets": "01000B915155214365F70000A1" + "00" * 141,
            "141 octets": "01000B915155214365F700048D" + "00" * 141,
            "header beyond data": "41000B915155214365F70004020500",
            "element beyond header": "41000B915155214365F7000406040003FF0102",
            "nothing": "",
        }
        for name, octets in cases.items():
            with self.assertRaises(structure.Malformed, msg=name):
                structure.walk(bytes.fromhex(octets))

    def test_at_the_modem(self) -> None:
        rig = Rig()
        for pdu, length in (
            (PLAIN, LENGTH - 1),
            (PLAIN, LENGTH + 1),
            (PLAIN[:-2], LENGTH - 2),
            ("00ZZ", LENGTH),
            ("", LENGTH),
        ):
            self.assertEqual(rig.send(pdu, length), b"\r\n+CMS ERROR: 304\r\n")
        for length in (0, 6, 165, 99999):
            self.assertEqual(rig.chat(f"AT+CMGS={length}"), b"\r\n+CMS ERROR: 304\r\n")
        self.assertEqual(rig.chat("AT+CMGS=x"), b"\r\n+CMS ERROR: 304\r\n")
        self.assertEqual(rig.modem.facts()["malformed"], 5)
        self.assertEqual(rig.modem.sent, [])

    def test_with_a_service_centre_and_blanks(self) -> None:
        rig = Rig()
        self.assertIn(b"+CMGS: 0", rig.send("07915155000000F1" + TPDU))
        self.assertIn(b"+CMGS: 1", rig.send(f"{PLAIN[:20]}\r\n {PLAIN[20:]}"))
        rig.chat('AT+CSCA=""')
        self.assertEqual(rig.send(), b"\r\n+CMS ERROR: 330\r\n")
        self.assertIn(b"+CMGS: 2", rig.send("07915155000000F1" + TPDU))
