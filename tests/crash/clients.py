"""Clients that do not mind a server that dies: by HTTP and SMTP, each in a thread, and people who send SMS.

Every second client is stubborn: it repeats a message that was not answered, with the same Idempotency-Key or Message-ID,
until somebody says yes. The others give up, and nobody knows what became of their message. The clients are those of
Python's library, so nothing of the house speaks to itself.
"""

from __future__ import annotations

import http.client
import json
import random
import smtplib
import threading
from collections.abc import Callable
from urllib.parse import urlencode

from tests.crash.ledger import Ledger, Offer
from tests.rig.modems import Modems
from tests.rig.server import PASSWORD, USER, Server

_TROUBLE = (OSError, http.client.HTTPException, smtplib.SMTPException)


class Client(threading.Thread):
    """A loop over messages; `stop` lets the current one end. `pause` seconds at most between two."""

    def __init__(self, name: str, ledger: Ledger, server: Server, rng: random.Random, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self.ledger, self.server, self.rng, self.pause = ledger, server, rng, pause
        self.stubborn = rng.random() < 0.5
        self.stopping = threading.Event()
        self.giving_up = threading.Event()

    def run(self) -> None:
        """Message after message."""
        while not self.stopping.wait(self.rng.uniform(0, self.pause)):
            size = self.rng.choice((1, 1, 1, 1, 25, 40))
            extra = " Grüße żółw" if self.rng.random() < 0.1 else ""
            offer = self.ledger.offer(self.door, self.rng.choice((1, 1, 1, 2, 3)), size, extra)
            while not self.giving_up.is_set():
                offer.tries += 1
                try:
                    if self.hand_in(offer):
                        break
                except ConnectionRefusedError:  # it was not offered to anybody yet
                    self.hang_up()
                    self.giving_up.wait(0.05)
                    continue
                except _TROUBLE:
                    self.hang_up()
                if not self.stubborn:
                    break
                self.giving_up.wait(0.05)
        self.hang_up()

    door = ""

    def hand_in(self, offer: Offer) -> bool:
        """Offer it once: whether it was answered for good. Raises what the connection raises."""
        raise NotImplementedError

    def hang_up(self) -> None:
        """Forget the connection."""
        raise NotImplementedError


class HttpClient(Client):
    """GET and POST over one keep-alive connection."""

    door = "web"
    _connection: http.client.HTTPConnection | None = None

    def hand_in(self, offer: Offer) -> bool:
        """See Client."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.server.http, timeout=120)
        fields = [
            ("user", USER),
            ("pass", PASSWORD),
            ("data", offer.text),
            *(("number", n) for n in offer.numbers),
        ]
        headers = {"Accept": "application/json", "Idempotency-Key": offer.id}
        if self.rng.random() < 0.5:
            self._connection.request("GET", f"/sms/?{urlencode(fields)}", headers=headers)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            self._connection.request("POST", "/sms/", urlencode(fields), headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status in (500, 503):
            return False
        if answer.status != 200:
            self.ledger.problem(f"{offer.id}: HTTP said {answer.status} {body[:200]!r}")
            return True
        for fate in json.loads(body)["recipients"]:
            if fate["status"] == "accepted":
                self.ledger.accept(offer, fate["number"])
            else:
                self.ledger.problem(f"{offer.id}: HTTP declined {fate}")
        return True

    def hang_up(self) -> None:
        """See Client."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class MailClient(Client):
    """Mail after mail in one SMTP session."""

    door = "mail"
    _session: smtplib.SMTP | None = None

    def hand_in(self, offer: Offer) -> bool:
        """See Client."""
        if self._session is None:
            self._session = smtplib.SMTP("127.0.0.1", self.server.smtp, timeout=120)
            self._session.login(USER, PASSWORD)
        mail = (
            f"From: load@example.org\r\nTo: someone@example.org\r\nMessage-ID: <{offer.id}@load.example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
            f"\r\n{offer.text}\r\n"
        )
        recipients = [f"{number}@sms.example.org" for number in offer.numbers]
        try:
            declined = self._session.sendmail("load@example.org", recipients, mail.encode())
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            if 400 <= error.smtp_code < 500:
                self._session.rset()
                return False
            raise
        if declined:
            self.ledger.problem(f"{offer.id}: SMTP declined {declined}")
        for number in offer.numbers:
            self.ledger.accept(offer, number)
        return True

    def hang_up(self) -> None:
        """See Client."""
        if self._session is not None:
            self._session.close()
            self._session = None


class People(threading.Thread):
    """Phones that write to the modem's number, whether the server lives or not."""

    def __init__(self, ledger: Ledger, modems: Modems, rng: random.Random, pause: float) -> None:
        super().__init__(name="people", daemon=True)
        self.ledger, self.modems, self.rng, self.pause = ledger, modems, rng, pause
        self.stopping = threading.Event()

    def run(self) -> None:
        """SMS after SMS."""
        while not self.stopping.wait(self.rng.uniform(0, self.pause)):
            _, text = self.ledger.arrive(self.rng.choice((1, 1, 1, 25, 40)))
            number = f"+1555{self.rng.randrange(1_000_000, 9_999_999)}"
            self.modems.ask(json.dumps({"do": "receive", "number": number, "text": text}))


def crowd(
    ledger: Ledger, server: Server, rng: random.Random, http_clients: int, mail_clients: int, pause: float
) -> list[Client]:
    """The clients of both doors, not started, at least one of them stubborn at each door."""
    kinds: list[Callable[..., Client]] = [HttpClient] * http_clients + [MailClient] * mail_clients
    clients = [
        kind(f"client {n}", ledger, server, random.Random(rng.random()), pause)
        for n, kind in enumerate(kinds)
    ]
    clients[0].stubborn = clients[-1].stubborn = True
    return clients
