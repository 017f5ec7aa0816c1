"""TP-DCS: every group, every octet."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.dcs import Alphabet, Dcs, Mwi, Waiting


class DcsTests(SynchronousTestCase):
    """TS 23.038 section 4."""

    def test_general(self) -> None:
        """Alphabet, class, compression, automatic deletion."""
        self.assertEqual(Dcs.read(0x00), Dcs(Alphabet.GSM7))
        self.assertEqual(Dcs.read(0x04), Dcs(Alphabet.OCTETS))
        self.assertEqual(Dcs.read(0x08), Dcs(Alphabet.UCS2))
        self.assertEqual(Dcs.read(0x0C), Dcs(Alphabet.GSM7, reserved=True))
        self.assertEqual(Dcs.read(0x20), Dcs(Alphabet.GSM7, compressed=True))
        self.assertEqual(Dcs.read(0x58), Dcs(Alphabet.UCS2, message_class=0, auto_delete=True))

    def test_class(self) -> None:
        """00 has no class, which is not class 0; 10, 14, 18 and F0 are flash."""
        self.assertIsNone(Dcs.read(0x00).message_class)
        self.assertIsNone(Dcs.read(0x03).message_class)
        for octet, alphabet in (
            (0x10, Alphabet.GSM7),
            (0x14, Alphabet.OCTETS),
            (0x18, Alphabet.UCS2),
            (0xF0, Alphabet.GSM7),
            (0xF4, Alphabet.OCTETS),
        ):
            self.assertEqual(Dcs.read(octet), Dcs(alphabet, message_class=0))
        self.assertEqual([Dcs.read(0xF0 + n).message_class for n in range(4)], [0, 1, 2, 3])

    def test_waiting(self) -> None:
        """The alphabet bits mean nothing from C0 to DF; E is UCS-2 (trap 6)."""
        self.assertEqual(Dcs.read(0xC8), Dcs(Alphabet.GSM7, mwi=Mwi(Waiting.VOICE, True, False)))
        self.assertEqual(Dcs.read(0xC0), Dcs(Alphabet.GSM7, mwi=Mwi(Waiting.VOICE, False, False)))
        self.assertEqual(Dcs.read(0xDA), Dcs(Alphabet.GSM7, mwi=Mwi(Waiting.EMAIL, True, True)))
        self.assertEqual(Dcs.read(0xE1), Dcs(Alphabet.UCS2, mwi=Mwi(Waiting.FAX, False, True)))
        for octet in range(0xC0, 0xE0):
            self.assertEqual(Dcs.read(octet).alphabet, Alphabet.GSM7)

    def test_reserved(self) -> None:
        """Reserved groups read as the default alphabet, and say so."""
        for octet in range(0x80, 0xC0):
            self.assertEqual(Dcs.read(octet), Dcs(Alphabet.GSM7, reserved=True))
        self.assertEqual(Dcs.read(0xF8), Dcs(Alphabet.GSM7, message_class=0, reserved=True))

    def test_written(self) -> None:
        """What is written reads as what was meant."""
        for alphabet in Alphabet:
            for message_class in (None, 0, 1, 2, 3):
                octet = Dcs.octet(alphabet, message_class)
                self.assertEqual(Dcs.read(octet), Dcs(alphabet, message_class))
