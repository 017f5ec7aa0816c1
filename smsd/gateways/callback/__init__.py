"""Events for programs, by HTTP (`type: callback`): to subscribers in their order, and to URLs that senders gave.

`posting` makes the requests, `subscriber` and `urls` say what comes of the answers. These gateways are made from the sections
`subscribers` and `callbacks`; nobody configures one.
"""

from __future__ import annotations

from smsd.gateways.callback.posting import Posting
from smsd.gateways.callback.settings import Settings
from smsd.gateways.callback.subscriber import Subscriber
from smsd.gateways.callback.urls import Urls
from smsd.interfaces import GatewayContext

__all__ = ["Settings", "make"]


def make(settings: Settings, context: GatewayContext) -> Posting:
    """The gateway for one subscriber, or for the URLs of senders."""
    return Urls(settings, context) if settings.subscriber is None else Subscriber(settings, context)
