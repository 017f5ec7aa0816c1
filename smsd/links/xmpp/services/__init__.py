"""What chat programs ask of our domains, and who sees whom.

`disco` (what we can do), `register` and `commands` with `verbs` (accounts), `prompt` (numbers as addresses), `about` (small
questions), `presence`; `asking` and `forms` are what they have in common. Each has tables of payloads that it answers; whatever
is in none of them is refused, never left without an answer (RFC 6120 section 8.2.3).
"""

from __future__ import annotations

import inspect
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services.about import About
from smsd.links.xmpp.services.asking import Asked, Declined, Table, party
from smsd.links.xmpp.services.commands import Commands
from smsd.links.xmpp.services.disco import Disco
from smsd.links.xmpp.services.presence import Presences
from smsd.links.xmpp.services.prompt import Prompt
from smsd.links.xmpp.services.register import Register
from smsd.links.xmpp.services.verbs import Verbs
from smsd.links.xmpp.stanzas import answer, children, error, refusal
from smsd.values.errors import InvalidValue, Refused

MOST_WAITING, MOST_OF_ONE = 300, 5
"""Questions that wait for the store or a password: of everybody, and of one person."""


class Services:
    """Answers stanzas that are no messages."""

    log = Logger()

    def __init__(self, link: Link, people: People) -> None:
        self._link = link
        self._people = people
        self._waiting: dict[str, int] = {}
        context = link.context
        reactor = context.reactor
        country = context.country or (context.door.country if context.door is not None else None)
        self._country = country
        self._presences = Presences(link, people, country)
        register = Register(people, self._changed, lambda call: reactor.callLater(0, call))
        commands = Commands(Verbs(link, people, register).commands(), reactor.seconds, people.account)
        disco = Disco(commands)
        about = About(reactor.seconds, context.server_name)
        prompt = Prompt(people, country)
        self._of_domain: Table = {}
        for table in (disco.domain, register.domain, commands.domain, prompt.domain, about.domain):
            self._of_domain |= table
        self._of_party: Table = disco.party | about.party

    def start(self) -> Deferred[None]:
        """Recall what was so at the last stop; the streams are opened after this."""
        return self._presences.start()

    def opened(self, domain: Domain) -> None:
        """The stream of this domain is up (again): presence may be sent."""
        self._presences.opened(domain)

    def closing(self, domain: Domain) -> None:
        """The stream of this domain is about to be closed by us: the last moment to say so."""
        self._presences.closing(domain)

    def stop(self) -> Deferred[None]:
        """Nothing more is sent; fires when what the next start has to know is kept."""
        self._presences.stop()
        return self._presences.keep()

    def presence(self, domain: Domain, element: Any) -> None:
        """A presence stanza for this domain or an address of it."""
        self._presences.came(domain, element)

    def command(self, domain: Domain, jid: Jid, text: str) -> str:
        """What is said to somebody who writes to the domain itself."""
        example = f"+15551234567@{domain.name}"
        if domain.kind == "email":
            example = f"john%example.org@{domain.name}"
        name = self._people.registered(jid) or self._people.configured(jid)
        account = f"You write for the account {name}." if name else ""
        return (
            f"Write to {example}, with the right {'address' if domain.kind == 'email' else 'number'}. {account} "
            f"Your account, your messages and your balance are among the commands of {domain.name} in your chat program."
        ).replace("  ", " ")

    def iq(self, domain: Domain, element: Any) -> None:
        """An iq stanza of any type for this domain or an address of it."""
        kind = element.getAttribute("type")
        if kind in ("result", "error") or not element.getAttribute("from"):
            return
        try:
            asked = self._read(domain, element, kind)
            table = self._of_domain if asked.party is None else self._of_party
            handler = table.get((asked.payload.uri, asked.payload.name))
            if handler is None:
                raise Declined("service-unavailable", "this is not offered here")
            answered = handler(asked)
        except Declined as declined:
            self._decline(domain, element, declined)
            return
        if not inspect.iscoroutine(answered):
            self._tell(domain, element, answered)
            return
        who = asked.sender.bare
        self._waiting[who] = self._waiting.get(who, 0) + 1
        coming: Deferred[Any] = Deferred.fromCoroutine(answered)
        coming.addBoth(self._done, who)
        coming.addCallbacks(
            lambda made: self._tell(domain, element, made), self._failed, errbackArgs=(domain, element)
        )
        coming.addErrback(self._unanswered)

    def _read(self, domain: Domain, element: Any, kind: str | None) -> Asked:
        if kind not in ("get", "set"):
            raise Declined("bad-request", "the type of an iq is get, set, result or error")
        payloads = list(islice(children(element), 2))
        if len(payloads) != 1 or not element.getAttribute("id"):
            raise Declined("bad-request", "an iq of type get or set has an id, and one element in it")
        try:
            sender, to = Jid.parse(element["from"]), Jid.parse(element.getAttribute("to") or domain.name)
        except InvalidValue as invalid:
            raise Declined("jid-malformed", str(invalid)) from None
        somebody = party(to.node, domain, self._country) if to.node else None
        if to.node and somebody is None:
            raise Declined("item-not-found", "nobody has this address: it is no phone number")
        if self._waiting.get(sender.bare, 0) >= MOST_OF_ONE or len(self._waiting) >= MOST_WAITING:
            raise Declined("resource-constraint", "too many questions at once: wait for the answers")
        return Asked(element, payloads[0], domain, sender, to, kind == "set", somebody)

    def _done(self, result: Any, who: str) -> Any:
        left = self._waiting.pop(who) - 1
        if left:
            self._waiting[who] = left
        return result

    def _tell(self, domain: Domain, element: Any, made: Any) -> None:
        told = answer(element, "result")
        if made is not None:
            told.addChild(made)
        self._link.send(domain, told)

    def _decline(self, domain: Domain, element: Any, declined: Declined) -> None:
        told = error(element, declined.condition, declined.kind, declined.text)
        if declined.also is not None:
            next(iter(children(told))).addElement(declined.also)
        self._link.send(domain, told)

    def _failed(self, failure: Any, domain: Domain, element: Any) -> None:
        if failure.check(Declined):
            self._decline(domain, element, failure.value)
        elif failure.check(Refused):
            self._link.send(domain, refusal(element, failure.value))
        else:
            self._unanswered(failure)
            self._decline(
                domain,
                element,
                Declined("internal-server-error", "that did not work: try again later", "wait"),
            )

    def _unanswered(self, failure: Any) -> None:
        self.log.failure("{gateway}: a question could not be answered", failure, gateway=self._link.name)

    def _changed(self, domain: Domain, jid: Jid, linked: bool) -> None:
        if linked:
            self._presences.linked(domain, jid)
        else:
            self.unlinked(domain, jid)

    def unlinked(self, domain: Domain, jid: Jid) -> None:
        """Somebody has no account here any more, and sees so."""
        self._presences.unlinked(domain, jid)
