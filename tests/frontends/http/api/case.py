"""A door with the API over a house with a real store: accounts john (mail), shop (bound to the subscriber `desk`) and other; the
operator's verbs; tokens. Whatever is asked waits for its commit."""

from __future__ import annotations

import base64
import json
from typing import Any, ClassVar
from urllib.parse import urlencode

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.core.accounts import Accounts
from smsd.core.accounts.book import Book
from smsd.core.callbacks import Callbacks
from smsd.core.clerk import Clerk
from smsd.core.control import Control
from smsd.core.credit import Credit
from smsd.core.explaining import Explainer
from smsd.core.overrides import Overrides
from smsd.core.subscribers import Subscribers
from smsd.core.tokens import Tokens
from smsd.frontends.http import HttpDoor
from smsd.interfaces import Abilities, MessageIn
from smsd.values.message import Text
from tests.frontends.fakes import context
from tests.frontends.http.client import Connection, Reply, door, request
from tests.house import House

CONFIGURATION = """
listeners: [{id: web, type: http, listen: ["tcp:8080:interface=127.0.0.1"], api: yes}]
gateways: [{id: gsm1, type: loopback}, {id: mail, type: folder, folder: mail}]
accounts:
  - {user: john, password: johnpw, demo: yes, email: john@example.org, monthly_limit: 20, phone: +15550000099}
  - {user: shop, password: shoppw, demo: yes}
  - {user: other, password: otherpw, demo: yes}
  - {user: buyer, password: buyerpw, demo: yes, prepaid: yes}
  - {user: away, password: awaypw, demo: yes, networks: [10.0.0.0/8]}
subscribers: [{id: desk, pull: yes, accounts: [shop], events: [sent, received]}]
"""
PHONE = "+15551234567"


class ApiCase(SynchronousTestCase):
    """`ask` asks as john, whose password is known; `token` makes a token."""

    settings: ClassVar[dict[str, Any]] = {}
    house: House

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.configuration = load_text(CONFIGURATION, "/etc/smsd.yaml", {})
        self.furnish()
        self.house.open()

    def furnish(self) -> None:
        """Everything that stands on the house's store."""
        house = self.house
        accounts = Accounts(
            self.configuration.accounts, house.clock, run=lambda verify, *given: succeed(verify(*given))
        )
        self.addCleanup(accounts.stop)
        find = accounts.directory.find
        house.planner._find_account = house.judge._find_account = find  # type: ignore[assignment]
        subscribers = Subscribers(find)
        subscribers.use(self.configuration)
        house.planner.redirect = subscribers.redirect
        for name in ("hook-desk", "hooks"):
            house.gateway(name, Abilities(frozenset({"hook"})))
        house.store.replies.keep = 3_600_000
        self.callbacks = Callbacks(house.store, house.queue, subscribers)
        self.credit = Credit(house.store, find, lambda: house.planner.tariffs)
        self.clerk = Clerk(house.store, house.planner, self.callbacks, find)
        directory = accounts.directory
        self.tokens = Tokens(house.store, house.clock, lambda name: directory.get(name) is not None)
        book = Book(house.store, directory, house.planner.period, subscribers=lambda: subscribers.names)
        book.changed = self.tokens.weed
        self.control = self.clerk.control = Control(
            store=house.store,
            dispatcher=house.dispatcher,
            queue=house.queue,
            overrides=Overrides(house.store, self.configuration, lambda _: None),
            explainer=Explainer(house.store, house.planner, house.judge),
            status=lambda: {"version": "1", "gateways": [GSM1]},
            reload=lambda: succeed([]),
            callbacks=self.callbacks,
            accounts=book,
            tokens=self.tokens,
        )
        self.door: HttpDoor = door(
            context(
                reactor=house.clock, dispatcher=house.dispatcher, inbound=house.inbound, portal=accounts.portal,
                callbacks=self.callbacks, clerk=self.clerk, tokens=self.tokens, credit=self.credit, gateways=frozenset({"gsm1"}),
            ),
            api=True, **self.settings,
        )  # fmt: skip
        self.door.running = 1

    # -- asking

    def raw(self, octets: bytes, peer: str = "127.0.0.1") -> Reply:
        """One request as it is."""
        connection = Connection(self.door, peer)
        connection.send(octets)
        for _ in range(20):
            replies = connection.replies()
            if replies:
                return replies[0]
            self.house.settle()
        raise AssertionError("no answer")

    def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        user: str = "john",
        token: str = "",
        headers: dict[str, str] | None = None,
        peer: str = "127.0.0.1",
        **query: Any,
    ) -> Reply:
        """One request as an account, or with a token."""
        given = {"Authorization": f"Bearer {token}" if token else basic(user, f"{user}pw")}
        body = b""
        if content is not None:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            given["Content-Type"] = "application/json"
        given |= headers or {}
        asked = f"/api/v1{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        return self.raw(request(method, asked, body, given), peer)

    def send(self, text: str = "hello", to: Any = PHONE, **more: Any) -> Any:
        """Hand in a message that is accepted; the answer."""
        options = {name: more.pop(name) for name in ("user", "token", "headers") if name in more}
        reply = self.ask("POST", "/messages", {"to": to, "text": text, **more}, **options)
        self.assertEqual(reply.status, 201, reply.text)
        return reply.json()

    def get(self, path: str, **more: Any) -> Any:
        """What is told at a path."""
        reply = self.ask("GET", path, **more)
        self.assertEqual((reply.status, reply.headers["content-type"]), (200, "application/json"), reply.text)
        return reply.json()

    def problem(self, reply: Reply, status: int, word: str) -> Any:
        """The problem that a reply tells."""
        self.assertEqual(
            (reply.status, reply.headers["content-type"]), (status, "application/problem+json"), reply.text
        )
        said = reply.json()
        self.assertEqual((said["status"], said["type"]), (status, f"urn:smsd:problem:{word}"))
        self.assertTrue(said["title"])
        self.assertTrue(said["detail"])
        return said

    def token(self, account: str, *scopes: str, **more: Any) -> str:
        """A new token."""
        return str(self.verb("token_create", account=account, scopes=list(scopes), **more)["token"])

    def verb(self, verb: str, **arguments: Any) -> Any:
        """What the operator's command would do."""
        return self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))

    def phone_writes(self, text: str, sender: str = PHONE, **more: Any) -> None:
        """An incoming message, by gsm1."""
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", sender, Text(text), **more)))
        self.house.settle()


GSM1 = {
    "id": "gsm1",
    "type": "gsm",
    "status": "ready",
    "slots": 1,
    "on_wire": 0,
    "closed": "",
    "trouble": "",
    "limits": [],
}


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
