"""What the configuration may say of a link: mistakes have a place; the sample and the manual's example load."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import ConfigError, load_text
from smsd.config.settings import Configuration
from smsd.links.xmpp.settings import Settings
from smsd.links.xmpp.stanzas import CONDITIONS
from smsd.values.errors import Reason

ROOT = Path(__file__).resolve().parents[3]
BEFORE = "gateways:\n  - id: chat\n    type: xmpp\n"
PART = "    components: [{domain: sms.example.org, secret: s3cret}]\n"


def load(text: str, environ: dict[str, str] | None = None) -> Configuration:
    return load_text(text, "/etc/smsd/smsd.yaml", environ or {})


class Loading(SynchronousTestCase):
    def link(self, more: str = "", parts: str = PART) -> Settings:
        (found,) = load(BEFORE + parts + more).gateways
        assert isinstance(found, Settings)
        return found

    def wrong(self, more: str = "", parts: str = PART) -> str:
        return str(self.assertRaises(ConfigError, load, BEFORE + parts + more).problems[0])

    def test_the_least(self) -> None:
        link = self.link()
        self.assertEqual(
            (link.server, link.subject, link.in_doubt), ("tcp:127.0.0.1:5347", "ignore", "resend")
        )
        self.assertEqual([str(domain) for domain in link.domains], ["sms.example.org"])

    def test_a_domain_is_for_what_its_name_says(self) -> None:
        given = ("Email.Example.org.", "fax.example.org", "x.org, kind: email")
        names = "[" + ", ".join(f"{{secret: s, domain: {one}}}" for one in given) + "]"
        link = self.link(parts=f"    components: {names}\n")
        self.assertEqual(
            [(domain.name, domain.kind) for domain in link.domains],
            [("email.example.org", "email"), ("fax.example.org", "fax"), ("x.org", "email")],
        )

    def test_smsparams(self) -> None:
        link = self.link(
            parts="    components: [{domain: a.org, secret: s, smsparams: 'maxmsgs=3&sender=Example&value=x'}]\n"
        )
        (domain,) = link.domains
        self.assertEqual(
            (domain.parameters.max_parts, domain.parameters.sender, domain.parameters.values),
            (3, "Example", ("x",)),
        )

    def test_mistakes_have_a_place_and_say_what_is_allowed(self) -> None:
        for parts, said in (
            ("    components: []\n", "components"),
            ("    components: [{domain: sms.example.org}]\n", "secret"),
            ("    components: [{domain: a b, secret: s}]\n", "'a b' is no domain"),
            ("    components: [{domain: a@b, secret: s}]\n", "'a@b' is no domain"),
            ("    components: [{domain: a, secret: s}, {domain: A, secret: t}]\n", "'a' is there twice"),
            ("    components: [{domain: a, secret: s, kind: pager}]\n", "kind"),
            (
                "    components: [{domain: a, secret: s, smsparams: maxmsgs=0}]\n",
                "maxmsgs='0' is not understood",
            ),
            (
                "    components: [{domain: a, secret: s, smsparams: user=ann&pass=x}]\n",
                "leave user and pass out",
            ),
            ("    components: [{domain: a, secret: s, smsparams: binary=1}]\n", "leave binary and udh out"),
            (
                "    components: [{domain: a, secret: s, smsparams: colour=red}]\n",
                "unknown parameter 'colour'",
            ),
            (PART + "    server: example.org\n", "write tcp:127.0.0.1:5347"),
            (PART + "    server: tcp:localhost:xmpp\n", "write tcp:127.0.0.1:5347"),
            (PART + "    server: tls:localhost\n", "write tcp:127.0.0.1:5347"),
            (PART + "    server: serial:/dev/tty\n", "write tcp:127.0.0.1:5347"),
            (PART + "    user_domains: [ann@example.org]\n", "is no domain"),
        ):
            problem = self.wrong(parts=parts)
            self.assertIn(said, problem)
            self.assertRegex(problem, r"^/etc/smsd/smsd.yaml:[45]:")
            self.assertNotIn("s3cret", problem)

    def test_secrets_on_open_wires_are_doubted(self) -> None:
        for server, doubted in (
            ("tcp:10.0.0.1:5347", True),
            ("tcp:chat.example.org:5347", True),
            ("tcp:localhost:5347", False),
            ("tls:chat.example.org:5348", False),
            ("unix:/run/chat", False),
        ):
            warnings = load(BEFORE + PART + f"    server: '{server}'\n").warnings
            self.assertEqual(any("without TLS" in warning for warning in warnings), doubted, server)

    def test_a_link_is_a_door(self) -> None:
        self.assertFalse(
            [warning for warning in load(BEFORE + PART).warnings if "nobody can hand in" in warning]
        )

    def test_who_would_wait_in_vain(self) -> None:
        """Answers that find nobody, and domains that nothing carries for, are told at the start."""
        told = (
            "replies.keep_minutes is 0: answers from phones do not find back to people of chat; 1440 is a day"
        )
        self.assertIn(told, load(BEFORE + PART).warnings)
        for more in (
            "replies: {keep_minutes: 60}\n",
            "incoming: [{title: all, do: [{forward: 'xmpp:ann@example.org'}]}]\n",
            "  - {id: gsm1, type: gsm, device: /dev/null, deliver_to: 'xmpp:ann@example.org'}\n",
        ):
            self.assertNotIn(told, load(BEFORE + PART + more).warnings, more)
        parts = "    components:\n" + "".join(
            f"      - {{domain: {kind}.example.org, secret: x}}\n" for kind in ("sms", "email", "fax")
        )
        fax = "gateway chat: nobody can write to fax.example.org: no gateway carries fax:"
        email = "gateway chat: nobody can write to email.example.org: no gateway carries mailto:"
        warnings = load(BEFORE + parts).warnings
        self.assertEqual([one for one in warnings if one.startswith("gateway chat:")], [email, fax])
        warnings = load(BEFORE + parts + "  - {id: mail, type: folder, folder: x}\n").warnings
        self.assertEqual([one for one in warnings if one.startswith("gateway chat:")], [fax])

    def test_deliver_to_a_chat_needs_a_link(self) -> None:
        modem = "  - {id: gsm1, type: loopback, deliver_to: 'xmpp:ann@example.org'}\n"
        self.assertEqual(len(load(BEFORE + PART + modem).gateways), 2)
        self.assertRaises(ConfigError, load, "gateways:\n" + modem)


class Shown(SynchronousTestCase):
    def uncommented(self) -> str:
        """The link of the sample file."""
        lines = (ROOT / "etc" / "smsd.yaml").read_text("utf-8").splitlines()
        first = next(at for at, line in enumerate(lines) if line.startswith("  # - id: chat "))
        last = next(at for at in range(first, len(lines)) if not lines[at])
        return "\n".join("  " + line[4:] for line in lines[first:last]) + "\n"

    def test_the_sample_shows_every_setting_with_its_default(self) -> None:
        loaded = load("gateways:\n" + self.uncommented(), {"SMSD_XMPP_SECRET": "s"})
        (shown,) = loaded.gateways
        assert isinstance(shown, Settings)
        for name, field in Settings.model_fields.items():
            if name not in ("id", "type", "components", "user_domains") and name in shown.model_fields_set:
                self.assertEqual(getattr(shown, name), field.default, name)
        own = set(Settings.model_fields) - set(Settings.__mro__[1].model_fields)
        self.assertEqual(own - shown.model_fields_set, set())

    def test_the_manual_names_every_refusal(self) -> None:
        page = (ROOT / "docs" / "xmpp.rst").read_text("utf-8")
        begin = page.index("Refusals at once")
        told = set(
            re.findall(
                r"^``([a-z-]+)`` +(\w+) ", page[begin : page.index("Nothing is said when", begin)], re.M
            )
        )
        unheard = {Reason.LOOP, Reason.CONFLICT, Reason.BAD_CREDENTIALS}  # of chat messages
        self.assertEqual(told, {spelt for reason, spelt in CONDITIONS.items() if reason not in unheard})

    def test_the_manual_names_every_setting_and_its_example_loads(self) -> None:
        page = (ROOT / "docs" / "xmpp.rst").read_text("utf-8")
        own = set(Settings.model_fields) - set(Settings.__mro__[1].model_fields)
        for name in own:
            self.assertIn(f"\n``{name}``", page)
        begin = page.index("    gateways:\n")
        lines = page[begin:].split("\n\n")[0].splitlines()
        text = "\n".join(line[4:] for line in lines) + "\n"
        loaded = load(text, {"SMSD_SMS_SECRET": "a", "SMSD_EMAIL_SECRET": "b"})
        self.assertEqual(len(loaded.gateways[0].domains), 2)
