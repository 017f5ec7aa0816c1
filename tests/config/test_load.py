"""Reading and refusing configurations: words, places, types, secrets, and what sections must agree on."""

from __future__ import annotations

import os
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from smsd import registry
from smsd.config import endpoints
from smsd.config.load import load, load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration

GOOD = """\
server:
  name: sms.example.org
  domains: [SMS.example.org]
  country: "NO"
listeners:
  - id: door
    type: knock
    listen: [tcp:7000:interface=127.0.0.1]
gateways:
  - id: p1
    type: pigeon
    device: /dev/pigeon
"""


class Loading(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(registry, "DOORS", ("tests.config.plugins.doors",))
        self.patch(registry, "GATEWAYS", ("tests.config.plugins.carriers",))

    def load(self, text: str, **environ: str) -> Configuration:
        return load_text(text, "/etc/smsd/smsd.yaml", environ)

    def gateway(self, lines: str, **environ: str) -> object:
        """A configuration whose only gateway has some more lines."""
        return self.load(GOOD + "".join(f"    {line}\n" for line in lines.splitlines()), **environ).gateways[
            0
        ]

    def problems(self, text: str, **environ: str) -> list[str]:
        error = self.assertRaises(ConfigError, self.load, text, **environ)
        return [str(problem).removeprefix("/etc/smsd/smsd.yaml:") for problem in error.problems]


class Values(Loading):
    def test_defaults(self) -> None:
        configuration = self.load(GOOD)
        self.assertEqual(configuration.server.domains, ["sms.example.org"])
        self.assertEqual(configuration.queue.expire_minutes, 7200)
        self.assertEqual(configuration.store.path, "/etc/smsd/var/smsd.db")
        self.assertEqual(configuration.listeners[0].listen, ["tcp:7000:interface=127.0.0.1"])

    def test_numbers_stay_text(self) -> None:
        """What YAML would turn into an int, an octal, a time in base 60 or False is still what was typed."""
        for typed in (
            "+393331234567",
            "0371234567",
            "12:30",
            "39_333",
            "1e5",
            "no",
            "0x10",
            ".inf",
            "2020-01-01",
        ):
            with self.subTest(typed=typed):
                self.assertEqual(self.gateway(f"smsc: {typed}").smsc, typed)  # type: ignore[attr-defined]

    def test_a_pin_keeps_its_zeros(self) -> None:
        self.assertEqual(self.gateway("pin: 0042").pin.get_secret_value(), "0042")  # type: ignore[attr-defined]

    def test_a_key_without_a_value_is_not_set(self) -> None:
        for nothing in ("", "~", "null"):
            with self.subTest(nothing=nothing):
                self.assertIsNone(self.gateway(f"pin: {nothing}").pin)  # type: ignore[attr-defined]

    def test_switches(self) -> None:
        for word, meant in (("yes", True), ("no", False), ("on", True), ("false", False)):
            with self.subTest(word=word):
                self.assertIs(self.gateway(f"active: {word}").active, meant)  # type: ignore[attr-defined]

    def test_gateways_inherit(self) -> None:
        configuration = self.load(GOOD + "queue:\n  in_doubt: hold\n")
        self.assertEqual(configuration.gateways[0].in_doubt, "hold")
        self.assertEqual(configuration.gateways[0].country, "NO")

    def test_equal_files_give_equal_settings(self) -> None:
        self.assertEqual(self.load(GOOD), self.load(GOOD))

    def test_paths_start_at_the_folder(self) -> None:
        configuration = self.load(GOOD.replace("/dev/pigeon", "loft/p1") + "log:\n  folder: /var/log/smsd\n")
        self.assertEqual(configuration.gateways[0].device, "/etc/smsd/var/loft/p1")
        self.assertEqual(configuration.log.folder, "/var/log/smsd")

    def test_folder_is_relative_to_the_file(self) -> None:
        configuration = self.load(GOOD.replace("server:\n", "server:\n  folder: ../var\n"))
        self.assertEqual(configuration.control.path, "/etc/var/control.sock")


class Places(Loading):
    def test_everything_is_reported_at_once(self) -> None:
        text = (
            GOOD.replace("country:", "county:")
            .replace("id: door", "id: door way")
            .replace("type: pigeon", "type: pidgin")
        )
        self.assertEqual(
            self.problems(text + "    window: many\nqueue:\n  warn_minutes: -5\n  in_doubt: maybe\n"),
            [
                "4:3: server.county: unknown key; did you mean country? allowed: country, domains, folder, group, name, "
                "percent_logins, postmaster, time_zone, user",
                "6:9: listeners[0].id: 'door way' does not fit; "
                "allowed: 1 to 64 letters, digits, _ . - (no . or - first)",
                "11:11: gateways[0].type: there is no type 'pidgin'; allowed: pigeon",
                "15:17: queue.warn_minutes: '-5': input should be greater than or equal to 0; allowed: 0 (never) to 525600",
                "16:13: queue.in_doubt: 'maybe' is not possible; allowed: 'resend' or 'hold'",
            ],
        )

    def test_of_very_many_mistakes_the_first_are_shown(self) -> None:
        text = GOOD + "".join(f"    wrong{number:03}: x\n" for number in range(150))
        lines = str(self.assertRaises(ConfigError, self.load, text)).splitlines()
        self.assertEqual(len(lines), 101)
        self.assertIn("wrong099", lines[99])
        self.assertEqual(lines[100], "… and 50 mistakes more")

    def test_a_wrong_value_points_at_the_value(self) -> None:
        self.assertEqual(
            self.problems(GOOD + "    window: many\n    speed: medium\n    active: perhaps\n"),
            [
                "13:13: gateways[0].window: 'many' is no whole number; allowed: 1 to 9",
                "14:12: gateways[0].speed: 'medium' is not possible; allowed: 'slow' or 'fast'",
                "15:13: gateways[0].active: 'perhaps' is neither yes nor no; allowed: yes, no",
            ],
        )

    def test_unknown_key_inside_a_list_inside_a_gateway(self) -> None:
        self.assertEqual(
            self.problems(GOOD + "    coops:\n      - height: 2\n        colour: red\n"),
            ["15:9: gateways[0].coops[0].colour: unknown key; allowed: height, key"],
        )

    def test_missing_key_points_at_the_section(self) -> None:
        problems = self.problems(GOOD.replace("    device: /dev/pigeon\n", ""))
        self.assertEqual(problems, ["10:5: gateways[0].device: missing"])

    def test_a_type_is_obligatory(self) -> None:
        problems = self.problems(GOOD.replace("    type: pigeon\n", ""))
        self.assertEqual(problems, ["10:5: gateways[0].type: missing; allowed: pigeon"])

    def test_a_type_whose_library_is_missing(self) -> None:
        [problem] = self.problems(GOOD.replace("type: pigeon", "type: balloon"))
        self.assertIn("needs the Python package 'a_library_that_nobody_has'", problem)

    def test_types_are_modules_and_nothing_else(self) -> None:
        for word in ("helper", "../knock", "os", "__init__", "Pigeon", "doors.knock", ""):
            with self.subTest(word=word):
                [problem] = self.problems(GOOD.replace("type: pigeon", f"type: '{word}'"))
                self.assertIn("allowed: pigeon", problem)

    def test_duplicate_keys(self) -> None:
        self.assertEqual(
            self.problems(GOOD + "    device: /dev/other\nqueue: {}\nqueue: {}\n"),
            [
                "13:5: gateways[0].device: written twice (first in line 12); keep one",
                "15:1: queue: written twice (first in line 14); keep one",
            ],
        )

    def test_a_key_cannot_steer_the_terminal(self) -> None:
        [problem] = self.problems(GOOD.replace("server:\n", 'server:\n  "\\e[31mred\\n": 1\n', 1))
        self.assertIn("server.\\x1b[31mred\\n: unknown key", problem)

    def test_unknown_section(self) -> None:
        [problem] = self.problems(GOOD + "gatways: []\n")
        self.assertIn("13:1: gatways: unknown section; allowed: server, store", problem)

    def test_wrong_shapes(self) -> None:
        self.assertEqual(
            self.problems("server: here\nlisteners:\n  door: 1\ngateways:\n  - one\n"),
            [
                "1:9: server: this must be a mapping; write `key: value` lines",
                "3:3: listeners: this must be a list; begin each entry with -",
                "5:5: gateways[0]: this must be a mapping; write `id: …` and `type: …` lines",
            ],
        )


class NotYaml(Loading):
    def test_broken_files(self) -> None:
        for text, expected in (
            ("a: [1\n", "2:1:"),
            ("server: *one\n", "1:9: aliases (*name) are not used here"),
            ("server: !!python/name:os.system {}\n", "the tag"),
            ("- 1\n", "1:1: the file is no mapping"),
            ("", "1:1: the file is empty"),
            ("? [a]\n: b\n", "a key must be a word"),
            ("a: 1\n---\nb: 2\n", "2:1:"),
            ("a: \x07\n", "special characters"),
            ("a: " + "[" * 5000, "nested too deeply"),
        ):
            with self.subTest(text=text[:20]):
                self.assertIn(expected, " ".join(self.problems(text)))

    def test_not_utf8(self) -> None:
        error = self.assertRaises(ConfigError, load_text, b"a: \xff\xfe\n", "x.yaml", {})
        self.assertIn("x.yaml", str(error))

    def test_no_file(self) -> None:
        error = self.assertRaises(ConfigError, load, os.path.join(self.mktemp(), "none.yaml"))
        self.assertIn("cannot be read (No such file or directory)", str(error))


class Secrets(Loading):
    def test_from_the_environment(self) -> None:
        pin = self.gateway("pin: env:PIGEON", PIGEON="007").pin  # type: ignore[attr-defined]
        self.assertEqual(pin.get_secret_value(), "007")

    def test_from_a_file(self) -> None:
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as stream:
            stream.write("s3cret \nsecond line\n")
        pin = self.gateway(f"pin: file:{path}").pin  # type: ignore[attr-defined]
        self.assertEqual(pin.get_secret_value(), "s3cret ")

    def test_inside_lists_and_sections(self) -> None:
        gateway = self.gateway("coop:\n  key: env:A\ncoops:\n  - key: env:B\n", A="1", B="2")
        self.assertEqual(gateway.coop.key.get_secret_value(), "1")  # type: ignore[attr-defined]
        self.assertEqual(gateway.coops[0].key.get_secret_value(), "2")  # type: ignore[attr-defined]

    def test_literally(self) -> None:
        self.assertEqual(self.gateway("pin: text:env:X").pin.get_secret_value(), "env:X")  # type: ignore[attr-defined]

    def test_only_secrets_are_looked_up(self) -> None:
        self.assertEqual(self.gateway("smsc: env:HOME").smsc, "env:HOME")  # type: ignore[attr-defined]

    def test_missing_ones_are_errors(self) -> None:
        self.assertEqual(
            self.problems(GOOD + "    pin: env:PIGEON\n    coop: {key: file:/nonexistent/key}\n"),
            [
                "13:10: gateways[0].pin: the environment has no 'PIGEON'; write env:NAME, file:PATH, or the secret itself",
                "14:17: gateways[0].coop.key: /nonexistent/key cannot be read (No such file or directory); "
                "write env:NAME, file:PATH, or the secret itself",
            ],
        )

    def test_what_cannot_be_one_is_not_read_to_its_end(self) -> None:
        [problem] = self.problems(GOOD + "    pin: file:/dev/zero\n")
        self.assertIn("gateways[0].pin: the first line of /dev/zero is no secret", problem)

    def test_never_shown(self) -> None:
        problems = self.problems(GOOD + "    pin: [hunter2]\n    coop: {key: {a: hunter2}}\n    windw: 1\n")
        self.assertEqual(len(problems), 3)
        self.assertNotIn("hunter2", " ".join(problems))
        self.assertNotIn("007", repr(self.gateway("pin: 007")))


class Across(Loading):
    def test_ids_are_unique_over_doors_and_gateways(self) -> None:
        [problem] = self.problems(GOOD.replace("id: p1", "id: door"))
        self.assertEqual(
            problem, "10:9: gateways[0].id: 'door' is used twice (first in line 6); choose another"
        )

    def test_ids_that_differ_in_case_only(self) -> None:
        [problem] = self.problems(GOOD.replace("id: p1", "id: DOOR"))
        self.assertEqual(
            problem, "10:9: gateways[0].id: 'DOOR' is used twice (first in line 6); choose another"
        )

    def test_ids_are_no_folders(self) -> None:
        for name in ("..", ".", ".hidden", "-c", "a/b"):
            with self.subTest(name=name):
                [problem] = self.problems(GOOD.replace("id: p1", f"id: {name}"))
                self.assertIn(f"gateways[0].id: '{name}' does not fit", problem)

    def test_a_gateway_is_no_domain(self) -> None:
        [problem] = self.problems(GOOD.replace("id: p1", "id: sms.example.org"))
        self.assertIn("10:9: gateways[0].id: 'sms.example.org' is also one of server.domains", problem)

    def test_one_port_once(self) -> None:
        more = "  - {id: two, type: knock, listen: ['tcp:7000:interface=127.0.0.1']}\n"
        [problem] = self.problems(GOOD.replace("gateways:\n", more + "gateways:\n"))
        self.assertIn(
            "9:37: listeners[1].listen[0]: 'tcp:7000:interface=127.0.0.1' is listened on twice", problem
        )

    def test_certificates_and_keys_that_are_not_there(self) -> None:
        """Of listeners that are to be opened; relative paths start at server.folder."""
        with tempfile.TemporaryDirectory(prefix="smsd:") as folder:
            good = GOOD.replace("server:\n", f"server:\n  folder: {folder!r}\n")
            text = good.replace(
                "tcp:7000:interface=127.0.0.1", "'ssl:7000:certKey=c.pem:privateKey=/nowhere/k'"
            )
            [no_key, no_certificate] = self.problems(text)
            self.assertIn("9:14: listeners[0].listen[0]: there is no file /nowhere/k; write", no_key)
            self.assertIn(f"there is no file {folder}/c.pem; write where", no_certificate)
            self.load(text.replace("listeners:\n  -", "listeners:\n  - active: no\n   "))
            open(os.path.join(folder, "c.pem"), "w").close()
            text = text.replace("/nowhere/k", "c.pem")
            [listen] = self.load(text).listeners[0].listen
            self.assertEqual(endpoints.files(listen), [os.path.join(folder, "c.pem")] * 2)
            self.assertEqual(
                endpoints.at_home("tcp:1:interface=c.pem", folder), "tcp:1:interface=c.pem"
            )  # no file

    def test_starttls(self) -> None:
        self.patch(registry, "DOORS", ("smsd.frontends",))
        text = GOOD.replace("type: knock", "type: smtp\n    tls: {certificate: c.pem, key: /nowhere/k.pem}")
        one, two = self.problems(text)
        self.assertIn("8:24: listeners[0].tls.certificate: there is no file /", one)
        self.assertIn("8:36: listeners[0].tls.key: there is no file /nowhere/k.pem; write where", two)
        self.load(text.replace("id: door", "id: door\n    active: no"))

    def test_listening_addresses(self) -> None:
        for text, expected in (
            ("tcp:http", "'http' is no port; allowed: 1 to 65535"),
            ("tcp:70000", "'70000' is no port"),
            ("udp:53", "'udp' is no way to listen; allowed: tcp"),
        ):
            with self.subTest(text=text):
                [problem] = self.problems(GOOD.replace("tcp:7000:interface=127.0.0.1", f"'{text}'"))
                self.assertIn(f"8:14: listeners[0].listen[0]: {expected}", problem)

    def test_mailboxes_need_a_mail_gateway(self) -> None:
        [problem] = self.problems(GOOD + "    deliver_to: ann@example.org\n")
        self.assertIn("13:17: gateways[0].deliver_to: no gateway carries mail", problem)

    def test_an_account_of_a_gateway_that_does_not_exist(self) -> None:
        account = "accounts:\n  - {user: ann, networks: [10.0.0.0/8], gateway: p2}\n"
        self.assertEqual(
            self.problems(GOOD + account),
            ["14:50: accounts[0].gateway: there is no gateway 'p2'; allowed: p1"],
        )

    def test_an_empty_password_needs_networks(self) -> None:
        for account in ("{user: ann}", "{user: ann, password: ''}", "{user: ann, password: }"):
            with self.subTest(account=account):
                [problem] = self.problems(GOOD + f"accounts:\n  - {account}\n")
                self.assertIn("14:5: accounts[0]: an account without password needs networks", problem)

    def test_a_demo_account_only_on_loopback(self) -> None:
        demo = GOOD + "accounts:\n  - {user: demo, password: demo, demo: yes}\n"
        self.assertEqual(len(self.load(demo).accounts), 1)
        for listen in (
            "tcp:7000",
            "tcp:7000:interface=0.0.0.0",
            "systemd:domain=INET:index=0",
            r"tcp:7000:interface=\:\:",
        ):
            with self.subTest(listen=listen):
                [problem] = self.problems(demo.replace("tcp:7000:interface=127.0.0.1", f"'{listen}'"))
                self.assertIn(
                    "8:14: listeners[0].listen[0]: the demo account 'demo' is refused on any address but",
                    problem,
                )
        for listen in (r"tcp:7000:interface=\:\:1", "tcp:7000:interface=localhost", "unix:/run/door"):
            with self.subTest(listen=listen):
                self.load(demo.replace("tcp:7000:interface=127.0.0.1", f"'{listen}'"))
        self.load(
            demo.replace("tcp:7000:interface=127.0.0.1", "tcp:7000").replace(
                "type: knock", "type: knock\n    active: no"
            )
        )

    def test_the_same_user_twice(self) -> None:
        account = "  - {user: ann, networks: [10.0.0.0/8]}\n"
        [problem] = self.problems(GOOD + "accounts:\n" + account + account)
        self.assertIn("15:12: accounts[1].user: 'ann' is used twice (first in line 14)", problem)

    def test_warnings(self) -> None:
        warnings = self.load("server:\n  postmaster: root@example.org\n").warnings
        self.assertEqual(
            warnings,
            (
                "no listener is active: nobody can hand in a message",
                "no gateway is active: messages will wait",
            ),
        )
