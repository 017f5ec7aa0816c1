"""Tables: charsets, separators, columns, numbers that spreadsheets have spoilt; and whatever bites they come in."""

from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.table.columns import Wanted, layout, number_of
from smsd.codec.table.decoding import Decoder
from smsd.codec.table.records import Records, guess
from smsd.codec.table.seen import Seen
from smsd.values.errors import InvalidValue


def records(text: str, separator: str = "", bite: int = 0) -> list[tuple[int, list[str]]]:
    reader = Records(separator)
    found: list[tuple[int, list[str]]] = []
    for at in range(0, len(text), bite or len(text) or 1):
        found += reader.feed(text[at : at + (bite or len(text))])
    return [*found, *reader.feed("", True)]


def decoded(octets: bytes, bite: int) -> tuple[str, str]:
    decoder = Decoder()
    text = "".join(decoder.feed(octets[at : at + bite]) for at in range(0, len(octets), bite))
    return text + decoder.feed(b"", True), decoder.charset


class DecodingCase(SynchronousTestCase):
    def test_charsets(self) -> None:
        text = "number;text\n+15551234567;grüße €\n"
        for charset, found in (
            ("utf-8", "utf-8"),
            ("utf-8-sig", "utf-8"),
            ("utf-16", "utf-16-le"),
            ("cp1252", "cp1252"),
        ):
            for bite in (1, 2, 3, 7, 1000):
                self.assertEqual(decoded(text.encode(charset), bite), (text, found))
        self.assertEqual(decoded(b"plain", 2), ("plain", ""))
        self.assertEqual(decoded("é".encode("cp1252"), 1), ("é", "cp1252"))

    def test_a_file_that_changes_its_charset(self) -> None:
        octets = "a;é\nb;ü\n".encode() + b"c;\xe9 \n"
        for bite in (1, 5, 100):
            error = self.assertRaises(InvalidValue, decoded, octets, bite)
            self.assertIn("line 3: the octet 0xE9 is no UTF-8", str(error))

    def test_what_is_no_text(self) -> None:
        for octets, said in (
            (b"PK\x03\x04 workbook", "Excel"),
            (b"1\x00\x002\x00", "NUL"),
            (b"%PDF-1.4", "PDF"),
        ):
            self.assertIn(said, str(self.assertRaises(InvalidValue, decoded, octets, 3)))

    @given(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\ufeff")), st.integers(1, 9)
    )
    def test_utf_8_in_any_bites(self, text: str, bite: int) -> None:
        try:
            found = decoded(text.encode(), bite)[0]
        except InvalidValue as error:  # what only looks like a workbook, or a PDF
            self.assertIn("no CSV file", str(error))
        else:
            self.assertEqual(found, text)


class RecordsCase(SynchronousTestCase):
    def test_separators(self) -> None:
        for separator in "\t;,|":
            text = f"number{separator}text\n+15551234567{separator}hello\n"
            self.assertEqual(guess(text.splitlines()), separator)
        self.assertEqual(guess(["+1555123;Hello, you", "+1555124;Bye, you"]), ";")
        self.assertEqual(guess(["+15551234567,Hello; bye"]), ",")
        self.assertEqual(guess(["+15551234567", "+15551234568"]), "\x1f")
        self.assertEqual(records("sep=|\na|b;c;d\n"), [(2, ["a", "b;c;d"])])

    def test_cells_in_quotation_marks(self) -> None:
        text = 'a;"one; ""two""\nthree"\r\n\r\nb;5" pipe\rc;"last"'
        wanted = [(1, ["a", 'one; "two"\nthree']), (4, ["b", '5" pipe']), (5, ["c", "last"])]
        for bite in (1, 2, 3, 100):
            self.assertEqual(records(text, ";", bite), wanted)

    def test_a_first_line_that_is_far_too_long(self) -> None:
        for line in ('"' + "x" * 200_000, 'a,"' + "x" * 140_000 + '",b', "x" * 20_001):
            error = self.assertRaises(InvalidValue, records, f"to;text\n{line}\n+15551234567\n")
            self.assertIn("line 2 is longer than 20000 characters", str(error))

    def test_a_quotation_mark_that_swallows_all_lines_by_which_the_separator_is_guessed(self) -> None:
        text = '"+15551234567\n' + ("x" * 19_000 + "\n") * 30
        self.assertIn("line 1 opens", str(self.assertRaises(InvalidValue, records, text)))

    def test_a_quotation_mark_that_nothing_closes(self) -> None:
        self.assertIn("line 2", str(self.assertRaises(InvalidValue, records, 'a;b\nc;"d\n', ";")))
        endless = 'a;b\nc;"' + "d\n" * 300
        self.assertIn("line 2", str(self.assertRaises(InvalidValue, records, endless, ";")))
        self.assertIn("longer", str(self.assertRaises(InvalidValue, records, "x" * 30_000, ";")))

    @settings(max_examples=200)
    @given(
        st.lists(
            st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=12),
                min_size=2, max_size=4,
            ),
            max_size=8,
        ),
        st.sampled_from("\t;,|"),
        st.integers(1, 40),
    )  # fmt: skip
    def test_what_python_writes_is_read_again(self, rows: list[list[str]], separator: str, bite: int) -> None:
        stream = io.StringIO()
        csv.writer(stream, delimiter=separator).writerows(rows)
        wanted = [row for row in rows if any(cell.strip() for cell in row)]
        self.assertEqual([cells for _, cells in records(stream.getvalue(), separator, bite)], wanted)


class ColumnsCase(SynchronousTestCase):
    def test_names_are_known(self) -> None:
        found = layout(["Name", "Mobile", "Message"], ["Ann", "+15551234567", "hi"], Wanted())
        self.assertEqual((found.to, found.text, found.header), (1, 2, True))
        self.assertEqual(found.message(["Ann", "+1", "hi"]), "hi")

    def test_without_a_header(self) -> None:
        found = layout(["hello", "+15551234567"], None, Wanted())
        self.assertEqual((found.to, found.text, found.header), (1, 0, False))

    def test_a_text_of_columns(self) -> None:
        wanted = Wanted(text="Dear {NAME}, {{{3}}} {town} owes")
        found = layout(["number", "name", "town"], ["+15551234567", "Ann", "Rome"], wanted)
        self.assertEqual(found.message(["+1", " Ann ", "Rome"]), "Dear Ann, {Rome} Rome owes")
        self.assertIsNone(found.constant)
        self.assertEqual(layout(["+15551234567"], None, Wanted(text="all the same")).constant, "all the same")

    def test_what_is_said_of_columns_that_are_not_there(self) -> None:
        first, second = ["number", "name"], ["+15551234567", "Ann"]
        for wanted, said in (
            (Wanted(text="{nam}"), "did you mean name?"),
            (Wanted(to="phone"), "there are: number, name"),
            (Wanted(to="3"), "there is no column '3'"),
            (Wanted(text="x", text_column="name"), "not both"),
            (Wanted(to="name", text_column="name"), "both the number and the text"),
        ):
            error = self.assertRaises(InvalidValue, layout, first, second, wanted)
            self.assertIn(said, str(error))
        for cells, said in ((["+15551234567"], "no texts"), (["+15551234567", "a", "b"], "text-column")):
            self.assertIn(said, str(self.assertRaises(InvalidValue, layout, cells, None, Wanted())))
        self.assertIn("no cell", str(self.assertRaises(InvalidValue, layout, ["a", "b"], None, Wanted())))

    def test_numbers_of_spreadsheets(self) -> None:
        for cell, number in (
            (" +39 333 123 ", "+39 333 123"), ("'0333123456", "0333123456"), ('="0333123456"', "0333123456"),
            ("393331234567.0", "393331234567"), ("393331234567,00", "393331234567"), ("333.123.4567", "333.123.4567"),
        ):  # fmt: skip
            self.assertEqual(number_of(cell), number)
        for cell in ("4.2E+11", "4,2E+11", "4E11", "-4.2e+11"):
            self.assertIn("shortened this number", str(self.assertRaises(InvalidValue, number_of, cell)))


class SeenCase(SynchronousTestCase):
    @given(st.lists(st.text(max_size=3)))
    def test_is_a_set(self, texts: list[str]) -> None:
        seen, known = Seen(), set[str]()
        for text in texts:
            self.assertEqual(seen.add(text), text in known)
            known.add(text)

    def test_grows(self) -> None:
        seen = Seen()
        self.assertFalse(any(seen.add(str(n)) for n in range(5000)))
        self.assertTrue(all(seen.add(str(n)) for n in range(5000)))
