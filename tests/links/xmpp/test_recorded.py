"""docs/sessions/xmpp.txt is what a real chat program and a real smsd say to each other, stanza by stanza.

`SMSD_RECORD=1 trial tests.links.xmpp.test_recorded` writes it anew.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import escape, quoteattr

from tests.links.xmpp import real
from tests.links.xmpp.real import PHONE, SMS
from tests.peers import chat, prosody
from tests.peers.chat import Chat
from tests.peers.prosody import Prosody
from tests.rig.processes import until
from tests.rig.server import modem_gateway

PAGE = Path(__file__).parents[3] / "docs" / "sessions" / "xmpp.txt"
HEAD = """\
A session with a chat gateway, as it was recorded (tests/links/xmpp/test_recorded.py): slixmpp as ann's chat program, Prosody as her
server, smsd as the component sms.example.org, and a simulated phone. > is what the program sends, < what it gets. Ids are
numbered, and what the chat server adds for itself is left out.
"""
WIDTH = 128
_NUMBERED = ("id", "sessionid")
_SERVERS = ("{urn:xmpp:sid:0}stanza-id",)


class Page:
    """Stanzas as text, the same for every run."""

    def __init__(self) -> None:
        self.lines = HEAD.splitlines()
        self._ids: dict[str, str] = {}

    def title(self, text: str) -> None:
        self.lines += ["", text, "-" * len(text), ""]

    def put(self, way: str, xml: str) -> None:
        stanza = fromstring(xml)
        if SMS not in stanza.get("from", "") + stanza.get("to", ""):
            return  # between the program and its server
        if way == "out" and stanza.get("type") in ("unsubscribed", "unavailable"):
            return  # slixmpp answers for a person
        for mark, line in zip(
            (">" if way == "out" else "<", *[" "] * 999), self._lines(stanza, "", 0), strict=False
        ):
            self.lines.append(f"{mark} {line}")

    def _lines(self, element: Element, outside: str, depth: int) -> list[str]:
        space, _, name = element.tag.rpartition("}")
        space = space[1:] or outside
        attributes = {
            key: value for key, value in sorted(element.attrib.items()) if not key.endswith("}lang")
        }
        for key in _NUMBERED:
            if key in attributes:
                attributes[key] = self._ids.setdefault(attributes[key], f"{key}-{len(self._ids) + 1}")
        if "ver" in attributes:
            attributes["ver"] = "…"
        head = name + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
        if space != outside:
            head += f" xmlns={quoteattr(space)}"
        inside = [one for one in element if one.tag not in _SERVERS]
        text = escape((element.text or "").strip())
        pad = "  " * depth
        if not inside:
            line = f"{pad}<{head}>{text}</{name}>" if text else f"{pad}<{head}/>"
            return textwrap.wrap(line, WIDTH, subsequent_indent=pad + "    ", break_on_hyphens=False)
        found = [line for one in inside for line in self._lines(one, space, depth + 1)]
        return [f"{pad}<{head}>", *found, f"{pad}</{name}>"]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines) + "\n"


class Recorded(real.RealChat):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)

    def test_the_page(self) -> None:
        modems = self.modems()
        modems.ask("reports 0:0")
        self.smsd(modem_gateway("gsm1", modems.link()), replies={"keep_minutes": 60})
        ann = Chat(self.peer.c2s, "ann@example.org/phone", self.place.path)
        self.addCleanup(ann.stop)
        page, to = Page(), f"{PHONE}@{SMS}"

        def presences(sender: str, kind: str) -> bool:
            return any(
                one.get("from", "").partition("/")[0] == sender and one.get("type", "") == kind
                for one in ann.stanzas("presence")
            )

        def end(title: str) -> None:
            nonlocal seen
            page.title(title)
            said = ann.record[seen:]
            seen += len(said)
            for way, xml in said:
                page.put(way, xml)

        seen = len(ann.record)
        self.error_of(ann, ann.say(to=to, body="Hello?"))
        end("Nobody writes without an account")
        ann.info(to=SMS)
        end("What the gateway can do (XEP-0030)")
        ann.form(to=SMS)
        ann.register(to=SMS, username="ann", password="annpw")
        until(lambda: presences(SMS, ""), 30, "presence")
        end("Registration (XEP-0077)")
        ann.presence(to=to, kind="subscribe")
        until(lambda: presences(to, "") and presences(to, "subscribe"), 30, "presence")
        end("A number becomes a contact")
        ann.say(to=to, body="I am in the garden – come!")
        until(ann.receipts, 30, "a receipt")
        end("A text, and the receipt when the phone has it (XEP-0184)")
        self.receive(modems, "On my way :)")
        until(lambda: ann.said(to), 30, "an answer")
        end("The answer")
        self.error_of(ann, ann.say(to=f"nobody@{SMS}", body="Hello?"))
        end("What cannot be")
        ann.iq(to=SMS, kind="get", payload="<query xmlns='jabber:iq:gateway'/>")
        ann.iq(
            to=SMS, kind="set", payload=f"<query xmlns='jabber:iq:gateway'><prompt>{PHONE}</prompt></query>"
        )
        end("From a number to an address (XEP-0100)")
        ann.commands(to=SMS)
        ann.command(to=SMS, node="balance")
        end("Ad-hoc commands (XEP-0050)")
        ann.vcard(to=to)
        ann.ping(to=SMS)
        end("A business card, a ping")
        ann.unregister(to=SMS)
        until(lambda: presences(SMS, "unavailable"), 30, "the farewell")
        end("Farewell")
        if os.environ.get("SMSD_RECORD"):
            PAGE.write_text(page.text, "utf-8")
        self.assertEqual(PAGE.read_text("utf-8"), page.text)
