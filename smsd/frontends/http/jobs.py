"""`/sms/jobs`: a file with numbers and texts is uploaded, checked, and sent as a job of the account that has logged in.

POST a file (multipart/form-data, or as text/csv with the rest in the query) gives a job and what would become of it; nothing is
sent before `do=start`. GET shows jobs. Answers are JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from smsd.codec.smsuri import Wishes
from smsd.core.jobs import settings as jobsettings
from smsd.frontends.http import answer, callback, keys, uploads
from smsd.frontends.http.answer import JSON, Answer
from smsd.frontends.http.caller import identify
from smsd.frontends.http.fields import Pairs, read_body, read_query
from smsd.frontends.http.request import DoorRequest
from smsd.values.errors import InvalidValue, Reason, Refused, storable

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

_NAMES = ("user", "pass", "id", "do", "refused", "limit", *jobsettings.NAMES)
MOST = 500
_SCOPES = {b"GET": ("read",), b"POST": ("send",)}


class JobsPage:
    """The page `/sms/jobs`."""

    methods: tuple[bytes, ...] = (b"GET", b"POST")

    def __init__(self, door: HttpDoor) -> None:
        self._door = door

    def handle(self, request: DoorRequest) -> Deferred[Any]:
        """Answers when the returned Deferred fires; it fails only with what nobody expected."""
        return Deferred.fromCoroutine(self._handle(request))

    async def _handle(self, request: DoorRequest) -> None:
        account = ""
        try:
            pairs, file, name = _read(request)
            pairs, asked = callback.take(pairs)
            given = _named(pairs)
            wishes = Wishes(user=given.get("user") or None, password=given.get("pass") or None)
            caller = identify(
                request, wishes, self._door.context, trusted=False, required=True, scopes=_SCOPES[request.method]
            )  # fmt: skip
            found = await caller if isinstance(caller, Deferred) else caller
            account = str(found.name)
            said, fate = await self._answer(account, given, asked, file, name, request)
        except keys.WrongKey as error:
            refusal = Refused(Reason.BAD_REQUEST, f"Idempotency-Key: {error}")
            said, fate = answer.refused(refusal, as_json=True), refusal.reason.name
        except (InvalidValue, Refused) as error:
            refusal = error if isinstance(error, Refused) else Refused(Reason.BAD_REQUEST, str(error))
            said, fate = answer.refused(refusal, as_json=True), refusal.reason.name
        self._door.calls.add(f"{request.peer} /sms/jobs {said.status}: {fate}", account=account or None)
        request.answer(said)

    async def _answer(
        self, account: str, given: dict[str, str], asked: callback.Asked, file: bytes | None, name: str, request: DoorRequest
    ) -> tuple[Answer, str]:  # fmt: skip
        post = request.method == b"POST"
        jobs = uploads.jobs(self._door)
        if file is not None:
            return await self._check(account, given, asked, file, name, request)
        if "id" not in given:
            if post:
                raise InvalidValue(
                    "there is no file: send multipart/form-data with file=, or the file as text/csv"
                )
            listed = await jobs.listed(account, _number(given, "limit", 50, MOST))
            return _json(200, {"jobs": listed}), f"{len(listed)} jobs"
        job = _number(given, "id", 0, 2**31 - 1)
        if "do" not in given:
            return _json(
                200, await jobs.state(job, account, _number(given, "refused", 0, MOST))
            ), f"job {job}"
        if not post:
            raise Refused(Reason.BAD_REQUEST, "do= changes something: use POST")
        deed = given["do"]
        if deed not in uploads.DEEDS:
            raise InvalidValue(f"do={deed[:40]!r} is not possible: write {', '.join(uploads.DEEDS)}")
        state = await uploads.change(self._door, deed, job, account, f"account {account}")
        return _json(200, state), f"job {job}: {deed}"

    async def _check(
        self, account: str, given: dict[str, str], asked: callback.Asked, file: bytes, name: str, request: DoorRequest
    ) -> tuple[Answer, str]:  # fmt: skip
        for word in ("id", "do"):
            if word in given:
                raise InvalidValue(f"a file is checked first: send {word}= in a request of its own")
        given = {"name": name, **given}
        state = await uploads.check(request, self._door, account, given, asked, file)
        headers = [b"Location: /sms/jobs?id=%d" % state["id"]]
        if state.get("replayed"):
            headers.append(keys.REPLAYED)
        return _json(
            201, state, *headers
        ), f"job {state['id']}, {state['total']} of {state['checked']['rows']} lines"


def _json(status: int, content: Any, *headers: bytes) -> Answer:
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return Answer(status, body, JSON, headers)


def _read(request: DoorRequest) -> tuple[Pairs, bytes | None, str]:
    """The fields of a request, its file if it has one, and what that is called."""
    pairs = read_query(request.query) if request.query else []
    if not request.body or request.method != b"POST":
        return pairs, None, ""
    kind = uploads.kind(request)
    if kind == uploads.FORM or kind in uploads.RAW:
        more, file, name = uploads.file(request)
        return pairs + more, file, name
    form = read_body(request.body, kind)
    if form is None:
        raise Refused(
            Reason.BAD_REQUEST,
            f"Content-Type {kind[:60]!r} is not taken: send the file as text/csv, or in multipart/form-data",
        )
    return pairs + form, None, ""


def _named(pairs: Pairs) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower().replace("-", "_")
        if name not in _NAMES:
            raise InvalidValue(f"{name[:40]!r} is not known here: write {', '.join(_NAMES)}")
        given[name] = storable(value)
    return given


def _number(given: dict[str, str], name: str, usual: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return usual
    if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= most:
        return int(text)
    raise InvalidValue(f"{name}={text[:40]!r} is not understood: write a whole number up to {most}")
