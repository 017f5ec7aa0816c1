"""What makes a gateway for callbacks."""

from __future__ import annotations

from typing import Literal

from smsd.config.settings import CallbackSettings, GatewaySettings
from smsd.config.subscribers import SubscriberSettings


class Settings(GatewaySettings):
    """`subscriber` is None for the one that carries to URLs of senders."""

    schemes = frozenset({"hook", "dlr"})

    type: Literal["callback"] = "callback"
    subscriber: SubscriberSettings | None = None
    callbacks: CallbackSettings = CallbackSettings()
