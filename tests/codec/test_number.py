"""The number normaliser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.number import Number, normalise
from smsd.values.errors import InvalidValue

LIKELY = st.text("0123456789+*#()-./ \u202a\xa0aB٣３＋", max_size=24)


class NormaliseTests(SynchronousTestCase):
    """Feature Q7."""

    def _check(self, kind: str, table: dict[str, str], country: str | None = None) -> None:
        for typed, value in table.items():
            self.assertEqual(normalise(typed, country), Number(value, kind, typed), typed)

    def test_international(self) -> None:
        """+ and 00 need no country; separators go."""
        self._check(
            "international",
            {
                "+41791234567": "+41791234567",
                "+41 79 123 45 67": "+41791234567",
                "+1 (555) 123-4567": "+15551234567",
                "0041 79 123 45 67": "+41791234567",
                "0041.79/123.45.67": "+41791234567",
                "\u202a+41\xa079\u2011123\u201345\u201367\u202c": "+41791234567",
                "＋４１７９１２３４５６７": "+41791234567",
                "+٤١٧٩١٢٣٤٥٦٧": "+41791234567",
                "+44 (0)20 7946 0958": "+442079460958",
                "+39 (0)6 12345678": "+390612345678",
                "+2901234": "+2901234",
            },
        )

    def test_national_with_country(self) -> None:
        """National numbers become international ones; leading zeros stay where they belong."""
        for country, typed, value in (
            ("CH", "079 123 45 67", "+41791234567"),
            ("ch", "0791234567", "+41791234567"),
            ("IT", "06 1234 5678", "+390612345678"),
            ("IT", "333 123 4567", "+393331234567"),
            ("IT", "393331234567", "+393331234567"),
            ("US", "(415) 555-2671", "+14155552671"),
            ("US", "1 415 555 2671", "+14155552671"),
            ("GB", "020 7946 0958", "+442079460958"),
            ("RU", "8 912 345-67-89", "+79123456789"),
        ):
            self.assertEqual(normalise(typed, country), Number(value, "international", typed))

    def test_prefixes(self) -> None:
        """011 in North America, each country's own elsewhere, 00 everywhere."""
        for country, typed in (
            ("US", "011 41 79 123 45 67"),
            ("CA", "01141791234567"),
            ("US", "0041791234567"),
            ("IT", "0041791234567"),
            ("AU", "0011 41 79 123 45 67"),
            ("AU", "00 41 79 123 45 67"),
            ("JP", "010 41 79 123 45 67"),
            ("JP", "+41791234567"),
        ):
            self.assertEqual(normalise(typed, country).value, "+41791234567", (country, typed))

    def test_national_without_country(self) -> None:
        """Stays as typed, without separators."""
        self._check(
            "national", {"079 123 45 67": "0791234567", "011 41 79": "0114179", "555-1234": "5551234"}
        )

    def test_short(self) -> None:
        """Short and service codes are left alone, with a country too."""
        table = {"4888": "4888", "112": "112", "1": "1", "74-44": "7444", "*100#": "*100#", "*#06#": "*#06#"}
        self._check("short", table)
        self._check("short", table, "IT")

    def test_names(self) -> None:
        """Alphanumeric senders are untouched."""
        table = {name: name for name in ("Vodafone", "A1", "Poste 7", "Info-Bank", "4You", "Café €")}
        self._check("name", table)
        self._check("name", table, "DE")

    def test_typed_is_kept(self) -> None:
        """What was typed stands beside the result."""
        self.assertEqual(normalise(" 0041 79 1234567 ").typed, " 0041 79 1234567 ")
        self.assertEqual(normalise("+41791234567\r\n").value, "+41791234567")

    def test_refused(self) -> None:
        """Each refusal says what to do, and never repeats the number."""
        for typed, country, words in (
            ("", None, "no number"),
            (" - ", None, "no number"),
            ("+", None, "digits"),
            ("++41791234567", None, "only digits"),
            ("+0791234567", None, "begins with 0"),
            ("000791234567", None, "begins with 0"),
            ("+12345", None, "has 5 digits"),
            ("+1234567890123456", None, "has 16 digits"),
            ("0012345", None, "has 5 digits"),
            ("41+791234567", None, "in front"),
            ("*31#+41791234567", None, "no +"),
            ("1" * 21, None, "21 digits"),
            ("07912345", "XX", "country is unknown"),
            ("123456789012345", "IT", "no possible number in IT"),
            ("1" * 21, "IT", "no possible number in IT"),
            ("8 10 41 79 123 45 67", "DE", "has 16 digits"),
            ("a text that is no number", None, "neither a number"),
            ("ab\0c", None, "neither a number"),
            ("5551234\n5557654", None, "neither a number"),
            ("\ud83dabc", None, "neither a number"),
            ("+999 (0)1234567", None, "does not exist"),
        ):
            with self.assertRaises(InvalidValue) as caught:
                normalise(typed, country)
            self.assertIn(words, str(caught.exception), typed)
            self.assertNotIn("791234567", str(caught.exception))

    @given(st.one_of(LIKELY, st.text(max_size=20)), st.sampled_from([None, "IT", "US", "AU", "RU"]))
    def test_anything(self, typed: str, country: str | None) -> None:
        """A number or InvalidValue; and the normal form of a normal form is itself."""
        try:
            number = normalise(typed, country)
        except InvalidValue:
            return
        self.assertEqual(number.typed, typed)
        again = normalise(number.value, country)
        self.assertEqual((again.value, again.kind), (number.value, number.kind))
