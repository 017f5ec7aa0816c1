"""The sections `subscribers` and `callbacks`: what is refused, in which words, and the annotated file's example."""

from __future__ import annotations

import base64
import os
import re

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.config.settings import Configuration
from smsd.config.subscribers import EVENTS, bound, key_of, wants
from smsd.hookwork import hooks
from smsd.values.message import Wants

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
BEFORE = """\
listeners: [{id: web, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}]
gateways: [{id: gsm1, type: loopback}, {id: hook-taken, type: loopback}]
accounts:
  - {user: demo, password: demo, demo: yes, callback: CALLBACK}
  - {user: shop, password: shop, demo: yes}
subscribers:
"""
SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


class Case(SynchronousTestCase):
    def load(self, *entries: str, callback: str = "null", more: str = "") -> Configuration:
        text = BEFORE.replace("CALLBACK", callback) + "".join(f"  - {entry}\n" for entry in entries) + more
        return load_text(text, "/etc/smsd.yaml", {"SECRET": SECRET})

    def problems(self, *entries: str, **more: str) -> str:
        with self.assertRaises(ConfigError) as caught:
            self.load(*entries, **more)
        return "\n".join(map(str, caught.exception.problems))


class Mistakes(Case):
    def test_words(self) -> None:
        for entry, words in (
            ("{id: a}", "either a url, or pull: yes"),
            ("{id: a, url: 'http://x/', pull: yes}", "either a url, or pull: yes"),
            ("{id: a, url: 'ftp://x/'}", "neither with http:// nor with https://"),
            ("{id: a, pull: yes, secrets: [short]}", "at least 16 octets"),
            ("{id: a, pull: yes, secrets: ['whsec_no base64 no base64']}", "goes on in base64"),
            ("{id: a, pull: yes, events: [lost]}", "'lost' is not possible"),
            ("{id: taken, pull: yes}", "'hook-taken' is a gateway or a listener already"),
            ("{id: a/b, pull: yes}", "does not fit"),
        ):
            with self.subTest(entry=entry):
                self.assertIn(words, self.problems(entry))

    def test_between_sections(self) -> None:
        self.assertIn("'a' is used twice", self.problems("{id: a, pull: yes}", "{id: a, pull: yes}"))
        self.assertIn(
            "there is no subscriber 'b'; allowed: a", self.problems("{id: a, pull: yes}", callback="b")
        )
        self.assertIn(
            "'10.0.0.1/8' is no network",
            self.problems("{id: a, pull: yes}", more="callbacks: {allow_networks: [10.0.0.1/8]}"),
        )

    def test_who_gets_what_phones_write(self) -> None:
        entry, deaf = "{id: a, pull: yes}", "{id: a, pull: yes, events: [sent]}"
        start = BEFORE.replace("CALLBACK", "null").replace("gsm1, type", 'gsm1, deliver_to: "hook:b", type')
        for text, words in (
            (start + f"  - {entry}\n", "there is no subscriber 'b'; allowed: a"),
            (start.replace("hook:b", "hook:a") + f"  - {deaf}\n", "does not want to hear 'received'"),
        ):
            with self.assertRaises(ConfigError) as caught:
                load_text(text, "/etc/smsd.yaml", {})
            self.assertIn(words, "\n".join(map(str, caught.exception.problems)))
        found = load_text(start.replace("hook:b", "hook:a") + f"  - {entry}\n", "/etc/smsd.yaml", {})
        self.assertEqual(found.gateways[0].deliver_to, "hook:a")

    def test_rules_that_forward_to_them(self) -> None:
        entry = "{id: a, pull: yes}"
        more = '{direction}: [{{title: r, do: [{{forward: "hook:{name}"}}]}}]\n'
        self.load(entry, more=more.format(direction="incoming", name="a"))
        for direction, name, words in (
            ("incoming", "b", "write hook: and one of a"),
            ("incoming", "http://x/", "cannot be reached"),
            ("outgoing", "a", "only the server's incoming rules"),
        ):
            self.assertIn(words, self.problems(entry, more=more.format(direction=direction, name=name)))
        rules = 'email: d@x.example, incoming_rules: [{title: r, do: [{forward: "hook:a"}]}]'
        text = BEFORE.replace("callback: CALLBACK", rules) + f"  - {entry}\n"
        with self.assertRaises(ConfigError) as caught:
            load_text(text, "/etc/smsd.yaml", {})
        self.assertIn("only the server's incoming rules", str(caught.exception.problems[0]))

    def test_no_secret_is_shown(self) -> None:
        told = self.problems("{id: a, url: 'https://u:s3cret@x/', secrets: [s3cret], days: never}")
        self.assertNotIn("s3cret", told)

    def test_who_is_not_signed_for_is_told(self) -> None:
        warnings = self.load("{id: a, url: 'https://x/'}", "{id: b, pull: yes}").warnings
        self.assertEqual([line for line in warnings if "secrets" in line], [warnings[-1]])
        self.assertIn("subscriber a has no secrets", warnings[-1])


class Meaning(Case):
    def test_secrets(self) -> None:
        [one] = self.load(
            "{id: a, url: 'https://x/', secrets: [env:SECRET, a plain one that is long]}"
        ).subscribers
        keys = [key_of(secret.get_secret_value()) for secret in one.secrets]
        self.assertEqual(keys, [bytes(24), b"a plain one that is long"])
        self.assertNotIn(SECRET, repr(one))

    def test_who_hears_of_whom(self) -> None:
        configuration = self.load(
            "{id: a, pull: yes, accounts: [demo, shop]}",
            "{id: b, pull: yes}",
            "{id: c, pull: yes, accounts: [shop], active: no}",
            callback="b",
        )
        found = bound(configuration.subscribers, configuration.accounts)
        self.assertEqual(found, {"demo": ("b", "a"), "shop": ("a",)})

    def test_accounts_of_the_store_may_be_named(self) -> None:
        configuration = self.load("{id: a, pull: yes, accounts: [ann]}")
        self.assertIn(
            "subscriber a: account 'ann' is not in this file: it counts only if the store has it",
            configuration.warnings,
        )
        self.assertEqual(bound(configuration.subscribers, configuration.accounts), {"ann": ("a",)})

    def test_gateways(self) -> None:
        configuration = self.load("{id: a, pull: yes}", "{id: b, pull: yes, active: no}")
        self.assertEqual([one.id for one in hooks(configuration)], ["hook-a", "hooks"])
        configuration = self.load("{id: a, pull: yes}", more="callbacks: {urls: no}")
        self.assertEqual([one.id for one in hooks(configuration)], ["hook-a"])

    def test_each_event_is_asked_for(self) -> None:
        for event in EVENTS:
            self.assertTrue(wants([event]), event)
        everything = Wants.FAILURE | Wants.DELAY | Wants.SUCCESS | Wants.SENT | Wants.BUFFERED | Wants.ANSWERS
        self.assertEqual(wants(EVENTS), everything)

    def test_the_annotated_file(self) -> None:
        """Every key stands there, commented out, and loads when it is not."""
        with open(os.path.join(ROOT, "etc", "smsd.yaml"), encoding="utf-8") as stream:
            found = re.search(r"^subscribers: \[\]\n((?:  # .*\n)+)", stream.read(), re.M)
        assert found is not None
        block = re.sub("^  # ", "  ", found[1], flags=re.M)
        text = BEFORE.replace("CALLBACK", "shop") + block
        [entry] = load_text(text, "/etc/smsd.yaml", {"SHOP_WEBHOOK_SECRET": SECRET}).subscribers
        self.assertEqual(entry.model_fields_set, set(type(entry).model_fields))
