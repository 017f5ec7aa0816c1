"""A link of type xmpp and a real ejabberd: what people see in their chat programs."""

from __future__ import annotations

from tests.links.xmpp import real
from tests.peers import chat, ejabberd
from tests.peers.ejabberd import Ejabberd


class EjabberdSessions(real.Sessions):
    skip = ejabberd.missing() or chat.missing()

    def chat_server(self) -> Ejabberd:
        return Ejabberd(real.SECRETS)


class EjabberdOperation(real.Operation):
    skip = ejabberd.missing() or chat.missing()
    burst = 3_000  # it takes them slowly itself

    def chat_server(self) -> Ejabberd:
        return Ejabberd(real.SECRETS)
