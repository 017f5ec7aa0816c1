"""`/sms/deliver.html`: another server or a provider hands in an answer from a phone (features D2, D4).

`id`, `pass`, `number` and `data` are obligatory; id and pass must match a gateway and its PIN. Answers `True`
after the commit; `False` with 403, 400 or 503, so that callers repeat what could not be taken. The PIN is
never logged.
"""

from __future__ import annotations

import hmac
import math
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsd.codec import hops
from smsd.codec.smsuri import parse_local, read_base64
from smsd.frontends.http.answer import Answer
from smsd.frontends.http.request import DoorRequest
from smsd.frontends.http.sms import request_pairs, shown
from smsd.interfaces import MessageIn
from smsd.values.errors import InvalidValue, Reason, Refused
from smsd.values.message import Binary, Text, storable

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

_log = Logger()
_OBLIGATORY = ("id", "pass", "number", "data")


def bare_number(text: str) -> str:
    """The number of `+1555…`, `sms:+1555…`, `+1555…@domain`, or `"sms:+1555…"@domain` (what `%%from%%`
    becomes)."""
    local, at, _ = text.strip().rpartition("@")
    number, _ = parse_local((local if at else text).strip().strip('"'))
    return number


class Deliver:
    """The page `/sms/deliver.html`."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor) -> None:
        self._door = door

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires."""
        started = self._door.context.reactor.seconds()
        given: dict[str, str] = {}
        try:
            incoming = self._read(request, given)
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            self._answer(request, given, started, refusal)
            return succeed(None)
        accepted: Deferred[int] = self._door.context.inbound.message(incoming)
        return accepted.addCallbacks(
            lambda _: self._answer(request, given, started, None),
            lambda failure: self._failed(request, given, started, failure),
        )

    def _read(self, request: DoorRequest, given: dict[str, str]) -> MessageIn:
        """What is handed in; `given` is filled on the way, for the log."""
        for name, value in request_pairs(request):
            given[name.lower()] = storable(value)
        missing = [name for name in _OBLIGATORY if name not in given]
        if missing:
            raise Refused(
                Reason.BAD_REQUEST, f"{', '.join(missing)} missing: id, pass, number and data are obligatory"
            )
        self._check_pin(request.peer, given["id"], given["pass"])
        number = given["number"] = bare_number(given["number"])
        if not number:
            raise Refused(Reason.BAD_NUMBER, "number is empty: write the number of the phone that wrote")
        content = self._content(given)
        return MessageIn(
            given["id"], number, content, own=given.get("own", ""),
            id=given.get("msgid") or request.header(b"idempotency-key") or "",
            hops=hops.read(request.header(hops.NAME)),
        )  # fmt: skip

    def _check_pin(self, peer: str, gateway: str, shown: str) -> None:
        """A PIN has four digits: who guesses has to wait, like everybody who guesses passwords."""
        now, guessing = self._door.context.reactor.seconds(), self._door.context.guessing
        name = f"{gateway[:64]}:deliver"  # no account has a colon in its name
        wait = 0.0 if guessing is None else guessing.wait(peer, name, now)
        if wait > 0:
            raise Refused(Reason.SLOW_DOWN, f"too many wrong PINs: try again in {math.ceil(wait)} s")
        pin = (self._door.context.deliver_pins or {}).get(gateway)
        # The same work for an unknown gateway: the time must not tell which ids exist.
        right = hmac.compare_digest((pin or "\0").encode(), shown.encode()) and bool(pin)
        if guessing is not None:
            (guessing.succeeded if right else guessing.failed)(peer, name, now)
        if not right:
            raise Refused(Reason.NOT_ALLOWED, "id and pass match no gateway and its PIN")

    def _content(self, given: dict[str, str]) -> Text | Binary:
        binary = given.get("binary", "").strip().lower()
        if binary in ("", "0", "false"):
            return Text(given["data"])
        if binary in ("1", "true"):
            return Binary(read_base64("data", given["data"]), read_base64("udh", given.get("udh", "")))
        raise Refused(Reason.BAD_REQUEST, "binary is 0 (data is text) or 1 (data is base64)")

    def _failed(self, request: DoorRequest, given: dict[str, str], started: float, failure: Failure) -> None:
        refusal = failure.value
        if not isinstance(refusal, Refused):
            # A door's edge: whatever it was, the caller has to keep the message and repeat.
            _log.failure("a message for gateway {gateway} could not be kept", failure, gateway=given["id"])
            refusal = Refused(Reason.UNAVAILABLE, "the message could not be kept: send it again later")
        self._answer(request, given, started, refusal)

    def _answer(
        self, request: DoorRequest, given: dict[str, str], started: float, refusal: Refused | None
    ) -> None:
        status = 200 if refusal is None else _STATUS.get(refusal.reason.http, refusal.reason.http)
        known = given.get("id", "") in (self._door.context.deliver_pins or {})
        gateway = given["id"] if known else "-"
        self._door.calls.add(
            f"{request.peer} /sms/deliver.html {status}: {refusal is None}, gateway {gateway}, "
            f"from {shown((given.get('number', ''),))}, {self._door.context.reactor.seconds() - started:.3f} s",
            gateway=gateway,
        )
        if refusal is None:
            request.answer(Answer(status, b"True\n"))
        else:
            headers = (b"Retry-After: 5",) if status == 503 else ()
            request.answer(
                Answer(status, f"False {refusal.text}\n".encode("utf-8", "replace"), headers=headers)
            )


# Callers know three answers: wrong PIN, wrong request, later.
_STATUS = {401: 403, 429: 503}
