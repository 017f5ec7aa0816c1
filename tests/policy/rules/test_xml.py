"""Rules as XML: nothing is lost, the schema says what is written, and a bad file is refused with every mistake and its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from subprocess import PIPE, run

from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

import smsd.policy.rules
from smsd.policy.rules import xml, xmltree
from smsd.policy.rules.model import (
    Accept,
    All,
    And,
    Cap,
    Clock,
    Each,
    Field,
    How,
    Or,
    Reject,
    Rule,
    Rules,
    SetHeader,
    Stop,
    TextTest,
)
from smsd.policy.rules.xmltree import XmlError
from smsd.values.errors import InvalidValue
from tests.policy.rules.strategies import rules

SCHEMA = os.path.join(os.path.dirname(smsd.policy.rules.__file__), "rules.xsd")
SPACE = f'xmlns="{xmltree.NAMESPACE}"'

HAND_WRITTEN = f"""\
<?xml version="1.0"?>
<!-- made by hand -->
<rules {SPACE}
       xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:smsd:rules:1 rules.xsd">
  <outgoing>
    <rule title="Übersee">
      <description>through the US &amp; Canada</description>
      <if>
        <to><starts>+1</starts></to>
        <or>
          <account><equals>ann</equals></account>
          <from each="all" case="yes"><in><entry>a@b</entry><file>/lists/vip.txt</file></in></from>
        </or>
        <time from="18:00" to="08:00" days="sat sun"/>
      </if>
      <do>
        <set_header name="To:"><value>$1@us</value><regex>^(\\+1)</regex></set_header>
        <stop/>
      </do>
    </rule>
  </outgoing>
  <incoming>
    <rule title="all" active="no"><do><cap most="5" minutes="10"><text><![CDATA[%count% <more>]]></text></cap></do></rule>
  </incoming>
</rules>
"""
MEANT = Rules(
    (
        Rule(
            "Übersee",
            And(
                (
                    Field("to", TextTest(How.STARTS, "+1")),
                    Or(
                        (
                            Field("account", TextTest(How.EQUALS, "ann")),
                            Field("from", TextTest(How.IN, "", ("a@b",), "/lists/vip.txt", True, Each.ALL)),
                        )
                    ),
                    Clock(18 * 60, 8 * 60, frozenset({5, 6})),
                )
            ),
            (SetHeader("To", "$1@us", r"^(\+1)"), Stop()),
            True,
            "through the US & Canada",
        ),
    ),
    (Rule("all", All(), (Cap(5, 10, "%count% <more>"),), active=False),),
)


def one(words: str, then: str = "<accept/>", title: str = "t") -> bytes:
    """A file with one rule, whose condition stands in line 4."""
    return (
        f'<rules {SPACE}>\n<outgoing>\n<rule title="{title}"><if>\n{words}</if>\n<do>{then}</do></rule></outgoing></rules>'
    ).encode()


class RoundTrip(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(rules())
    def test_nothing_is_lost(self, given: Rules) -> None:
        self.assertEqual(xml.read(xml.write(given), "x.xml"), given)

    def test_blanks_and_line_ends_survive(self) -> None:
        odd = " a\r\nb\rc\td\n\n \u0085\u2028 "
        given = Rules((Rule("x", Field("body", TextTest(How.CONTAINS, odd)), (Reject(odd),), True, odd),))
        self.assertEqual(xml.read(xml.write(given), "x.xml"), given)

    def test_what_no_file_could_say_is_not_written(self) -> None:
        for rule in (
            Rule("x", And(()), (Stop(),)),
            Rule("x", All(), ()),
            Rule("x", All(), (Reject("\x1b"),)),
            Rule("x", All(), (Reject("\ud800"),)),
            Rule("x", Field("to", TextTest(How.EMPTY, "lost")), (Stop(),)),
            Rule("", All(), (Stop(),)),
        ):
            with self.subTest(rule=rule):
                self.assertRaises(InvalidValue, xml.write, Rules((rule,)))

    def test_a_selection(self) -> None:
        def rule(title: str) -> Rule:
            return Rule(title, All(), (Accept(),))

        both = Rules((rule("a"), rule("b")), (rule("b"), rule("c")))
        self.assertEqual(xml.read(xml.write(both, ["b"]), "x.xml"), Rules((rule("b"),), (rule("b"),)))
        error = self.assertRaises(InvalidValue, xml.write, both, ["bb"])
        self.assertEqual(str(error), "there is no rule 'bb'; did you mean b? allowed: a, b, c")


class Schema(SynchronousTestCase):
    """xmllint of libxml2 is the judge of our schema."""

    def setUp(self) -> None:
        self.assertTrue(
            shutil.which("xmllint"), "xmllint is needed: apt-get install libxml2-utils (see .ci/prepare)"
        )

    def faults(self, *files: bytes) -> list[str]:
        """What xmllint has against the files."""
        with tempfile.TemporaryDirectory(prefix="smsd-") as folder:
            paths = []
            for number, data in enumerate(files):
                paths.append(os.path.join(folder, f"{number}.xml"))
                with open(paths[-1], "wb") as stream:
                    stream.write(data)
            done = run(
                ["xmllint", "--noout", "--nonet", "--schema", SCHEMA, *paths],
                stderr=PIPE,
                timeout=120,
                check=False,
            )
        lines = done.stderr.decode().splitlines()
        return [line.removeprefix(folder + "/") for line in lines if not line.endswith(" validates")]

    def test_exports_are_valid(self) -> None:
        exports: list[bytes] = []

        @settings(max_examples=150, deadline=None)
        @given(rules())
        def collect(given: Rules) -> None:
            exports.append(xml.write(given))

        collect()
        self.assertGreater(len(exports), 100)
        self.assertEqual(self.faults(*exports), [])

    def test_what_is_valid_is_read(self) -> None:
        self.assertEqual(self.faults(HAND_WRITTEN.encode()), [])
        self.assertEqual(xml.read(HAND_WRITTEN.encode(), "x.xml"), MEANT)

    def test_what_is_invalid_is_not_read(self) -> None:
        for data in (
            one("<two><starts>+1</starts></two>"),
            one("<to><starts>+1</starts><ends>1</ends></to>"),
            one("<to><starts></starts></to>"),
            one("<and/>"),
            one("<all>x</all>"),
            one("<size above='many'/>"),
            one("<time from='25:00'/>"),
            one("<time days='someday'/>"),
            one("<header><empty/></header>"),
            one("<binary>maybe</binary>"),
            one("<all/>", ""),
            one("<all/>", "<acept/>"),
            one("<all/>", "<cap most='0' minutes='1'/>"),
            one("<all/>", "<url method='PUT'><url>http://x</url></url>"),
            one("<all/>", title=""),
            one("<all/>words"),
            one("<all/>").replace(b"outgoing", b"outbound"),
            one("<all/>").replace(b"urn:smsd", b"urn:other"),
        ):
            with self.subTest(data=data):
                self.assertTrue(self.faults(data))
                self.assertRaises(XmlError, xml.read, data, "x.xml")


class Mistakes(SynchronousTestCase):
    def mistakes(self, data: bytes) -> list[str]:
        return str(self.assertRaises(XmlError, xml.read, data, "x.xml")).splitlines()

    def test_all_at_once_with_their_places(self) -> None:
        data = f"""\
<rules {SPACE}>
  <outgoing>
    <rule title="a" actve="no">
      <if><too><starts>+1</starts></too></if>
      <do>
        <stop/>
        <cap most="none" minutes="1"/>
      </do>
    </rule>
    <rule title="a"><do><stop/></do></rule>
  </outgoing>
</rules>
"""
        self.assertEqual(
            self.mistakes(data.encode()),
            [
                "x.xml:3:5: outgoing[0].actve: unknown key; did you mean active? "
                "allowed: title, active, description, if, do, user",
                "x.xml:4:11: outgoing[0].if[0].too: there is no such condition; did you mean to? allowed: all, and, or, not, "
                "from, to, subject, cc, reply_to, date, body, sender, number, host, account, gateway, door, keyword, header, "
                "size, authenticated, local, attachment, binary, ip, time, priority, sql",
                "x.xml:7:9: outgoing[0].do[1].cap.most: 'none' is not possible; allowed: 1 to 1000000",
                "x.xml:10:5: outgoing[1].title: 'a' is used twice (first in x.xml:3); choose another",
            ],
        )

    def test_not_well_formed(self) -> None:
        for data, expected in (
            (b"", "x.xml:1:1: no element found"),
            (b"<rules", "x.xml:1:1: unclosed token"),
            (one("<to>"), "x.xml:4:7: mismatched tag"),
            (one("<to>&nbsp;</to>"), "x.xml:4:5: undefined entity"),
            (one("\xff").decode().encode("latin-1"), "x.xml:4:1: not well-formed (invalid token)"),
            (
                b"<?xml version='1.0' encoding='klingon'?><rules/>",
                "the file is in an encoding that is not known",
            ),
            (
                f"<rule {SPACE}/>".encode(),
                "x.xml:1:1: <rule> is no list of rules; the file begins with <rules>",
            ),
            (b"<rules/>", "<rules> is in no namespace; the file begins with <rules xmlns="),
        ):
            with self.subTest(data=data):
                [line] = self.mistakes(data)
                self.assertIn(expected, line)

    def test_text_in_wrong_places(self) -> None:
        self.assertEqual(
            self.mistakes(one("all <all/>")),
            [
                "x.xml:3:17: outgoing[0].if: there is text between the elements; put it into an element of its own"
            ],
        )

    def test_a_file_cannot_steer_the_terminal(self) -> None:
        lines = self.mistakes(one("<all/>", "<priority>\u009b31m</priority>", "&#10;x\u009b31m"))
        self.assertEqual([line for line in lines if not line.isprintable()], [])
        self.assertIn("'\\x9b31m' is not possible", lines[-1])


class Attacks(SynchronousTestCase):
    def refused(self, data: bytes) -> str:
        return str(self.assertRaises(XmlError, xml.read, data, "x.xml"))

    def test_document_types_are_refused(self) -> None:
        laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        for doctype in (
            "<!DOCTYPE rules>",
            '<!DOCTYPE rules SYSTEM "file:///etc/passwd">',
            '<!DOCTYPE rules [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            f'<!DOCTYPE rules [<!ENTITY l0 "ha">{laughs}]>',
            '<!DOCTYPE rules [<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd"> %p;]>',
        ):
            with self.subTest(doctype=doctype[:50]):
                text = self.refused(f"<?xml version='1.0'?>\n{doctype}<rules {SPACE}/>".encode())
                self.assertTrue(text.startswith("x.xml:2:"), text)
                self.assertIn("a document type (<!DOCTYPE …>) is not taken", text)
                self.assertNotIn("root:", text)

    def test_bounded(self) -> None:
        deep = f"<rules {SPACE}><outgoing><rule title='x'><if>{'<not>' * 100_000}"
        self.assertIn("nested too deeply", self.refused(deep.encode()))
        conditions = f"{'<not>' * 30}<all/>{'</not>' * 30}"
        self.assertIn("nested too deeply; allowed: 20 conditions", self.refused(one(conditions)))
        self.assertIn("the file is too long", self.refused(b" " * (xmltree.MOST_OCTETS + 1)))
        self.patch(xmltree, "MOST_ELEMENTS", 1000)
        self.assertIn("too many elements", self.refused(one("<all/>" * 1001)))

    def test_mistakes_are_counted(self) -> None:
        lines = self.refused(one("<al/>" * 10_000)).splitlines()
        self.assertEqual(len(lines), xmltree.MOST_MISTAKES)
