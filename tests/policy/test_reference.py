"""Ids as networks spell them: what finds its message, and what must not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.reference import (
    SKEW,
    Known,
    agree,
    backwards,
    converted,
    folded,
    forms,
    matching,
    octet,
    of_its_time,
)

ANN, BOB = "+393331234567", "+15550000002"
UUID = "9F8B4A52-0c1d-4e5f-8a9b-0c1d2e3f4a5b"


def known(name: str, number: str = ANN, delivery: int = 1) -> Known:
    return Known(name, number, delivery)


class Forms(SynchronousTestCase):
    def test_folded(self) -> None:
        for given_, wanted in (
            (" 00aB ", "ab"), ("0x001A2B", "0x1a2b"), ("0X1a", "0x1a"), ("000", "0"), ("0x0", "0x0"), ("7", "7"),
            (UUID, UUID.lower()),
        ):  # fmt: skip
            self.assertEqual(folded(given_), wanted)

    def test_converted(self) -> None:
        self.assertEqual(set(converted("6699")), {"26265", "0x6699", "1a2b", "0x1a2b"})
        self.assertEqual(set(converted("0x1A2B")), {"6699", "1a2b"})
        self.assertEqual(set(converted("1A2B", "hex")), {"6699", "0x1a2b"})
        self.assertEqual(set(converted("6699", "decimal")), {"1a2b", "0x1a2b"})
        for nothing in ("", "0x", UUID, "abcx", "1" * 41, "1a2b"[:0]):
            self.assertEqual(converted(nothing), (), nothing)
        self.assertEqual(converted("6699", "exact"), ())
        self.assertEqual(converted("1a2b", "decimal"), ())

    def test_one_octet(self) -> None:
        for reference, short in (
            ("0", True),
            ("255", True),
            ("007", True),
            ("256", False),
            ("a", False),
            ("٣", False),
        ):
            self.assertEqual(octet(reference), short, reference)

    @given(st.text(st.sampled_from("0123aAfFxX-_é"), max_size=50))
    def test_folding_folds_once(self, text: str) -> None:
        self.assertEqual(folded(folded(text)), folded(text))
        self.assertIn(folded(text), forms(text))

    @given(st.integers(0, 2**128))
    def test_there_and_back(self, value: int) -> None:
        decimal, hexadecimal = str(value), f"{value:x}"
        if folded(decimal) != folded(hexadecimal):
            self.assertIn(hexadecimal, converted(decimal))
            self.assertIn(decimal, converted(hexadecimal))
            self.assertIn(hexadecimal, converted(decimal, "decimal"))
            self.assertIn(decimal, converted(hexadecimal, backwards("decimal")))


class Numbers(SynchronousTestCase):
    def test_the_same_in_other_words(self) -> None:
        for said in (
            ANN,
            "",
            "393331234567",
            "00393331234567",
            "03331234567",
            "3331234567",
            "+39333***4567",
            "unknown",
        ):
            self.assertTrue(agree(ANN, said), said)
        for said in (BOB, "+393331234568", "234567", "4567", "+3939393331234567890"):
            self.assertFalse(agree(ANN, said), said)
        self.assertFalse(agree("12345", "2345"))
        self.assertTrue(agree("12345", "12345"))


class Matching(SynchronousTestCase):
    def found(self, entries: list[Known], said: str, number: str = "", way: str = "") -> list[str]:
        return [one.name for one in matching(entries, said, number, way)]

    def test_table(self) -> None:
        for name, said, way, number, found in (
            ("6699", "6699", "", "", True),
            ("1A2B", "1a2b", "", "", True),
            ("001A2B", "1a2b", "", "", True),
            ("1a2b", "0x1A2B", "", "", True),
            ("0x1A2B", "6699", "", "", True),
            ("6699", "0x1A2B", "", "", True),
            ("1A2B", "0006699", "", "", True),
            ("6699", " 6699\r\n", "", "", True),
            ("6699", "6699", "", BOB, False),
            ("1A2B", "6699", "", BOB, False),
            ("1A2B", "6699", "", ANN, True),
            ("1a", "26", "", "", False),  # short, and no number to be sure
            ("1a", "26", "", ANN, True),
            ("26", "26", "", "", True),
            (UUID, UUID.upper(), "", BOB, True),  # nobody else's by chance
            ("1A2B", "1a2b", "exact", "", False),
            ("1A2B", "1A2B", "exact", "", True),
            ("1A2B", "6699", "exact", "", False),
            ("6699", "1a2b", "hex", "", True),
            ("1a2b", "6699", "hex", "", False),
            ("1a2b", "6699", "decimal", "", True),
            ("6699", "1a2b", "decimal", "", False),
            ("10000", "10000", "hex", "", False),  # that is 65536
            ("65536", "10000", "hex", "", True),
            ("msg-7", "MSG-7", "hex", "", True),
        ):
            self.assertEqual(
                bool(self.found([known(name)], said, number, way)), found, (name, said, way, number)
            )

    def test_the_closest_counts(self) -> None:
        entries = [known("6699"), known("1a2b", delivery=2), known("1A2B", delivery=3)]
        self.assertEqual(self.found(entries, "6699"), ["6699"])
        self.assertEqual(self.found(entries, "1A2B"), ["1A2B"])
        self.assertEqual(self.found(entries, "01A2B"), [], "two that differ in case")

    def test_what_could_be_several_is_nobody(self) -> None:
        self.assertEqual(self.found([known("1a2b"), known("26265", delivery=2)], "6699", ANN), [])
        self.assertEqual(self.found([known("7"), known("7", BOB, 2)], "7"), [])
        self.assertEqual(len(matching([known("7"), known("7", BOB, 2)], "7", BOB)), 1)

    def test_another_number_leaves_room_for_the_value(self) -> None:
        self.assertEqual(self.found([known("10", BOB), known("16", ANN, 2)], "10", ANN), ["16"])

    @given(
        st.lists(st.tuples(st.sampled_from(["10", "16", "a", "010", "0x10", "A", "1A2B3C", "1715004"]),
                           st.sampled_from([ANN, BOB])), max_size=6),
        st.sampled_from(["10", "16", "0a", "1a2b3c", "1715004", "22"]), st.sampled_from(["", ANN, BOB]),
        st.sampled_from(["", "exact", "hex", "decimal"]),
    )  # fmt: skip
    def test_never_two_messages_nor_another_phone(
        self, given_: list[tuple[str, str]], said: str, number: str, way: str
    ) -> None:
        entries = [known(name, to, at) for at, (name, to) in enumerate(given_, 1)]
        found = matching(entries, said, number, way)
        self.assertLess(len({(one.name, one.number) for one in found}), 2)
        for one in found:
            self.assertIn(folded(one.name), forms(said, way))
            self.assertTrue(agree(one.number, number))


class Times(SynchronousTestCase):
    old = Known("7", ANN, 1, at=10_000_000)
    new = Known("7", ANN, 2, at=20_000_000)

    def chosen(self, submitted: int | None, at: int | None) -> int:
        return of_its_time([self.old, self.new], submitted, at).delivery

    def test_which_of_two_with_one_octet(self) -> None:
        self.assertEqual(self.chosen(10_003_000, 25_000_000), 1, "a late report about the older one")
        self.assertEqual(self.chosen(20_003_000, 25_000_000), 2)
        self.assertEqual(self.chosen(None, 25_000_000), 2)
        self.assertEqual(self.chosen(None, None), 2)
        self.assertEqual(self.chosen(None, 12_000_000), 1, "before the newer one was there")
        self.assertEqual(self.chosen(None, self.new.at - SKEW), 2, "clocks differ a little")
        self.assertEqual(self.chosen(15_000_000, 15_000_000), 2, "a clock that is wrong proves nothing")
        self.assertEqual(self.chosen(None, 1), 2)
