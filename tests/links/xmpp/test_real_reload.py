"""The link is made anew in a burst, with real chat servers: each message is stored, or its writer hears that it is not."""

from __future__ import annotations

from tests.links.xmpp import real
from tests.links.xmpp.real import NULL, SMS, RealChat
from tests.peers import chat, ejabberd, prosody
from tests.peers.ejabberd import Ejabberd
from tests.peers.prosody import Prosody
from tests.rig.processes import until

COUNT = 3000


class Reloads(RealChat):
    skip = prosody.missing() or chat.missing()

    def chat_server(self) -> real.ChatServer:
        return Prosody(real.SECRETS)

    def test_each_message_is_stored_or_refused_and_none_is_both(self) -> None:
        self.smsd(NULL)
        bob = self.chat("bob")

        def stored() -> set[str]:
            rows = self.server.rows("select target from delivery where target like 'sms:%'")
            return {target.removeprefix("sms:") for (target,) in rows}

        def refused() -> set[str]:
            return {error["from"].partition("@")[0] for error in bob.errors()}

        texts = [[f"+1555{number:07d}@{SMS}", f"reload-{number:05d}", "x"] for number in range(COUNT)]
        bob.begin("burst", texts=texts)
        for slots in (65, 66):
            before = len(stored())
            until(
                lambda: len(stored()) > before or len(stored()) == COUNT,  # noqa: B023
                60, "some more", self.server.process,
            )  # fmt: skip
            self.rewrite(slots=str(slots))
            self.hang_up()
        self.connected()
        until(
            lambda: len(stored()) + len(refused()) >= COUNT,
            60,
            "every message accounted for",
            self.server.process,
        )
        self.assertEqual(len(stored() | refused()), COUNT)
        self.assertEqual(stored() & refused(), set())
        self.assertEqual(
            self.server.rows("select count(*) from message where door = 'chat'"), [(len(stored()),)]
        )


class WithEjabberd(Reloads):
    """It reads everything at once, keeps it for us, and drops it when we leave."""

    skip = ejabberd.missing() or chat.missing()

    def chat_server(self) -> real.ChatServer:
        return Ejabberd(real.SECRETS)
