"""Kept connections that servers close at the moment when they are used again.

A request written to such a connection is lost, but was it carried out? Usually nobody knows, and then we say so. Sometimes
the kernel does, and the request may be made again (RFC 9110, 9.2.2): when no packet with data has left since; and when the
server's end (FIN) has come, with which all that its TCP took before is acknowledged, and not one octet of the request was: what
comes later it throws away. A reset proves nothing: it overtakes acknowledgements.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

# Where struct tcp_info of Linux tells how many octets were acknowledged, and how many packets with data left, since the
# connection began.
_ACKED, _PACKETS = 120, 156
_INFO = getattr(socket, "TCP_INFO", None)


class Untouched:
    """Looks at a connection before a request is written to it. `stale`: it has ended already, or says what nobody asked."""

    def __init__(self, transport: Any) -> None:
        found: socket.socket = transport.socket
        try:
            found.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            self.stale = True
        except BlockingIOError:
            self.stale = False
        except OSError:
            self.stale = True
        self._acked, self._packets = (0, 0) if self.stale else _seen(found)
        self._probe = found.dup() if self._acked and self._packets else None  # outlives the reactor's

    def holds(self, reason: Failure) -> bool:
        """Whether it is certain that the server has seen nothing of the request, the connection having ended thus."""
        if self._probe is None:
            return False
        acked, packets = _seen(self._probe)
        return packets == self._packets or (reason.check(ConnectionDone) is not None and acked == self._acked)

    def close(self) -> None:
        """Not needed any more."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def _seen(found: socket.socket) -> tuple[int, int]:
    """Octets that the other side's TCP took, and packets with data that left; 0 where the kernel does not tell."""
    if _INFO is None:
        return 0, 0
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, _INFO, _PACKETS + 4)
    except OSError:
        return 0, 0
    if len(info) < _PACKETS + 4:
        return 0, 0
    return struct.unpack_from("=Q", info, _ACKED)[0], struct.unpack_from("=I", info, _PACKETS)[0]
