"""`smsd template`: what would be requested, with passwords hidden, and mistakes with their places."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli.main import main


class TemplateTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_it(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["template", *arguments, "-c", os.path.join(self.folder, "smsd.yaml")])
        return code, out.getvalue(), err.getvalue()

    def test_passwords_are_hidden(self) -> None:
        url = "http://ann:geheim-1@x/?pass=geheim-2&k=%key%&t=%data%"
        code, out, _ = self.run_it(url, "--set", "key=geheim-3", "--text", "hi")
        self.assertEqual((code, "geheim" in out), (0, False), out)
        _, out, _ = self.run_it(url, "--set", "key=geheim-3", "--show")
        self.assertEqual(out.count("geheim"), 3)
        _, out, _ = self.run_it("twilio", "--set", "auth_token=geheim-4", "--set", "account_sid=AC1")
        self.assertIn("Authorization: Basic xxx", out)
        self.assertNotIn("AC1", out)

    def test_json(self) -> None:
        _, out, _ = self.run_it("smsd", "--set", "server=http://b", "--data", "00" * 300, "--json")
        said = json.loads(out)
        self.assertEqual((said["parts"], len(said["requests"])), (3, 3))
        self.assertIn("msgid=911813352047513600-3&", said["requests"][2]["url"])

    def test_split(self) -> None:
        _, out, _ = self.run_it("http://x/?t=%data%&h=%udh;hex%", "--text", "x" * 200, "--split")
        self.assertIn("h=0003AB0202", out)
        _, out, _ = self.run_it("http://x/?t=%data%&n=%parts%", "--text", "x" * 200)
        self.assertIn("&n=2", out)

    def test_one_s_own_providers(self) -> None:
        """Beside the configuration."""
        path = os.path.join(self.folder, "smsd.yaml")
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("server: {}\n")
        with open(os.path.join(self.folder, "providers.yaml"), "w", encoding="utf-8") as stream:
            stream.write('providers:\n  mine:\n    text: {url: "http://x/?t=%data%"}\n')
        _, out, _ = self.run_it("mine", "--text", "a b")
        self.assertIn("GET http://x/?t=a%20b\n", out)
        _, out, _ = self.run_it("list")
        self.assertIn("mine", out)
        self.assertIn("twilio", out)
        with open(os.path.join(self.folder, "providers.yaml"), "w", encoding="utf-8") as stream:
            stream.write('providers:\n  mine:\n    text: {url: "http://x/?t=%dta%"}\n')
        code, _, err = self.run_it("mine")
        self.assertEqual(code, 1)
        self.assertIn(
            "providers.yaml:3:17: providers.mine.text.url: at character 13: there is no variable dta", err
        )

    def test_mistakes(self) -> None:
        for arguments, wrong in (
            (("http://x/?t=%dta%",), "at character 13: there is no variable dta: did you mean data?"),
            (("nobody",), "there is no provider 'nobody'"),
            (("twilio", "--set", "user=x"), "twilio has no credential 'user'"),
            (("twilio", "--set", "user"), "write NAME=VALUE"),
            (("twilio", "--data", "00"), "twilio does not carry binary messages"),
            (("vonage", "--data", "0g"), "--data is no octets in hexadecimal"),
            (("vonage", "--data", "00", "--text", "x"), "give one of them"),
            (("vonage", "--to", "abc!"), ""),
            (("http://x/?t=%data%&concat=1", "--text", "x" * 200), "needs 2 SMS, and the URL allows 1"),
        ):
            code, out, err = self.run_it(*arguments)
            self.assertEqual((code, out), (1, ""), arguments)
            self.assertIn(wrong, err)

    def test_a_server_that_cannot_be(self) -> None:
        code, _, err = self.run_it("http://%number%.example.org/?t=%data%")
        self.assertEqual(code, 1)
        self.assertIn("the URL cannot be used: a message does not choose the server", err)

    def test_nothing_steers_the_terminal(self) -> None:
        _, out, _ = self.run_it("http://x/", "--text", "x", "--set", "a=b")
        self.assertTrue(out)
        _, out, _ = self.run_it("smsgate", "--text", "\x1b[2J")
        self.assertNotIn("\x1b", out)
