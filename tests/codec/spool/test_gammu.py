"""Files of gammu-smsd: names, charsets, what gammu-smsd-inject writes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.spool import gammu
from smsd.codec.spool.values import Came
from smsd.values.errors import InvalidValue
from smsd.values.message import Binary, Priority, Text

NAME = "OUTC20261121_173659_00_+15551234567_sms0"


def backup(*texts: str, **more: str) -> bytes:
    """What gammu-smsd-inject writes, shortened."""
    made = "; This file format was designed for Gammu and is compatible with Gammu+\n\n"
    for number, text in enumerate(texts):
        about = {"PDU": "Submit", "Coding": "Default_No_Compression", "Class": "-1", **more}
        if len(texts) > 1:
            about["UDH"] = f"050003 3E{len(texts):02X}{number + 1:02X}".replace(" ", "")
        lines = "".join(f"{key} = {value}\r\n" for key, value in about.items())
        coded = text.encode("utf-16-be").hex().upper()
        made += (
            f'[SMSBackup{number:03}]\n; {text}\nNumber = "+15551234567"\r\n{lines}Text00 = {coded[:200]}\r\n'
        )
        made += f"Text01 = {coded[200:]}\r\nLength = {len(text)}\n\n"
    return made.encode()


class ReadCase(SynchronousTestCase):
    def test_names(self) -> None:
        for name, number, priority in (
            (f"{NAME}.txt", "+15551234567", Priority.NORMAL), ("OUT+15551234567.txt", "+15551234567", Priority.NORMAL),
            ("OUT15551234567_note.txt", "15551234567", Priority.NORMAL),
            ("OUTA" + NAME[4:] + ".txt", "+15551234567", Priority.URGENT),
            ("OUTZ" + NAME[4:] + ".txt", "+15551234567", Priority.BULK),
            ("OUT20261121_173659_00_4512345678.txt", "4512345678", Priority.NORMAL),
        ):  # fmt: skip
            self.assertTrue(gammu.is_order(name))
            asked = gammu.read(name, b"hi")
            self.assertEqual((asked.number, asked.parameters.priority), (number, priority), name)
        for name in ("hello.txt", "OUT+1555.text", "IN20261121_173659_00_+1555_00.txt", "OUT+1555.txt.tmp"):
            self.assertFalse(gammu.is_order(name))

    def test_options(self) -> None:
        asked = gammu.read(f"{NAME}.txtdf", b"hi")
        self.assertEqual((asked.report, asked.parameters.coding), (True, 0x10))
        for options in ("b", "x"):
            self.assertRaises(InvalidValue, gammu.read, f"{NAME}.txt{options}", b"hi")

    def test_charsets(self) -> None:
        for octets in (
            "grüße".encode(), "grüße\n".encode("utf-8-sig"), b"\xfe\xff" + "grüße".encode("utf-16-be"),
            b"\xff\xfe" + "grüße".encode("utf-16-le"), "grüße".encode("cp1252"),
        ):  # fmt: skip
            self.assertEqual(gammu.read(f"{NAME}.txt", octets).contents, (Text("grüße"),))
        self.assertRaises(InvalidValue, gammu.read, f"{NAME}.txt", b" \n")

    def test_what_inject_writes(self) -> None:
        name = f"{NAME}.smsbackup"
        asked = gammu.read(name, backup("hellö € world", PDU="Status_Report", Class="0"))
        self.assertEqual(
            (asked.number, asked.contents, asked.report), ("+15551234567", (Text("hellö € world"),), True)
        )
        self.assertEqual(asked.parameters.coding, 0x10)
        long = ["a" * 153, "b" * 153, "c"]
        self.assertEqual(gammu.read(name, backup(*long)).contents, (Text("".join(long)),))
        octets = b'[SMSBackup000]\nNumber = "+15551234567"\nCoding = 8bit\nUDH = 0605041582 0000\nText00 = 3000FF\n'
        self.assertEqual(
            gammu.read(name, octets).contents, (Binary(b"0\0\xff", bytes.fromhex("05041582 0000")),)
        )
        for broken in (b"", b"[SMSBackup000]\n", b'[SMSBackup000]\nNumber = "1"\nText00 = zz\n'):
            self.assertRaises(InvalidValue, gammu.read, name, broken)

    @given(st.binary(max_size=200), st.sampled_from((".txt", ".txtd", ".smsbackup")))
    def test_whatever_is_in_a_file(self, octets: bytes, ending: str) -> None:
        for body in (octets, b"[SMSBackup000]\nNumber = 1\n" + octets):
            try:
                asked = gammu.read(NAME + ending, body)
            except InvalidValue:
                continue
            self.assertEqual(len(asked.contents), 1)

    @given(st.text())
    def test_whatever_it_is_called(self, name: str) -> None:
        if gammu.is_order(f"OUT{name}.txt"):
            self.assertIsInstance(gammu.read(f"OUT{name}.txt", b"x").number, str)


class WriteCase(SynchronousTestCase):
    def test_what_a_phone_wrote(self) -> None:
        came = Came("+15551234567", Text("grüße"), "gsm1", 1_764_000_000_000, None, 911813352047513600)
        name, octets = gammu.came(came)
        self.assertEqual(name, "IN20251124_160000_47513600_+15551234567_00.txt")
        self.assertEqual(octets.decode("utf-16"), "grüße")
        self.assertEqual(gammu.came(came, charset="utf-8")[1], "grüße".encode())
        self.assertEqual(
            gammu.came(Came("../x", Binary(b"\0"), "g", 0, None, 1))[0], "IN19700101_000000_00000001_x_00.bin"
        )
