"""A post office over a real store, dispatcher and accounts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import maybeDeferred

from smsd.config.settings import ServerSettings
from smsd.core.accounts import Accounts, AccountSettings
from smsd.core.planning import Policies
from smsd.core.postoffice.office import PostOffice
from smsd.core.postoffice.settings import ListSettings, NotificationSettings, ProgramSettings
from smsd.interfaces import Abilities, MailIn, Posted, Session
from tests.house import House

ANN = "ann@example.org"
HEAD = b'From: "Ann Smith" <ann@example.org>\r\nTo: alarm@sms.example.org\r\nSubject: disk full'


class Post:
    """`office` has what `use` gave it. Accounts: smsalerts (alertpwd), john (with phone and mailbox), bare (with neither),
    gone (switched off). Gateways gsm1 (SMS), mail and programs."""

    def __init__(self) -> None:
        self.house = House()
        self.house.planner.policies = Policies(country="US")
        self.programs = self.house.gateway("programs", Abilities(frozenset({"program"})))
        self.house.open(slots=1000)
        self.house.outlet("programs").opened(100)
        self.accounts = Accounts(
            [
                AccountSettings(user="smsalerts", password="alertpwd", demo=True),
                AccountSettings(
                    user="john", password="p@ss", demo=True, phone="+15550007777", email="john@example.org"
                ),
                AccountSettings(user="bare", password="x", demo=True),
                AccountSettings(user="gone", password="x", demo=True, active=False),
                AccountSettings(user="small", password="x", demo=True, monthly_limit=1),
            ],
            self.house.clock,
        )
        for name in ("smsalerts", "john", "bare", "gone", "small"):
            self.house.accounts[name] = self.accounts.find(name)
        self.office = PostOffice(
            self.house.dispatcher, self.accounts, self.house.clock, self.house.store.now, maybeDeferred
        )

    def use(self, **sections: list[dict[str, Any]]) -> None:
        """Take `notifications`, `lists` and `programs`, as the configuration would have them."""
        models: dict[str, Any] = {
            "notifications": NotificationSettings,
            "lists": ListSettings,
            "programs": ProgramSettings,
        }
        found = {
            name: tuple(model(**entry) for entry in sections.get(name, [])) for name, model in models.items()
        }
        server = ServerSettings(
            name="sms.example.org", domains=["sms.example.org"], postmaster="root@example.org", country="US"
        )
        gateways = (SimpleNamespace(id="gsm1"), SimpleNamespace(id="mail"))
        self.office.use(SimpleNamespace(server=server, gateways=gateways, groups=(), **found))

    def box(self, local: str) -> Any:
        """A box of ours."""
        return self.office.find(local, "", True)

    def admit(self, local: str, sender: str = ANN, anonymous: bool = False, **who: Any) -> None:
        """RCPT; raises Refused."""
        session = Session(**{"door": "smtp", "peer": "192.0.2.1", **who})
        self.house.wait(self.box(local).admit(session, sender, anonymous))

    def deliver(self, local: str, account: str | None = None, **changes: Any) -> Posted:
        """A mail of Ann's; raises Refused."""
        mail: dict[str, Any] = {
            "session": Session("smtp", account, "192.0.2.1"),
            "sender": ANN,
            "text": "sda1 is full.\nHurry.",
            "sms": "sda1 is full.\nHurry.",
            "subject": "disk full",
            "message_id": "<1@x>",
            "from_": ANN,
            "head": HEAD,
            "size": 1234,
            "scope": "smtp:192.0.2.1",
            "digest": b"1",
            **changes,
        }
        posted: Posted = self.house.wait(self.box(local).deliver(MailIn(**mail)))
        self.house.settle()
        return posted

    @property
    def sent(self) -> list[tuple[str, str, str | None]]:
        """What the modem sent: number, text, account."""
        return [(p.target.target, getattr(p.content, "text", ""), p.account) for p in self.house.gsm.pieces]

    @property
    def mailed(self) -> list[Any]:
        """The pieces of the mail relay."""
        return self.house.mail.pieces

    def close(self) -> None:
        """An end."""
        self.accounts.stop()
        self.house.close()
