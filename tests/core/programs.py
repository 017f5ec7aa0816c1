"""A house with programs: subscribers of a configuration on real gateways, whose network is a dictionary of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from smsd.config.load import load_text
from smsd.core.callbacks import Callbacks
from smsd.core.inbound import Replying
from smsd.core.memory import Memory
from smsd.core.subscribers import Subscribers
from smsd.gateways import callback
from smsd.gateways.exchange import Answer, Unanswered
from smsd.hookwork import hooks
from smsd.interfaces import GatewayContext, MessageIn
from smsd.values.account import Account
from smsd.values.message import Text, Ticket
from tests.house import House

CONFIGURATION = """
accounts:
  - {user: demo, password: demo, demo: yes}
  - {user: shop, password: shop, demo: yes}
  - {user: other, password: other, demo: yes}
listeners: [{id: http, type: http, listen: ["tcp:8080:interface=127.0.0.1"]}]
gateways: [{id: gsm1, type: loopback}]
subscribers:
  - id: app
    url: https://app.example/in?token=s3cret
    secrets: [whsec_c2VjcmV0IG9mIHRoZSBhcHBsaWNhdGlvbg==]
    accounts: [demo]
  - {id: till, pull: yes, accounts: [shop], events: [received, delivered, failed, sent]}
"""
OK = 200


@dataclass(frozen=True)
class Asked:
    """A request that a program got."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


class Network:
    """Instead of a client: `answer(asked)` gives a status, an Answer or an exception; None leaves the request open."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Any] = lambda asked: OK
        self.open: list[Deferred[Any]] = []

    def fetch(
        self, method: str, target: Any, headers: dict[str, str], body: Any, limit: int, seconds: float
    ) -> Any:
        self.asked.append(Asked(method, target.origin + target.path, dict(headers), body or b""))
        said = self.answer(self.asked[-1])
        if said is None:
            self.open.append(Deferred())
            return self.open[-1]
        if isinstance(said, Exception):
            return fail(said)
        return succeed(answered(said) if isinstance(said, int) else said)

    def close(self) -> Deferred[None]:
        return succeed(None)

    @property
    def ids(self) -> list[str]:
        """Of the events that came, in the order in which they came."""
        return [asked.headers["webhook-id"] for asked in self.asked]


def answered(status: int, **headers: str) -> Answer:
    """An answer without a body."""
    lines = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Answer(status, "", lines, b"", True)


LOST = Unanswered("it did not answer in time", True)


class Programs:
    """What a test needs of a house with the programs of a configuration."""

    def __init__(
        self, house: House, text: str = CONFIGURATION, network: Network | None = None, slots: int = 1
    ) -> None:
        self.house = house
        self.network = network or Network()
        self.configuration = load_text(text, "/etc/smsd.yaml", {})
        for account in self.configuration.accounts:
            house.accounts.setdefault(account.user, Account(account.user))
        self.subscribers = Subscribers(house.accounts.get)
        self.subscribers.use(self.configuration)
        self.gateways: dict[str, Any] = {}
        self.callbacks = Callbacks(
            house.store, house.queue, self.subscribers, lambda name: self.gateways[name].again()
        )
        house.planner.redirect = self.subscribers.redirect
        house.inbound.use(Replying(keep=3_600_000))
        for settings in hooks(self.configuration):
            self.start(settings)
        house.open(slots)

    def start(self, settings: Any) -> Any:
        """Start one of the gateways."""
        context = GatewayContext(
            reactor=self.house.clock, outlet=Late(), inbound=self.house.inbound,
            memory=Memory(self.house.store, settings.id),
        )  # fmt: skip
        gateway: Any = callback.make(settings, context)
        gateway._client = self.network
        context.outlet.real = self.house.queue.outlet(settings.id, gateway.abilities)
        context.outlet.real.gateway = gateway
        gateway.startService()
        self.gateways[settings.id] = gateway
        self.house.settle()
        return gateway

    def send(self, account: str = "demo", number: str = "+15550000001", **asked: Any) -> int:
        """A message of an account, with the way back that its door would give it; its delivery."""
        msgid = asked.pop("msgid", "")
        way = self.callbacks.way_back(account, **asked)
        assert way is not None
        receipt = self.house.send(
            number, account=account, ticket=Ticket(way[0], message_id=msgid), wants=way[1]
        )
        return int(receipt.recipients[0].delivery)

    def arrive(self, text: str, number: str = "+15550000001") -> None:
        """A phone writes."""
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", number, Text(text), own="+15559990000")))
        self.house.settle()

    def rows(self) -> list[dict[str, Any]]:
        """The events, oldest first."""
        return [row for row in self.house.rows(limit=1000) if row["target"].startswith(("hook:", "dlr:"))]

    def fetch(self, account: str = "shop", cursor: str = "0", limit: int = 100) -> tuple[list[Any], str]:
        """What an account fetches."""
        found: tuple[list[Any], str] = self.house.wait(self.callbacks.fetch(account, None, cursor, limit))
        return found

    def act(self, coroutine: Any) -> Any:
        """Do an operator's verb."""
        result = self.house.wait(Deferred.fromCoroutine(coroutine))
        self.house.settle()
        return result


class Late:
    """An outlet that comes later."""

    real: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
