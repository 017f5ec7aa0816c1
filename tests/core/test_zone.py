"""The zone that months, days and times of day are in: the machine's, or the one that is configured."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from smsd.config.load import load_text
from smsd.config.positions import ConfigError
from smsd.core import zone
from smsd.core.zone import LocalZone
from smsd.tap import Options
from smsd.values.account import Account
from smsd.values.errors import InvalidValue
from tests.house import House

NEW_YEAR_IN_TOKYO = datetime(2026, 12, 31, 15, tzinfo=timezone.utc).timestamp()


class Configured(SynchronousTestCase):
    def setUp(self) -> None:
        kept = mock.patch.dict(os.environ)
        kept.start()
        self.addCleanup(time.tzset)
        self.addCleanup(kept.stop)
        os.environ["TZ"] = "UTC"
        time.tzset()

    def configuration(self, name: str) -> str:
        folder = Path(self.mktemp())
        folder.mkdir()
        path = folder / "smsd.yaml"
        path.write_text(f"server: {{name: sms.example.org, time_zone: {name}}}\n")
        return str(path)

    def start(self, name: str) -> None:
        """As far as a server goes that only looks at its configuration."""
        options = Options()
        self.assertRaises(SystemExit, options.parseOptions, ["-c", self.configuration(name), "--check"])

    def test_months_and_days_turn_there(self) -> None:
        house = House()
        self.addCleanup(house.close)
        house.planner.zone = LocalZone()
        account = Account("ann", expires=datetime(2026, 12, 31).date(), zone=LocalZone())
        last = int(NEW_YEAR_IN_TOKYO * 1000) - 1
        self.assertEqual(house.planner.period(last + 1), "2026-12")
        self.assertIsNone(account.closed(NEW_YEAR_IN_TOKYO))
        self.start("Asia/Tokyo")
        house.planner._period = ("", 0)
        self.assertEqual((house.planner.period(last), house.planner.period(last + 1)), ("2026-12", "2027-01"))
        self.assertIn("expired", account.closed(NEW_YEAR_IN_TOKYO) or "")
        self.assertEqual(datetime(2027, 1, 1).astimezone().utcoffset(), timedelta(hours=9))

    def test_one_that_there_is_not(self) -> None:
        for name in ("Europe/Atlantis", "../../etc/passwd", "Europe", "''", "'Rome'"):
            text = f"server: {{name: sms.example.org, time_zone: {name}}}\n"
            error = self.assertRaises(ConfigError, load_text, text, "/etc/smsd.yaml", {})
            self.assertIn("is no time zone; allowed: of months, days", str(error.problems[0]), name)

    def test_a_machine_without_it(self) -> None:
        """Its C library would take it for UTC."""
        with mock.patch.object(zone, "ZoneInfo", return_value=timezone(timedelta(hours=5))):
            refused = self.assertRaises(InvalidValue, zone.use, "Etc/UTC")
        self.assertIn("install its time zones", str(refused))
