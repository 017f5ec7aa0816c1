"""Chats: we are a component (XEP-0114) of an XMPP server, and a phone is one of its addresses (features S7, U2).

`gateway` is the life of the whole, `link` what its rooms see of each other, `component` the connection of one of our domains
(`stream` its wire), `incoming` what people write to phones, `outgoing` what goes to people, `people` who they are, `services`
what their programs ask.
"""

from __future__ import annotations

from smsd.interfaces import GatewayContext
from smsd.links.xmpp.gateway import XmppGateway
from smsd.links.xmpp.settings import Settings

__all__ = ["Settings", "XmppGateway", "make"]


def make(settings: Settings, context: GatewayContext) -> XmppGateway:
    """The link to one chat server."""
    return XmppGateway(settings, context)
