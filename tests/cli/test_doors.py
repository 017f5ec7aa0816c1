"""`smsd status` shows how many messages the doors that count have taken, and what waits for nobody."""

from __future__ import annotations

import contextlib
import io
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsd.cli import main, server


class Doors(SynchronousTestCase):
    def test_counters(self) -> None:
        door = {"type": "smtp", "running": True, "listen": ["tcp:2525"]}
        status: dict[str, Any] = {
            "version": "1", "pid": 7, "uptime_seconds": 60, "configuration": "smsd.yaml", "gateways": [], "groups": [],
            "queue": [
                {"route": "any:sms", "state": "queued", "deliveries": 2},
                {"route": "gw:slow", "state": "queued", "deliveries": 7, "why": "there is no gateway slow any more"},
            ],
            "doors": [
                {**door, "id": "cop", "counted": True, "messages": 1234, "last": 1},
                {**door, "id": "new", "counted": True, "messages": 0, "last": 0},
                {**door, "id": "smtp", "counted": False},
            ],
        }  # fmt: skip
        out = io.StringIO()
        with (
            mock.patch.object(server, "call", return_value=status),
            contextlib.redirect_stdout(out),
        ):
            main.main(["status"])
        lines = [line.split() for line in out.getvalue().splitlines()]
        self.assertIn(["DOOR", "TYPE", "MESSAGES", "LISTENS", "ON"], lines)
        self.assertIn(["cop", "smtp", "open", "1234", "tcp:2525"], lines)
        self.assertIn(["new", "smtp", "open", "0", "tcp:2525"], lines)
        self.assertIn(["smtp", "smtp", "open", "tcp:2525"], lines)
        self.assertIn(["any:sms", "queued", "2"], lines)
        self.assertIn("gw:slow  queued  7           there is no gateway slow any more\n", out.getvalue())
        self.assertIn("add that again, or smsd queue list and smsd queue cancel", out.getvalue())
