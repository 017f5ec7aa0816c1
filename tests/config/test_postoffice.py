"""notifications:, lists: and programs: in the configuration: every mistake at its place, and no password in any of them."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load, load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.policy.reply import tag
from smsd.rulework import replying

GOOD = """\
server: {name: mx.example.org, domains: [sms.example.org], postmaster: root@example.org}
listeners:
  - {id: mail, type: smtp, listen: ["tcp:2525:interface=127.0.0.1"], helpers: {text: maxmsgs=7}}
gateways:
  - {id: gsm1, type: loopback}
  - {id: box, type: folder}
accounts:
  - {user: smsalerts, password: alertpwd, demo: yes, phone: +15550001111}
  - {user: mute, password: x, demo: yes}
"""


class PostOffice(SynchronousTestCase):
    maxDiff = None

    def load(self, text: str) -> Configuration:
        return load_text(
            GOOD + text, "/etc/smsd/smsd.yaml", {"MEMBER": "sms:+15551234567?user=smsalerts&pass=hid"}
        )

    def problems(self, text: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, text)
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]

    def test_what_a_phone_may_name(self) -> None:
        boxes = (
            "notifications: [{address: alarm, to: +15551234567}]\n"
            "lists: [{address: ops@SMS.example.org, members: [+15551234567]}]\n"
            "programs:\n"
            "  - {address: tickets, command: /bin/true}\n"
            "  - {address: orders@example.org, command: /bin/true}\n"
            "  - {address: all, command: /bin/true, open: yes}\n"
        )
        settings = replying(self.load(f"{boxes}replies: {{tag_domains: [example.org]}}\n"))
        for name, may in {
            "alarm@sms.example.org": False, "Ops@sms.example.org.": False, "tickets@mx.example.org": False,
            "orders@example.org": True, "all@sms.example.org": True, "ann@sms.example.org": True,
        }.items():  # fmt: skip
            self.assertEqual(tag(f"#{name}# hello", settings) is not None, may, name)
        settings = replying(self.load(f"{boxes}replies: {{tag_domains: [sms.example.org]}}\n"))
        self.assertIsNotNone(tag("#tickets@sms.example.org# hello", settings))
        self.assertIsNone(tag("#alarm@sms.example.org# hello", settings))

    def test_good_ones(self) -> None:
        configuration = self.load(
            "notifications:\n"
            "  - {address: alarm, to: +15551234567, account: smsalerts, networks: 10.0.0.0/8}\n"
            "  - address: new-mail@elsewhere.example\n"
            "    to: [+15551234567, 'mailto:ann@example.net', 'account:smsalerts']\n"
            "    text: '%sender% (%size%): %first_line%'\n"
            "lists:\n"
            "  - address: ops\n"
            "    members:\n"
            "      - sms:+15551234567?user=smsalerts&pass=alertpwd@sms.example.org\n"
            "      - +15551234568@gsm1\n"
            "      - env:MEMBER\n"
            "    senders: [ann@example.net, '@example.org', account:smsalerts, everybody]\n"
            "programs:\n"
            "  - {address: tickets, command: [/bin/sh, '%subject%'], account: smsalerts}\n"
        )
        self.assertEqual(
            [one.address for one in configuration.notifications], ["alarm", "new-mail@elsewhere.example"]
        )
        self.assertEqual(configuration.lists[0].maxmsgs, 1)
        self.assertNotIn("hid", repr(configuration))
        self.assertNotIn("pass=", repr(configuration))
        self.assertEqual(
            configuration.warnings,
            (
                "ops: whoever reaches the mail door can write as ann@example.net, and SMS would be paid for it: say in networks"
                " where such mail comes from",
                "ops: members without user and pass get nothing from senders who have not logged in: give the list an account",
            ),
        )

    def test_wrong_values(self) -> None:
        self.assertEqual(
            self.problems(
                "notifications:\n"
                "  - {address: '+1555', to: []}\n"
                "  - {address: a b, to: +15551234567, text: '%subjct%', maxmsgs: 0}\n"
                "lists:\n"
                "  - {address: ops, members: [+15551234567], senders: [nobody], owner: me, reply_to: x}\n"
                "  - {address: dev, member: [+15551234567]}\n"
                "programs:\n"
                "  - {address: p, command: ls}\n"
                "  - {address: q, command: [/bin/ls, '%nothing%']}\n"
            ),
            [
                "11:15: notifications[0].address: '+1555' would be a phone number: begin with a letter; "
                "allowed: what stands before the @, or a whole address: alarm, alarm@example.org",
                "11:28: notifications[0].to: this: list should have at least 1 item after validation, not 0; "
                "allowed: numbers, sms:, mailto: or account: addresses",
                "12:15: notifications[1].address: 'a b' is no address: write alarm, or alarm@example.org; "
                "allowed: what stands before the @, or a whole address: alarm, alarm@example.org",
                "12:44: notifications[1].text: at character 1: there is no variable subjct: did you mean subject? known: address, "
                "attachments, date, first_line, from, from_name, sender, size, subject, text, to; allowed: a text with variables "
                "such as %subject%",
                "12:65: notifications[1].maxmsgs: '0': input should be greater than or equal to 1; "
                "allowed: 1 to 128 SMS; a longer text is cut",
                "14:54: lists[0].senders: 'nobody' is nobody: write an address, @example.org, account:USER, authenticated or "
                "everybody; allowed: who may write: addresses, @domains, account:USER, authenticated, everybody",
                "14:71: lists[0].owner: 'me' is no mailbox: write ann@example.org; allowed: mailbox that hears of failures; "
                "server.postmaster if not set",
                "14:85: lists[0].reply_to: 'x' is no mailbox: write ann@example.org, or sender; allowed: mailbox that gets answers "
                "and reports, or `sender`; the owner if not set",
                "15:20: lists[1].member: unknown key; did you mean members? allowed: account, active, address, description, file, "
                "maxmsgs, members, networks, owner, reply_to, senders, subject_prefix",
                "17:27: programs[0].command: 'ls' is no whole path: write /usr/local/bin/PROGRAM, and its arguments as further "
                "items; allowed: the program with its whole path, then its arguments, each a text with variables",
                "18:27: programs[1].command: at character 1: there is no variable nothing: known: address, attachments, date, "
                "first_line, from, from_name, sender, size, subject, text, to; allowed: the program with its whole path, then its "
                "arguments, each a text with variables",
            ],
        )

    def test_a_member_of_a_wrong_shape_is_not_shown(self) -> None:
        text = "lists:\n  - {address: ops, members: [+15551234567, [hidden], {sms: hidden}]}\n"
        problems = self.problems(text)
        self.assertEqual(
            [problem.partition("; ")[0] for problem in problems],
            [
                "11:44: lists[0].members[1]: this must be a text",
                "11:54: lists[0].members[2]: this must be a text",
            ],
        )
        self.assertNotIn("hidden", " ".join(problems))

    def test_each_member_is_looked_at(self) -> None:
        problems = self.problems(
            "lists:\n"
            "  - address: ops\n"
            "    members:\n"
            "      - sms:+15551234567?user=nobody&pass=hidden@sms.example.org\n"
            "      - sms:+15551234567?user=smsalerts&pass=hidden@elsewhere.example\n"
            "      - sms:+15551234567?user=smsalerts&pass=hid&den@sms.example.org\n"
            "      - mailto:ops@mx.example.org\n"
            "      - account:nobody\n"
            "      - account:mute\n"
            "  - {address: dev, members: hello}\n"
            "  - {address: empty}\n"
        )
        self.assertEqual(
            problems,
            [
                "14:9: lists[0].members[1]: what stands behind the last @ is neither a domain nor a gateway of this server "
                "(an @ inside a value is written %40)",
                "15:9: lists[0].members[2]: a parameter is not known: user, pass, maxmsgs, id, sender … are; "
                "an & inside a value is written %26",
                "16:9: lists[0].members[3]: ops@mx.example.org is a notification, list or program of this server, and mail would "
                "go in a circle: write those it is for themselves",
                "18:9: lists[0].members[5]: account 'mute' has neither phone nor email, so nothing can be sent to it",
                "19:29: lists[1].members: a name cannot receive an SMS: write a number, for example +15551234567",
                "20:5: lists[2].members: missing; write members, or the file they are in",
            ],
        )

    def test_accounts_and_circles(self) -> None:
        self.assertEqual(
            self.problems(
                "notifications:\n"
                "  - {address: alarm, to: +15551234567, account: nobody}\n"
                "  - {address: bell, to: +15551234567, open: yes, owner: ops@sms.example.org}\n"
                "lists:\n"
                "  - {address: ops, members: +15551234567, senders: [account:nobody], account: mute}\n"
            ),
            [
                "12:5: notifications[1].account: missing: who has not logged in may write, and nobody would pay; name one",
                "12:57: notifications[1].owner: 'ops@sms.example.org' is itself a notification, list or program; name a mailbox",
            ],
        )

    def test_accounts_of_the_store(self) -> None:
        """They are not known before the server runs."""
        warnings = self.load(
            "notifications:\n"
            "  - {address: alarm, to: +15551234567, account: nobody}\n"
            "lists:\n"
            "  - address: ops\n"
            "    members: [account:kept, 'sms:+15551234567?user=other&pass=hidden@sms.example.org', account:smsalerts]\n"
            "    senders: [account:joe]\n"
            "    account: mute\n"
        ).warnings
        self.assertEqual(
            [warning for warning in warnings if "only if the store has it" in warning],
            [
                f"{address}: {who} is not in this file: it counts only if the store has it"
                for address, who in (
                    ("alarm", "account 'nobody'"), ("ops", "account 'kept'"), ("ops", "the user of a member"),
                    ("ops", "account 'joe'"),
                )
            ],
        )  # fmt: skip
        self.assertNotIn("hidden", " ".join(warnings))

    def test_one_address_one_meaning(self) -> None:
        program = "command: /bin/sh"
        self.assertEqual(
            self.problems(
                "notifications:\n"
                "  - {address: alarm, to: +15551234567}\n"
                "  - {address: TEXT, to: +15551234567}\n"
                "lists:\n"
                "  - {address: Alarm@sms.example.org, members: +15551234567}\n"
                "  - {address: alarm@elsewhere.example, members: +15551234567}\n"
                "programs:\n"
                f"  - {{address: alarm@elsewhere.example., {program}}}\n"
                f"  - {{address: alarm@else.example, {program}}}\n"
            ),
            [
                "12:15: notifications[1].address: 'TEXT' is also a helper (line 3); choose another",
                "14:15: lists[0].address: 'Alarm@sms.example.org' is also a notification (line 11); choose another",
                "17:15: programs[0].address: 'alarm@elsewhere.example.' is also a list (line 15); choose another",
            ],
        )

    def test_mailboxes_need_a_mail_gateway(self) -> None:
        text = GOOD.replace("  - {id: box, type: folder}\n", "") + (
            "lists:\n  - {address: ops, members: [ann@example.net]}\n"
        )
        error = self.assertRaises(ConfigError, load_text, text, "x.yaml", {})
        self.assertEqual(
            str(error),
            "x.yaml:10:29: lists[0].members: no gateway carries mail, so no mailbox can be a member; "
            "add a gateway of type smtp (a mail relay) or folder",
        )

    def test_a_program_that_is_not_there(self) -> None:
        [warning] = self.load("programs:\n  - {address: p, command: /nonexistent/x}\n").warnings
        self.assertEqual(warning, "p: /nonexistent/x is no program that can be run here")

    def test_what_lets_strangers_spend_is_said(self) -> None:
        def said(text: str) -> list[str]:
            return [warning.partition(":")[0] for warning in self.load(text).warnings]

        ops = "lists: [{{address: ops, senders: [{}], members: [{}]{}}}]\n"
        paid = "'sms:+15551234567?user=smsalerts&pass=x'"
        self.assertEqual(said(ops.format("'@example.org'", paid, "")), ["ops"])
        self.assertEqual(said(ops.format("everybody", "+15551234567", ", account: smsalerts")), ["ops"])
        self.assertEqual(said(ops.format("everybody", paid, ", networks: 10.0.0.0/8")), [])
        self.assertEqual(said(ops.format("authenticated, 'account:mute'", paid, "")), [])
        self.assertEqual(said(ops.format("everybody", "'mailto:ann@example.net'", "")), [])
        tickets = "programs: [{{address: tickets, command: /bin/true{}}}]\n"
        self.assertEqual(said(tickets.format(", open: yes, reply: yes")), ["tickets"])
        self.assertEqual(said(tickets.format(", open: yes") + ops.format("authenticated", paid, "")), [])

    def test_a_members_file_keeps_no_server_from_starting(self) -> None:
        folder = self.mktemp()
        os.mkdir(folder)
        path, members = (
            os.path.join(folder, "smsd.yaml"),
            os.path.join(os.path.abspath(folder), "members.txt"),
        )
        with open(path, "w") as stream:
            stream.write(f"{GOOD}lists:\n  - {{address: ops, file: {members}}}\n")
        self.assertRaises(ConfigError, load, path)
        (warning,) = load(path, starting=True).warnings
        self.assertIn("members.txt cannot be read", warning)
        with open(members, "w") as stream:
            stream.write("+15551234567\nsms:+15551234567?usr=x&pass=hidden\n")
        self.assertRaises(ConfigError, load, path)
        first, *_ = load(path, starting=True).warnings
        self.assertRegex(first, r"members.txt:2:1: a parameter is not known: .*; this member gets nothing$")
        self.assertNotIn("hidden", first)

    def test_members_files(self) -> None:
        path = os.path.abspath(self.mktemp())
        entry = f"lists:\n  - {{address: ops, file: {path}}}\n"
        [problem] = self.problems(entry)
        self.assertEqual(
            problem,
            f"11:26: lists[0].file: {path} cannot be read (No such file or directory); "
            "write the path of a file with one member a line",
        )
        with open(path, "w") as stream:
            stream.write(
                "+15551234567\nsms:+15551234567?user=smsalerts&pass=hidden@elsewhere.example\nhello\n"
            )
        self.assertEqual(
            self.problems(entry),
            [
                f"{path}:2:1: what stands behind the last @ is neither a domain nor a gateway of this server "
                "(an @ inside a value is written %40)",
                f"{path}:3:1: a name cannot receive an SMS: write a number, for example +15551234567",
            ],
        )
        with open(path, "w") as stream:
            stream.write(
                "sms:+15551234567?user=smsalerts&pass=hidden\nsms:+15551234568?user=nobody&pass=hidden\n"
            )
        os.chmod(path, 0o644)
        self.assertEqual(
            self.load(entry).warnings,
            (
                f"{path} has passwords, and everybody may read it: chmod 640 {path}",
                f"{path}: a member's user is no account",
            ),
        )
        os.chmod(path, 0o640)
        self.assertEqual(len(self.load(entry).warnings), 1)
