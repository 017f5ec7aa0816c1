"""Answers by mail leave the way the question came: a mail that answers an SMS goes out through the gateway that the phone wrote to
(feature I4), so that the phone sees the number it knows.

The mail says in References or In-Reply-To which mail it answers, and the Message-ID of that one says which SMS it was. What a
caller, an account or a rule says of the gateway counts more, and a gateway that carries nothing just now keeps no answer waiting.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred

from smsd.core.planning import Planner
from smsd.core.queue import Queue
from smsd.store import replies
from smsd.store.replies import Wrote
from smsd.store.sqlite import SqliteStore
from smsd.values.errors import Refused
from smsd.values.message import Binary, Recipient, Submission, Text


class SameWay:
    """Asks the store, and only of mails that name one of ours."""

    def __init__(self, store: SqliteStore, planner: Planner, queue: Queue) -> None:
        self._store = store
        self._planner = planner
        self._queue = queue

    def find(self, submission: Submission) -> Deferred[Submission] | None:
        """Fires with the submission as it should go; None when there is nothing to find out."""
        if submission.origin.scheme != "mailto" or submission.hops:
            return None
        named = next((value for name, value in submission.headers if name == "references"), "")
        if not named or not replies.names_ours(named):
            return None
        return self._store.ask(replies.answered, named).addCallback(self._pinned, submission)

    def _pinned(self, wrote: Wrote | None, submission: Submission) -> Submission:
        if wrote is None or not self._well(wrote.gateway):
            return submission
        return replace(
            submission,
            recipients=tuple(self._recipient(one, wrote, submission) for one in submission.recipients),
        )

    def _well(self, gateway: str) -> bool:
        now = self._queue.now()
        return any(outlet.name == gateway and outlet.well(now) for outlet in self._queue.outlets())

    def _recipient(self, recipient: Recipient, wrote: Wrote, submission: Submission) -> Recipient:
        """The recipient, bound to the gateway if it is that phone, nothing else is said, and the gateway can carry this."""
        account = self._planner.account(submission.account) if submission.account else None
        if recipient.parameters.gateway is not None or (account is not None and account.gateway):
            return recipient
        bound = replace(recipient, parameters=replace(recipient.parameters, gateway=wrote.gateway))
        content = submission.content
        if recipient.address.scheme != "sms" or not isinstance(content, (Text, Binary)):
            return recipient
        try:
            if self._planner.target(recipient, account).target != wrote.number:
                return recipient
            self._planner.check(bound, content, submission.account)
        except Refused:
            return recipient
        return bound
