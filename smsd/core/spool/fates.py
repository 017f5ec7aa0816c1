"""What becomes of a file, written where its writer looks: `sent`, `failed`, `report`; and what phones write. It blocks."""

from __future__ import annotations

import os
from datetime import tzinfo

from smsd.codec.spool import gammu, smstools
from smsd.codec.spool.smstools import Fate
from smsd.codec.spool.values import Came
from smsd.config.spool import SpoolSettings
from smsd.core.spool import files
from smsd.core.spool.files import Found
from smsd.core.zone import LocalZone
from smsd.values.message import Report

_ZONE: tzinfo = LocalZone()
FAILED = ("failed", "expired", "cancelled")


def fail_file(settings: SpoolSettings, one: Found, why: str, now: int) -> None:
    """A file that was not taken."""
    path = os.path.join(settings.place("outgoing"), one.name)
    if one.octets is None:  # as it is: it may be large, or not ours to read
        _say_why(files.move(path, settings.place("failed"), one.name, one.mark), why)
        return
    _finish(settings, path, one.name, one.mark, Fate(why, now, "", ""))


def report_file(settings: SpoolSettings, name: str, report: Report, number: str) -> str:
    """What became of the message of a file; gives where that can be seen, "" for nowhere."""
    first, _, its = name.rpartition(".")
    path = files.source(settings.place("outgoing"), settings.place("checked"), name)
    if report.event == "sent" or report.event in FAILED:
        if path is not None:
            failed = "" if report.event == "sent" else report.reason or report.event
            return _finish(
                settings, path, first, its, Fate(failed, report.at, report.gateway, report.reference)
            )
        if report.event == "sent":
            return ""  # it was told before, or somebody has taken it away
    elif report.event == "delivered" and path is not None:  # the network was quicker to say so
        _finish(settings, path, first, its, Fate("", report.at, report.gateway, report.reference))
    folder = settings.place("report")
    if not folder or report.event == "delayed":
        return ""
    target = os.path.join(folder, f"{report.gateway or 'smsd'}.{report.delivery}.{report.event}")
    octets = smstools.report(number, report.gateway, report.event, report.at, report.reference, _ZONE)
    files.write(target, octets)
    return target


def _finish(settings: SpoolSettings, path: str, name: str, its: str, fate: Fate) -> str:
    folder = settings.place("failed" if fate.failed else "sent")
    if settings.dialect == "smstools":
        return files.finish(path, folder, name, lambda octets: smstools.told(octets, fate, _ZONE), its)
    target = files.finish(path, folder, name, bytes, its)
    if fate.failed:  # its files have no place for a reason
        _say_why(target, fate.failed)
    return target


def _say_why(target: str, why: str) -> None:
    folder, name = os.path.split(target)
    files.write(os.path.join(folder, files.beside(name, ".why")), (why + "\n").encode("utf-8", "replace"))


def incoming_file(settings: SpoolSettings, came: Came) -> str:
    """A message from a phone; gives where it is. Written again, it is the same file."""
    if settings.dialect == "gammu":
        name, octets = gammu.came(came, _ZONE, settings.incoming_charset or "utf-16")
    else:
        octets = smstools.came(came, _ZONE, settings.incoming_charset or "iso")
        name = f"{came.gateway or 'smsd'}.{came.name}"
    path = os.path.join(settings.place("incoming"), name)
    files.write(path, octets)
    return path
