"""SIP: texts of phones become SMS, and answers find the phone again (`type: sip`; features S8, R9, I8).

`settings` is what the configuration says, `building` what it means (rules, listeners), `listening` opens sockets, `calling` makes
connections, `streams` and `wires` carry octets (of `strangers` not too many), `stack` drives the transactions of
`smsd.codec.sip`, `server` answers requests (`login`, `registrar`, `incoming` each do one of them), `outgoing` makes requests of
pieces (`ways` says where to, of names `places` with the `records` of DNS), `link` is the gateway.
"""

from __future__ import annotations

from smsd.interfaces import GatewayContext
from smsd.links.sip.building import build, check, stamp
from smsd.links.sip.link import SipLink
from smsd.links.sip.settings import Settings

__all__ = ["Settings", "SipLink", "check", "make", "stamp"]


def make(settings: Settings, context: GatewayContext) -> SipLink:
    """The link for one section of the configuration; InvalidValue when its rules cannot be used."""
    return SipLink(settings, build(settings).rules, context)
