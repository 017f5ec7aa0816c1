"""Files with numbers and texts as they come by HTTP, and what is done with the jobs they become: for `/sms/jobs` and the API."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smsd.core.jobs import settings as jobsettings
from smsd.frontends.http import callback, keys
from smsd.frontends.http.fields import Pairs, check_file_charset, read_upload
from smsd.frontends.http.request import DoorRequest
from smsd.values.errors import Reason, Refused
from smsd.values.message import Ticket

if TYPE_CHECKING:
    from smsd.frontends.http.door import HttpDoor

FORM = "multipart/form-data"
TYPES = ("text/csv", "text/plain", "text/tab-separated-values", "application/octet-stream")
RAW = (*TYPES, "application/vnd.ms-excel")
"""A body of these types is the file itself; the last one is what Windows calls CSV."""
DEEDS = ("start", "pause", "resume", "cancel")


def kind(request: DoorRequest) -> str:
    """The media type of its body."""
    return (request.header(b"content-type") or "").partition(";")[0].strip().lower()


def file(request: DoorRequest) -> tuple[Pairs, bytes | None, str]:
    """The fields of the body, the file (None without one), and what that is called. InvalidValue for a broken form, and
    for a charset that is not read."""
    if not request.body:
        return [], None, ""
    if kind(request) in RAW:
        check_file_charset(request.header(b"content-type") or "")
        return [], request.body, ""
    return read_upload(request.body, request.header(b"content-type") or "")


def jobs(door: HttpDoor) -> Any:
    """All jobs; Refused where there are none."""
    found = door.context.jobs
    if found is None:
        raise Refused(Reason.NOT_ALLOWED, "there are no jobs here")
    return found


async def check(
    request: DoorRequest, door: HttpDoor, account: str, given: Mapping[str, Any], asked: callback.Asked, octets: bytes
) -> dict[str, Any]:  # fmt: skip
    """A new job of the account, which is ready to be started: its state, and what would become of each line. With the key of an
    earlier request: the job of that one, and `replayed`."""
    settings = jobsettings.read(given)
    key = keys.of_file(request, account, octets, settings, asked)
    way = callback.way_back(door.context.callbacks, account, asked)
    if way is not None:
        settings = replace(settings, ticket=Ticket(way[0]), wants=way[1])
    parameters = settings.parameters
    if parameters.max_parts is None and door.settings.max_parts is not None:
        settings = replace(settings, parameters=replace(parameters, max_parts=door.settings.max_parts))
    state: dict[str, Any] = await jobs(door).check(account, settings, octets, key)
    return state


async def change(door: HttpDoor, deed: str, job: int, owner: str | None, who: str) -> dict[str, Any]:
    """Do one of `DEEDS`; on record as done by `who`."""
    auditor = door.context.auditor
    with nullcontext() if auditor is None else auditor.deed(f"job {deed}", job, who):
        state: dict[str, Any] = await getattr(jobs(door), deed)(job, owner)
    return state
