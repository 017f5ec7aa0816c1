"""A link of type xmpp and a real Prosody: what people see in their chat programs."""

from __future__ import annotations

from tests.links.xmpp import real
from tests.peers import chat, prosody
from tests.peers.prosody import Prosody


class ProsodySessions(real.Sessions):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)


class ProsodyOperation(real.Operation):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)


class ProsodyKills(real.Kills):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> Prosody:
        return Prosody(real.SECRETS)
