"""What timed rules say: columns by number and name, one message for all rows, and what is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.policy import timedtext
from smsd.policy.timedtext import Made, Shape, check, compose, fill, has_columns
from smsd.values.errors import InvalidValue

OWN = {"date": "2026-11-01", "time": "08:00", "title": "dues"}
ROWS = [("+15550000001", "Ann", "12"), ("+15550000002", "Bob", None)]
NAMES = ("number", "name", "sum")


class Check(SynchronousTestCase):
    def test_what_is_right(self) -> None:
        for template, rows in (
            ("It is %time% on %date%: %%title%%", False),
            ("50% off, 100%", False),
            ("%1% %2;hex% %%3%% %name% %:Sum%", True),
            ("50%off for %name%", True),
        ):
            with self.subTest(template=template):
                check(template, rows)

    def test_what_is_wrong(self) -> None:
        for template, rows, expected in (
            ("%1%", False, "there are no columns without sql"),
            ("%name%", False, "there is no variable name: known: date, time, title"),
            ("%name;loud%", True, "there is no attribute 'loud'"),
            ("%1;loud%", True, "there is no attribute 'loud'"),
            ("%time", False, "%time has no end"),
        ):
            with self.subTest(template=template):
                self.assertIn(expected, str(self.assertRaises(InvalidValue, check, template, rows)))

    def test_columns(self) -> None:
        for template, expected in (
            ("%1%", True),
            ("%%1%%", True),
            ("%name%", True),
            ("%Date% %:time% %title;hex% 50%", False),
        ):
            with self.subTest(template=template):
                self.assertIs(has_columns(template), expected)

    @given(st.text("%1a;:=t ", max_size=20) | st.text(max_size=20), st.booleans())
    def test_anything_is_checked_or_refused(self, template: str, rows: bool) -> None:
        try:
            check(template, rows)
        except InvalidValue as error:
            self.assertNotIn("column.", str(error))
            return
        if not rows:
            fill(template, OWN)


class Compose(SynchronousTestCase):
    def test_without_a_statement(self) -> None:
        shape = Shape(("+15550000001", "mailto:ann@example.org"), "It is %time%.", "%title%")
        self.assertEqual(
            compose(shape, OWN), [Made(("+15550000001", "mailto:ann@example.org"), "dues", "It is 08:00.")]
        )

    def test_a_message_for_each_row(self) -> None:
        shape = Shape(("%1%",), "%name% owes %3% on %DATE%", "For %2%", rows=True)
        self.assertEqual(
            compose(shape, OWN, NAMES, ROWS),
            [
                Made(("+15550000001",), "For Ann", "Ann owes 12 on 2026-11-01"),
                Made(("+15550000002",), "For Bob", "Bob owes  on 2026-11-01"),
            ],
        )

    def test_all_rows_in_one_message(self) -> None:
        shape = Shape(("ann@example.org",), "%name%: %sum%", "Dues of %date%", rows=True, join=True)
        self.assertEqual(
            compose(shape, OWN, NAMES, ROWS),
            [Made(("ann@example.org",), "Dues of 2026-11-01", "Ann: 12\nBob: ")],
        )

    def test_no_row_no_message(self) -> None:
        for join in (False, True):
            self.assertEqual(compose(Shape(("1",), "%nonsense%", rows=True, join=join), OWN, NAMES, []), [])

    def test_at_most(self) -> None:
        self.assertEqual(len(compose(Shape(("1",), "x", rows=True, most=2), OWN, ("a",), [("1",)] * 5)), 2)
        [made] = compose(Shape(("1",), "x", rows=True, join=True, most=2), OWN, ("a",), [("1",)] * 5)
        self.assertEqual(made.text, "x\nx")

    def test_a_column_that_there_is_not(self) -> None:
        for text, expected in (
            ("%4%", "there is no variable 4: "),
            (
                "%nome%",
                "there is no variable nome: did you mean name? known: 1, 2, 3, date, name, number, sum, time, title",
            ),
        ):
            with self.subTest(text=text):
                error = self.assertRaises(
                    InvalidValue, compose, Shape(("1",), text, rows=True), OWN, NAMES, ROWS
                )
                self.assertIn(expected, str(error))

    def test_a_column_called_date_is_the_column(self) -> None:
        [made] = compose(Shape(("1",), "%date%", rows=True), OWN, ("date",), [("yesterday",)])
        self.assertEqual(made.text, "yesterday")

    def test_columns_without_usable_names_have_numbers(self) -> None:
        [made] = compose(
            Shape(("1",), "%1%/%2%/%n%", rows=True), OWN, ("count(*)", "n", "n"), [("a", "b", "c")]
        )
        self.assertEqual(made.text, "a/b/b")

    def test_several_addresses_in_a_column(self) -> None:
        [made] = compose(
            Shape(("%1%", "+1999"), "x", rows=True), OWN, ("a",), [(" +1555 , ann@example.org;+1556\n+1557",)]
        )
        self.assertEqual(made.to, ("+1555", "ann@example.org", "+1556", "+1557", "+1999"))

    def test_parameters_are_the_administrators(self) -> None:
        shape = Shape(("sms:%1%?id=gsm1",), "x", rows=True)
        good, bad, none = compose(shape, OWN, ("a",), [("+1555",), ("+1555?id=other",), (None,)])
        self.assertEqual(good.to, ("sms:+1555?id=gsm1",))
        self.assertIn("has parameters: write them in the rule", bad.wrong)
        self.assertEqual(none.to, ("sms:?id=gsm1",))  # refused like every address without a number

    def test_a_row_without_an_address(self) -> None:
        [made] = compose(Shape(("%1%",), "x", rows=True), OWN, ("a",), [(None,)])
        self.assertEqual(made.wrong, "it has no address")

    def test_too_much(self) -> None:
        self.patch(timedtext, "MOST_CHARACTERS", 10)
        for join in (False, True):
            shape = Shape(("1",), "123456", rows=True, join=join)
            error = self.assertRaises(InvalidValue, compose, shape, OWN, ("a",), [("1",), ("2",)])
            self.assertIn("more than 10 characters", str(error))

    @given(
        st.lists(st.tuples(st.none() | st.text(max_size=5), st.none() | st.text(max_size=5)), max_size=4),
        st.lists(st.text(max_size=4), max_size=3),
        st.booleans(),
    )
    def test_any_rows(
        self, rows: list[tuple[str | None, str | None]], columns: list[str], join: bool
    ) -> None:
        to = ("+1555",) if join else ("%1%", "%2%")
        made = compose(Shape(to, "%1%|%2%", rows=True, join=join), OWN, columns, rows)
        lines = [f"{a or ''}|{b or ''}" for a, b in rows]
        self.assertEqual([one.text for one in made], ["\n".join(lines)][: len(rows)] if join else lines)
