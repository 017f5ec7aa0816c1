"""A link of type xmpp reads no more than it can work on: seen from the other end of its connection."""

from __future__ import annotations

import threading

from twisted.trial.unittest import SynchronousTestCase

from tests.links.xmpp.real import NULL
from tests.peers import component
from tests.peers.component import DOMAIN, SECRET, ComponentServer
from tests.rig.processes import Folder, until
from tests.rig.server import Server

COUNT = 10_000


class Flow(SynchronousTestCase):
    def test_ten_thousand_at_once(self) -> None:
        """All are written at once; while smsd works, what it has not come to stays in the kernel, and none is lost."""
        place = Folder()
        self.addCleanup(place.close)
        chats = ComponentServer(kept=False)
        self.addCleanup(chats.stop)
        link = {
            "id": "chat", "type": "xmpp", "server": f"tcp:127.0.0.1:{chats.port}",
            "components": [{"domain": DOMAIN, "secret": SECRET}],
        }  # fmt: skip
        accounts = [{"user": "ann", "password": "annpw", "demo": True, "jids": ["ann@example.org"]}]
        server = Server(place.path / "s", [NULL, link], extra={"accounts": accounts})
        self.addCleanup(lambda: server.process and server.process.kill())
        process = server.start()
        server.ready()
        line = chats.line()
        before = process.memory()["VmHWM"]
        burst = b"".join(
            component.message(f"+1555{n:07d}", f"flow-{n:06d}", f"message {n}") for n in range(COUNT)
        )
        written = threading.Event()

        def write() -> None:
            line.link.sendall(burst)
            written.set()

        threading.Thread(target=write, daemon=True).start()
        unread = []

        def stored() -> int:
            # First what is left, then what is done: so the first can only be too large for the second.
            left = line.unread() if written.is_set() else len(burst)
            done = int(server.rows("select count(*) from message")[0][0])
            unread.append((done, left))
            return done

        until(lambda: stored() >= COUNT, 120, f"{COUNT} messages", process, every=0.02)
        self.assertEqual(server.rows("select count(*) from message"), [(COUNT,)])
        self.assertEqual(
            server.rows("select count(distinct target) from delivery where target like 'sms:%'"), [(COUNT,)]
        )
        # 200 are worked on, and a read takes at most 64 KiB.
        middle = [left for done, left in unread if COUNT // 10 < done < COUNT // 2]
        self.assertTrue(middle)
        self.assertGreater(min(middle), 0)
        self.assertLess(process.memory()["VmHWM"], before + 60_000)
        self.assertEqual(line.heard.get("message error", 0), 0)
