"""Files of SMSTools3: every header, every alphabet, and what is written back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import segment
from smsd.codec.spool import smstools
from smsd.codec.spool.smstools import Fate, read
from smsd.codec.spool.values import Came
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Priority, Text

NOON = 1_764_000_000_000


class ReadCase(SynchronousTestCase):
    def test_the_smallest(self) -> None:
        asked = read(b"To: 491721234567\n\nHello, this is a text. \n")
        self.assertEqual((asked.number, asked.contents), ("+491721234567", (Text("Hello, this is a text."),)))
        self.assertEqual((asked.report, asked.parameters.priority), (False, Priority.NORMAL))

    def test_numbers(self) -> None:
        for written, number in (
            ("491721234567", "+491721234567"), ("+49 172 1234567", "+49 172 1234567"), ("s12345", "12345"),
            ("s1234567", "1234567"), ("01721234567", "01721234567"), ("72100", "72100"), ("0049172123456", "0049172123456"),
        ):  # fmt: skip
            self.assertEqual(read(f"To: {written}\n\nx".encode()).number, number)
        self.assertEqual(read(b"To: 1721234567\nTo_TOA: national\n\nx").number, "1721234567")

    def test_alphabets(self) -> None:
        for header, body in (
            ("ISO", "grüße €".encode("iso-8859-15")), ("Latin", "grüße €".encode("iso-8859-15")),
            ("", "grüße €".encode("iso-8859-15")),
            ("", "grüße €".encode()), ("UTF-8", "grüße €".encode()), ("UCS2", "grüße €".encode("utf-16-be")),
            ("Unicode", b"\xff\xfe" + "grüße €".encode("utf-16-le")), ("GSM", b"gr\x7e\x1ee \x1be"),
        ):  # fmt: skip
            head = b"To: 491721234567\n" + (f"Alphabet: {header}\n".encode() if header else b"") + b"\n"
            self.assertEqual(read(head + body).contents, (Text("grüße €"),), header)
        # The example of its package: Chinese in UCS-2.
        self.assertEqual(
            read(b"To: 49\nAlphabet: UCS2\n\n\xce\xdc\x81\xea\x5b\xb6").contents[0], Text("컜自家")
        )

    def test_binary(self) -> None:
        header = bytes.fromhex("0605041582 0000")
        self.assertEqual(
            read(b"To: 49\nBinary: true\n\n" + header + b"\n\x01").contents, (Binary(b"\n\x01", header[1:]),)
        )
        hexed = b"To: 49\nAlphabet: binary\nHex: yes\nUDH: false\nUDH-DATA: 06 05 04 15 82 00 00\n\n30 00\n00 ff\n"
        self.assertEqual(read(hexed).contents, (Binary(b"0\0\0\xff", header[1:]),))
        self.assertEqual(read(b"To: 49\nAlphabet: bin\nUDH: no\n\n\xff\x00").contents, (Binary(b"\xff\0"),))

    def test_parameters(self) -> None:
        asked = read(
            b"To: 491721234567\nFlash: yes\nPriority: HIGH\nReport: yes\nReplace: 3\nValidity: 2 days\nQueue: D1\nAutosplit: 0\n"
            b"From: somebody\nX-Mine: whatever\n\nhello"
        )
        parameters = asked.parameters
        self.assertEqual((asked.report, asked.queue, parameters.priority), (True, "D1", Priority.URGENT))
        self.assertEqual(
            (parameters.coding, parameters.protocol_id, parameters.expire_minutes, parameters.max_parts),
            (0x10, 0x43, 2880, 1),
        )
        for text, minutes in (
            ("0", 5),
            ("143", 720),
            ("167", 1440),
            ("168", 2880),
            ("196", 43200),
            ("255", 525600),
            ("15 min", 15),
        ):
            self.assertEqual(
                read(f"To: 49\nValidity: {text}\n\nx".encode()).parameters.expire_minutes, minutes
            )

    def test_autosplit(self) -> None:
        text = "0123456789" * 40
        for mode, texts in ((3, 1), (1, 3), (2, 3)):
            contents = read(f"To: 491721234567\nAutosplit: {mode}\n\n{text}".encode()).contents
            self.assertEqual(len(contents), texts)
            if texts > 1:
                self.assertTrue(all(segment.plan_text(one.text).total == 1 for one in contents))
                joined = "".join(one.text.partition(" ")[2] if mode == 2 else one.text for one in contents)
                self.assertEqual(joined, text)
        self.assertEqual(contents[1].text[:4], "2/3 ")

    def test_what_is_wrong(self) -> None:
        for octets, said in (
            (b"hello\n", "is no header"), (b"From: me\n\nx", "there is no To"), (b"To: 49\n\n  \n", "empty"),
            (b"To: 49,50\n\nx", "several numbers"), (b"To: 49\nFlash: perhaps\n\nx", "allowed: yes, no"),
            (b"To: 49\nAlphabet: UTF-8\n\n\xff", "no UTF-8"), (b"To: 49\nAlphabet: bin\nHex: yes\n\n0", "hexadecimal"),
            (b"To: 49\nAlphabet: bin\n\n\x09\x01", "user data header"), (b"To: 49\nValidity: soon\n\nx", "Validity"),
            (b"To: 49\nAutosplit: 7\n\nx", "Autosplit"), (b"To: 49\nReplace: 9\n\nx", "Replace"),
            (b"To: 49\nInclude: /etc/passwd\n\n", "not read here"), (b"To: 49\nAlphabet: EBCDIC\n\n\xff", "Alphabet"),
        ):  # fmt: skip
            self.assertIn(said, str(self.assertRaises(InvalidValue, read, octets)))

    @given(st.binary(max_size=200))
    def test_whatever_is_in_a_file(self, octets: bytes) -> None:
        for body in (octets, b"To: 491721234567\n" + octets):
            try:
                asked = read(body)
            except InvalidValue:
                continue
            self.assertTrue(asked.contents)

    @given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1))
    def test_texts_in_utf_8_and_ucs_2(self, text: str) -> None:
        if text.strip():
            for alphabet, charset in (("UTF-8", "utf-8"), ("UCS2", "utf-16-be")):
                head = f"To: 491721234567\nAlphabet: {alphabet}\n\n".encode()
                found = read(head + text.encode(charset)).contents[0]
                self.assertEqual(
                    found,
                    Text(text.removeprefix("\ufeff").rstrip() if charset == "utf-16-be" else text.rstrip()),
                )


class WriteCase(SynchronousTestCase):
    def test_what_became_of_a_file(self) -> None:
        octets = b"To: 491721234567\nReport: yes\n\nhello\n\nyou"
        sent = smstools.told(octets, Fate("", NOON, "gsm1", "117"))
        self.assertEqual(
            sent,
            b"To: 491721234567\nReport: yes\nModem: gsm1\nSent: 25-11-24 16:00:00\nMessage_id: 117\n\nhello\n\nyou",
        )
        failed = smstools.told(octets, Fate("no\nsuch number", NOON, "", ""))
        self.assertIn(b"Fail_reason: no such number\nFailed: 25-11-24 16:00:00\n\nhello", failed)
        self.assertEqual(smstools.told(b"rubbish", Fate("x", NOON, "", ""))[:8], b"rubbish\n")
        self.assertEqual(read(sent).contents, read(octets).contents)

    def test_what_a_phone_wrote(self) -> None:
        octets = smstools.came(Came("+491721234567", Text("grüße"), "gsm1", NOON, NOON - 6000, 5))
        head, _, body = octets.decode("iso-8859-15").partition("\n\n")
        self.assertEqual(body, "grüße")
        for line in (
            "From: 491721234567",
            "Sent: 25-11-24 15:59:54",
            "Received: 25-11-24 16:00:00",
            "Alphabet: ISO",
            "Length: 5",
        ):
            self.assertIn(line, head.splitlines())
        octets = smstools.came(
            Came("BANK", Binary(b"\n\n\x00", b"\x05\x04\x15\x82\x00\x00"), "gsm1", NOON, None, 5)
        )
        self.assertIn(b"UDH-DATA: 06 05 04 15 82 00 00 \n", octets)
        self.assertTrue(octets.endswith(b"\n\n\n\n\x00"))

    def test_the_alphabet_of_a_text(self) -> None:
        for text, charset, alphabet, length, body in (
            ("grüße €", "iso", b"ISO", 7, "grüße €".encode("iso-8859-15")),
            ("Ж", "iso", b"UCS2", 1, b"\x04\x16"),
            ("😀", "iso", b"UCS2", 2, b"\xd8\x3d\xde\x00"),
            ("Ж", "utf-8", b"UTF-8", 1, "Ж".encode()),
        ):
            octets = smstools.came(Came("+491721234567", Text(text), "gsm1", NOON, NOON, 5), None, charset)
            self.assertIn(b"\nAlphabet: " + alphabet + b"\nLength: %d\n" % length, octets)
            self.assertTrue(octets.endswith(b"\n\n" + body))

    def test_a_report(self) -> None:
        octets = smstools.report("+491721234567", "gsm1", "delivered", NOON, "117")
        self.assertIn(
            b"SMS STATUS REPORT\nMessage_id: 117\nDischarge_timestamp: 25-11-24 16:00:00\nStatus: 0,Ok",
            octets,
        )
