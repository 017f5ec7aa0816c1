"""Targets in the AT codec: a whole dialogue with a modem that says anything, and the readers of its answers."""

from __future__ import annotations

from smsd.codec import at
from smsd.codec.at import answers, errors, lines
from smsd.codec.at.session import MAX_ANSWER
from tests.fuzz.driver import target

_COMMANDS = (
    at.Command("AT+CMGS=29", payload="00AB"),
    at.Command("AT+CMGL=4"),
    at.Command("AT+CPIN?", lone=True),
    at.Command("AT+CREG?"),
    at.Command("ATI"),
    at.Command('AT+CPIN="1234"', secret=True),
)
_READERS = (
    at.listing, at.record, at.memories, at.notify_ranges, at.registration, at.signal, at.service_centre,
    at.reference, at.pin_state, at.identifier,
)  # fmt: skip


@target("at")
def dialogue(octets: bytes) -> None:
    """The first octet chooses the command and how the rest is cut; every dialogue ends idle, bounded and without the PIN."""
    choice, said = (octets[0], octets[1:]) if octets else (0, b"")
    session = at.Session()
    session.send(_COMMANDS[choice % len(_COMMANDS)])
    size = (1, 2, 7, 4096)[choice >> 4 & 3]
    for start in range(0, len(said), size):
        for event in session.receive(said[start : start + size]):
            _look_at(event)
        if session.state.value == "prompted":
            assert session.payload() == b"00AB\x1a"
        elif session.idle:
            session.send(_COMMANDS[(choice + start) % len(_COMMANDS)])
        assert len(session._reader._buffer) <= lines.MAX_LINE
        assert session._size <= MAX_ANSWER + len(said)
    for event in session.timeout():
        _look_at(event)
    assert session.idle


def _look_at(event: at.Event) -> None:
    assert "+CPIN=" not in repr(event) or isinstance(event, (at.Answer, at.Silence))
    if isinstance(event, at.Answer):
        if not event.ok:
            assert at.failure(event.outcome).reason
        for reader in _READERS:
            reader(event.lines)
    elif isinstance(event, at.Incoming):
        bytes.fromhex(event.pdu[: len(event.pdu) & ~1])


@target("at-answers")
def readers(octets: bytes) -> None:
    """No line makes a reader raise."""
    text = octets.decode("latin-1").splitlines()
    for reader in _READERS:
        reader(text)
    for line in text:
        errors.outcome(line)
        answers.length_of(line)
        answers.place_of(line)
