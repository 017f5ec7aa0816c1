"""The section `incoming:` of a gateway: what it may say, what is refused, and whose calls a door then knows."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.places import find_data
from smsd.config.positions import ConfigError
from smsd.core.provided import provided

SECRET = "a secret of 24 characters"


class Settings(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-test-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "smsd.yaml")

    def load(self, incoming: Any, environ: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The providers that doors know."""
        gateway = {
            "id": "gw", "type": "http", "template": "smsgate", "credentials": {"user": "u", "password": "p"},
            "incoming": incoming, **more,
        }  # fmt: skip
        configuration = load_text(json.dumps({"gateways": [gateway]}), self.path, environ or {})
        return provided(configuration.gateways, lambda name: find_data(name, self.path))

    def wrong(self, incoming: Any, **more: Any) -> str:
        with self.assertRaises(ConfigError) as caught:
            self.load(incoming, **more)
        return str(caught.exception)

    def test_the_gateway_s_own_provider_or_another(self) -> None:
        (found,) = self.load({"secret": SECRET}).values()
        self.assertEqual((found.gateway, found.ways, bool(found.networks)), ("gw", ("smsgate",), False))
        other = self.load(
            {"template": "twilio", "secret": SECRET, "check": "secret", "networks": ["10.0.0.0/8"]}
        )["gw"]
        self.assertEqual((other.incoming.ways, other.ways), (("twilio",), ("secret",)))
        self.assertIn("10.1.2.3", other.networks)
        self.assertEqual(self.load(None), {})
        self.assertEqual(self.load({"secret": SECRET}, active="no"), {})

    def test_secrets_come_from_elsewhere_and_are_shown_nowhere(self) -> None:
        found = self.load(
            {"secret": "env:SMS_SECRET", "old_secret": SECRET}, {"SMS_SECRET": "another long one"}
        )["gw"]
        self.assertEqual(found.settings.secrets, ("another long one", SECRET))
        self.assertNotIn("another", repr(found))

    def test_a_provider_of_one_s_own(self) -> None:
        own = {
            "providers": {
                "mine": {
                    "text": {"url": "https://x.example/%number%/%data%"},
                    "incoming": {"sender": "a", "text": "b", "signature": "secret", "parameter": "key"},
                }
            }
        }
        with open(os.path.join(os.path.dirname(self.path), "providers.yaml"), "w") as stream:
            json.dump(own, stream)
        found = self.load({"secret": SECRET}, template="mine", credentials={})["gw"]
        self.assertEqual((found.incoming.parameter, found.incoming.reports), ("key", None))
        own["providers"]["mine"]["incoming"]["sendr"] = "c"  # type: ignore[index]
        with open(os.path.join(os.path.dirname(self.path), "providers.yaml"), "w") as stream:
            json.dump(own, stream)
        self.assertIn(
            "'sendr' is not known here", self.wrong({"secret": SECRET}, template="mine", credentials={})
        )

    def test_what_is_refused(self) -> None:
        for incoming, said in (
            ({}, "everybody could hand in messages: set secret or networks"),
            ({"secret": "short"}, "a secret has at least 8 characters"),
            ({"networks": ["10.0.0.1/8"]}, "write 10.0.0.0/8"),
            ({"networks": ["10.0.0.0/8"], "check": "secret"}, "check wants a secret"),
            ({"secret": SECRET, "url": "sms.example.org"}, "url"),
            ({"secret": SECRET, "url": "https://sms.example.org/x?y=1"}, "url"),
            ({"secret": SECRET, "secrets": "x"}, "unknown key"),
            ({"secret": SECRET, "template": "nobody"}, "there is no provider 'nobody'"),
            ({"secret": SECRET, "template": "o2"}, "nothing is known of what the provider 'o2' hands in"),
        ):
            why = self.wrong(incoming)
            self.assertIn(said, why)
            self.assertNotIn(SECRET, why)
            self.assertIn("gateways[0].incoming", why)
        bare = {"template": None, "url": "http://x.example/%data%%number%", "credentials": {}}
        self.assertIn("wants a template", self.wrong({"secret": SECRET}, **bare))
