"""From a submission to what will be written: numbers normalised, gateways chosen, texts segmented, deadlines set.

Nothing here waits: a plan is made in one go from the configuration and what the queue knows, and the store writes it as it is.
What cannot be sent is declined here, per recipient, with a reason for the person who sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo

from smsd.codec.number import normalise
from smsd.core.carriers import Carriers, Slots, find_route, pinned
from smsd.core.drafting import Draft, check_recipient
from smsd.policy import charge as charges
from smsd.policy import route as routes
from smsd.policy.step import MINUTE
from smsd.store.ids import Ids
from smsd.values.account import Account
from smsd.values.address import Address
from smsd.values.delivery import State
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Recipient, Submission, Text
from smsd.values.plan import Acceptance, Charge, Limit, Planned

KEY_LIFE = 24 * 60 * MINUTE
MOST_RECIPIENTS = 500


@dataclass(frozen=True, slots=True)
class Policies:
    """The numbers that planning goes by. `warn_minutes` 0 never warns. `reports`: `wanted` asks networks for reports
    only when a sender wants to hear of delivery, `failures` also when one wants to hear of failures, `always` for every
    message."""

    expire_minutes: int = 7200
    warn_minutes: int = 240
    country: str | None = None
    reports: str = "wanted"
    max_parts: int = 255


class Planner:
    """Makes acceptances. `now` gives Unix milliseconds, `find_account` an account by name or None. `redirect` may name a program
    instead of a mail address that is one's, and knows the gateways of programs that are told by HTTP."""

    def __init__(
        self, ids: Ids, now: Callable[[], int], slots: Slots, find_account: Callable[[str], Account | None]
    ) -> None:
        self.ids = ids
        self._now = now
        self.slots = slots
        self._find_account = find_account
        self._reference = ids.next() & 0xFFFF
        self._period = ("", 0)
        self.zone: tzinfo = timezone.utc
        self._ways: list[routes.Way] | None = None
        self._carriers: dict[tuple[str, tuple[str, ...], str | None], Carriers] = {}
        self._normalised: tuple[Address | None, str | None, Address] = (None, None, Address("sms", "0"))
        self.policies = Policies()
        self.tariffs = charges.Tariffs()
        self.texts: Mapping[str, str] = {}  # doors' policies, where accounts have none
        self.redirect: Callable[[Submission, Recipient], Recipient] | None = None

    def plan(
        self, submission: Submission, parent: int | None = None, *, reserve: bool = True, trace: str = ""
    ) -> Acceptance:
        """The plan for a submission; Refused when nothing of it can be taken at all (empty, unknown account). `trace` is how the
        rules came to it where they left its one recipient as it was."""
        now = self._now()
        content = submission.content
        if isinstance(content, Text) and not content.text and not _rewritten(submission):
            raise Refused(Reason.EMPTY, "the message is empty: write a text")
        if len(submission.recipients) > MOST_RECIPIENTS:
            raise Refused(
                Reason.TOO_MANY_RECIPIENTS,
                f"at most {MOST_RECIPIENTS} recipients per message: send it in several",
            )
        # A report is told about an account's message; it is not one of them.
        own = submission.account and submission.door != "notice"
        account = self._find_account(submission.account) if submission.account and own else None
        if account is not None and parent is None and (closed := account.closed(now / 1000)):
            raise Refused(Reason.NOT_ALLOWED, closed)  # since whoever sends this has logged in
        one = Draft(self, submission, account, now, trace)
        order = tuple(one.recipient(recipient, reserve) for recipient in submission.recipients)
        limit = None if account is None else self.limit(account, now)
        made = Acceptance(
            submission.number or self.ids.next(), submission, order, now, limit, now + KEY_LIFE, parent
        )
        return self.charged(made, account) if account is not None and account.prepaid else made

    def unrouted(self, submission: Submission) -> Acceptance:
        """A plan for what no gateway can carry (yet): one delivery per recipient in the lane of its kind, cut so that every
        gateway can carry it that may come."""
        now = self._now()
        account = self._find_account(submission.account) if submission.account else None
        one = Draft(self, submission, account, now)
        order = tuple(one.waiting(recipient) for recipient in submission.recipients)
        made = Acceptance(submission.number or self.ids.next(), submission, order, now, None, now + KEY_LIFE)
        return self.charged(made, account) if account is not None and account.prepaid else made

    def charged(self, acceptance: Acceptance, account: Account) -> Acceptance:
        """The same, paid by an account that pays before it sends."""
        costs = charges.costs(self.tariffs.of(account), acceptance.planned)
        return acceptance._replace(
            charge=Charge(
                account.payer or account.name, account.name, costs, self.tariffs.late, self.tariffs.currency
            )
        )

    def check_price(self, target: Address, account: Account) -> None:
        """Refused when an account that pays before it sends would not know how much."""
        if target.scheme == "sms" and self.tariffs.of(account).price(target.target) is None:
            raise Refused(
                Reason.NOT_ALLOWED, f"there is no price for {target.target}: ask the administrator to set one"
            )

    def number(self) -> int:
        """The id of a message that is going to be planned, for who has to know it before."""
        return self.ids.next()

    def account(self, name: str) -> Account | None:
        """The account with this name, None when there is none."""
        return self._find_account(name)

    def check_open(self, name: str) -> None:
        """Refused when this account is closed, or not there any more."""
        account = self._find_account(name)
        closed = f"there is no account {name}" if account is None else account.closed(self._now() / 1000)
        if closed:
            raise Refused(Reason.NOT_ALLOWED, closed)

    def check(self, recipient: Recipient, content: Text | Binary, account_name: str | None) -> None:
        """Refused when `plan` would certainly decline this recipient: its number, its gateway."""
        account = self._find_account(account_name) if account_name else None
        target = self.target(recipient, account)
        check_recipient(recipient, account)
        if account is not None and account.prepaid:
            self.check_price(target, account)
        wanted = routes.needs(target.scheme, content, recipient.parameters)
        self.carriers(target.scheme, wanted, pinned(recipient.parameters, account, target.scheme))

    def target(self, recipient: Recipient, account: Account | None) -> Address:
        """The recipient's address in its normal form; Refused when it is no number."""
        address = recipient.address
        if address.scheme != "sms":
            return address
        country = (account.country if account else None) or self.policies.country
        before = self._normalised  # the rules have asked just now
        if before[0] is address and before[1] == country:
            return before[2]
        try:
            number = normalise(address.target, country)
        except InvalidValue as error:
            raise Refused(Reason.BAD_NUMBER, str(error)) from None
        if number.kind == "name":
            raise Refused(
                Reason.BAD_NUMBER, "a name cannot receive an SMS: write a number, for example +15551234567"
            )
        normal = address if number.value == address.target else Address("sms", number.value)
        self._normalised = (address, country, normal)
        return normal

    def period(self, now: int) -> str:
        """The month a message counts in, in the administrator's zone: "2026-11"."""
        quarter = now // 900_000  # of an hour: some zones differ from others by that much
        if self._period[1] != quarter:
            self._period = (datetime.fromtimestamp(now / 1000, self.zone).strftime("%Y-%m"), quarter)
        return self._period[0]

    def limit(self, account: Account, now: int) -> Limit:
        """What an account, and its group, may still send."""
        return Limit(
            account.name, self.period(now), account.monthly_limit, account.group or "", account.group_limit,
            not account.may_surge,
        )  # fmt: skip

    def carriers(self, scheme: str, wanted: tuple[str, ...], pin: str | None) -> Carriers:
        """Who may carry it; Refused when nobody can. Remembered until gateways come or go, because every message asks."""
        ways = self.slots.ways()
        if ways is not self._ways:
            self._ways = ways
            self._carriers.clear()
        known = self._carriers.get((scheme, wanted, pin))
        if known is None:
            route, able = find_route(ways, self.slots.groups, scheme, wanted, pin)
            known = self._carriers[scheme, wanted, pin] = Carriers(
                route,
                frozenset.intersection(*(way.abilities.national for way in able)),
                able[0].abilities.reference_width,
                any(way.abilities.sender for way in able),
            )
        return known

    def next_reference(self) -> int:
        """A concatenation reference; the message's width decides how many of its bits count."""
        self._reference = (self._reference + 1) & 0xFFFF
        return self._reference


def _rewritten(submission: Submission) -> bool:
    return any(recipient.content is not None for recipient in submission.recipients)


def held(acceptance: Acceptance, reason: str, state: State = State.HELD) -> Acceptance:
    """The same acceptance with its deliveries not on their way, for the reason given."""
    final = state >= State.DELIVERED
    return acceptance._replace(
        charge=None if final else acceptance.charge,
        order=tuple(
            entry._replace(state=state, gateway=None, reason=reason, deadline=0 if final else entry.deadline)
            if isinstance(entry, Planned)
            else entry
            for entry in acceptance.order
        ),
    )
