"""What no store could hold is refused when it is made, so that it never reaches a group of others."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import IdempotencyKey, Parameters, Recipient, Submission, Text, Ticket

HERE = Address("mailto", "ann@example.org")
MAKERS: list[Callable[[str], object]] = [
    Text,
    lambda bad: Address("sms", bad),
    lambda bad: Recipient(HERE, bad),
    lambda bad: Recipient(HERE, "", original=bad),
    lambda bad: Parameters(sender=bad),
    lambda bad: Parameters(gateway=bad),
    lambda bad: Parameters(values=("", bad)),
    lambda bad: Ticket(HERE, envelope_id=bad),
    lambda bad: Ticket(HERE, message_id=bad),
    lambda bad: Ticket(HERE, subject=bad),
    lambda bad: IdempotencyKey("http", bad),
    lambda bad: IdempotencyKey(bad, "a"),
    lambda bad: Submission("http", HERE, (), Text("a"), headers=((bad, ""),)),
    lambda bad: Submission("http", HERE, (), Text("a"), headers=(("subject", bad),)),
]


class Storable(SynchronousTestCase):
    def test_every_text_that_comes_from_outside(self) -> None:
        for number, make in enumerate(MAKERS):
            for bad in ("a\0b", "half a pair: \ud83d", "\udc80"):
                with self.assertRaises(InvalidValue, msg=f"maker {number}, {bad!r}"):
                    make(bad)
            make("whole: \N{GRINNING FACE} \u20ac")
