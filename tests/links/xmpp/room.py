"""People and services over a real store, real accounts and a real portal; the chat server is a list of what was sent to it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.config.settings import (
    Configuration,
    ControlSettings,
    LogSettings,
    QueueSettings,
    ServerSettings,
    StoreSettings,
)
from smsd.core.accounts import (
    AccountGroupSettings,
    Accounts,
    AccountSettings,
    PolicySettings,
    hash_password,
)
from smsd.core.accounts.book import Book
from smsd.core.clerk import Clerk
from smsd.core.control import Control
from smsd.core.credit import Credit
from smsd.core.memory import Memory
from smsd.core.overrides import Overrides
from smsd.interfaces import FrontendContext, GatewayContext
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services import Services
from smsd.links.xmpp.services.presence import DEVICE
from smsd.links.xmpp.settings import ComponentSettings, Settings
from smsd.links.xmpp.stanzas import stanza, write
from smsd.policy.charge import Tariffs
from tests.house import House
from tests.links.xmpp.reading import read

HASH = hash_password("annpw")
SMS, EMAIL, ONLY = "sms.example.org", "email.example.org", "only.example.org"
FAX = "fax.example.org"
ANN = Jid.parse("ann@example.org/phone")
BOB = Jid.parse("bob@elsewhere.example/desk")
PHONE = f"+15551234567@{SMS}"
FILE = Configuration(
    "smsd.yaml", "var", ServerSettings(), StoreSettings(), QueueSettings(), LogSettings(), ControlSettings()
)
ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"user": "ann", "gateway": "gsm1"},
    {"user": "office", "senders": ["+15557654321", "ACME", "+1555*"], "country": "US", "monthly_limit": 50},
    {"user": "old", "active": False},
    {"user": "settled", "jids": ["carl@example.net"]},
)


class RecordingLink(Link):
    """Sends to a list, what goes out as it would be written."""

    sent: list[Element]

    def send(self, domain: Domain, element: Any) -> bool:
        """Read back from what is written, so that what cannot be is noticed."""
        self.sent.append(read(write(element)))
        return True


class Room(SynchronousTestCase):
    """`ask` sends an iq and gives its answer, `come` a presence; `sent` is everything that went out since it was asked last."""

    user_domains: tuple[str, ...] = ("example.org",)

    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(lambda: self.house.close())
        self.furnish()

    def furnish(self) -> None:
        """All over the house's store."""
        house = self.house
        self.accounts = Accounts((), house.clock, run=lambda f, *args: execute(f, *args))
        self.addCleanup(self.accounts.stop)
        self.configure()
        find: Any = self.accounts.directory.find
        house.planner._find_account = house.judge._find_account = find
        house.open()
        self.book = Book(house.store, self.accounts.directory, house.planner.period, lambda: ["gsm1", "gsm2"])
        house.wait(Deferred.fromCoroutine(self.book.load()))
        clerk = Clerk(house.store, house.planner, None, find)
        clerk.control = Control(
            store=house.store, dispatcher=house.dispatcher, queue=house.queue,
            overrides=Overrides(house.store, FILE, lambda _: None), explainer=None, status=dict,
            reload=house.wait, accounts=self.book,
        )  # fmt: skip
        self.carries: bool | tuple[str, ...] = True
        door = FrontendContext(
            reactor=house.clock, dispatcher=house.dispatcher, inbound=house.inbound, portal=self.accounts.portal,
            gateways=frozenset({"gsm1", "gsm2", "mail"}), sms_gateways=frozenset({"gsm1", "gsm2"}), clerk=clerk,
            credit=Credit(house.store, find, lambda: Tariffs(currency="EUR")), carries=self.carry,
        )  # fmt: skip
        self.context = GatewayContext(
            reactor=house.clock, outlet=None, inbound=house.inbound, memory=Memory(house.store, "chat"),
            server_name="gw.example.org", find_account=find, find_jid=self.accounts.directory.of_jid, door=door,
        )  # fmt: skip
        components = [ComponentSettings(domain=domain, secret="s") for domain in (SMS, EMAIL, FAX)]
        components.append(ComponentSettings(domain=ONLY, secret="s", kind="sms", only=True))
        settings = Settings(id="chat", components=components, user_domains=list(self.user_domains))
        self.link = RecordingLink(settings, self.context)
        self.link.sent = []
        self.people = People(self.link)
        self.services = Services(self.link, self.people)
        self.addCleanup(lambda: self.services.stop())
        house.wait(self.people.start())

    def carry(self, gateway: str | None, scheme: str = "sms") -> bool:
        """`carries` is yes, no, or what is carried."""
        return scheme in self.carries if isinstance(self.carries, tuple) else self.carries

    def configure(
        self,
        *accounts: dict[str, Any],
        groups: tuple[dict[str, Any], ...] = (),
        policies: tuple[dict[str, Any], ...] = (),
    ) -> None:
        """The accounts of the configuration: those of every test, and these."""
        self.accounts.replace(
            [AccountSettings(**{"password": HASH, **one}) for one in (*ACCOUNTS, *accounts)],
            [AccountGroupSettings(**one) for one in groups],
            [PolicySettings(**one) for one in policies],
        )

    # -- talking

    def domain(self, address: str) -> Domain:
        """Ours, of an address."""
        found = self.link.domain(address.rpartition("@")[2].partition("/")[0])
        assert found is not None, address
        return found

    def iq(self, kind: str, to: str, payload: str = "", sender: Jid = ANN, id: str = "q1") -> None:
        """An iq comes in."""
        xml = f"<iq type='{kind}' from='{sender}' to='{to}' id='{id}'>{payload}</iq>"
        self.services.iq(self.domain(to), read(xml))

    def ask(self, kind: str, to: str, payload: str = "", sender: Jid = ANN) -> Element:
        """An iq comes in; the one answer that it gets."""
        before = [one for one in self.link.sent if one.name == "iq"]
        self.iq(kind, to, payload, sender)
        self.house.settle()
        answers = [one for one in self.link.sent if one.name == "iq"][len(before) :]
        self.assertEqual(len(answers), 1, [one.toXml() for one in answers])
        answer = answers[0]
        self.assertEqual((answer["from"], answer["to"], answer["id"]), (to, sender.full, "q1"))
        return answer

    def result(self, kind: str, to: str, payload: str = "", sender: Jid = ANN) -> Any:
        """The payload of the result, None for an empty one."""
        answer = self.ask(kind, to, payload, sender)
        self.assertEqual(answer["type"], "result", answer.toXml())
        return answer.firstChildElement()

    def refused(self, kind: str, to: str, payload: str = "", sender: Jid = ANN) -> tuple[str, str, str]:
        """Type, condition and text of the error."""
        answer = self.ask(kind, to, payload, sender)
        self.assertEqual(answer["type"], "error", answer.toXml())
        error: Any = answer.firstChildElement()
        condition = next(error.elements()).name
        return error["type"], condition, str(error.text)

    def come(
        self, kind: str, to: str, sender: Jid = ANN, inside: str = ""
    ) -> list[tuple[str, str, str, str]]:
        """A presence comes in: (type, from, to, status) of those that go out."""
        self.link.sent.clear()
        element = stanza("presence", sender=sender.full, to=to, kind=kind)
        if inside:
            element.addChild(read(inside))
        self.services.presence(self.domain(to), element)
        self.house.settle()
        return self.presences()

    def presences(self) -> list[tuple[str, str, str, str]]:
        """Those that went out since the last time."""
        sent = [one for one in self.link.sent if one.name == "presence"]
        self.link.sent.clear()
        return [
            (one.getAttribute("type", ""), self.shown(one), one["to"], str(one.status or "")) for one in sent
        ]

    def shown(self, presence: Element) -> str:
        """Whom of us it is from. Who is there, or not any more, is so with a program."""
        address, _, device = presence["from"].partition("/")
        kind = presence.getAttribute("type", "")
        if kind != "error":
            self.assertEqual(device, DEVICE if kind in ("", "unavailable") else "")
        return address

    def register(self, user: str = "ann", sender: Jid = ANN, password: str = "annpw") -> None:
        """In-band."""
        login = f"<username>{user}</username><password>{password}</password>"
        self.result("set", SMS, f"<query xmlns='jabber:iq:register'>{login}</query>", sender)
        self.house.settle()
        self.link.sent.clear()
