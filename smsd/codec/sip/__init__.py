"""SIP for texts (RFC 3261, 3428, 3581, 7616, 8760, 3862, 5438): sans-I/O messages, framing, transactions, digest and bodies.

Octets in, values out; values in, octets out; time and random tokens are arguments. Must never know a socket, a clock or an account.
Nothing that a stranger can send makes it raise anything but `Malformed`, or grow without bound.
"""

from __future__ import annotations

from smsd.codec.sip.answers import REASONS, date, respond, unsupported, warning
from smsd.codec.sip.bodies import ACCEPT, Content, read_body, text_body
from smsd.codec.sip.cpim import Cpim, read_cpim, write_cpim
from smsd.codec.sip.digest import ALGORITHMS, Challenger, NonceCounts, Outcome, Verdict, ha1
from smsd.codec.sip.errors import Malformed
from smsd.codec.sip.framing import PING, PONG, Framer
from smsd.codec.sip.imdn import Notification, read_imdn, write_imdn
from smsd.codec.sip.login import credentials, is_refused
from smsd.codec.sip.messages import Limits, Request, Response, parse, readable, write
from smsd.codec.sip.requests import LARGEST_DATAGRAM, again, ask, is_too_large
from smsd.codec.sip.timers import Timers
from smsd.codec.sip.transactions import (
    Answered,
    Asked,
    Cancelled,
    Key,
    Output,
    Peer,
    Send,
    Transactions,
    Unanswered,
)
from smsd.codec.sip.uri import Pairs, Uri, read_uri
from smsd.codec.sip.values import Party, Via, read_parties, read_party, read_vias

__all__ = [
    "ACCEPT",
    "ALGORITHMS",
    "LARGEST_DATAGRAM",
    "PING",
    "PONG",
    "REASONS",
    "Answered",
    "Asked",
    "Cancelled",
    "Challenger",
    "Content",
    "Cpim",
    "Framer",
    "Key",
    "Limits",
    "Malformed",
    "NonceCounts",
    "Notification",
    "Outcome",
    "Output",
    "Pairs",
    "Party",
    "Peer",
    "Request",
    "Response",
    "Send",
    "Timers",
    "Transactions",
    "Unanswered",
    "Uri",
    "Verdict",
    "Via",
    "again",
    "ask",
    "credentials",
    "date",
    "ha1",
    "is_refused",
    "is_too_large",
    "parse",
    "read_body",
    "read_cpim",
    "read_imdn",
    "read_parties",
    "read_party",
    "read_uri",
    "read_vias",
    "readable",
    "respond",
    "text_body",
    "unsupported",
    "warning",
    "write",
    "write_cpim",
    "write_imdn",
]
