"""Kept connections that servers close at the moment when they are used again.

A request written to such a connection is lost, but was it carried out? Usually nobody knows, and then we say so. Sometimes
the kernel does: when the server's end (FIN) has come, all that its TCP took before is acknowledged, and what comes later it
throws away. If by then not one octet of the request was acknowledged, no server has seen it, and it may be made again
(RFC 9110, 9.2.2). A reset proves nothing: it overtakes acknowledgements.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

# struct tcp_info of Linux: 8 small fields, 24 of 32 bits, two rates, then what was acknowledged since the connection began.
_ACKED = 120
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
        self._acked = 0 if self.stale else _acknowledged(found)
        self._probe = found.dup() if self._acked else None  # outlives the reactor's

    def holds(self, reason: Failure) -> bool:
        """Whether it is certain that the server has seen nothing of the request, the connection having ended thus."""
        return (
            self._probe is not None
            and reason.check(ConnectionDone) is not None
            and _acknowledged(self._probe) == self._acked
        )

    def close(self) -> None:
        """Not needed any more."""
        if self._probe is not None:
            self._probe.close()
            self._probe = None


def _acknowledged(found: socket.socket) -> int:
    """How many octets the other side's TCP took; 0 where the kernel does not tell."""
    if _INFO is None:
        return 0
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, _INFO, _ACKED + 8)
    except OSError:
        return 0
    return int(struct.unpack_from("=Q", info, _ACKED)[0]) if len(info) == _ACKED + 8 else 0
