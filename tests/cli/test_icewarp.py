"""`smsd import icewarp`: folders as IceWarp writes them, the real book behind the control socket, and what people read."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from typing import Any

from twisted.internet.defer import Deferred

from smsd.cli import icewarp as module
from smsd.cli.client import Refusal
from smsd.cli.main import main
from smsd.core.accounts.importing import Importer
from smsd.core.passwords import matches
from smsd.values.errors import InvalidValue
from tests.core.test_account_book import BookCase

ANN = "ann:annpw:gsm1:Ann from sales:500:3:1799990000:40:46752:0\r\n"
BOB = "bob:bobpw:gsm2::0:0:0:0:0:1\r\n"


class Folder(BookCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)
        self.patch(module, "call", self.called)
        before = os.environ.get("TZ")
        os.environ["TZ"] = "UTC"
        time.tzset()
        self.addCleanup(time.tzset)
        self.addCleanup(os.environ.update if before else os.environ.pop, {"TZ": before} if before else "TZ")
        self.calls: list[dict[str, Any]] = []
        super().setUp()

    def begin(self) -> None:
        super().begin()
        self.importer = Importer(self.book, self.house.planner.period, self.house.store.now)
        self.control.add(self.importer.verbs())

    def called(self, options: Any, verb: str, **arguments: Any) -> Any:
        """As over the socket."""
        arguments = json.loads(json.dumps(arguments))
        self.calls.append(arguments)
        try:
            told = self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))
        except InvalidValue as error:
            raise Refusal(str(error)) from None
        return json.loads(json.dumps(told))

    def write(self, name: str, content: str | bytes) -> None:
        path = os.path.join(self.path, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def bring(self, *words: str, code: int = 0) -> str:
        """What is printed, with `DIR` for the folder."""
        self.out.seek(0), self.out.truncate()
        self.err.seek(0), self.err.truncate()
        self.assertEqual(main(["import", "icewarp", self.path, *words]), code, self.err.getvalue())
        text = (self.out if code == 0 else self.err).getvalue().replace(self.path, "DIR")
        for secret in ("annpw", "bobpw", "$argon2id"):
            self.assertNotIn(secret, text)
        return text


class Bringing(Folder):
    def test_a_whole_server(self) -> None:
        self.write("config/smsusers.dat", ANN + BOB)
        self.write("config/sms.dat", "::::100:0:0:0:46387:0\r\n")
        self.write("config/sales.example/sms.dat", "::gsm1:The shop:0:9:1799990000:0:0:0")
        self.write("mail/sales.example/Eve/sms.dat", "::gsm2::0:0:0:0:0:0\n")
        self.write("mail/sales.example/mallory/sms.dat", "::::5:0:0:0:0:1\n")
        self.write("mail/sales.example/nobody/inbox/x.imap", "")
        self.write("config/smsstat.dat", b"\0\1\2")
        self.write(
            "config/smsgateway.dat", "<A>\n<B>x</B><CLIENTCERT>C:\\certificates\\cert_o2.pem</CLIENTCERT></A>"
        )
        text = self.bring("--yes", "--map", "C:\\certificates=/etc/smsd/certs")
        self.assertEqual(
            [" ".join(line.split()) for line in text.splitlines()],
            [
                "DIR/config/sms.dat: read as UTF-8",
                "DIR/config/sales.example/sms.dat: read as UTF-8",
                "DIR/mail/sales.example/Eve/sms.dat: read as UTF-8",
                "DIR/mail/sales.example/mallory/sms.dat: read as UTF-8",
                "DIR/config/smsusers.dat: read as UTF-8",
                "DIR/config/smsgateway.dat: read as UTF-8",
                "",
                "ACCOUNT SETTINGS SENT",
                'new ann description="Ann from sales" gateway=gsm1 monthly_limit=500 expires=2027-12-31 password '
                "3 this month, 40 last month, last 2027-01-15 05:13:20",
                "new bob gateway=gsm2 active=no password",
                "",
                "MAIL USERS SETTINGS SENT",
                "new * monthly_limit=100 expires=2026-12-31",
                'new sales.example description="The shop" gateway=gsm1 monthly_limit=0 expires=9999-12-31',
                "new eve@sales.example gateway=gsm2 monthly_limit=0 expires=9999-12-31",
                "new mallory@sales.example monthly_limit=5 access=no expires=9999-12-31",
                "",
                "different here, or to be done by hand:",
                "DIR/config/sales.example/sms.dat:1: the counters of sms.dat are not those of mail users, who begin at 0 here",
                "DIR/mail/sales.example/mallory/sms.dat:1: mallory@sales.example has no gateway of its own, and takes the one of "
                "its domain or of all here",
                "whether mail users may send at all is not in these files (IceWarp: Policies): "
                "smsd account set --policy sales.example access=yes",
                "DIR/config/smsgateway.dat:2: the client certificate C:\\certificates\\cert_o2.pem: write into its gateway "
                '(type: http): certificate: "/etc/smsd/certs/cert_o2.pem"',
                "",
                "described in no document, and so not imported:",
                "DIR/config/smsgateway.dat: A (1), B (1): gateways are written anew, in the configuration",
                "DIR/config/smsstat.dat: how the counters of mail users are laid out; they begin at 0 here",
                "",
                "6 imported",
            ],
        )
        rows = self.rows()
        self.assertTrue(matches(rows["account"]["ann"].pop("password"), "annpw"))
        self.assertTrue(matches(rows["account"]["bob"].pop("password"), "bobpw"))
        self.assertEqual(
            rows["account"],
            {
                "ann": {
                    "description": "Ann from sales",
                    "gateway": "gsm1",
                    "monthly_limit": 500,
                    "expires": "2027-12-31",
                },
                "bob": {"gateway": "gsm2", "active": False},
            },
        )
        told = self.call("account", name="ann")
        self.assertEqual(
            (told["sent_this_month"], told["sent_last_month"], told["last_sent"]), (3, 40, 1_799_990_000_000)
        )
        # A user's file goes before his domain's as a whole, so what it does not limit is not limited by the domain.
        self.call("account_set", kind="policy", name="sales.example", settings={"access": True})
        eve = self.directory.find("eve@sales.example")
        assert eve is not None
        self.assertEqual((eve.gateway, eve.monthly_limit, str(eve.expires)), ("gsm2", 0, "9999-12-31"))
        self.assertIsNone(self.directory.get("mallory@sales.example"))

    def test_twice_changes_nothing(self) -> None:
        self.write("config/smsusers.dat", ANN + BOB)
        self.bring("--yes")
        rows = self.rows()
        text = self.bring("--yes")
        self.assertIn("there  ann      stays as it is in the store\n", text)
        self.assertIn("nothing was imported", text)
        self.assertEqual(self.rows(), rows)
        self.write("config/smsusers.dat", ANN.replace("500", "600") + "carol:annpw:::0:0:0:0:0:0\n")
        text = self.bring("--yes")
        self.assertIn("stays as it is in the store; differs in: monthly_limit", text)
        self.assertIn("1 imported", text)
        self.assertEqual({**rows["account"], "carol": None}.keys(), self.rows()["account"].keys())
        self.assertEqual(self.rows()["account"]["ann"], rows["account"]["ann"])

    def test_passwords_are_not_made_hashes_before_the_answer_and_never_leave_in_clear(self) -> None:
        self.write("config/smsusers.dat", ANN)
        self.patch(sys, "stdin", io.StringIO("no\n"))
        self.assertIn("import these 1? [yes/no] nothing was imported", self.bring())
        self.assertEqual([call.get("dry") for call in self.calls], [True])
        self.assertEqual(self.rows(), {})
        self.patch(sys, "stdin", io.StringIO("yes\n"))
        self.assertIn("1 imported", self.bring())
        self.assertNotIn("annpw", json.dumps(self.calls))

    def test_json_asks_nothing_and_does_what_yes_says(self) -> None:
        self.write("config/smsusers.dat", ANN)
        told = json.loads(self.bring("--json"))
        self.assertEqual((told["imported"], told["entries"][0]["state"]), (False, "new"))
        self.assertEqual(told["entries"][0]["settings"]["password"], "set")
        self.assertEqual(self.rows(), {})
        self.assertTrue(json.loads(self.bring("--json", "--yes"))["imported"])
        self.assertIn("ann", self.rows()["account"])

    def test_config_alone_and_names_of_windows(self) -> None:
        self.write("SMSUsers.DAT", ANN)
        self.assertIn("1 imported", self.bring("--yes"))
        self.write("Config/SMSUSERS.DAT", BOB)
        self.assertIn("1 imported", self.bring("--yes"))

    def test_charsets(self) -> None:
        self.write("config/smsusers.dat", ANN.replace("Ann", "J\u00f6rg").encode("cp1252"))
        text = self.bring("--yes")
        self.assertIn("read as CP1252", text)
        self.assertEqual(self.rows()["account"]["ann"]["description"], "J\u00f6rg from sales")
        self.write("config/smsusers.dat", BOB.replace("::0", ":\u017di\u017eka:0", 1).encode("cp1250"))
        self.bring("--yes", "--charset", "cp1250")
        self.assertEqual(self.rows()["account"]["bob"]["description"], "\u017di\u017eka")
        self.assertIn("no UTF-8", self.bring("--charset", "utf-8", code=1))

    def test_users_of_its_own_mail_stand_in_brackets(self) -> None:
        self.write("config/smsusers.dat", "[jan@x.example]:annpw::Ian:0:0:0:0:39846:0\n")
        self.assertIn("in brackets: it becomes the account jan@x.example", self.bring("--yes"))
        self.assertEqual(self.rows()["account"]["jan@x.example"]["expires"], "2009-02-02")

    def test_networks_for_accounts_without_password(self) -> None:
        self.write("config/smsusers.dat", "ann::::0:0:0:0:0:0\n")
        text = self.bring("--yes", code=1)
        self.assertIn(
            "DIR/config/smsusers.dat:1: it has no password, so anybody could send: say with --networks", text
        )
        self.bring("--yes", "--networks", "192.0.2.0/24, 198.51.100.1")
        self.assertEqual(self.rows()["account"]["ann"]["networks"], ["192.0.2.0/24", "198.51.100.1"])

    def test_gateways_by_another_name(self) -> None:
        self.write("config/smsusers.dat", ANN.replace("gsm1", "O2 HTTP") + BOB.replace("gsm2", "old"))
        text = self.bring("--yes", code=1)
        self.assertIn(
            "smsusers.dat:1: the configuration has no gateway 'O2 HTTP': put it in, or say --gateway 'O2 HTTP=\u2026'",
            text,
        )
        self.assertIn("smsusers.dat:2: the configuration has no gateway 'old'", text)
        self.assertIn("there are: gsm1, gsm2", text)
        self.bring("--yes", "--gateway", "O2 HTTP=gsm2", "--gateway", "old=")
        self.assertEqual(self.rows()["account"]["ann"]["gateway"], "gsm2")
        self.assertNotIn("gateway", self.rows()["account"]["bob"])


class Refusing(Folder):
    def test_every_mistake_with_its_line_and_nothing_is_asked(self) -> None:
        self.write(
            "config/smsusers.dat",
            ANN + "bob:annpw:x\n\n" + ANN + ":annpw:::0:0:0:0:0:0\n[office]:annpw:::0:0:0:0:0:0\n",
        )
        self.write("config/sms.dat", "::::0:0:0:0:0:0\n::::0:0:0:0:0:0\n")
        self.write("config/x.example/sms.dat", "ann:annpw:::0:0:0:0:0:0\n")
        self.write("config/smsgateway.dat", "<a>\n<b></a>")
        text = self.bring("--yes", code=1)
        self.assertEqual(
            [line.partition(": ")[0] for line in text.splitlines()],
            [
                "smsd import",
                "DIR/config/sms.dat:2",
                "DIR/config/x.example/sms.dat:1",
                "DIR/config/smsusers.dat:2",
                "DIR/config/smsgateway.dat:2",
            ],
        )
        self.assertIn("nothing was imported", text)
        self.assertEqual((self.calls, self.rows()), ([], {}))
        self.write(
            "config/smsusers.dat",
            ANN
            + ANN
            + ":annpw:::0:0:0:0:0:0\n[office]:annpw:::0:0:0:0:0:0\n"
            + "b:"
            + "p" * 1025
            + ":::0:0:0:0:0:0",
        )
        text = self.bring("--yes", code=1)
        self.assertIn("smsusers.dat:2: ann stands already in DIR/config/smsusers.dat:1", text)
        self.assertIn("smsusers.dat:3: user: an account has a name", text)
        self.assertIn("smsusers.dat:4: user: what brackets without an address mean", text)
        self.assertIn("smsusers.dat:5: password: it has more than 1024 characters", text)

    def test_what_the_book_does_not_take_has_its_line_too(self) -> None:
        self.write(
            "config/smsusers.dat",
            ANN + "two words:annpw:::0:0:0:0:0:0\n" + "eve@x.example:annpw:::0:0:0:0:0:0\n",
        )
        self.write("mail/x.example/eve/sms.dat", "::::0:0:0:0:0:0\n")
        self.write("config/-x/sms.dat", "::::0:0:0:0:0:0\n")
        text = self.bring("--yes", code=1)
        self.assertIn("smsusers.dat:2: two words:", text)
        self.assertIn("smsusers.dat:3: eve@x.example: there is already a policy", text)
        self.assertIn("config/-x/sms.dat:1: -x:", text)
        self.assertEqual(self.rows(), {})

    def test_no_folder_and_nothing_in_it(self) -> None:
        self.assertIn("has none of IceWarp's files", self.bring(code=1))
        self.path = os.path.join(self.path, "nowhere")
        self.assertIn("is no folder", self.bring(code=1))

    def test_options(self) -> None:
        for words in (["--map", "x"], ["--gateway", "x"], ["--networks", "x"], ["--charset", "rot13"]):
            self.assertIn("x" if words[1] == "x" else "rot13", self.bring(*words, code=1))

    def test_a_pipe_and_a_file_that_is_too_long(self) -> None:
        os.makedirs(os.path.join(self.path, "config"))
        os.mkfifo(os.path.join(self.path, "config", "smsusers.dat"))
        with open(os.path.join(self.path, "config", "sms.dat"), "wb") as file:
            file.truncate(16_000_001)
        text = self.bring(code=1)
        self.assertIn("smsusers.dat is no file", text)
        self.assertIn("sms.dat is too long", text)

    def test_two_files_that_are_one_on_windows(self) -> None:
        self.write("config/smsusers.dat", ANN)
        self.write("config/SmsUsers.dat", BOB)
        self.assertIn("there are SmsUsers.dat and smsusers.dat: keep one of them", self.bring(code=1))

    def test_what_a_terminal_would_obey_is_made_visible(self) -> None:
        self.write("config/smsusers.dat", "ann:annpw::\u009b31m \u202e:0:0:0:0:0:0\n")
        self.assertIn("\\x9b31m", self.bring("--yes"))
