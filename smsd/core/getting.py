"""URLs of rules with Kannel's escapes (`escapes: kannel`): a message as a Kannel would show it to the URL of an sms-service."""

from __future__ import annotations

import itertools
import uuid

from smsd.codec import kannel
from smsd.policy.rules.letter import Letter
from smsd.policy.rules.model import Url
from smsd.values.message import Binary, Submission

_count = itertools.count()
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:smsd:message")


def url(action: Url, rule: str, letter: Letter, submission: Submission, now: int) -> str:
    """The URL to request."""
    return kannel.fill(action.url, _facts(action, rule, letter, submission, now))


def _facts(action: Url, rule: str, letter: Letter, submission: Submission, now: int) -> kannel.Facts:
    """The message as the escapes show it. The rule is what Kannel calls the service."""
    content = submission.content
    text: str | bytes = letter.body
    coding, header = 0, b""
    if isinstance(content, Binary):
        text, coding, header = content.data, 1, content.header
    phone = letter.number or letter.sender
    own = letter.sender if letter.outgoing else dict(submission.headers).get("own", "")
    return kannel.Facts(
        text=text, sender=own if letter.outgoing else phone, receiver=phone if letter.outgoing else own, at=now // 1000,
        gateway=letter.gateway, id=_identity(submission, letter, now), service=rule, account=letter.account, coding=coding,
        data_coding=4 * coding, charset=action.charset, header=bytes((len(header),)) + header if header else b"",
    )  # fmt: skip


def _identity(submission: Submission, letter: Letter, now: int) -> str:
    """A UUID for the message, as Kannel's have one; the same where its transport says that the same message has come again."""
    key = submission.key
    of = (
        (key.scope, key.key) if key is not None else (letter.number, letter.body, str(now), str(next(_count)))
    )
    return str(uuid.uuid5(_SPACE, "\0".join((submission.door, *of))))
