"""Answers in one system call: a short answer is sent at once instead of in the reactor's next round.

Twisted's `write` asks the reactor to say when the socket can be written to, and then not to say so any more: three system
calls and a round for an answer of one packet that nearly always fits. Order is kept: whatever waits already goes first.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Server


def send(transport: Any, octets: bytes) -> None:
    """Like `transport.write(octets)`, at once where that can be done: plain TCP, connected, nothing waiting."""
    if (
        type(transport) is not Server
        or transport.TLS
        or not transport.connected
        or transport.disconnecting
        or transport.dataBuffer
        or transport._tempDataBuffer
    ):
        transport.write(octets)
        return
    sent = transport.writeSomeData(octets)
    if not isinstance(sent, int):
        transport.write(octets)  # the connection is lost; the reactor finds out in its own way
    elif sent < len(octets):
        transport.write(octets[sent:])
