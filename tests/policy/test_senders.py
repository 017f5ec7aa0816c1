"""What an account may call itself."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.senders import allowed, read
from smsd.values.errors import InvalidValue


class Senders(SynchronousTestCase):
    def test_patterns(self) -> None:
        for patterns, sender, country, expected in (
            ((), "anything", None, True),
            (("ACME",), "ACME", None, True),
            (("ACME",), "acme", None, True),
            (("ACME",), "ACME2", None, False),
            (("ACME*",), "Acme Shop", None, True),
            (("ACME*",), "AC", None, False),
            (("*",), "anything", None, True),
            (("+393331234567",), "+39 333 123-4567", None, True),
            (("+393331234567",), "00393331234567", None, True),
            (("+393331234567",), "3331234567", "IT", True),
            (("+393331234567",), "3331234567", "US", False),
            (("+393331234567",), "+393331234568", None, False),
            (("+3933*",), "3331234567", "IT", True),
            (("+3933*",), "+39340123456", None, False),
            (("3331234567",), "+393331234567", "IT", True),
            (("0039333*",), "+393331234567", None, True),
            (("0039333*",), "3331234567", "IT", True),
            (("+44 (20) 7946*",), "00442079461234", None, True),
            (("0039333*",), "+393401234567", None, False),
            (("00*",), "+393401234567", None, True),
            (("00*",), "ACME", None, False),
            (("4888",), "4888", "IT", True),
            (("48*",), "4888", None, True),
            (("ACME", "+3933*"), "+393300000000", None, True),
            (("ACME",), "", None, False),
            (("ACME",), "\u0410CME", None, False),
            (("+3933*",), "x" * 500, None, False),
        ):
            with self.subTest(patterns=patterns, sender=sender, country=country):
                self.assertIs(allowed(patterns, sender, country), expected)

    def test_what_is_no_pattern(self) -> None:
        for text in ("", " ", "a*b", "**", "x" * 33, "a\nb", "*a"):
            self.assertRaises(InvalidValue, read, text)
        self.assertEqual([read(text) for text in (" ACME ", "*", "+3933*")], ["ACME", "*", "+3933*"])
