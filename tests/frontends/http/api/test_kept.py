"""Accounts that the API has made can do what those of the configuration can: a subscriber hears of their messages."""

from __future__ import annotations

from tests.frontends.http.api.case import ApiCase


class Kept(ApiCase):
    def test_a_subscriber_hears_of_its_messages(self) -> None:
        admin = self.token("", "admin")
        settings = {"networks": ["127.0.0.0/8"], "callback": "desk"}
        made = self.ask("PUT", "/settings/account/new", {"settings": settings}, token=admin)
        self.assertEqual((made.status, made.json()["settings"]["callback"]), (201, "desk"))
        token = self.token("new", "send", "read", "incoming")
        self.send(token=token)
        self.house.settle()
        [event] = self.get("/events", token=token)["events"]
        self.assertEqual((event["type"], event["data"]["account"]), ("message.sent", "new"))
        changed = self.ask("PATCH", "/settings/account/new", {"settings": {"callback": None}}, token=admin)
        self.assertEqual(changed.status, 200)
        self.send(token=token)
        [hooks] = [row for row in self.house.rows() if row["target"].startswith("hook:")]
        self.assertEqual(hooks["target"], "hook:desk")
        self.problem(self.ask("GET", "/events", token=token), 403, "not-allowed")

    def test_one_that_there_is_not(self) -> None:
        settings = {"networks": ["127.0.0.0/8"], "callback": "none"}
        answer = self.ask(
            "PUT", "/settings/account/new", {"settings": settings}, token=self.token("", "admin")
        )
        self.assertIn("there is no subscriber 'none'; allowed: desk", answer.text)
