"""The manual page of SIP: its configurations are read, its rules decide what it says, and its table has the codes that are sent."""

from __future__ import annotations

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.settings import Configuration, LinkSettings
from smsd.core.digests import make_secret, read_secret
from smsd.links.sip.building import build
from smsd.links.sip.refusals import CODES, RETRY
from smsd.links.sip.settings import Settings
from smsd.policy.siprules import SipRule, judge
from smsd.values.errors import Reason
from tests.docs.page import PAGES, blocks
from tests.gateways.test_smtp_tls import certificate

TEXT = (PAGES / "sip.rst").read_text("utf-8")
BLOCKS = list(blocks(TEXT))
SAMPLE = PAGES.parent / "etc" / "smsd.yaml"
SERVER = "server: {name: gw.example.org, postmaster: postmaster@example.org}\n"


class Page(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        (xml,) = [block.text for block in BLOCKS if block.language == "xml"]
        self.path = os.path.join(self.folder, "sip-rules.xml")
        with open(self.path, "w", encoding="utf-8") as stream:
            stream.write(xml)

    def read(self, section: str, number: int = 0) -> Configuration:
        texts = [block.text for block in BLOCKS if block.language == "yaml" and block.section == section]
        text = texts[number].replace("/etc/smsd/sip-rules.xml", self.path)
        for name in ("key.pem", "cert.pem"):
            text = text.replace(f"/etc/smsd/{name}", self.path)  # only looked for
        return load_text(SERVER + text, os.path.join(self.folder, "smsd.yaml"), {})

    def test_phones_that_register(self) -> None:
        found = self.read("Phones that register here")
        self.assertEqual([one.transport for one in found.gateways[0].listeners], ["UDP", "TCP", "TLS"])
        self.assertEqual(found.warnings, ())
        secret = found.accounts[0].sip_secret.get_secret_value()
        self.assertEqual(secret, make_secret("ann", "sip.example.org", "secret"))
        shown = re.search(r"\$digest\$\S+…\S+…", TEXT)
        assert shown is not None
        first, second, _ = shown[0].split("…")
        self.assertTrue(secret.startswith(first))
        self.assertIn(second, secret)
        self.assertEqual(read_secret(secret).user, "ann")

    def test_a_pbx(self) -> None:
        found = self.read("A PBX or proxy")
        self.assertEqual(
            (found.gateways[0].registrar, str(found.gateways[0].next_hop)), (False, "sip:192.0.2.7:5060")
        )
        self.assertEqual(found.warnings, ())

    def test_the_sample_configuration(self) -> None:
        lines = SAMPLE.read_text("utf-8").splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("  # - id: phones"))
        block = []
        for line in lines[start:]:
            if not line.strip():
                break
            block.append(line.replace("  # ", "  ", 1))
        text = "\n".join(["gateways:", *block]).replace("sip-rules.xml", self.path)
        text = text.replace("trusted_networks: []", "trusted_networks: [192.0.2.7]")
        authorities = os.path.join(self.folder, "authorities.pem")
        with open(authorities, "wb") as stream:
            stream.write(certificate()[1])
        text = text.replace("authorities.pem", authorities)
        found = load_text(SERVER + text, "/etc/smsd/smsd.yaml", {"SMSD_PROXY_PASSWORD": "x"})
        given = set(found.gateways[0].model_fields_set)
        own = set(Settings.model_fields) - set(LinkSettings.model_fields)
        self.assertEqual(own - given, set())

    def decided(self, rules: tuple[SipRule, ...]) -> list[tuple[bool, int | None, int | None]]:
        found = []
        for number in ("0900", "+900", "15551234567", "+15551234567", "ann"):
            verdict = judge(rules, number, "MESSAGE")
            most = verdict.sms.max_parts if verdict.sms else None
            found.append((verdict.sms is not None, verdict.response.code if verdict.response else None, most))
        return found

    def test_its_rules(self) -> None:
        section = "Which requests become SMS"
        (settings,) = self.read(section).gateways
        self.assertEqual(
            self.decided(build(settings).rules),
            [(False, 603, None), (False, 603, None), (True, 200, None), (True, None, 3), (False, None, None)],
        )
        (settings,) = self.read(section, 1).gateways
        self.assertEqual(
            self.decided(build(settings).rules),
            [(False, 603, None), (False, 603, None), (True, 200, 3), (True, 200, 3), (False, None, None)],
        )

    def test_the_table_has_every_code_of_a_refusal(self) -> None:
        table = TEXT.partition("What phones are told")[2].partition("Limits\n")[0]
        told = {int(code) for line in table.splitlines() for code in re.findall(r"\b[2-5]\d\d\b", line[:16])}
        said = {CODES[reason][0] for reason in Reason} - {482}
        self.assertEqual(said - told, set())

    def test_every_refusal_has_a_code(self) -> None:
        self.assertEqual(set(CODES), set(Reason))
        self.assertTrue(all(400 <= code < 600 and phrase for code, phrase in CODES.values()))
        self.assertEqual(set(RETRY) - set(CODES), set())


class Mistakes(SynchronousTestCase):
    def wrong(self, text: str) -> str:
        try:
            load_text(SERVER + text, "/etc/smsd/smsd.yaml", {})
        except Exception as error:
            return str(error)
        return ""

    def test_they_have_their_place(self) -> None:
        gateway = "gateways:\n  - id: phones\n    type: sip\n    domains: [sip.example.org]\n"
        self.assertEqual(self.wrong(gateway), "")
        for line, wrong in (
            ("    rules: [{method: '(', sms: '1'}]", "/etc/smsd/smsd.yaml:6:"),
            ("    rules_file: /nowhere/rules.xml", "cannot be read"),
            ("    listen: [unix:/tmp/x]", "is no way to listen for SIP"),
            ("    listen: ['udp:5060', 'udp:5060']", "is listened on twice"),
            ("    proxy: 'sip:pbx;transport=sctp'", "transport=tcp"),
            ("    proxy_user: me", "belong together"),
            ("    listen: ['udp:5060', 'ssl:5061:privateKey=/nowhere/k.pem']", "listen[1]: there is no file"),
            ("    proxy_ca: /nowhere/ca.pem", "/etc/smsd/smsd.yaml:6:"),
            ("    proxy_ca: /nowhere/ca.pem", "the file of authorities /nowhere/ca.pem cannot be read"),
            ("    name_servers: [dns.example.org]", "write 192.0.2.53"),
            ("    name_servers: ['192.0.2.53:99999']", "is no port"),
            ("    account: demo", "for trusted_networks"),
            ("    trusted_networks: [10.0.0.1/8]", "10.0.0.0/8"),
            ("    min_expires: 7200", "larger than max_expires"),
            ("    domains_: [x]", "unknown key"),
        ):
            self.assertIn(wrong, self.wrong(f"{gateway}{line}\n"), line)
        self.assertIn("rules[0].method", self.wrong(f"{gateway}    rules: [{{method: '(', sms: '1'}}]\n"))

    def test_a_secret_for_another_realm_is_noticed(self) -> None:
        account = (
            f"accounts:\n  - {{user: ann, sip_secret: '{make_secret('ann', 'sip.example.net', 'x')}'}}\n"
        )
        text = "gateways:\n  - {id: p, type: sip, domains: [sip.example.org]}\n"
        warnings = load_text(SERVER + text + account, "/etc/smsd/smsd.yaml", {}).warnings
        self.assertIn(
            "account ann: sip_secret is for the realm sip.example.net, and gateways of type sip have sip.example.org",
            warnings,
        )
        text += "replies: {keep_minutes: 60}\n"
        self.assertEqual(load_text(SERVER + text, "/etc/smsd/smsd.yaml", {}).warnings, ())

    def test_everybody_is_nobody_to_trust(self) -> None:
        text = (
            "gateways:\n  - {id: p, type: sip, domains: [sip.example.org], trusted_networks: [0.0.0.0/0]}\n"
        )
        warnings = load_text(SERVER + text, "/etc/smsd/smsd.yaml", {}).warnings
        self.assertTrue(any("everybody on earth" in warning for warning in warnings), warnings)
