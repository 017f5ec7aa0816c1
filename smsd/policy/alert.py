"""Alerts that want an answer: what counts as one, what those who are asked and those who sent it are told.

Pure. Silence counts as no, and so does a text that says more than the word: "OK call Bob" may mean that nobody comes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from smsd.policy.reply import spellings
from smsd.values.address import Address
from smsd.values.message import Binary, Content, Recipient, Submission, Text, Ticket, Wants

DOOR = "alert"
SHOWN = 100


CHATS = ("xmpp", "sip")
"""Besides phones: whose address the server that brings a text has made sure of. Of a mail nobody has."""


def answers_as(who: Address) -> tuple[Address, ...]:
    """Whose answer it may be when `who` writes, as it was asked; nobody's when its kind cannot answer."""
    if who.scheme == "sms":
        return tuple(Address("sms", number) for number in spellings(who.target))
    return (who,) if who.scheme in CHATS else ()


def awaited_as(asked: Address) -> str | None:
    """Under which name an answer is awaited; None where none can come."""
    if asked.scheme == "sms":
        return asked.target
    return str(asked) if asked.scheme in CHATS else None


def accepts(text: str, answers: Iterable[str]) -> bool:
    """Whether a text is one of the answers, whatever its capitals and punctuation."""
    said = _bare(text)
    return bool(said) and any(said == _bare(answer) for answer in answers)


def _bare(text: str) -> str:
    """Letters, digits and pictures, without what is written around them."""
    folded = unicodedata.normalize("NFKC", text[:200].casefold())
    kept = (
        " " if character.isspace() else character
        for character in folded
        if unicodedata.category(character) not in _AROUND and not "\ufe00" <= character <= "\ufe0f"
    )  # fmt: skip
    return " ".join("".join(kept).split())


_AROUND = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Cf", "Cn", "Co", "Sk"})


def asked(content: Content, more: int) -> Content:
    """What the next one is sent: the message, and how many came after it."""
    if not more or not isinstance(content, Text):
        return content
    return Text(f"{content.text} (and {more} more)")


def taken(content: Content, by: str) -> Text:
    """What the others hear when somebody has answered."""
    return Text(f"Taken by {by}: {_beginning(content)}")


def unanswered(
    ticket: Ticket | None,
    wants: Wants,
    content: Content,
    asked: Iterable[str],
    account: str | None,
    postmaster: str = "",
) -> Submission | None:
    """The message to whoever sent the alert when nobody has answered, or to the postmaster when that cannot be reached: somebody
    has to know. None when who sent it wants to hear of no failures."""
    if ticket is None:
        to = Address("mailto", postmaster) if postmaster else None
    else:
        to = ticket.address if wants & Wants.FAILURE else None
    if to is None:
        return None
    beginning = _beginning(content)
    return Submission(
        door=DOOR,
        origin=Address("account", "smsd"),
        recipients=(Recipient(to, to.target),),
        content=Text(f"Nobody has answered this alert.\nAsked: {', '.join(asked)}\n\n{beginning}"),
        headers=(("subject", f"Nobody has answered: {beginning}"),),
        account=account,
    )


def _beginning(content: Content) -> str:
    if isinstance(content, Binary):
        return f"(binary message of {len(content.data)} octets)"
    line = " ".join(content.text.split()) if isinstance(content, Text) else ""
    return line if len(line) <= SHOWN else line[: SHOWN - 3] + "..."
