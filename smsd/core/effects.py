"""What rules do besides, as submissions: each effect of a verdict becomes a message of its own, a child of the one it came
from, accepted by the same commit, and then queued, retried and visible like every message.

A child has one hop more than its parent; too many are refused, so that
messages that go in a circle end (feature R3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from smsd.codec.mail import headers as mail_headers
from smsd.core import getting
from smsd.policy.answer import AUTO_REPLIED, MOST_HOPS
from smsd.policy.rules.letter import Effect, Letter, Verdict
from smsd.policy.rules.model import Folder, Forward, Program, Respond, Send, Sql, Url
from smsd.policy.rules.sendto import read_address as read_address
from smsd.policy.rules.sendto import read_folder, read_receiver
from smsd.values.address import Address
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import (
    DEFAULT_PARAMETERS,
    Binary,
    Call,
    Once,
    Parameters,
    Recipient,
    Submission,
    Text,
    Wants,
)

DOOR = "rules"
MOST_ANSWERS = 20
"""Answers of rules to one phone within an hour: two machines that answer each other come to rest."""
_MOST_FIELDS = 50


def submissions(
    verdict: Verdict,
    submission: Submission,
    now: int,
    failed: Callable[[Effect, Refused], None],
    most_hops: int = MOST_HOPS,
) -> list[Submission]:
    """The children that a verdict asks for. `failed` is told of each that cannot be: an address that is none, too many
    hops. Cap, Gather, Hold and Escalate are not among them; see `smsd.core.gathering`."""
    children = []
    added = added_headers(verdict, submission)
    for effect in verdict.effects:
        try:
            child = _child(effect, verdict.letter, submission, now, added, most_hops)
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            failed(effect, refusal)
            continue
        if child is not None:
            children.append(child if effect.user else _named(child))
    return children


def _named(child: Submission) -> Submission:
    """The administrator's rule may have chosen any sender."""
    if all(recipient.parameters.sender is None for recipient in child.recipients):
        return child
    recipients = tuple(replace(recipient, named_by_rule=True) for recipient in child.recipients)
    return replace(child, recipients=recipients)


def added_headers(verdict: Verdict, submission: Submission) -> tuple[tuple[str, str], ...]:
    """The headers that rules have written into an outgoing message, as a mail that is made of it shows them; those it came with
    say where it has been, and are not shown."""
    if "headers" not in verdict.changed or not verdict.letter.outgoing:
        return ()
    before = set(mail_headers.all_fields(submission.head))
    written = [pair for pair in verdict.letter.headers if pair not in before]
    return tuple((f"header:{name}", value) for name, value in written[:_MOST_FIELDS])


def _child(
    effect: Effect,
    letter: Letter,
    submission: Submission,
    now: int,
    added: tuple[tuple[str, str], ...],
    most_hops: int,
) -> Submission | None:
    action = effect.action
    hops = submission.hops + 1
    if hops > most_hops:
        raise Refused(
            Reason.NOT_ALLOWED,
            f"the rule {effect.rule!r} was not followed: the message has gone through {most_hops} of its kind already, in a"
            " circle; correct the rules",
        )
    if isinstance(action, Forward):
        ours = letter.outgoing or effect.user  # neither what is sent nor users' rules go to subscribers
        address, parameters = read_address(action.to) if ours else read_receiver(action.to)
        return _to(address, parameters, letter, submission, hops, added, copy=action.copy)
    if isinstance(action, Folder):
        address, folder = read_folder(action.name)
        more = (("folder", folder), *added)
        return _to(address, DEFAULT_PARAMETERS, letter, submission, hops, more, copy=action.copy)
    if isinstance(action, Send):
        address, parameters = read_address(action.to)
        return _new(address, parameters, action.text, action.subject, submission, hops)
    if isinstance(action, Respond):
        back = _back(submission)
        if back is None:
            raise InvalidValue("there is nobody to answer: the message has no sender that can be reached")
        through = Parameters(gateway=letter.gateway) if _by_phone(back, letter) else DEFAULT_PARAMETERS
        made = _new(back, through, action.text, action.subject, submission, hops, AUTO_REPLIED)
        return _once(made, effect.rule, action.text) if letter.outgoing else made
    if isinstance(action, (Program, Url, Sql)):
        return _call(action, effect.rule, letter, submission, now, hops)
    return None


def _to(
    address: Address,
    parameters: Parameters,
    letter: Letter,
    submission: Submission,
    hops: int,
    more: tuple[tuple[str, str], ...] = (),
    *,
    copy: bool,
) -> Submission:
    """The same message to somebody else: it keeps who wrote it. Failures are told to the same ticket, with the text as it was
    written; of a copy the sender need not know."""
    kept = tuple((name, value) for name, value in submission.headers if name not in ("subject", "from"))
    headers = (("subject", letter.subject), *more) if letter.subject else more
    if letter.outgoing:
        headers = (*headers, ("sms_to", letter.number))
    made = None if isinstance(submission.content, Binary) else Text(letter.body)
    recipient = Recipient(
        address, address.target, parameters, content=None if made == submission.content else made
    )
    return Submission(
        door=DOOR, origin=submission.origin, recipients=(recipient,), content=submission.content, account=submission.account,
        ticket=submission.ticket, wants=Wants.FAILURE if submission.ticket and not copy else Wants.NOTHING,
        headers=(*kept, *headers), hops=hops,
    )  # fmt: skip


def _new(
    address: Address,
    parameters: Parameters,
    text: str,
    subject: str,
    submission: Submission,
    hops: int,
    more: tuple[tuple[str, str], ...] = (),
) -> Submission:
    """A message that a rule wrote. Nobody is told when it fails: the log and the queue show it."""
    kept = tuple(
        (name, value) for name, value in submission.headers if name in ("gateway", "mail_from", "loop")
    )
    if subject:
        more = (("subject", subject), *more)
    return Submission(
        door=DOOR, origin=submission.origin, recipients=(Recipient(address, address.target, parameters),),
        content=Text(text), account=submission.account, headers=(*kept, *more), hops=hops,
    )  # fmt: skip


def answer_key(text: str) -> str:
    """What the store remembers of an answer, so that nobody hears the same again and again."""
    return f"respond:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _once(made: Submission, rule: str, text: str) -> Submission:
    """An answer that the accept transaction lets pass once an hour. (What comes in asks its desk: `smsd.core.arriving`.)"""
    (recipient,) = made.recipients
    most = MOST_ANSWERS if recipient.address.scheme == "sms" else 0
    return replace(made, recipients=(replace(recipient, gather=(Once(rule, answer_key(text), most),)),))


def _back(submission: Submission) -> Address | None:
    """Who hears an answer to this message."""
    if submission.ticket is not None:
        return submission.ticket.address
    return submission.origin if submission.origin.scheme in ("mailto", "sms") else None


def _by_phone(back: Address, letter: Letter) -> bool:
    """Whether an answer goes back through the gateway that the message came by: to a phone the number should be the same."""
    return back.scheme == "sms" and not letter.outgoing and bool(letter.gateway)


def _call(
    action: Program | Url | Sql, rule: str, letter: Letter, submission: Submission, now: int, hops: int
) -> Submission:
    back = _back(submission) if action.reply else None
    reply = "" if back is None else str(back)
    gateway = "" if letter.outgoing else letter.gateway
    if isinstance(action, Program):
        program, *arguments = action.command
        named = facts(letter, submission)
        call = Call("program", program, tuple(arguments), letter.body, "", named, reply, gateway, rule)
        label = program.rpartition("/")[2]
    elif isinstance(action, Url):
        post = action.method.upper() == "POST"
        body, media_type = (action.body, action.content_type) if post else ("", "")
        method = ("POST" if post else "GET",)
        url = getting.url(action, rule, letter, submission, now) if action.escapes else action.url
        call = Call("url", url, method, body, media_type, (), reply, gateway, rule)
        label = url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "url"
    else:
        call = Call("sql", action.database, action.values, action.statement, "", (), reply, gateway, rule)
        label = action.database
    return Submission(
        door=DOOR, origin=submission.origin, recipients=(Recipient(Address(call.kind, label), rule),), content=call,
        account=submission.account, hops=hops,
    )  # fmt: skip


def facts(letter: Letter, submission: Submission) -> tuple[tuple[str, str], ...]:
    """The message in names and values, for the environment of a program."""
    named = {
        "SMSD_DIRECTION": "outgoing" if letter.outgoing else "incoming",
        "SMSD_FROM": letter.sender,
        "SMSD_TO": letter.to,
        "SMSD_NUMBER": letter.number,
        "SMSD_SUBJECT": letter.subject,
        "SMSD_TEXT": letter.body,
        "SMSD_ACCOUNT": letter.account,
        "SMSD_GATEWAY": letter.gateway,
        "SMSD_DOOR": letter.door,
        "SMSD_DATE": letter.when[2],
        "SMSD_TIME": letter.when[3],
    }
    if isinstance(submission.content, Binary):
        named["SMSD_DATA"] = submission.content.data.hex()
    return tuple((name, value.replace("\0", "")) for name, value in named.items())
