"""A chat program for tests: `python -m tests.peers.chatting HOST PORT JID PASSWORD`, slixmpp behind lines of JSON.

Reads one order per line, {"order": 1, "do": "say", …}, and answers {"order": 1, "result": …} or {"order": 1, "error": …}. Says
by itself {"state": "online", "jid": …}, {"state": "offline"}, and every stanza, {"in": "<message …>"} and {"out": …}. Comes back
when the server was away.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from slixmpp import ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout

PLUGINS = ("0004", "0030", "0050", "0054", "0077", "0092", "0184", "0199", "0280")


def tell(**said: Any) -> None:
    """One line to whoever started us."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


class Chatting(ClientXMPP):  # type: ignore[misc]
    """One session; methods named `do_…` are what can be ordered."""

    def __init__(self, host: str, port: str, jid: str, password: str) -> None:
        super().__init__(jid, password)
        self._server = (host, int(port))
        self.enable_direct_tls = self.enable_starttls = False
        self.enable_plaintext = True
        self._orders: set[asyncio.Task[None]] = set()
        for name in PLUGINS:
            self.register_plugin(f"xep_{name}")
        self.plugin["feature_mechanisms"].unencrypted_plain = True
        self.plugin["xep_0077"].create_account = False  # registration with gateways, not with the server
        self.plugin["xep_0184"].auto_request = False
        self.auto_authorize = self.auto_subscribe = False
        self.add_event_handler("session_start", self._began)
        self.add_event_handler("disconnected", self._ended)
        self.add_filter("in", lambda stanza: self._seen("in", stanza))
        self.add_filter("out", lambda stanza: self._seen("out", stanza))

    def go(self) -> None:
        """Connect, or try to."""
        self.connect(*self._server)

    def _seen(self, way: str, stanza: Any) -> Any:
        if stanza.name in ("message", "presence", "iq"):
            tell(**{way: str(stanza)})
        return stanza

    async def _began(self, _: Any) -> None:
        await self.get_roster()
        self.send_presence()
        tell(state="online", jid=self.boundjid.full)

    async def _ended(self, _: Any) -> None:
        tell(state="offline")
        await asyncio.sleep(0.1)
        self.go()

    def obey(self, line: bytes) -> None:
        """One order; several may be under way."""
        task = asyncio.ensure_future(self._obey(json.loads(line)))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _obey(self, order: dict[str, Any]) -> None:
        number, what = order.pop("order"), order.pop("do")
        try:
            tell(order=number, result=await getattr(self, f"do_{what}")(**order))
        except IqError as error:
            said = error.iq["error"]
            tell(order=number, error={key: said[key] for key in ("type", "condition", "text")})
        except IqTimeout:
            tell(order=number, error={"condition": "timeout"})

    async def do_raw(self, xml: str) -> None:
        """These octets."""
        tell(out=xml)
        self.send_raw(xml)

    async def do_say(self, to: str, body: str, receipt: bool = True, kind: str = "chat") -> str:
        """A message; its id."""
        message = self.make_message(mto=to, mbody=body, mtype=kind)
        message["id"] = self.new_id()
        if receipt:
            message["request_receipt"] = True
        message.send()
        return str(message["id"])

    async def do_burst(self, texts: list[list[str]]) -> None:
        """Many messages, [to, id, body] each, as fast as the server takes them."""
        for number, (to, name, body) in enumerate(texts, 1):
            self.send_raw(
                f"<message to={quoteattr(to)} id={quoteattr(name)} type='chat'><body>{escape(body)}</body></message>"
            )
            if number % 100 == 0:
                await asyncio.sleep(0)

    async def do_presence(self, to: str, kind: str) -> None:
        """subscribe, subscribed, probe …"""
        self.send_presence(pto=to, ptype=kind)

    async def do_iq(self, to: str, kind: str, payload: str) -> str:
        """Any question; the answer's stanza."""
        iq = self.make_iq(ito=to, itype=kind)
        iq.append(_element(payload))
        return str(await iq.send(timeout=120))

    async def do_info(self, to: str) -> dict[str, Any]:
        """What somebody is and can do."""
        found = (await self.plugin["xep_0030"].get_info(jid=to, cached=False, timeout=120))["disco_info"]
        return {
            "identities": sorted([one[0], one[1], one[3]] for one in found["identities"]),
            "features": sorted(found["features"]),
        }

    async def do_ping(self, to: str) -> None:
        """Is somebody there?"""
        await self.plugin["xep_0199"].send_ping(to, timeout=120)

    async def do_form(self, to: str) -> dict[str, Any]:
        """What a gateway asks of those who register."""
        found = (await self.plugin["xep_0077"].get_registration(jid=to, timeout=120))["register"]
        return {
            "registered": bool(found["registered"]),
            "fields": sorted(found["fields"]),
            "instructions": found["instructions"],
            "xml": str(found),
        }

    async def do_register(self, to: str, **fields: str) -> None:
        """Fill it in."""
        iq = self.make_iq_set(ito=to)
        for name, value in fields.items():
            iq["register"][name] = value
        await iq.send(timeout=120)

    async def do_unregister(self, to: str) -> None:
        """Be forgotten."""
        iq = self.make_iq_set(ito=to)
        iq["register"]["remove"] = True
        await iq.send(timeout=120)

    async def do_commands(self, to: str) -> list[list[str]]:
        """[node, name] of each."""
        found = await self.plugin["xep_0050"].get_commands(to, timeout=120)
        return [[node, name] for _, node, name in found["disco_items"]["items"]]

    async def do_command(
        self,
        to: str,
        node: str,
        action: str = "execute",
        session: str = "",
        fields: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """One step of a command."""
        iq = self.make_iq_set(ito=to)
        command = iq["command"]
        command["node"], command["action"] = node, action
        if session:
            command["sessionid"] = session
        if fields is not None:
            form = self.plugin["xep_0004"].make_form(ftype="submit")
            for name, value in fields.items():
                form.add_field(var=name, value=value)
            command.append(form)
        said = (await iq.send(timeout=120))["command"]
        form = said["form"]
        return {
            "status": said["status"],
            "session": said["sessionid"],
            "notes": [list(note) for note in said["notes"]],
            "fields": {name: field["value"] for name, field in form.get_fields().items()},
            "xml": str(said),
        }

    async def do_vcard(self, to: str) -> str:
        """A business card."""
        return str((await self.plugin["xep_0054"].get_vcard(jid=to, cached=False, timeout=120))["vcard_temp"])


def _element(xml: str) -> Any:
    from xml.etree import ElementTree

    return ElementTree.fromstring(xml)


async def main(arguments: list[str]) -> None:
    """Until nobody orders any more."""
    chat = Chatting(*arguments)
    chat.go()
    orders = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    while line := await orders.readline():
        chat.obey(line)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
