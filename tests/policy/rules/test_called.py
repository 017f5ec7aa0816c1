"""What a rule does outside, in words: everything one has to know, and no password."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.policy.rules.called import LONGEST, called
from smsd.values.message import Call


class Called(SynchronousTestCase):
    def test_a_url(self) -> None:
        url = "https://ann:hunter2@example.org/x?user=ann&pass=topsecret&text=hi%20there"
        self.assertEqual(
            called(Call("url", url, ("GET",))),
            "GET https://…@example.org/x?user=ann&pass=***&text=hi%20there",
        )

    def test_what_is_posted(self) -> None:
        for body in (
            '{"api_key": "topsecret", "to": 1}',
            "token=topsecret&to=1",
            "'password' : 'topsecret', to 1",
        ):
            told = called(Call("url", "https://example.org/", ("POST",), body))
            self.assertNotIn("topsecret", told)
            self.assertIn("to", told)

    def test_a_program(self) -> None:
        call = Call("program", "/bin/tell", ("--api-password", "topsecret", "--to", "+1555", "pin=1234"))
        self.assertEqual(called(call), "/bin/tell --api-password *** --to +1555 pin=***")

    def test_a_statement(self) -> None:
        self.assertEqual(
            called(Call("sql", "crm", ("+1555", "hi"), "insert\n  into log")), "insert into log (+1555, hi)"
        )

    def test_a_long_one_is_cut(self) -> None:
        self.assertEqual(
            len(called(Call("url", "https://example.org/?" + "x" * 10_000, ("GET",)))), LONGEST + 1
        )
