"""Rules in the configuration: every condition and action as it is written, every mistake at its place, files of rules, and the
sections beside them."""

from __future__ import annotations

import os
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from smsd.config import rules as config_rules
from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.policy.rules import engine, xml
from smsd.policy.rules.language.moving import with_list_files
from smsd.policy.rules.model import (
    Accept,
    Action,
    AddHeader,
    All,
    And,
    Cap,
    Clock,
    Condition,
    Delete,
    DeleteHeader,
    Each,
    Escalate,
    Field,
    Flag,
    Folder,
    Forward,
    Frame,
    Gather,
    HasPriority,
    Hold,
    How,
    Network,
    Not,
    Or,
    Program,
    Reject,
    Respond,
    Rule,
    Rules,
    Send,
    SetHeader,
    SetPriority,
    Size,
    Sql,
    SqlCondition,
    Stop,
    TextTest,
    Url,
    WrongPart,
)
from smsd.values.message import Priority

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class FakeEngine:
    """Refuses rules called bad, doubts those called odd, as the engine would."""

    def __init__(self) -> None:
        self.seen: list[Rule] = []

    def doubts_about(self, rule: Rule) -> list[str]:
        self.seen.append(rule)
        name = f"rule {rule.title!r} ({rule.source})"
        if rule.title == "bad":
            raise WrongPart(f"{name}: the expression cannot be run; write another", ("do", 0))
        return [f"{name}: it is always true"] if rule.title == "odd" else []


class WithRules(SynchronousTestCase):
    maxDiff = None

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(self.folder, "smsd.yaml")
        # What the engine makes of rules is its tests' affair.
        self.engine = FakeEngine()
        self.patch(config_rules, "engine", self.engine)

    def load(self, text: str) -> Configuration:
        return load_text(f"server: {{folder: .}}\n{text}", self.path, {})

    def problems(self, text: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, text)
        return [str(problem).replace(self.folder + "/", "") for problem in error.problems]

    def write(self, name: str, content: str | bytes) -> str:
        path = os.path.join(self.folder, name)
        with open(path, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
        return path


class Conditions(WithRules):
    def condition(self, text: str) -> Condition:
        head = "databases: [{name: crm, url: 'sqlite:crm.db'}]\noutgoing:\n  - title: t\n    do: [stop]\n    if: "
        return self.load(head + text).rules.outgoing[0].condition

    def test_each_word(self) -> None:
        contains, equals = How.CONTAINS, How.EQUALS
        self.write("vip.txt", "a\n")
        vip = os.path.join(self.folder, "vip.txt")
        for text, meant in (
            ("all", All()),
            ("{from: ann}", Field("from", TextTest(contains, "ann"))),
            ("{to: +39}", Field("to", TextTest(contains, "+39"))),
            ("{subject: a}", Field("subject", TextTest(contains, "a"))),
            ("{cc: a}", Field("cc", TextTest(contains, "a"))),
            ("{reply_to: a}", Field("reply-to", TextTest(contains, "a"))),
            ("{date: 2026}", Field("date", TextTest(contains, "2026"))),
            ("{body: no}", Field("body", TextTest(contains, "no"))),
            ("{sender: a}", Field("sender", TextTest(contains, "a"))),
            ("{number: 0039}", Field("number", TextTest(contains, "0039"))),
            ("{host: a}", Field("host", TextTest(equals, "a"))),
            ("{account: ann}", Field("account", TextTest(equals, "ann"))),
            ("{gateway: gsm1}", Field("gateway", TextTest(equals, "gsm1"))),
            ("{door: smtp}", Field("door", TextTest(equals, "smtp"))),
            ("{keyword: STOP}", Field("keyword", TextTest(equals, "STOP"))),
            ("{account: {contains: nn}}", Field("account", TextTest(contains, "nn"))),
            ("{to: {starts: +1}}", Field("to", TextTest(How.STARTS, "+1"))),
            ("{to: {ends: '9', case: yes, each: all}}", Field("to", TextTest(How.ENDS, "9", (), "", True, Each.ALL))),
            ("{to: {regex: '^(?!.*@)(.*)$', each: joined}}", Field("to", TextTest(How.REGEX, "^(?!.*@)(.*)$", each=Each.JOINED))),
            ("{to: {equals: +39, compare: number}}", Field("to", TextTest(equals, "+39", compare="number"))),
            ("{from: {item: [a, b]}}", Field("from", TextTest(How.ITEM, "", ("a", "b")))),
            ("{from: {in: {file: vip.txt}}}", Field("from", TextTest(How.IN, "", (), vip))),
            ("{from: {in: [a, {file: vip.txt}]}}", Field("from", TextTest(How.IN, "", ("a",), vip))),
            ("{subject: {empty: yes}}", Field("subject", TextTest(How.EMPTY))),
            ("{header: {name: X-Spam, contains: yes}}", Field("header:X-Spam", TextTest(contains, "yes"))),
            ("{size: {above: 100}}", Size(100)),
            ("{size: {above: 1, below: 3}}", Size(1, 3)),
            ("{authenticated: no}", Flag("authenticated", False)),
            ("{local: yes}", Flag("local")),
            ("{attachment: yes}", Flag("attachment")),
            ("{binary: no}", Flag("binary", False)),
            ("{ip: [10.0.0.0/8, '2001:db8::/32', 192.0.2.7]}", Network(("10.0.0.0/8", "2001:db8::/32", "192.0.2.7"))),
            ("{time: {from: 08:00, to: '18:30'}}", Clock(480, 1110)),
            ("{time: {from: 22:00, to: 6:00, days: mon-fri}}", Clock(1320, 360, frozenset(range(5)))),
            ("{time: {to: 24:00, days: [sat, sun-mon]}}", Clock(0, 1440, frozenset({5, 6, 0}))),
            ("{time: {days: fri-mon wed}}", Clock(0, 1440, frozenset({4, 5, 6, 0, 2}))),
            ("{priority: urgent}", HasPriority(Priority.URGENT)),
            ("{sql: {database: crm, statement: select 1}}", SqlCondition("crm", "select 1")),
            (
                "{sql: {database: crm, statement: 's ? ?', values: [+39, '%from%'], equals: '7', seconds: 0.5, default: yes}}",
                SqlCondition("crm", "s ? ?", ("+39", "%from%"), TextTest(equals, "7"), 0.5, True),
            ),
        ):  # fmt: skip
            with self.subTest(text=text):
                self.assertEqual(self.condition(text), meant)

    def test_together(self) -> None:
        a, b, c = (Field("to", TextTest(How.CONTAINS, word)) for word in "abc")
        for text, meant in (
            ("[{to: a}, {to: b}]", And((a, b))),
            ("{to: a, from: b}", And((a, Field("from", TextTest(How.CONTAINS, "b"))))),
            ("{and: [{to: a}, {to: b}]}", And((a, b))),
            ("{and: [{to: a}]}", And((a,))),
            ("[{to: a}]", a),
            ("{or: [{to: a}, {to: b}]}", Or((a, b))),
            ("{not: {to: a}}", Not(a)),
            ("{not: [{to: a}, {to: b}]}", Not(And((a, b)))),
            ("{or: [{not: {to: a}}, [{to: b}, {to: c}]]}", Or((Not(a), And((b, c))))),
        ):
            with self.subTest(text=text):
                self.assertEqual(self.condition(text), meant)

    def test_an_expression_stays_as_it_was_written(self) -> None:
        expression = r"""^(\+1)[\d\s"']*\\$"""
        for text in (expression, "'" + expression.replace("'", "''") + "'"):
            lines = f"{{to: {{regex: {text}}}}}" if text[0] == "'" else f"\n      to:\n        regex: {text}"
            self.assertEqual(self.condition(lines), Field("to", TextTest(How.REGEX, expression)))

    def test_mistakes(self) -> None:
        for text, expected in (
            ("{form: ann}", "6:10: outgoing[0].if.form: there is no such condition; did you mean from? allowed: all, and, or,"),
            ("every", "6:9: outgoing[0].if: there is no condition 'every'; allowed: all"),
            ("", "6:8: outgoing[0].if: missing; write a condition, or all"),
            ("[]", "6:9: outgoing[0].if: this list is empty; write at least one condition"),
            ("{}", "6:9: outgoing[0].if: this must be a list"),
            ("{to: }", "6:13: outgoing[0].if.to: missing; write a text"),
            ("{to: ''}", "6:14: outgoing[0].if.to: this is empty"),
            ("{to: [a]}", "6:14: outgoing[0].if.to: this must be a text or a mapping; write {item: [a, b]}"),
            ("{to: {}}", "6:14: outgoing[0].if.to: the comparison is missing; write one of contains, starts,"),
            ("{to: {starts: a, ends: b}}", "6:14: outgoing[0].if.to: starts and ends at the same time; write one of"),
            ("{to: {begins: a}}", "6:15: outgoing[0].if.to.begins: unknown key; did you mean ends? allowed: contains, starts"),
            ("{to: {starts: [a]}}", "6:23: outgoing[0].if.to.starts: this must be a text; write it in 'single quotes'"),
            ("{to: {starts: a, case: maybe}}", "6:32: outgoing[0].if.to.case: 'maybe' is not possible; allowed: yes, no"),
            ("{to: {starts: a, each: one}}", "6:32: outgoing[0].if.to.each: 'one' is not possible; allowed: any, all, joined"),
            ("{to: {starts: a, compare: digits}}", "6:35: outgoing[0].if.to.compare: 'digits' is not possible; allowed: text"),
            ("{to: {empty: no}}", "6:22: outgoing[0].if.to.empty: 'no' is not possible; write `empty: yes`, inside `not:`"),
            ("{to: {in: a}}", "6:19: outgoing[0].if.to.in: this must be a list; write [a, b], {file: PATH}"),
            ("{to: {in: {file: none.txt}}}", "6:26: outgoing[0].if.to.in.file: none.txt cannot be read (No such file"),
            ("{to: {in: {}}}", "6:19: outgoing[0].if.to.in.file: missing"),
            ("{to: \"\\b\"}", "6:14: outgoing[0].if.to: this contains the control character '\\x08'; write the text in 'single"),
            ("{header: {contains: a}}", "6:18: outgoing[0].if.header.name: missing"),
            ("{header: {name: 'X Y', contains: a}}", "6:25: outgoing[0].if.header.name: 'X Y' is not possible; allowed: letters"),
            ("{size: {}}", "6:16: outgoing[0].if.size: a limit is missing"),
            ("{size: {above: 10k}}", "6:24: outgoing[0].if.size.above: '10k' is not possible; allowed: 0 to"),
            ("{size: {above: 5, below: 6}}", "6:16: outgoing[0].if.size: no message can have such a size"),
            ("{local: 1}", "6:17: outgoing[0].if.local: '1' is not possible; allowed: yes, no"),
            ("{ip: 10.0.0.1}", "6:14: outgoing[0].if.ip: this must be a list"),
            ("{ip: [10.0.0.1/8]}", "6:15: outgoing[0].if.ip[0]: '10.0.0.1/8' has bits set behind its prefix; write 10.0.0.0/8"),
            ("{ip: [home]}", "6:15: outgoing[0].if.ip[0]: 'home' is no network; write 192.0.2.0/24,"),
            ("{time: {}}", "6:16: outgoing[0].if.time: a time is missing"),
            ("{time: {from: 8}}", "6:23: outgoing[0].if.time.from: '8' is not possible; allowed: 00:00 to 23:59"),
            ("{time: {from: 24:00}}", "6:23: outgoing[0].if.time.from: '24:00' is not possible"),
            ("{time: {to: 24:01}}", "6:21: outgoing[0].if.time.to: '24:01' is not possible; allowed: 00:00 to 24:00"),
            ("{time: {from: 8:00, to: 8:00}}", "6:16: outgoing[0].if.time: from and to are the same"),
            ("{time: {days: monday}}", "6:23: outgoing[0].if.time.days: 'monday' is not possible; allowed: mon, tue,"),
            ("{priority: high}", "6:20: outgoing[0].if.priority: 'high' is not possible; allowed: urgent, normal, bulk"),
            ("{sql: {database: crn, statement: x}}", "6:26: outgoing[0].if.sql.database: there is no database 'crn'; did"),
            ("{sql: {database: crm}}", "6:15: outgoing[0].if.sql.statement: missing"),
            ("{sql: {database: crm, statement: select 1; select 2}}", "6:9: outgoing[0].if: there is more than one statement"),
            ("{not: {sql: {database: crm, statement: select ?}}}", "6:9: outgoing[0].if: the statement has 1 ? and the rule 0"),
            ("{sql: {database: crm, statement: x, case: yes}}", "6:15: outgoing[0].if.sql: the comparison is missing"),
            ("{sql: {database: crm, statement: x, seconds: 600}}", "6:54: outgoing[0].if.sql.seconds: '600' is not possible"),
            ("{or: {to: a}}", "6:14: outgoing[0].if.or: this must be a list; begin each condition with -"),
            ("{or: [to]}", "6:15: outgoing[0].if.or[0]: there is no condition 'to'; did you mean to?"),
            ("{all: x}", "6:15: outgoing[0].if.all: nothing follows this word"),
            ("{not: " * 30 + "all" + "}" * 30, "nested too deeply; allowed: 20 conditions inside each other"),
        ):  # fmt: skip
            with self.subTest(text=text):
                [problem] = self.problems(
                    f"databases: [{{name: crm, url: 'sqlite:crm.db'}}]\noutgoing:\n  - title: t\n    do: [stop]\n    if: {text}\n"
                )
                self.assertIn(expected, problem.removeprefix("smsd.yaml:"))


class Actions(WithRules):
    def test_what_is_about_messages_to_phones_is_refused_for_those_from_phones(self) -> None:
        for text in ("cap: {most: 5, minutes: 10}", "hold: {from: 22:00, until: 7:00}"):
            [problem] = self.problems(f"incoming:\n  - title: t\n    do:\n      - {text}\n")
            self.assertIn("write them into outgoing", problem)

    def actions(self, text: str) -> tuple[Action, ...]:
        head = "databases: [{name: crm, url: 'sqlite:crm.db'}]\noutgoing:\n  - title: t\n    do: "
        return self.load(head + text).rules.outgoing[0].actions

    def test_each_word(self) -> None:
        for text, meant in (
            ("accept", Accept()),
            ("reject", Reject()),
            ("reject: not %from%", Reject("not %from%")),
            ("delete", Delete()),
            ("stop", Stop()),
            ("forward: sms:+39", Forward("sms:+39")),
            ("copy: ann@example.org", Forward("ann@example.org", copy=True)),
            ("send: {to: +39, text: hi}", Send("+39", "hi")),
            ("send: {to: +39, text: hi, subject: s}", Send("+39", "hi", "s")),
            ("respond: hi", Respond("hi")),
            ("respond: {text: hi, subject: s}", Respond("hi", "s")),
            ("add_header: {name: X-Y, value: ''}", AddHeader("X-Y", "")),
            ("set_header: {name: To, value: '%%To%%@gw'}", SetHeader("To", "%%To%%@gw")),
            ("set_header: {name: 'To:', value: '%%To%%@gw'}", SetHeader("To", "%%To%%@gw")),
            (
                "set_header: {name: To, regex: ^(\\+1)(.*), value: $1$2@gw}",
                SetHeader("To", "$1$2@gw", r"^(\+1)(.*)"),
            ),
            ("delete_header: Cc", DeleteHeader("Cc")),
            ("prepend: a", Frame("a", "")),
            ("append: a", Frame("", "a")),
            ("frame: {before: a, after: b}", Frame("a", "b")),
            ("priority: bulk", SetPriority(Priority.BULK)),
            ("program: [/bin/echo, '%from%', '']", Program(("/bin/echo", "%from%", ""))),
            ("program: {command: [/bin/echo], reply: yes}", Program(("/bin/echo",), True)),
            ("url: http://a/?x=%body%", Url("http://a/?x=%body%")),
            (
                "url: {url: HTTPS://a/, method: POST, body: '%body%', content_type: text/x, reply: yes}",
                Url("HTTPS://a/", "POST", "%body%", "text/x", True),
            ),
            ("url: {url: http://a/, method: POST}", Url("http://a/", "POST")),
            (
                "sql: {database: crm, statement: s ?, values: ['%from%'], reply: yes}",
                Sql("crm", "s ?", ("%from%",), True),
            ),
            ("folder: ann@example.org/SMS", Folder("ann@example.org/SMS")),
            ("copy_to_folder: a@b.example/c", Folder("a@b.example/c", copy=True)),
            ("cap: {most: 5, minutes: 10}", Cap(5, 10)),
            ("cap: {most: 5, minutes: 10, text: '%count%'}", Cap(5, 10, "%count%")),
            ("digest: {minutes: 10}", Gather(10)),
            ("digest: {minutes: 10, text: x}", Gather(10, "x")),
            ("hold: {from: 22:00, until: 7:00}", Hold(1320, 420)),
            ("escalate: {to: [+39, +40], minutes: 5}", Escalate(("+39", "+40"), 5)),
            ("escalate: {to: [+39], minutes: 5, answers: [OK, yes]}", Escalate(("+39",), 5, ("OK", "yes"))),
        ):
            with self.subTest(text=text):
                self.assertEqual(self.actions(f"\n      - {text}"), (meant,))

    def test_mistakes(self) -> None:
        for text, expected in (
            ("acept", "6:9: incoming[0].do[0].acept: there is no action 'acept'; did you mean accept? allowed: accept, reject,"),
            ("{acept: x}", "6:10: incoming[0].do[0].acept: there is no action 'acept'; did you mean accept?"),
            ("forward", "6:9: incoming[0].do[0]: forward says nothing; write `forward: …`"),
            ("{stop: now}", "6:16: incoming[0].do[0].stop: nothing follows this word"),
            ("{append: a, prepend: b}", "6:9: incoming[0].do[0]: an action is one word; begin each action with -"),
            ("[stop]", "6:9: incoming[0].do[0]: an action is one word"),
            ("{forward: [a]}", "6:19: incoming[0].do[0].forward: this must be a text"),
            ("{send: {to: a}}", "6:16: incoming[0].do[0].send.text: missing"),
            ("{send: hello}", "6:16: incoming[0].do[0].send: this must be a mapping; allowed: to, text, subject"),
            ("{add_header: {name: Body, value: a}}", "6:29: incoming[0].do[0].add_header.name: 'Body' is not possible; write"),
            ("{set_header: {name: 'T o', value: a}}", "6:29: incoming[0].do[0].set_header.name: 'T o' is not possible"),
            ("{frame: {}}", "6:17: incoming[0].do[0].frame: a text is missing"),
            ("{program: /bin/ls}", "6:19: incoming[0].do[0].program: this must be a list; write [/path/of/program, argument, …]"),
            ("{program: [ls]}", "6:20: incoming[0].do[0].program[0]: 'ls' is not possible; write the whole path"),
            ("{url: ftp://a/}", "6:15: incoming[0].do[0].url: this is no URL; it begins with http:// or https://"),
            ("{url: {url: http://a/, body: x}}", "6:32: incoming[0].do[0].url.body: a GET has no body; write `method: POST`"),
            ("{url: {url: http://a/, method: PUT}}", "6:40: incoming[0].do[0].url.method: 'PUT' is not possible; allowed: GET"),
            ("{sql: {database: crm, statement: 'insert ?'}}", "6:42: incoming[0].do[0].sql.statement: the statement has 1 ? and"),
            ("{sql: {database: x, statement: y}}", "6:26: incoming[0].do[0].sql.database: there is no database 'x'; allowed: crm"),
            ("{cap: {most: 0, minutes: 1}}", "6:22: incoming[0].do[0].cap.most: '0' is not possible; allowed: 1 to"),
            ("{digest: {minutes: 99999}}", "6:28: incoming[0].do[0].digest.minutes: '99999' is not possible; allowed: 1 to 10080"),
            ("{hold: {from: 7:00, until: 7:00}}", "6:16: incoming[0].do[0].hold: from and until are the same"),
            ("{escalate: {to: [], minutes: 1}}", "6:25: incoming[0].do[0].escalate.to: this list is empty"),
        ):  # fmt: skip
            with self.subTest(text=text):
                [problem] = self.problems(
                    f"databases: [{{name: crm, url: 'sqlite:crm.db'}}]\nincoming:\n  - title: t\n    do:\n      - {text}\n"
                )
                self.assertIn(expected, problem.removeprefix("smsd.yaml:"))

    def test_urls_are_not_shown(self) -> None:
        [problem] = self.problems("incoming: [{title: t, do: [{url: 'gopher://ann:hunter2@a/'}]}]\n")
        self.assertNotIn("hunter2", problem)


class Lists(WithRules):
    def test_a_rule(self) -> None:
        configuration = self.load(
            """\
outgoing:
  - title: first
    description: what it is for
    active: no
    if: all
    do: [accept]
  - title: second
    do:
      - append: x
      - stop
incoming:
  - {title: first, do: [delete]}
"""
        )
        self.assertEqual(
            configuration.rules,
            Rules(
                (
                    Rule("first", All(), (Accept(),), False, "what it is for"),
                    Rule("second", All(), (Frame("", "x"), Stop())),
                ),
                (Rule("first", All(), (Delete(),)),),
            ),
        )
        self.assertEqual(
            [rule.source for rule in (*configuration.rules.outgoing, *configuration.rules.incoming)],
            [f"{self.path}:{line}" for line in (3, 8, 13)],
        )

    def test_nothing_written(self) -> None:
        for text in ("", "outgoing:\nincoming: []\n", "rules_files: []\n"):
            self.assertEqual(self.load(text).rules, Rules())

    def test_mistakes_all_at_once(self) -> None:
        text = """\
outgoing:
  - title: a
    do: [stop]
  - title: a
    do: []
  - titel: b
    do: [stop]
    active: 2
  - just words
incoming:
  title: a
rules_files: here
"""
        self.assertEqual(
            self.problems(text),
            [
                "smsd.yaml:5:12: outgoing[1].title: 'a' is used twice (first in smsd.yaml:3); choose another",
                "smsd.yaml:6:9: outgoing[1].do: this list is empty; write [accept] or lines that begin with -",
                "smsd.yaml:7:5: outgoing[2].titel: unknown key; did you mean title? "
                "allowed: title, active, description, if, do",
                "smsd.yaml:7:5: outgoing[2].title: missing",
                "smsd.yaml:9:13: outgoing[2].active: '2' is not possible; allowed: yes, no",
                "smsd.yaml:10:5: outgoing[3]: this must be a mapping; allowed: title, active, description, if, do",
                "smsd.yaml:12:3: incoming: this must be a list; begin each entry with -",
                "smsd.yaml:13:14: rules_files: this must be a list; begin each entry with -",
            ],
        )

    def test_titles_are_one_line(self) -> None:
        for title in ("' a'", '"a\\nb"', '"\\u200f"', "x" * 201):
            with self.subTest(title=title):
                [problem] = self.problems(f"outgoing: [{{title: {title}, do: [stop]}}]\n")
                self.assertIn("outgoing[0].title: ", problem)

    def test_what_the_engine_refuses_stands_where_it_is_written(self) -> None:
        text = """\
outgoing:
  - {title: good, do: [stop]}
  - {title: wrong, do: [stp]}
incoming:
  - {title: bad, do: [stop]}
"""
        self.assertEqual(
            [problem for problem in self.problems(text) if "stp" not in problem],
            ["smsd.yaml:6:23: incoming[0].do[0]: the expression cannot be run; write another"],
        )
        # A rule with a mistake has no meaning: the engine never sees it.
        self.assertEqual([rule.title for rule in self.engine.seen], ["good", "bad"])

    def test_what_the_engine_doubts_is_a_warning(self) -> None:
        warnings = self.load("outgoing: [{title: odd, do: [stop]}]\n").warnings
        self.assertIn(f"rule 'odd' ({self.path}:2): it is always true", warnings)

    def test_the_engine_itself(self) -> None:
        self.patch(config_rules, "engine", engine)
        rule = "outgoing:\n  - title: t\n    if: {to: {regex: '%s'}}\n    do: [{append: '%s'}]\n"
        [problem] = self.problems(rule % ("(", "x"))
        self.assertTrue(problem.startswith("smsd.yaml:4:9: outgoing[0].if: the regular expression"), problem)
        [problem] = self.problems(rule % ("a", "%nothing%"))
        self.assertTrue(problem.startswith("smsd.yaml:5:10: outgoing[0].do[0]: "), problem)
        self.assertIn("nothing", problem)
        self.assertEqual(len(self.load(rule % (r"^(?!.*@)(.*)$", "%%To%%")).rules.outgoing), 1)
        [warning] = [text for text in self.load(rule % (r"(.[?[\d]*)(?!@)", "x")).warnings if "'t'" in text]
        self.assertIn(f"({self.path}:3)", warning)

    def test_rules_of_users_are_not_kept_here(self) -> None:
        [problem] = self.problems("outgoing: [{title: t, user: ann, do: [stop]}]\n")
        self.assertIn("outgoing[0].user: unknown key", problem)

    def test_a_chat_that_nothing_carries_is_a_warning(self) -> None:
        rule = "outgoing:\n  - title: {}\n    do: [{{escalate: {{to: [+15551234567, {}], minutes: 5}}}}]\n"
        for to in ('"xmpp:ann@example.org"', '"SIP:ann@example.org"'):
            scheme = to.strip('"').partition(":")[0].lower()
            said = "\n".join(self.load(rule.format("on call", to)).warnings)
            self.assertIn(
                f"smsd.yaml:3: the rule 'on call' sends to {scheme}: and no gateway carries that", said
            )
        for title, to in (("on call", "ann@example.org"), ("off\n    active: no", '"xmpp:ann@example.org"')):
            self.assertNotIn("sends to", "\n".join(self.load(rule.format(title, to)).warnings))

    def test_a_program_that_is_not_there_is_a_warning(self) -> None:
        warnings = self.load(
            "incoming: [{title: t, do: [{program: [/nonexistent/x]}, {program: [/bin/sh]}]}]\n"
        ).warnings
        self.assertIn(f"{self.path}:2: /nonexistent/x is no program that can be run here", warnings)
        self.assertNotIn("/bin/sh", " ".join(warnings))

    def test_yaml_traps_are_explained(self) -> None:
        for text, expected in (
            ("append: %from%", "4:17: while scanning for the next token found character '%' that cannot start any token; "
             "write a text that begins with %, @ or ` in 'single quotes'"),
            ("append: &sender x", "4:17: anchors (&name) are not used here: write a text that begins with & in quotes"),
            ('append: "\\d"', "found unknown escape character 'd'; write an expression with backslashes in 'single quotes'"),
            ("append: [a]+", "write a text that begins with [ { or a quote in 'single quotes'"),
            ("append: &sender=x", "write a text that begins with * or & in 'single quotes'"),
            ("append: *", "write a text that begins with * or & in 'single quotes'"),
            ("append: a: b", "write a text with a colon and a blank in it in 'single quotes'"),
        ):  # fmt: skip
            with self.subTest(text=text):
                [problem] = self.problems(f"incoming:\n  - do:\n      - {text}\n")
                self.assertIn(expected, problem)


class Files(WithRules):
    def rule(self, title: str, file: str = "") -> Rule:
        test = TextTest(How.IN, "", (), file) if file else TextTest(How.CONTAINS, "a")
        return Rule(title, Field("to", test), (Stop(),))

    def test_they_come_after_the_yaml(self) -> None:
        self.write("one.xml", xml.write(Rules((self.rule("x"),), (self.rule("y"),))))
        self.write("two.xml", xml.write(Rules((self.rule("z"),))))
        configuration = self.load("rules_files: [one.xml, two.xml]\noutgoing: [{title: a, do: [stop]}]\n")
        self.assertEqual([rule.title for rule in configuration.rules.outgoing], ["a", "x", "z"])
        self.assertEqual([rule.title for rule in configuration.rules.incoming], ["y"])
        self.assertEqual(configuration.rules_files, (f"{self.folder}/one.xml", f"{self.folder}/two.xml"))
        self.assertEqual(configuration.rules.incoming[0].source, f"{self.folder}/one.xml:16")

    def test_mistakes_in_them(self) -> None:
        self.write("vip.txt", "a\n")
        good = xml.write(Rules((self.rule("a"), self.rule("b", "gone.txt"), self.rule("c", "vip.txt"))))
        self.write("one.xml", good)
        self.write("two.xml", good.replace(b"stop", b"stp"))
        self.assertEqual(
            [problem.partition(" allowed")[0] for problem in self.problems(
                "outgoing: [{title: a, do: [stop]}]\nrules_files: [one.xml, two.xml, none.xml, '']\n"
            )],
            [
                "one.xml:4:5: outgoing[0].title: 'a' is used twice (first in smsd.yaml:2); choose another",
                "one.xml:18:13: outgoing[1].if[0].to.in[0].file: gone.txt cannot be read (No such file or directory)",
                "smsd.yaml:3:33: rules_files[2]: none.xml cannot be read (No such file or directory); "
                "`smsd rules import --into` makes one",
                "smsd.yaml:3:43: rules_files[3]: this must be the path of a file; write rules.xml",
                "two.xml:4:5: outgoing[0].title: 'a' is used twice (first in smsd.yaml:2); choose another",
                "two.xml:11:9: outgoing[0].do[0].stp: there is no action 'stp'; did you mean stop?",
                "two.xml:14:5: outgoing[1].title: 'b' is used twice (first in one.xml:14); choose another",
                "two.xml:18:13: outgoing[1].if[0].to.in[0].file: gone.txt cannot be read (No such file or directory)",
                "two.xml:23:9: outgoing[1].do[0].stp: there is no action 'stp'; did you mean stop?",
                "two.xml:26:5: outgoing[2].title: 'c' is used twice (first in one.xml:26); choose another",
                "two.xml:35:9: outgoing[2].do[0].stp: there is no action 'stp'; did you mean stop?",
            ],
        )  # fmt: skip

    def test_list_files_are_found_and_named(self) -> None:
        self.write("vip.txt", "a\n")
        self.write("one.xml", xml.write(Rules((self.rule("x", "vip.txt"),))))
        rules = self.load(
            "rules_files: [one.xml]\nincoming: [{title: a, if: {not: {or: [{to: {in: {file: vip.txt}}}]}}, do: [stop]}]\n"
        ).rules
        self.assertEqual(engine.compile(rules.incoming).files, {f"{self.folder}/vip.txt"})
        moved = with_list_files(rules, lambda path: "/else" + path)
        for its in (moved.outgoing, moved.incoming):
            self.assertEqual(engine.compile(its).files, {f"/else{self.folder}/vip.txt"})
        self.assertEqual(with_list_files(moved, lambda path: path.removeprefix("/else")), rules)

    def test_a_list_file_must_be_good(self) -> None:
        os.mkfifo(os.path.join(self.folder, "pipe.txt"))
        self.write("latin.txt", b"a\ncaf\xe9\n")
        self.write("nul.txt", b"a\0b\n")
        self.write("long.txt", "x\n" * 100_001)
        for name, expected in (
            ("pipe.txt", "pipe.txt is no file"),
            (".", "cannot be read (Is a directory)"),
            ("latin.txt", "latin.txt: line 2 is not UTF-8 text; save the file as UTF-8"),
            ("nul.txt", "nul.txt: the file has a NUL character"),
            ("long.txt", "long.txt: the file has too many lines; allowed: 100000"),
        ):
            with self.subTest(name=name):
                [problem] = self.problems(
                    f"outgoing: [{{title: a, if: {{to: {{in: {{file: {name}}}}}}}, do: [stop]}}]\n"
                )
                self.assertIn("outgoing[0].if.to.in.file: ", problem)
                self.assertIn(expected, problem)


class Sections(WithRules):
    def test_defaults(self) -> None:
        configuration = self.load("")
        replies, effects = configuration.replies, configuration.effects
        self.assertEqual((replies.by_email_tag, replies.keep_minutes, replies.tag_domains), (True, 0, []))
        self.assertEqual(
            replies.conflict_text,
            "Cannot deliver message, more potential recipients, use #email# in your reply.",
        )
        self.assertEqual(
            (effects.seconds, effects.output, effects.slots, effects.max_hops), (30, 10_000, 4, 8)
        )
        self.assertEqual(configuration.databases, ())

    def test_values(self) -> None:
        configuration = self.load(
            "replies: {tag_domains: [Example.ORG.], keep_minutes: 60}\neffects: {seconds: 2.5}\n"
        )
        self.assertEqual(configuration.replies.tag_domains, ["example.org"])
        self.assertEqual(configuration.effects.seconds, 2.5)

    def test_databases(self) -> None:
        text = "databases:\n  - {name: a, url: 'sqlite:a.db'}\n  - {name: b, url: 'sqlite:/b.db'}\n  - {name: c, url: env:PG}\n"
        configuration = load_text(
            f"server: {{folder: .}}\n{text}", self.path, {"PG": "postgresql://ann:hunter2@db.example.org/crm"}
        )
        self.assertEqual(
            [(database.name, database.url.get_secret_value()) for database in configuration.databases],
            [
                ("a", f"sqlite:{self.folder}/a.db"),
                ("b", "sqlite:/b.db"),
                ("c", "postgresql://ann:hunter2@db.example.org/crm"),
            ],
        )
        self.assertNotIn("hunter2", repr(configuration))

    def test_mistakes(self) -> None:
        problems = self.problems(
            """\
databases:
  - {name: a, url: 'mysql://ann:hunter2@h/x'}
  - {name: a, url: 'sqlite:'}
  - {name: b, url: 'postgresql://ann:hunter2@h:99999/x'}
  - {name: c, url: 'sqlite::memory:'}
  - {name: d/e, url: 'sqlite:x'}
  - {name: f, url: 'sqlite:x'}
  - {name: f, url: 'sqlite:x'}
replies: {keep_minutes: -1, tag_domains: [a@b], conflict_text: ''}
effects: {seconds: 0, slots: many}
"""
        )
        self.assertEqual(
            [problem.removeprefix("smsd.yaml:").partition("; ")[0] for problem in problems],
            [
                "3:20: databases[0].url: this is no database",
                "4:20: databases[1].url: the path of the file is missing",
                "5:20: databases[2].url: this is no database",
                "6:20: databases[3].url: the path of the file is missing",
                "7:12: databases[4].name: 'd/e' does not fit",
                "9:12: databases[6].name: 'f' is used twice (first in line 8)",
                "10:25: replies.keep_minutes: '-1': input should be greater than or equal to 0",
                "10:42: replies.tag_domains: 'a@b' is no domain: write sms.example.org",
                "10:64: replies.conflict_text: '': string should have at least 1 character",
                "11:20: effects.seconds: '0': input should be greater than or equal to 1",
                "11:30: effects.slots: 'many' is no whole number",
            ],
        )
        self.assertNotIn("hunter2", " ".join(problems))


class Sample(WithRules):
    """What etc/smsd.yaml shows."""

    def test_defaults_are_the_defaults(self) -> None:
        sample, empty = self.sample(), self.load("")
        self.assertEqual((sample.replies, sample.effects), (empty.replies, empty.effects))
        self.assertEqual((sample.rules, sample.rules_files, sample.databases), (Rules(), (), ()))

    def test_the_examples_can_be_used(self) -> None:
        self.patch(config_rules, "engine", engine)
        _, _, after = self.text().partition("# For example (")
        lines = after.split("\n\n")[0].splitlines()[1:]
        rules = self.load("\n".join(line.removeprefix("# ") for line in lines)).rules
        self.assertEqual((len(rules.outgoing), len(rules.incoming)), (5, 2))

    def text(self) -> str:
        with open(os.path.join(ROOT, "etc", "smsd.yaml"), encoding="utf-8") as stream:
            return stream.read()

    def sample(self) -> Configuration:
        return load_text(self.text(), self.path, {})
