"""smsd rules: what it lists, exports and merges, and that a file with a mistake changes nothing."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli.main import main
from smsd.config.load import load
from smsd.policy.rules import xml
from smsd.policy.rules.model import All, Field, How, Reject, Rule, Rules, Stop, TextTest

YAML = """\
server: {folder: var}
outgoing:
  - title: from yaml
    description: what is written by hand
    if: {to: {in: {file: vip.txt}}}
    do: [stop]
rules_files: [rules.xml]
"""


def rule(title: str, text: str = "no", **more: Any) -> Rule:
    return Rule(title, Field("to", TextTest(How.STARTS, "+1")), (Reject(text),), **more)


OLD = Rules((rule("one"), rule("two"), rule("three")), (rule("one"),))
NEW = Rules((rule("four"), rule("two", "never"), rule("one")), (rule("two", active=False),))


class WithFiles(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        os.mkdir(os.path.join(self.folder, "var"))
        self.path = self.write("smsd.yaml", YAML)
        self.write("var/vip.txt", "+39\n")
        self.target = self.write("var/rules.xml", xml.write(OLD))
        self.new = self.write("new.xml", xml.write(NEW))
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.patch(sys, "stdin", io.StringIO(""))

    def write(self, name: str, content: str | bytes) -> str:
        path = os.path.join(self.folder, name)
        with open(path, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
        return path

    def read(self, path: str) -> Rules:
        with open(path, "rb") as stream:
            return xml.read(stream.read(), path)

    def smsd(self, *words: str, answer: str = "") -> int:
        self.patch(sys, "stdin", io.StringIO(answer))
        for stream in (self.out, self.err):
            stream.seek(0)
            stream.truncate()
        return main(["-c", self.path, "rules", *words])

    def refused(self, *words: str, answer: str = "") -> str:
        """Why; nothing else may have happened."""
        before = sorted(os.listdir(self.folder)), sorted(os.listdir(self.folder + "/var"))
        self.assertEqual(self.smsd(*words, answer=answer), 1, self.out.getvalue())
        self.assertEqual(self.read(self.target), OLD)
        self.assertEqual((sorted(os.listdir(self.folder)), sorted(os.listdir(self.folder + "/var"))), before)
        return self.err.getvalue().replace(self.folder + "/", "")


class ListAndExport(WithFiles):
    def test_list(self) -> None:
        self.assertEqual(self.smsd("list"), 0)
        lines = self.out.getvalue().replace(self.folder + "/", "").splitlines()
        self.assertEqual([line.split()[:3] for line in lines[1:]], [
            ["outgoing", "1", "yes"], ["outgoing", "2", "yes"], ["outgoing", "3", "yes"], ["outgoing", "4", "yes"],
            ["incoming", "1", "yes"],
        ])  # fmt: skip
        self.assertTrue(lines[1].endswith("from yaml  what is written by hand  smsd.yaml:3"), lines[1])
        self.assertTrue(lines[2].endswith("var/rules.xml:4"), lines[2])

    def test_list_for_programs(self) -> None:
        self.assertEqual(self.smsd("list", "--json"), 0)
        listed = json.loads(self.out.getvalue())
        self.assertEqual(
            [entry["title"] for entry in listed["outgoing"]], ["from yaml", "one", "two", "three"]
        )
        self.assertEqual(listed["incoming"][0]["do"], [{"reject": "no"}])

    def test_export_has_everything(self) -> None:
        path = os.path.join(self.folder, "all.xml")
        self.assertEqual(self.smsd("export", path), 0)
        exported = self.read(path)
        by_hand = Rule(
            "from yaml",
            Field("to", TextTest(How.IN, "", (), "vip.txt")),
            (Stop(),),
            description="what is written by hand",
        )
        self.assertEqual(exported, Rules((by_hand, *OLD.outgoing), OLD.incoming))

    def test_users_own_rules_stay_with_their_accounts(self) -> None:
        account = (
            "accounts: [{user: shop, networks: [127.0.0.0/8], outgoing_rules: [{title: mine, do: [stop]}]}]\n"
        )
        self.path = self.write("smsd.yaml", YAML + account)
        self.assertEqual(self.smsd("list"), 0)
        self.assertIn("outgoing  5  yes     mine       shop", self.out.getvalue())
        path = os.path.join(self.folder, "all.xml")
        self.assertEqual(self.smsd("export", path), 0)
        self.assertNotIn("mine", [rule.title for rule in self.read(path).outgoing])
        self.assertIn("left out: rules of users, which stand in their accounts (shop)", self.err.getvalue())
        self.assertIn("there is no rule 'mine'", self.refused("export", "--title", "mine"))
        self.path = self.write("other.yaml", "rules_files: [rules.xml]\nserver: {folder: var2}\n")
        os.mkdir(os.path.join(self.folder, "var2"))
        self.write("var2/vip.txt", "+39\n")
        self.write("var2/rules.xml", xml.write(Rules()))
        self.assertEqual(self.smsd("import", path, "--yes"), 0, self.err.getvalue())

    def test_export_a_selection_to_the_output(self) -> None:
        self.assertEqual(self.smsd("export", "--title", "two", "--title", "one"), 0)
        exported = xml.read(self.out.getvalue().encode(), "x")
        self.assertEqual(exported, Rules((rule("one"), rule("two")), (rule("one"),)))

    def test_export_refused(self) -> None:
        self.assertIn("there is no rule 'tow'; did you mean two?", self.refused("export", "--title", "tow"))
        for path in (self.target, self.path):
            self.assertIn("belongs to the configuration itself", self.refused("export", path))
        self.assertIn("cannot be written (No such file", self.refused("export", self.folder + "/none/x.xml"))
        self.path = self.write("bad.yaml", "outgoing: [{title: a}]\n")
        self.assertIn("bad.yaml:1:12: outgoing[0].do: missing", self.refused("export"))


class Import(WithFiles):
    def test_merged_by_list_and_title(self) -> None:
        self.assertEqual(self.smsd("import", self.new, answer="yes\n"), 0)
        self.assertEqual(
            self.out.getvalue().replace(self.folder + "/", ""),
            """\
var/rules.xml:
added      outgoing  four
replaced   outgoing  two
unchanged  outgoing  one
added      incoming  two

outgoing two:
     </if>
     <do>
  -    <reject>no</reject>
  +    <reject>never</reject>
     </do>
   </rule>

change the file? [yes/no] var/rules.xml is written; `smsd reload` puts it in force
""",
        )
        self.assertEqual(
            self.read(self.target),
            Rules(
                (rule("one"), rule("two", "never"), rule("three"), rule("four")),
                (rule("one"), rule("two", active=False)),
            ),
        )
        self.assertEqual(len(load(self.path).rules.outgoing), 5)

    def test_only_a_yes_changes_anything(self) -> None:
        for answer in ("no\n", "", "\n", "maybe\n"):
            with self.subTest(answer=answer):
                self.assertEqual(self.smsd("import", self.new, answer=answer), 0)
                self.assertTrue(self.out.getvalue().endswith("nothing was changed\n"))
                self.assertEqual(self.read(self.target), OLD)

    def test_nothing_new(self) -> None:
        status = os.stat(self.target)
        same = self.write("same.xml", xml.write(OLD))
        self.assertEqual(self.smsd("import", same, "--yes"), 0)
        self.assertTrue(self.out.getvalue().endswith("nothing was changed\n"))
        self.assertEqual(os.stat(self.target).st_ino, status.st_ino)

    def test_a_selection(self) -> None:
        self.assertEqual(self.smsd("import", self.new, "--title", "two", "--yes"), 0)
        merged = self.read(self.target)
        self.assertEqual(merged.outgoing, (rule("one"), rule("two", "never"), rule("three")))
        self.assertIn(
            "there is no rule 'five'",
            self.smsd("import", self.new, "--title", "five") and self.err.getvalue(),
        )

    def test_the_file_keeps_owner_mode_and_link(self) -> None:
        os.chmod(self.target, 0o640)
        link = os.path.join(self.folder, "link.xml")
        os.symlink(self.target, link)
        self.assertEqual(self.smsd("import", self.new, "--into", link, "--yes"), 0)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(os.stat(self.target).st_mode & 0o777, 0o640)
        self.assertEqual(len(self.read(self.target).outgoing), 4)

    def test_a_new_file(self) -> None:
        os.chmod(self.path, 0o600)
        fresh = os.path.join(self.folder, "var", "fresh.xml")
        only = self.write("only.xml", xml.write(Rules((rule("fresh"),))))
        self.assertEqual(self.smsd("import", only, "--into", fresh, "--yes"), 0)
        self.assertIn("nothing reads it until rules_files in", self.out.getvalue())
        self.assertEqual(self.read(fresh), Rules((rule("fresh"),)))
        self.assertEqual(os.stat(fresh).st_mode & 0o777, 0o600)

    def test_relative_paths_start_where_those_of_rules_files_do(self) -> None:
        self.assertEqual(self.smsd("import", self.new, "--into", "rules.xml", "--yes"), 0)
        self.assertEqual(len(self.read(self.target).outgoing), 4)
        self.assertIn(f"{self.target} is written; `smsd reload` puts it in force", self.out.getvalue())

    def test_a_new_file_that_the_configuration_already_names(self) -> None:
        os.unlink(self.target)
        self.assertEqual(self.smsd("import", self.new, "--into", self.target, "--yes"), 0)
        self.assertIn("puts it in force", self.out.getvalue())
        self.assertEqual(self.read(self.target), NEW)

    def test_list_files_move_with_the_folder(self) -> None:
        listed = self.write("listed.xml", xml.write(Rules((rule("x"), _listed("y", "vip.txt")))))
        self.assertEqual(self.smsd("import", listed, "--yes"), 0)
        self.assertIn(_listed("y", "vip.txt"), self.read(self.target).outgoing)
        self.assertEqual(self.smsd("import", listed, "--yes"), 0)
        self.assertTrue(self.out.getvalue().endswith("nothing was changed\n"), self.out.getvalue())

    def test_for_programs(self) -> None:
        expected = [
            {"list": "outgoing", "title": "four", "change": "added"},
            {"list": "outgoing", "title": "two", "change": "replaced"},
            {"list": "outgoing", "title": "one", "change": "unchanged"},
            {"list": "incoming", "title": "two", "change": "added"},
        ]
        self.assertEqual(self.smsd("import", self.new, "--json"), 0)
        self.assertEqual(
            json.loads(self.out.getvalue()), {"into": self.target, "written": False, "rules": expected}
        )
        self.assertEqual(self.read(self.target), OLD)
        self.assertEqual(self.smsd("import", self.new, "--json", "--yes"), 0)
        self.assertEqual(
            json.loads(self.out.getvalue()), {"into": self.target, "written": True, "rules": expected}
        )


class ImportRefused(WithFiles):
    def test_every_mistake_at_its_place(self) -> None:
        bad = (
            xml.write(NEW)
            .replace(b"<reject>never</reject>", b"<rejct/>")
            .replace(b'active="no"', b'active="2"')
        )
        text = self.refused("import", self.write("bad.xml", bad), "--yes")
        self.assertIn(
            "bad.xml:21:9: outgoing[1].do[0].rejct: there is no action 'rejct'; did you mean reject?", text
        )
        self.assertIn("bad.xml:36:5: incoming[0].active: '2' is not possible", text)

    def test_what_this_configuration_cannot_run(self) -> None:
        cases = (
            (_listed("x", "gone.txt"), "var/gone.txt cannot be read"),
            (
                Rule("x", Field("to", TextTest(How.REGEX, "(")), (Stop(),)),
                "new.xml:5:7: outgoing[0].if: the regular expr",
            ),
            (Rule("x", All(), (Stop(),), user="ann"), "new.xml:4:5: outgoing[0].user: unknown key"),
        )
        for wrong, expected in cases:
            with self.subTest(wrong=wrong):
                path = self.write("new.xml", xml.write(Rules((wrong,))))
                self.assertIn(expected, self.refused("import", path, "--yes"))

    def test_titles_that_stand_elsewhere(self) -> None:
        path = self.write("new.xml", xml.write(Rules((rule("a"), rule("from yaml")))))
        text = self.refused("import", path, "--yes")
        self.assertIn("new.xml:14: outgoing 'from yaml' stands in smsd.yaml:3 already", text)
        self.assertEqual(self.smsd("import", path, "--yes", "--title", "a"), 0)

    def test_a_target_with_a_mistake(self) -> None:
        broken = self.write("var/broken.xml", "<rules>")
        self.assertIn(
            "broken.xml:1:1: <rules> is in no namespace",
            self.refused("import", self.new, "--into", broken, "--yes"),
        )

    def test_a_target_that_is_no_file_of_rules(self) -> None:
        for into in (self.path, os.path.join("..", "smsd.yaml")):
            with self.subTest(into=into):
                text = self.refused("import", self.new, "--into", into, "--yes")
                self.assertIn("is the configuration, whose rules are changed by hand: --into wants a", text)
        self.assertIn(
            "vip.txt is no XML; a file of rules is wanted",
            self.refused("import", self.new, "--into", "vip.txt", "--yes"),
        )

    def test_files(self) -> None:
        self.assertIn(
            "none.xml cannot be read (No such file", self.refused("import", self.folder + "/none.xml")
        )
        self.assertIn("say --yes", self.refused("import", "-"))
        self.path = self.write("two.yaml", YAML.replace("[rules.xml]", "[]"))
        self.assertIn("names no files: say with --into which one", self.refused("import", self.new))

    def test_changed_while_somebody_thinks(self) -> None:
        class Slow(io.StringIO):
            def readline(self, *_: Any) -> str:  # type: ignore[override]
                meanwhile()
                return "yes\n"

        def meanwhile() -> None:
            self.write("var/rules.xml", xml.write(Rules()))

        main(["-c", self.path, "rules", "list"])
        self.patch(sys, "stdin", Slow())
        self.assertEqual(main(["-c", self.path, "rules", "import", self.new]), 1)
        self.assertIn("has been changed meanwhile; nothing was written", self.err.getvalue())
        self.assertEqual(self.read(self.target), Rules())


def _listed(title: str, file: str) -> Rule:
    return Rule(title, Field("to", TextTest(How.IN, "", (), file)), (Stop(),))
