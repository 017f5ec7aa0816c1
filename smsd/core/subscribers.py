"""Programs that hear by HTTP what became of messages and what phones answered: who hears of whose, where each event goes.

An event is a delivery like any other. A subscriber's go through a gateway of its own (`hook-<id>`) and in one lane, so that their
order is kept; URLs that senders give share the gateway `hooks`. This module turns an address of such a program into that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from smsd.codec.webhooks import is_url
from smsd.codec.weburl import read_url
from smsd.config.settings import CallbackSettings, Configuration
from smsd.config.subscribers import EVENTS, URLS, USUAL, SubscriberSettings, bound, gateway_of, wants
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Recipient, Report, Submission, Wants

LONGEST_URL = 2000
MINUTES = 24 * 60


class Subscribers:
    """The directory; `use` takes those of a configuration, `find` gives accounts by name: those of the store name a subscriber
    (`callback`) as those of the configuration do."""

    def __init__(self, find: Callable[[str], Any] = lambda name: None) -> None:
        self._find = find
        self._settings = CallbackSettings()
        self._known: dict[str, SubscriberSettings] = {}
        self._bound: dict[str, tuple[str, ...]] = {}

    def use(self, configuration: Configuration) -> None:
        """From now on."""
        self._settings = configuration.callbacks
        self._known = {one.id: one for one in configuration.subscribers}
        self._bound = bound(configuration.subscribers, configuration.accounts)

    def way_back(
        self, account: str | None, named: str | None = None, events: Iterable[str] | None = None
    ) -> tuple[Address, Wants] | None:
        """Where reports and answers of a message go, and which; None when no program is to hear of it. `named` is the
        subscriber or URL that the sender wants, `events` those wanted. Refused when that cannot be."""
        wanted = None if events is None else tuple(events)
        if wanted is not None and (unknown := [event for event in wanted if event not in EVENTS]):
            raise Refused(
                Reason.BAD_REQUEST,
                f"callback_events={unknown[0][:40]!r} is not understood: write some of {', '.join(EVENTS)}",
            )
        if named is not None and is_url(named):
            return self._url(named), wants(USUAL if wanted is None else wanted)
        mine = self._of_account(account or "")
        if named is None:
            if not mine:
                if wanted is not None:
                    raise Refused(
                        Reason.BAD_REQUEST, "callback_events without callback: say who is to be told"
                    )
                return None
            named = mine[0]
        if named not in mine:
            raise Refused(
                Reason.NOT_ALLOWED,
                f"callback={named[:60]!r} is no subscriber of yours: name one of your account's, or a URL",
            )
        return Address("hook", named), wants(self._of(self._known[named], wanted))

    def _of_account(self, account: str) -> tuple[str, ...]:
        mine = self._bound.get(account, ())
        found = self._find(account)
        wish = None if found is None else found.callback
        if wish is None or mine[:1] == (wish,) or wish not in self._known or not self._known[wish].active:
            return mine
        return (wish, *(one for one in mine if one != wish))

    def _url(self, url: str) -> Address:
        if not self._settings.urls:
            raise Refused(
                Reason.NOT_ALLOWED, "callback: URLs are not taken here, name a subscriber of your account"
            )
        if len(url) > LONGEST_URL:
            raise Refused(
                Reason.BAD_REQUEST, f"callback: the URL is longer than {LONGEST_URL} characters: shorten it"
            )
        try:
            read_url(url)
        except InvalidValue as error:
            raise Refused(Reason.BAD_REQUEST, f"callback: {error}") from None
        return Address("hook", url)

    @staticmethod
    def _of(subscriber: SubscriberSettings, wanted: tuple[str, ...] | None) -> Iterable[str]:
        if wanted is None:
            return subscriber.events
        for event in wanted:
            if event not in subscriber.events:
                raise Refused(
                    Reason.BAD_REQUEST,
                    f"callback_events: subscriber {subscriber.id} is not told of {event!r}, only of"
                    f" {', '.join(subscriber.events)}",
                )
        return wanted

    def fetching(self, account: str, named: str | None = None) -> SubscriberSettings:
        """The subscriber whose events an account may fetch; Refused when there is none."""
        mine = [self._known[one] for one in self._of_account(account)]
        found = [one for one in mine if one.pull and named in (None, one.id)]
        if not found:
            raise Refused(
                Reason.NOT_ALLOWED,
                "this account has no events to fetch: a subscriber with pull: yes has to name it",
            )
        return found[0]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._known)

    def days(self, gateway: str) -> float:
        """How long what goes through a gateway is tried."""
        found = [one.days for one in self._known.values() if one.gateway == gateway]
        return found[0] if found else self._settings.days

    def redirect(self, submission: Submission, recipient: Recipient) -> Recipient:
        """The recipient, or, where it is a program, the same with the gateway that carries it and the time it may take."""
        scheme, target = recipient.address.scheme, recipient.address.target
        if scheme not in ("hook", "dlr"):
            return recipient
        if scheme == "dlr" or is_url(target):
            return _through(recipient, URLS, self._settings.days)
        subscriber = self._known.get(target)
        if subscriber is None:
            return _through(recipient, gateway_of(target), self._settings.days)
        content = submission.content if recipient.content is None else recipient.content
        event = content.event if isinstance(content, Report) else "received"
        if event not in subscriber.events:
            recipient = replace(recipient, dropped=f"subscriber {target} does not want to hear {event!r}")
        return _through(recipient, subscriber.gateway, subscriber.days)


def _through(recipient: Recipient, gateway: str, days: float) -> Recipient:
    parameters = replace(recipient.parameters, gateway=gateway, expire_minutes=max(int(days * MINUTES), 1))
    return replace(recipient, parameters=parameters)


def flow(submission: Submission, target: Address) -> str:
    """Whose a delivery is. A subscriber's events are one flow, wherever they come from: they keep their order."""
    if target.scheme == "hook" and not is_url(target.target):
        return "events"
    return submission.account or submission.door
