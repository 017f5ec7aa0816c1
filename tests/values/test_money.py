"""Amounts: read and printed without a float in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.values import money
from smsd.values.errors import InvalidValue


class Money(SynchronousTestCase):
    def test_read(self) -> None:
        for text, amount in (
            ("12.50", 125_000),
            ("12", 120_000),
            ("0.0345", 345),
            (" 1.2 ", 12_000),
            ("0", 0),
        ):
            self.assertEqual(money.read(text), amount)

    def test_what_is_no_amount(self) -> None:
        for text in (
            "",
            "-1",
            "1,50",
            "1.",
            ".5",
            "1.23456",
            "1e3",
            "12.50 EUR",
            "１２",
            "9" * 13,
            "nan",
            "+1",
        ):
            with self.assertRaises(InvalidValue, msg=text):
                money.read(text)

    def test_too_much(self) -> None:
        self.assertEqual(money.read("100000000000"), money.MOST)
        self.assertRaises(InvalidValue, money.read, "100000000000.0001")

    def test_shown(self) -> None:
        for amount, text in (
            (125_000, "12.50"),
            (345, "0.0345"),
            (450, "0.045"),
            (0, "0.00"),
            (-12_345, "-1.2345"),
        ):
            self.assertEqual(money.shown(amount), text)
        self.assertEqual(money.shown(10_000, "EUR"), "1.00 EUR")

    @given(st.integers(0, money.MOST))
    def test_there_and_back(self, amount: int) -> None:
        self.assertEqual(money.read(money.shown(amount)), amount)
