"""A mail server as a password source: a connection for each question, with TLS before anything is said that matters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError, TimeoutError
from twisted.internet.protocol import Factory

from smsd.core.networks import read_address
from smsd.sources.asking import Asking, Away
from smsd.sources.conversation import Conversation, Unknown
from smsd.sources.settings import ServerSettings

SILENT = "cannot be reached: it does not answer"
Talk = Callable[[Conversation, str, str, str], Awaitable[bool]]
"""Asks in a conversation for login and password. The last one is the address that somebody logs in from: the server should count
his guesses as his, and not as ours."""


class Connecting:
    """Connects to `endpoint`, and lets `talk` ask there, within some `patience` (seconds). `tls`: begin with it."""

    def __init__(self, endpoint: Any, talk: Talk, clock: Any, patience: float, tls: Any = None) -> None:
        self._clock = clock
        self._patience = patience
        self._endpoint = endpoint
        self._talk = talk
        self._tls = tls

    async def ask(self, login: str, password: str, peer: str) -> bool:
        """One question. Whatever happens, the connection is over afterwards."""
        began = self._clock.seconds()
        try:
            conversation = await self._connect()
        except (CancelledError, ConnectingCancelledError, TimeoutError):
            raise Away(SILENT) from None
        except DNSLookupError:  # which is also what comes of giving up
            late = self._clock.seconds() - began >= self._patience / 2
            raise Away(SILENT if late else "cannot be reached: its name is not known") from None
        except (ConnectError, OSError) as error:
            raise Away(f"cannot be reached: {_reason(error)}") from None
        try:
            if self._tls is not None:
                conversation.start_tls(self._tls)
            conversation.hide(login, password)
            return await self._talk(conversation, login, password, str(read_address(peer) or ""))
        except Unknown as unknown:
            if conversation.asked:
                raise
            raise Away(str(unknown)) from None
        except CancelledError:
            if conversation.asked:
                raise
            raise Away("accepts connections and then keeps silent, or is too slow") from None
        finally:
            conversation.end("is over")

    def _connect(self) -> Deferred[Conversation]:
        factory = Factory.forProtocol(lambda: Conversation(self._clock))
        factory.noisy = False
        connecting: Deferred[Conversation] = self._endpoint.connect(factory)
        return connecting


def _reason(error: Exception) -> str:
    said = (
        getattr(error, "strerror", None) or str(error).partition(":")[0].rstrip(".") or type(error).__name__
    )
    return said[:1].lower() + said[1:]


def source(settings: ServerSettings, reactor: Any, talk: Talk) -> Asking:
    """A source that asks a mail server; ValueError when its `ca` file cannot be used."""
    options = settings.tls_options()
    first = options if settings.security == "tls" else None
    endpoint = HostnameEndpoint(reactor, settings.host, settings.effective_port, timeout=settings.seconds)
    return Asking(settings, reactor, Connecting(endpoint, talk, reactor, settings.seconds, first).ask)
