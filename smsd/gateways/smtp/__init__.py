"""The mail relay (`type: smtp`): incoming SMS and reports leave as mail through another server (RFC 5321).

`letters` makes the mail, `client` holds one conversation with the relay, `gateway` keeps the connections and tells the
queue when the relay can be reached.
"""

from __future__ import annotations

from smsd.gateways.smtp.gateway import MailRelay
from smsd.gateways.smtp.settings import Settings
from smsd.interfaces import GatewayContext

__all__ = ["MailRelay", "Settings", "make"]


def make(settings: Settings, context: GatewayContext) -> MailRelay:
    """The gateway for one section of the configuration; ValueError when its `ca` file cannot be used."""
    return MailRelay(settings, context)
