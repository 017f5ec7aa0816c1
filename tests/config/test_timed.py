"""The section `timed`: what is taken, and every mistake with its place and what to do."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.config.timed import TimedSettings

BEFORE = """\
accounts:
  - user: ann
    networks: [127.0.0.1]
databases:
  - name: club
    url: sqlite:club.db
timed:
"""


class Timed(SynchronousTestCase):
    def load(self, *rules: str) -> Configuration:
        """A configuration with these rules, each a text of lines, without the first dash."""
        lines = (
            ("  - " if n == 0 else "    ") + line
            for rule in rules
            for n, line in enumerate(rule.splitlines())
        )
        return load_text(BEFORE + "".join(f"{line}\n" for line in lines), "/etc/smsd/smsd.yaml", {})

    def rule(self, text: str) -> TimedSettings:
        [rule] = self.load(text).timed
        assert isinstance(rule, TimedSettings)
        return rule

    def problems(self, *rules: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, *rules)
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]

    def test_the_least(self) -> None:
        rule = self.rule("title: hello\nat: 08:00\nto: +15551234567\ntext: It is %time%.")
        self.assertEqual(str(rule.timetable()), "08:00")
        self.assertEqual(
            (rule.to, rule.most, rule.late_minutes, rule.active), (["+15551234567"], 500, 60, True)
        )
        self.assertFalse(rule.shape().rows)

    def test_everything(self) -> None:
        rule = self.rule(
            "title: dues\nactive: no\nat: [8:00, 12:00]\ndays: mon-fri, sun\nto: ['%1%', mailto:ann@example.org]\n"
            "subject: Dues of %name%\ntext: '%name% owes %3%'\naccount: ann\n"
            "sql:\n  database: club\n  statement: select number, name, sum from dues where day = ?\n  values: ['%date%']\n"
            "  seconds: 5\nmost: 10\nlate_minutes: 0"
        )
        self.assertEqual(str(rule.timetable()), "08:00,12:00 mon,tue,wed,thu,fri,sun")
        self.assertFalse(rule.active)
        assert rule.sql is not None
        self.assertEqual((rule.sql.seconds, rule.sql.values), (5, ["%date%"]))

    def test_days_of_the_month(self) -> None:
        for written in ("1,15", "[1, 15]", "['1', 15]"):
            with self.subTest(written=written):
                rule = self.rule(f"title: hello\nevery: 30\ndays: {written}\nto: +1555\ntext: x")
                self.assertEqual(str(rule.timetable()), "every 30 1,15")

    def test_nothing(self) -> None:
        self.assertEqual(self.load().timed, ())

    def test_mistakes(self) -> None:
        least = "title: hello\nto: +15551234567\ntext: x\n"
        sql = "sql: {database: club, statement: select 1}\n"
        for text, expected in (
            (least, "8:5: timed[0]: it has to say when: write either at or every"),
            (least + "at: 08:00\nevery: 5", "8:5: timed[0]: it has to say when: write either at or every"),
            (
                least + "at: [08:00, 25:00]",
                "11:9: timed[0].at: '25:00' is no time of day: write 08:00, from 00:00 to 23:59",
            ),
            (least + "every: 0", "11:12: timed[0].every: '0': input should be greater than or equal to 1; "),
            (least + "at: 08:00\ndays: someday", "12:11: timed[0].days: 'someday' is no day: write mon-fri"),
            (least + "at: 08:00\nday: mon", "12:5: timed[0].day: unknown key; did you mean days? allowed: account"),
            (least.replace(": x", ": '%name%'") + "at: 08:00", "10:11: timed[0].text: at character 1: there is no variable name"),
            (least.replace(": x", ": '%1%'") + "at: 08:00", "10:11: timed[0].text: there are no columns without sql"),
            (least.replace("+15551234567", "Ann") + "at: 08:00", "9:9: timed[0].to: 'Ann' is no address: write +1555"),
            (least.replace("+15551234567", "account:x1") + "at: 08:00", "9:9: timed[0].to: 'account:x1' is no address"),
            (least.replace("+15551234567", "[]") + "at: 08:00", "9:9: timed[0].to: "),
            (least + "at: 08:00\njoin: yes", "8:5: timed[0]: join is about rows, and there is no sql"),
            (
                least.replace("+15551234567", "'%1%'") + "at: 08:00\njoin: yes\n" + sql,
                "9:9: timed[0].to: with join all rows go into one message: write an address without columns",
            ),
            (
                least + "at: 08:00\njoin: yes\nsubject: '%name%'\n" + sql,
                "13:14: timed[0].subject: with join all rows go into one message: write a subject without columns",
            ),
            (
                least + "at: 08:00\n" + sql.replace("club", "pub"),
                "12:21: timed[0].sql.database: there is no database 'pub'; allowed: club",
            ),
            (
                least + "at: 08:00\n" + sql.replace("select 1", "'select ?'"),
                "12:38: timed[0].sql.statement: it has 1 ? and there are 0 values; write one value for each ?",
            ),
            (
                least + "at: 08:00\n" + sql.replace("select 1", "commit"),
                "12:38: timed[0].sql.statement: COMMIT is not possible here",
            ),
            (
                least + "at: 08:00\nsql: {database: club, statement: 'select ?', values: ['%1%']}",
                "12:58: timed[0].sql.values: there are no columns without sql",
            ),
            (least + "at: 08:00\nmost: 5000", "12:11: timed[0].most: '5000': input should be less than or equal to 1000"),
            (least + "at: 08:00\nlate_minutes: 1440", "12:19: timed[0].late_minutes: '1440': input should be"),
        ):  # fmt: skip
            with self.subTest(text=text):
                problems = self.problems(text)
                self.assertEqual(len(problems), 1, problems)
                self.assertTrue(problems[0].startswith(expected), problems[0])

    def test_a_title_used_twice(self) -> None:
        rule = "title: hello\nto: +15551234567\ntext: x\nat: 08:00"
        self.assertEqual(
            self.problems(rule, rule),
            ["12:12: timed[1].title: 'hello' is used twice (first in line 8); choose another"],
        )

    def test_one_mistake_is_reported_once(self) -> None:
        text = "title: hello\nto: '%1%'\ntext: '%2%'\nat: 08:00\nsql: {database: club}"
        self.assertEqual(
            self.problems(text),
            ["12:10: timed[0].sql.statement: missing; allowed: an SQL statement, with ? for each of values"],
        )

    def test_it_is_a_list(self) -> None:
        error = self.assertRaises(ConfigError, load_text, "timed: {title: x}\n", "/x.yaml", {})
        self.assertIn("timed: this must be a list", str(error))
