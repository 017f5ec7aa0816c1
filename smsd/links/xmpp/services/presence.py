"""Who sees whom: our domains and the phones behind them as contacts (RFC 6121, XEP-0100).

A phone is always there for whoever may write to it, since texts wait for phones that are off; only when no gateway can send, or
we stop, it is away. So nothing is kept of subscriptions, which the users' servers keep anyway: a probe is answered out of what the
user may do now. What was shown lately is kept to be corrected when gateways come and go, and taken back at the end, bounded, as is
everything that waits to be sent: a roster of 10,000 phones asks about all of them at once.
"""

from __future__ import annotations

import json
from collections import deque
from functools import partial
from typing import Any, Literal

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.words.xish.domish import Element

from smsd.codec.jid import Jid
from smsd.links.xmpp.domains import Domain
from smsd.links.xmpp.link import Link
from smsd.links.xmpp.people import People
from smsd.links.xmpp.services.asking import Party, kind_of, party
from smsd.links.xmpp.services.disco import caps
from smsd.links.xmpp.stanzas import child, error, stanza
from smsd.values.errors import InvalidValue, Refused

MUC = "http://jabber.org/protocol/muc"
MOST_WAITING = 30_000
"""Presences that wait to be sent; a probe that finds no room is not answered, and the contact looks away until the next one."""
AT_ONCE, PAUSE = 200, 0.02
"""So many are sent within so many seconds."""
MOST_SHOWN = 20_000
"""Pairs of a user and one of us that are remembered."""
MOST_ASKED = 20_000
DEVICE = "smsd"
"""The resource that presence comes from, as from a person's program (RFC 6121 section 4.2): Gajim takes an address for offline
that shows no program."""
ASK_AGAIN = 86_400.0
"""Seconds before we ask the same user again for his presence: two gateways that do so must not do it for ever."""

LOOK_EVERY = 10.0
"""Seconds between two looks at what gateways can do. What has been so at two of them is shown: a modem that comes and goes
must not make every contact blink."""

HIDDEN, MOST_HIDDEN = "hidden", 2_000_000
"""What is kept of an orderly stop, and how many characters of it, enough for all whom we remember: whom we have told that somebody
is not there any more. Nobody asks again before he logs in anew, so that a restart would hide every phone for days."""

Type = Literal["", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed"]
_Waiting = tuple[Domain, str, str, Type, str, str]
"""Domain, from, to, type, show, status."""


class Presences:
    """Those of one link."""

    log = Logger()

    def __init__(self, link: Link, people: People, country: str | None) -> None:
        self._link = link
        self._people = people
        self._country = country
        self._waiting: deque[_Waiting] = deque()
        self._pause: Any = None
        self._left = 0
        self._shown: dict[tuple[str, str], tuple[Domain, str, str]] = {}  # its kind, and how: "" or away
        self._look: Any = None
        self._seen: dict[str, bool] = {}
        self._asked: dict[tuple[str, str], float] = {}
        self._greeting: dict[str, Any] = {}
        self._dropped = 0
        self._hidden: dict[tuple[str, str], None] = {}  # user and address, as in `_shown`

    def start(self) -> Deferred[None]:
        """Recall whom the last stop has hidden from whom; `opened` comes after this."""
        recalled: Deferred[Any] = self._link.context.memory.recall(HIDDEN)
        return recalled.addCallback(self._recalled)

    def _recalled(self, text: str | None) -> Deferred[None] | None:
        try:
            self._hidden = {(str(reader), str(one)): None for reader, one in json.loads(text or "[]")}
        except (ValueError, TypeError):
            self.log.error("{gateway}: whom contacts are hidden from cannot be read", gateway=self._link.name)
        return self._link.context.memory.remember(HIDDEN, None) if text else None

    # -- what comes

    def came(self, domain: Domain, element: Element) -> None:
        """A presence stanza of somebody."""
        kind = element.getAttribute("type") or ""
        handler = _KINDS.get(kind)
        if handler is None or element.getAttribute("from") is None:
            return  # an error, an answer to what we have asked, or nothing that there is
        try:
            sender, to = Jid.parse(element["from"]), Jid.parse(element.getAttribute("to") or domain.name)
        except InvalidValue:
            return
        if self._link.domain(sender.domain) is not None:
            return  # we do not talk to ourselves
        if kind == "" and child(element, MUC, "x") is not None:
            self._link.send(
                domain,
                error(
                    element, "not-allowed", "cancel", "there are no rooms here: write to the number itself"
                ),
            )
            return
        somebody = party(to.node, domain, self._country) if to.node else None
        if to.node and somebody is None:
            if kind in ("subscribe", "probe"):
                self.put(domain, to.bare, sender.bare, "unsubscribed", "", "that is no phone number")
            return
        handler(self, domain, to, somebody, sender)

    def _subscribe(self, domain: Domain, to: Jid, somebody: Party | None, sender: Jid) -> None:
        def taken(account: Any) -> None:
            self.put(domain, to.bare, sender.bare, "subscribed")
            self._show(domain, to, somebody, sender.bare)
            if self._may_ask(to, sender):
                self.put(domain, to.bare, sender.bare, "subscribe")

        def refused(text: str) -> None:
            self.put(domain, to.bare, sender.bare, "unsubscribed", "", text)

        self._if_account(sender, taken, refused)

    def _probe(self, domain: Domain, to: Jid, somebody: Party | None, sender: Jid) -> None:
        self._if_account(
            sender,
            lambda account: self._show(domain, to, somebody, sender.bare),
            lambda text: self.put(domain, to.bare, sender.bare, "unavailable", "", text),
        )

    def _available(self, domain: Domain, to: Jid, somebody: Party | None, sender: Jid) -> None:
        """Somebody has come: the domain greets him. Phones do not: his server asks for them one by one where he wants to see
        them, and answering this too would double every storm."""
        if somebody is None and (sender.full, to.bare) not in self._shown:
            self._if_account(sender, lambda account: self._show(domain, to, None, sender.full), _nothing)

    def _unavailable(self, domain: Domain, to: Jid, somebody: Party | None, sender: Jid) -> None:
        """One of his programs has gone (XEP-0100 section 4.5). From his bare address it only means that he does not let us see him
        any more, which says nothing of what he sees."""
        if not sender.resource:
            return
        if self._shown.pop((sender.full, to.bare), None) is not None and somebody is None:
            self.put(domain, to.bare, sender.full, "unavailable")

    def _unsubscribe(self, domain: Domain, to: Jid, somebody: Party | None, sender: Jid) -> None:
        self.put(domain, to.bare, sender.bare, "unsubscribed")
        self._hide(domain, to, sender)
        if self._asked.pop((sender.bare, to.bare), None) is not None:
            self.put(domain, to.bare, sender.bare, "unsubscribe")

    def _hide(self, domain: Domain, to: Jid, sender: Jid) -> None:
        self._shown.pop((sender.bare, to.bare), None)
        self.put(domain, to.bare, sender.bare, "unavailable")

    def _may_ask(self, to: Jid, sender: Jid) -> bool:
        """Whether we ask for his presence too, so that his contact list says that both see each other."""
        now = self._link.context.reactor.seconds()
        key = (sender.bare, to.bare)
        if now - self._asked.pop(key, -ASK_AGAIN) < ASK_AGAIN:
            self._asked[key] = now
            return False
        while len(self._asked) >= MOST_ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[key] = now
        return True

    def _if_account(self, sender: Jid, taken: Any, refused: Any) -> None:
        asked: Deferred[Any] = self._people.account(sender)
        asked.addCallbacks(taken, lambda failure: refused(_text_of(failure)))
        asked.addErrback(
            lambda failure: self.log.failure(
                "{gateway}: presence could not be answered", failure, gateway=self._link.name
            )
        )

    # -- what goes

    def _show(self, domain: Domain, to: Jid, somebody: Party | None, reader: str) -> None:
        """Say that one of us is there."""
        show, status = self._state(domain, somebody)
        self.put(domain, to.bare, reader, "", show, status)

    def _carried(self, kind: str) -> bool:
        """Whether what is for such an address can leave just now."""
        door = self._link.context.door
        return door is None or door.carries is None or bool(door.carries(None, _CARRIED[kind][0]))

    def _state(self, domain: Domain, somebody: Party | None) -> tuple[str, str]:
        kind = domain.kind if somebody is None else somebody.kind
        if not self._carried(kind):
            return "away", _CARRIED[kind][1]
        if somebody is None:
            return "", "" if domain.kind == "email" else f"Write to a number at {domain.name}."
        return "", f"{_CALLED[somebody.kind]} to {somebody.value}"

    def put(
        self, domain: Domain, sender: str, to: str, kind: Type = "", show: str = "", status: str = ""
    ) -> None:
        """One more to send, when it is its turn."""
        if len(self._waiting) >= MOST_WAITING:
            if not self._dropped:
                self.log.warn(
                    "{gateway}: {n} presences wait: those that come are dropped",
                    gateway=self._link.name, n=MOST_WAITING,
                )  # fmt: skip
            self._dropped += 1
            return
        if kind == "":
            self._shown.pop((to, sender), None)
            while len(self._shown) >= MOST_SHOWN:
                del self._shown[next(iter(self._shown))]
            self._shown[to, sender] = domain, kind_of(sender.rpartition("@")[0], domain), show
        self._waiting.append((domain, sender, to, kind, show, status))
        if self._pause is None:
            self._begin()
        elif self._left:
            self._send_some()

    def _begin(self) -> None:
        """Another round."""
        self._left = AT_ONCE
        self._send_some()
        self._pause = self._link.context.reactor.callLater(PAUSE, self._paused)

    def _paused(self) -> None:
        self._pause = None
        if self._waiting:
            self._begin()
        elif self._dropped:
            self.log.warn("{gateway}: {n} presences were dropped", gateway=self._link.name, n=self._dropped)
            self._dropped = 0

    def _send_some(self) -> None:
        while self._left and self._waiting:
            self._left -= 1
            self._send(self._waiting.popleft())

    def _send(self, waiting: _Waiting) -> None:
        domain, sender, to, kind, show, status = waiting
        device = f"/{DEVICE}" if kind in ("", "unavailable") else ""
        made = stanza("presence", sender=sender + device, to=to, kind=kind)
        if show:
            made.addElement("show", content=show)
        if status:
            made.addElement("status", content=status)
        if kind == "":
            node = sender.rpartition("@")[0]
            made.addChild(caps(domain, party(node, domain, self._country) if node else None))
        self._link.send(domain, made)

    # -- coming and going of ourselves

    def linked(self, domain: Domain, jid: Jid) -> None:
        """Somebody has an account here from now on: we want to see him, and he may see us (XEP-0100 section 4.1)."""
        self.put(domain, domain.name, jid.bare, "subscribe")
        self._asked[jid.bare, domain.name] = self._link.context.reactor.seconds()
        self._show(domain, Jid("", domain.name), None, jid.bare)

    def unlinked(self, domain: Domain, jid: Jid) -> None:
        """And not any more (section 4.3)."""
        for kind in ("unsubscribe", "unsubscribed", "unavailable"):
            self.put(domain, domain.name, jid.bare, kind)
        self._asked.pop((jid.bare, domain.name), None)
        self._shown = {key: one for key, one in self._shown.items() if key[0].partition("/")[0] != jid.bare}

    def opened(self, domain: Domain) -> None:
        """The stream is up: those who have registered see the domain, and all see again whom the last stop hid, one group after
        the other so that nobody waits for it."""
        if self._look is None:
            self._look = self._link.context.reactor.callLater(LOOK_EVERY, self._look_again)
        greeted = dict.fromkeys((bare, domain.name) for bare in self._people.everybody())
        greeted |= {pair: None for pair in self._hidden if pair[1].rpartition("@")[2] == domain.name}
        self._greet(domain, list(greeted), 0)

    def _greet(self, domain: Domain, pairs: list[tuple[str, str]], start: int) -> None:
        before = self._greeting.pop(domain.name, None)
        if before is not None and before.active():
            before.cancel()  # it had not come to its end when the stream broke
        for reader, one in pairs[start : start + AT_ONCE]:
            self._hidden.pop((reader, one), None)  # not before: we may be stopped again, or the stream break
            self._if_account(Jid.parse(reader), partial(self._show_again, domain, one, reader), _nothing)
        if start + AT_ONCE < len(pairs):
            self._greeting[domain.name] = self._link.context.reactor.callLater(
                1.0, self._greet, domain, pairs, start + AT_ONCE
            )

    def _show_again(self, domain: Domain, one: str, reader: str, _: object = None) -> None:
        node = one.rpartition("@")[0]
        somebody = party(node, domain, self._country) if node else None
        self._show(domain, Jid(node, domain.name), somebody, reader)

    def _look_again(self) -> None:
        """Gateways come and go: who was shown otherwise than it is now is shown again, some at a time."""
        before, self._seen = self._seen, {kind: self._carried(kind) for kind in _CARRIED}
        wrong = []
        if before == self._seen:
            down = {name for name, one in self._link.components.items() if not one.up}
            wrong = [
                (reader, one, domain)
                for (reader, one), (domain, kind, show) in self._shown.items()
                if bool(show) is self._seen[kind] and domain.name not in down
            ]
        for reader, one, domain in wrong[:AT_ONCE]:
            self._show_again(domain, one, reader)
        wait = 1.0 if len(wrong) > AT_ONCE else LOOK_EVERY
        self._look = self._link.context.reactor.callLater(wait, self._look_again)

    def closing(self, domain: Domain) -> None:
        """The stream is about to end: nobody is there any more."""
        for (reader, one), (shown_at, *_) in list(self._shown.items()):
            if shown_at is domain:
                del self._shown[reader, one]
                self._send((domain, one, reader, "unavailable", "", ""))
                self._hidden[reader, one] = None

    def keep(self) -> Deferred[None]:
        """Remember whom `closing` has hidden; fires after the commit."""
        if not self._hidden:
            return succeed(None)
        pairs, room = [], MOST_HIDDEN
        for pair in reversed(self._hidden):
            room -= len(pair[0]) + len(pair[1])
            if room < 0:
                break
            pairs.append(pair)
        text = json.dumps(pairs[::-1], separators=(",", ":"), ensure_ascii=False)
        kept: Deferred[None] = self._link.context.memory.remember(HIDDEN, text)
        return kept.addErrback(
            lambda failure: self.log.failure("{gateway}: it is not kept", failure, gateway=self._link.name)
        )

    def stop(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        for call in (self._pause, self._look, *self._greeting.values()):
            if call is not None and call.active():
                call.cancel()
        self._pause = self._look = None
        self._greeting.clear()


_CALLED = {"sms": "SMS", "fax": "Fax", "email": "Mail"}
_CARRIED = {
    "sms": ("sms", "No gateway can send just now: texts wait until one can."),
    "fax": ("fax", "No gateway carries faxes just now."),
    "email": ("mailto", "No mail can leave just now."),
}
"""What something is called in the queue, and what is said while nothing carries it."""
_KINDS: dict[str, Any] = {
    "": Presences._available,
    "unavailable": Presences._unavailable,
    "subscribe": Presences._subscribe,
    "unsubscribe": Presences._unsubscribe,
    "probe": Presences._probe,
}


def _text_of(failure: Any) -> str:
    failure.trap(Refused)
    return str(failure.value.text)


def _nothing(text: str) -> None:
    """Who has no account is not greeted."""
