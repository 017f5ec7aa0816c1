"""Statements of rules: one each, with its placeholders found where the database would find them."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sqltext import LONGEST, Dialect, read
from smsd.values.errors import InvalidValue

BOTH: tuple[Dialect, ...] = ("sqlite", "postgresql")


class Placeholders(SynchronousTestCase):
    def test_counted_and_numbered(self) -> None:
        text = "INSERT INTO sms (sender, text) VALUES (?, ?)"
        self.assertEqual(read(text, "sqlite").text, text)
        self.assertEqual(read(text, "sqlite").count, 2)
        statement = read(text, "postgresql")
        self.assertEqual(statement.text.replace(" ", ""), "INSERTINTOsms(sender,text)VALUES($1,$2)")
        self.assertEqual((statement.count, statement.word), (2, "INSERT"))

    def test_a_placeholder_keeps_its_distance(self) -> None:
        """`a$1` would be a name."""
        self.assertIn("LIKE $1 AND", read("SELECT 1 WHERE x LIKE?AND y", "postgresql").text)

    def test_not_in_quotes_names_and_comments(self) -> None:
        for text in (
            "SELECT '?', 'it''s ?'",
            'SELECT 1 AS "?""?"',
            "SELECT 1 -- why?",
            "SELECT 1 /* why? */",
            "SELECT 'a' 'b?'",
        ):
            for dialect in BOTH:
                self.assertEqual(read(text, dialect).count, 0, text)
                self.assertEqual(read(text, dialect).text, text)

    def test_postgresql_quotes(self) -> None:
        for text in (
            r"SELECT E'it\'s ?'",
            "SELECT $$ ? ; ' $$",
            "SELECT $a$ ? $$ ; $a$",
            "SELECT 1 /* a /* b? */ c? */",
        ):
            self.assertEqual(read(text, "postgresql").count, 0, text)
            self.assertEqual(read(text, "postgresql").text, text)
        self.assertEqual(read("SELECT a[?]", "postgresql").count, 1)

    def test_sqlite_quotes(self) -> None:
        for text in ("SELECT [a?;] FROM t", "SELECT `a?;` FROM t", r"SELECT '\'"):
            self.assertEqual(read(text, "sqlite").count, 0, text)
        # The first */ ends a comment.
        self.assertEqual(read("SELECT /* /* */ ?", "sqlite").count, 1)

    def test_the_question_mark_operator(self) -> None:
        statement = read("SELECT tags ?? ? FROM t", "postgresql")
        self.assertEqual((statement.text, statement.count), ("SELECT tags ?  $1  FROM t", 1))

    def test_other_placeholders_are_refused(self) -> None:
        for dialect, text in (("sqlite", "SELECT ?1"), ("sqlite", "SELECT ??"), ("postgresql", "SELECT $1")):
            with self.assertRaisesRegex(InvalidValue, "is no placeholder"):
                read(text, dialect)  # type: ignore[arg-type]


class OneStatement(SynchronousTestCase):
    def test_a_semicolon_at_the_end(self) -> None:
        for dialect in BOTH:
            self.assertEqual(read("SELECT 1; -- done; really", dialect).text, "SELECT 1 -- done; really")

    def test_two_are_refused(self) -> None:
        for text in ("SELECT 1; DROP TABLE t", "SELECT 1;;SELECT 2", "SELECT ';' ; x"):
            for dialect in BOTH:
                with self.assertRaisesRegex(InvalidValue, "more than one statement"):
                    read(text, dialect)

    def test_none_is_refused(self) -> None:
        for text in ("", "  -- nothing\n", "/* */", ";"):
            for dialect in BOTH:
                with self.assertRaisesRegex(InvalidValue, "no statement"):
                    read(text, dialect)

    def test_what_does_not_end_is_refused(self) -> None:
        for text in ("SELECT 'a", "SELECT E'a\\'", "SELECT $$a", 'SELECT "a', "SELECT /* a /* b */"):
            with self.assertRaisesRegex(InvalidValue, "does not end"):
                read(text, "postgresql")

    def test_what_changes_the_connection_is_refused(self) -> None:
        for text in ("commit", "/* x */ ATTACH 'a.db' AS a", "PRAGMA journal_mode=DELETE", "SET x = 1"):
            for dialect in BOTH:
                with self.assertRaisesRegex(InvalidValue, "not possible here"):
                    read(text, dialect)

    def test_too_long(self) -> None:
        with self.assertRaisesRegex(InvalidValue, "longer than"):
            read("SELECT " + "1" * LONGEST, "sqlite")


class Properties(SynchronousTestCase):
    @given(st.text("SELCT '\"?;-/*$aE\\[]`\n1", max_size=40), st.sampled_from(BOTH))
    def test_reads_or_refuses(self, text: str, dialect: Dialect) -> None:
        try:
            statement = read(text, dialect)
        except InvalidValue:
            return
        self.assertGreaterEqual(statement.count, 0)

    @given(st.text("'\"?;-/*[]`\n1 ,", max_size=20))
    def test_agrees_with_sqlite(self, text: str) -> None:
        """What sqlite3 finds to be one statement with n parameters, we find too."""
        text = "SELECT " + text
        try:
            statement = read(text, "sqlite")
        except InvalidValue:
            return
        connection = sqlite3.connect(":memory:")
        self.addCleanup(connection.close)
        try:
            connection.execute("EXPLAIN " + statement.text, ["x"] * statement.count)
        except sqlite3.ProgrammingError as error:  # wrong number of bindings, or two statements
            self.fail(f"{text!r}: {error}")
        except (sqlite3.Warning, sqlite3.OperationalError) as error:
            self.assertNotIn("one statement", str(error))
