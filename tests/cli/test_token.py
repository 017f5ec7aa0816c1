"""`smsd token`: what is asked of the server, and what is printed."""

from __future__ import annotations

import json

from tests.cli.test_cli import Command

TOKEN = {
    "id": 3, "account": "shop", "scopes": ["send", "read"], "note": "the\x1btill",
    "created": 1_800_000_000_000, "expires": 0, "used": 0,
}  # fmt: skip


class Tokens(Command):
    def test_create_prints_the_token_and_nothing_else(self) -> None:
        code, question = self.ask("token", "create", "shop", result={**TOKEN, "token": "smsd_abc"})
        self.assertEqual((code, self.out.getvalue()), (0, "smsd_abc\n"))
        scopes = ["send", "read", "incoming"]
        args = {"account": "shop", "scopes": scopes, "days": None, "note": ""}
        self.assertEqual(question, {"verb": "token_create", "args": args})

    def test_create_with_everything(self) -> None:
        _, question = self.ask(
            "token", "create", "--scope", "admin", "--days", "1.5", "--note", "x", result={**TOKEN, "token": "smsd_abc"}
        )  # fmt: skip
        args = {"account": "", "scopes": ["admin"], "days": 1.5, "note": "x"}
        self.assertEqual(question["args"], args)

    def test_list(self) -> None:
        self.ask("token", "list", "shop", result=[TOKEN])
        self.assertIn("shop     send,read", self.out.getvalue())
        self.assertIn("the\\x1btill", self.out.getvalue())
        self.ask("token", "list", result=[])
        self.assertIn("there is no token", self.out.getvalue())

    def test_json(self) -> None:
        self.ask("--json", "token", "list", result=[TOKEN])
        self.assertEqual(json.loads(self.out.getvalue()), [TOKEN])

    def test_revoke(self) -> None:
        code, question = self.ask("token", "revoke", "3", result=None)
        self.assertEqual(
            (code, question, self.out.getvalue()),
            (0, {"verb": "token_revoke", "args": {"token": 3}}, "3: revoked\n"),
        )
        code, _ = self.ask("token", "revoke", "3", error="there is no token 3")
        self.assertEqual(code, 1)
