"""What is changed through the API is on record, with the account or the token that did it."""

from __future__ import annotations

from typing import Any

from smsd.core.auditing import Auditor
from smsd.store import audit
from tests.frontends.http.api.case import ApiCase


class Audited(ApiCase):
    def furnish(self) -> None:
        super().furnish()
        self.control._audit = Auditor(self.house.store)

    def log(self) -> list[tuple[Any, ...]]:
        found = self.house.wait(self.house.store.ask(audit.find))
        return [tuple(one[name] for name in ("who", "verb", "subject")) for one in reversed(found)]

    def test_settings(self) -> None:
        admin = self.token("", "admin")
        path = "/settings/account/new"
        settings = {"networks": ["192.0.2.0/24"]}
        self.assertEqual(self.ask("PUT", path, {"settings": settings}, token=admin).status, 201)
        self.ask("PATCH", path, {"settings": {"monthly_limit": 5}}, token=admin)
        self.ask("PATCH", path, {"settings": {"monthly_limit": "x"}}, token=admin)
        self.ask("PATCH", path, {"settings": {"monthly_limit": 7}}, token=self.token("john", "read"))
        self.ask("DELETE", path, token=admin)
        self.assertEqual(
            [row for row in self.log() if row[1] != "token_create"],
            [
                ("token 1", "account_add", "new"),
                ("token 1", "account_set", "new"),
                ("token 1", "account_remove", "new"),
            ],
        )

    def test_cancelled_messages(self) -> None:
        self.house.outlet("gsm1").closed("away")
        sent = self.send()
        number = sent["id"]
        reply = self.ask("DELETE", f"/messages/{number}")
        self.assertEqual(reply.status, 200, reply.text)
        ((who, verb, _),) = self.log()
        self.assertEqual((who, verb), ("account john", "cancel"))
        self.assertEqual(self.house.states()[0], "cancelled")
        self.ask("DELETE", f"/messages/{number}")
        self.assertEqual(len(self.log()), 1)
