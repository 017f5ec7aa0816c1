"""A link of type xmpp reads no more than it can work on: seen from the other end of its connection, with a disk that is slow."""

from __future__ import annotations

import threading

from twisted.trial.unittest import SynchronousTestCase

from tests.links.xmpp.real import NULL
from tests.peers.component import DOMAIN, SECRET, ComponentServer
from tests.rig.processes import Folder, until
from tests.rig.server import Server

COUNT = 300
SLOW = (
    "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "signal=none",
    "-e", "inject=fdatasync,fsync:delay_enter=200000",
)  # fmt: skip
# So large that one read brings only a few of them.
PADDING = f"<x xmlns='urn:example:padding'>{'x' * 3000}</x>"


def message(number: int) -> bytes:
    return (
        f"<message from='ann@example.org/phone' to='+1555{number:07d}@{DOMAIN}' type='chat' id='flow-{number:06d}'>"
        f"<body>message {number}</body>{PADDING}</message>"
    ).encode()


class Flow(SynchronousTestCase):
    def test_a_slow_disk(self) -> None:
        """Every commit takes 0.2 s. All is written at once; what smsd has not come to stays in the kernel, and none is lost."""
        place = Folder()
        self.addCleanup(place.close)
        chats = ComponentServer(kept=False)
        self.addCleanup(chats.stop)
        link = {
            "id": "chat", "type": "xmpp", "server": f"tcp:127.0.0.1:{chats.port}", "most_waiting": 50,
            "components": [{"domain": DOMAIN, "secret": SECRET}],
        }  # fmt: skip
        accounts = [{"user": "ann", "password": "annpw", "demo": True, "jids": ["ann@example.org"]}]
        server = Server(place.path / "s", [NULL, link], extra={"accounts": accounts})
        self.addCleanup(lambda: server.process and server.process.kill_group())
        server.start(prefix=SLOW)
        server.ready()
        line = chats.line()
        burst = b"".join(message(number) for number in range(COUNT))
        written = threading.Event()

        def write() -> None:
            line.link.sendall(burst)
            written.set()

        threading.Thread(target=write, daemon=True).start()
        unread = []

        def stored() -> int:
            left = line.unread() if written.is_set() else len(burst)
            done = int(server.rows("select count(*) from message")[0][0])
            unread.append((done, left))
            return done

        until(lambda: stored() >= COUNT, 120, f"{COUNT} messages", server.process, every=0.05)
        self.assertEqual(server.rows("select count(*) from message"), [(COUNT,)])
        self.assertEqual(
            server.rows("select count(distinct target) from delivery where target like 'sms:%'"), [(COUNT,)]
        )
        middle = [left for done, left in unread if done < COUNT // 2]
        self.assertTrue(middle)
        self.assertGreater(min(middle), 0)
        self.assertEqual(line.heard.get("message error", 0), 0)
