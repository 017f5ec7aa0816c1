"""The audit log: each change of an operator is on record in the commit that makes it, what is refused is not, secrets never are."""

from __future__ import annotations

import json
import os
import pwd
import socket
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsd.core import auditing
from smsd.core.auditing import OPERATOR, WHO, Auditor, befores
from smsd.core.billing import Billing
from smsd.core.control import Control
from smsd.core.credit import Credit
from smsd.core.overrides import Overrides
from smsd.core.pricing import Pricing
from smsd.core.tokens import Tokens
from smsd.frontends.control import ControlProtocol, user_of
from smsd.policy.charge import Tariffs
from smsd.store import audit
from smsd.store.audit import NOTE, Entry
from smsd.values.address import Address
from smsd.values.errors import InvalidValue
from smsd.values.message import Recipient, Submission, Text
from tests.core.test_account_book import FILE, HASH, BookCase

NOW = 1_800_000_000_000


class AuditCase(BookCase):
    def begin(self) -> None:
        super().begin()
        house = self.house
        self.tokens = Tokens(house.store, house.clock, lambda name: True)
        overrides = Overrides(house.store, FILE, lambda _: None)
        self.auditor = Auditor(house.store)
        self.auditor.before = befores(house.store, self.book, overrides, self.tokens)
        self.reloaded: list[str] = []
        self.control = Control(
            store=house.store, dispatcher=house.dispatcher, queue=house.queue, overrides=overrides,
            explainer=None, status=dict, reload=lambda: succeed(self.reloaded), accounts=self.book,
            tokens=self.tokens, audit=self.auditor,
        )  # fmt: skip
        self.control.add(self.auditor.verbs())

    def log(self, **wanted: Any) -> list[tuple[Any, ...]]:
        """(who, verb, subject, before, after), oldest first."""
        found = self.house.wait(Deferred.fromCoroutine(self.control.call("audit", wanted)))
        return [tuple(one[name] for name in ("who", "verb", "subject", "before", "after")) for one in found][
            ::-1
        ]

    def as_user(self, who: str, verb: str, **arguments: Any) -> Any:
        async def acting() -> Any:
            WHO.set(who)
            return await self.control.call(verb, arguments)

        return self.house.wait(Deferred.fromCoroutine(acting()))


class Changes(AuditCase):
    def test_moments_are_written_as_such(self) -> None:
        self.as_user("root", "account_add", name="ann", settings={"password": HASH})
        self.as_user("root", "account_reset", name="ann", last_sent=1_800_000_000_000)
        self.as_user("root", "account_reset", name="ann", last_sent=0)
        self.as_user("root", "account_reset", name="ann", last_sent=10**15)
        self.assertEqual(
            [row[3:] for row in self.log()[1:]],
            [
                ("last_sent=never", "last_sent=2027-01-15T08:00:00Z"),
                ("last_sent=2027-01-15T08:00:00Z", "last_sent=never"),
                ("last_sent=never", "last_sent=1000000000000000"),
            ],
        )

    def test_accounts(self) -> None:
        self.as_user("root", "account_add", name="ann", settings={"password": HASH, "monthly_limit": 100})
        self.as_user("eva", "account_set", name="ann", settings={"monthly_limit": 200, "gateway": "gsm1"})
        self.as_user("eva", "account_reset", name="ann", sent=5)
        self.as_user("eva", "account_add", name="sales", kind="group", settings={})
        self.call("account_remove", name="ann")
        self.assertEqual(
            self.log()[:4],
            [
                ("root", "account_add", "ann", None, "password=set, monthly_limit=100"),
                (
                    "eva",
                    "account_set",
                    "ann",
                    "monthly_limit=100, gateway=default",
                    "monthly_limit=200, gateway=gsm1",
                ),
                ("eva", "account_reset", "ann", "sent=0", "sent=5"),
                ("eva", "account_add", "group sales", None, None),
            ],
        )
        who, verb, subject, before, after = self.log()[4]
        self.assertEqual((who, verb, subject, after), (OPERATOR, "account_remove", "ann", None))
        self.assertIn("password=set", before)
        self.assertNotIn("argon2", json.dumps(self.log()))

    def test_a_change_and_its_row_are_one_commit(self) -> None:
        """A disk that fails takes both away; and what is done again is on record once."""
        commits: list[int] = []
        real = self.house.store._group._commit

        def commit() -> None:
            commits.append(1)
            if len(commits) == 1:
                raise OSError("no space left on device")
            real()

        self.house.store._group._commit = commit
        self.assertRaises(OSError, self.call, "account_add", name="ann", settings={"password": HASH})
        self.assertEqual((self.rows(), self.log()), ({}, []))
        self.call("account_add", name="ann", settings={"password": HASH})
        self.assertEqual([row[1] for row in self.log()], ["account_add"])
        self.assertEqual(len(commits), 2)

    def test_one_bad_call_of_a_group_leaves_the_others_rows_alone(self) -> None:
        async def both() -> None:
            await gatherResults(
                [
                    Deferred.fromCoroutine(self.control.call("account_add", {"name": "ann", "settings": {"password": HASH}})),
                    self.house.store.call(lambda cursor, items: cursor.execute("nonsense"), None).addErrback(lambda _: None),
                    Deferred.fromCoroutine(self.control.call("token_create", {"account": "ann", "scopes": ["send"]})),
                ]
            )  # fmt: skip

        self.house.wait(Deferred.fromCoroutine(both()))
        self.assertEqual(sorted(row[1] for row in self.log()), ["account_add", "token_create"])

    def test_what_is_refused_is_no_change(self) -> None:
        self.refused("account_add", name="ann", settings={"password": "clear"})
        self.refused("account_set", name="nobody", settings={"gateway": "gsm1"})
        self.refused("token_revoke", token=77)
        self.refused("cancel", delivery=77)
        self.refused("retry", delivery="x")
        self.refused("set", name="nothing", value="1")
        self.refused("no_such_verb")
        self.assertEqual(self.log(), [])

    def test_what_was_done_before_is_no_change(self) -> None:
        """Else whoever adds up the log would count a payment twice."""
        self.add("ann", prepaid=True)
        credit = Credit(self.house.store, self.directory.find, lambda: Tariffs(currency="EUR"))
        self.control.add(
            Billing(credit, Pricing(self.house.planner), lambda: Tariffs(currency="EUR")).verbs()
        )
        told = [
            self.as_user("eva", "top_up", account="ann", amount="5", reference=reference)
            for reference in ("i1", "i1", "i2")
        ]
        self.assertEqual([one["repeated"] for one in told], [False, True, False])
        self.assertRaises(
            InvalidValue, self.as_user, "eva", "top_up", account="ann", amount="6", reference="i1"
        )
        self.assertEqual(
            [row[4] for row in self.log(who="eva")], ["amount=5, reference=i1", "amount=5, reference=i2"]
        )

    def test_looking_is_no_change(self) -> None:
        self.call("account", name="john")
        self.call("accounts")
        self.call("set")
        self.call("list")
        self.call("tokens")
        self.assertEqual(self.log(), [])

    def test_settings(self) -> None:
        self.call("set", name="expire_minutes", value="60")
        self.call("set", name="expire_minutes", value=None)
        self.assertEqual(
            self.log(),
            [
                (OPERATOR, "set", "expire_minutes", "value=7200", "value=60"),
                (OPERATOR, "set", "expire_minutes", "value=60", "value=default"),
            ],
        )

    def test_tokens(self) -> None:
        made = self.call("token_create", account="john", scopes=["send", "read"], note="till")
        self.call("token_revoke", token=made["id"])
        log = self.log()
        self.assertEqual(
            log,
            [
                (OPERATOR, "token_create", "john", None, "scopes=send+read, note=till"),
                (
                    OPERATOR,
                    "token_revoke",
                    str(made["id"]),
                    "account=john, scopes=send+read, note=till",
                    None,
                ),
            ],
        )
        self.assertNotIn(made["token"], json.dumps(log))

    def test_deliveries_by_the_operator_and_by_an_account(self) -> None:
        self.house.open()
        numbers = []
        for phone in ("+15550000001", "+15550000002"):
            recipient = Recipient(Address("sms", phone), phone)
            submission = Submission("control", Address("account", "x"), (recipient,), Text("hi"))
            receipt = self.house.wait(self.house.dispatcher.submit(submission))
            numbers.append(receipt.recipients[0].delivery)
        first, second = numbers
        self.house.wait(
            self.house.store.call(
                lambda c, items: [c.execute("update delivery set state=5")] and [None], None
            )
        )
        self.call("cancel", delivery=first)
        self.house.wait(Deferred.fromCoroutine(self.control.alter("cancel", second, "account john")))
        self.assertEqual(
            self.log(),
            [
                (OPERATOR, "cancel", str(first), "state=held", None),
                ("account john", "cancel", str(second), None, None),
            ],
        )

    def test_what_writes_nothing_itself(self) -> None:
        self.call("reload")
        self.call("rules_imported", file="/etc/smsd/rules.xml", added="outgoing 'night'")
        self.assertEqual(
            self.log(),
            [
                (OPERATOR, "reload", "", None, None),
                (OPERATOR, "rules_imported", "/etc/smsd/rules.xml", None, "added=outgoing 'night'"),
            ],
        )
        self.control._reload = lambda: fail(InvalidValue("no"))
        self.refused("reload")
        self.assertEqual(len(self.log()), 2)

    def test_a_verb_that_nobody_has_thought_of_is_on_record(self) -> None:
        async def turn(arguments: Any) -> None:
            """Something new."""

        self.control.add({"turn": turn})
        self.call(
            "turn", name="x", text="y" * 1000, url="https://ann:geheim@example.org/", api_key="geheim", pin="1234",
            entries=[{}] * 3,
            on=True, off=False, nothing=None, more={"password": "geheim"},
        )  # fmt: skip
        ((_, verb, subject, _, after),) = self.log()
        self.assertEqual((verb, subject), ("turn", "x"))
        self.assertNotIn("geheim", after)
        self.assertNotIn("1234", after)
        self.assertIn(
            "url=https://***@example.org/, api_key=set, pin=set, entries=(3 entries), on=yes, off=no", after
        )
        self.assertLess(len(after), 600)


class Finding(AuditCase):
    def test_filters_and_pages(self) -> None:
        for number in range(5):
            self.as_user(
                "root" if number % 2 else "eva", "account_add", name=f"u{number}", settings={"password": HASH}
            )
            self.house.clock.advance(60)
        self.assertEqual([row[2] for row in self.log()], ["u0", "u1", "u2", "u3", "u4"])
        self.assertEqual([row[2] for row in self.log(who="eva")], ["u0", "u2", "u4"])
        self.assertEqual([row[2] for row in self.log(subject="u3", what="account_add")], ["u3"])
        self.assertEqual([row[2] for row in self.log(since=NOW + 120_000, until=NOW + 240_000)], ["u2", "u3"])
        newest = self.call("audit", limit=2)
        self.assertEqual([one["subject"] for one in newest], ["u4", "u3"])
        self.assertEqual(
            [one["subject"] for one in self.call("audit", before=newest[-1]["id"], limit=2)], ["u2", "u1"]
        )
        self.refused("audit", limit=1001)
        self.refused("audit", since=-1)

    def test_what_is_old_goes_in_bites(self) -> None:
        self.patch(audit, "MOST_FORGOTTEN", 2)
        entries = [Entry(at, "root", "set", str(at)) for at in (1, 2, 3, 10)]
        for entry in entries:
            self.house.wait(self.house.store.call(audit.write, entry))
        forget = lambda: self.house.wait(self.house.store.call(audit.forget, 10))  # noqa: E731
        self.assertEqual([forget(), forget(), forget()], [True, False, False])
        self.assertEqual([row[2] for row in self.log()], ["10"])


class Who(SynchronousTestCase):
    """Whose process it is at the other end of the control socket."""

    def test_the_user_by_name(self) -> None:
        here, there = socket.socketpair(socket.AF_UNIX)
        self.addCleanup(here.close)
        self.addCleanup(there.close)

        class Transport(StringTransport):
            def getHandle(self) -> socket.socket:
                return here

        self.assertEqual(user_of(Transport()), pwd.getpwuid(os.getuid()).pw_name)

        def nobody(uid: int) -> None:
            raise KeyError(uid)

        self.patch(pwd, "getpwuid", nobody)
        self.assertEqual(user_of(Transport()), f"uid {os.getuid()}")

    def test_no_socket(self) -> None:
        self.assertEqual(user_of(StringTransport()), OPERATOR)

    def test_each_question_is_asked_in_his_name(self) -> None:
        asked: list[str] = []

        class Asked:
            async def call(self, verb: str, arguments: Any) -> None:
                asked.append(WHO.get())

        protocol = ControlProtocol(Asked())
        protocol.makeConnection(StringTransport())
        protocol._who = "eva"
        protocol.dataReceived(b'{"verb": "a"}\n{"verb": "b"}\n')
        self.assertEqual(asked, ["eva", "eva"])
        self.assertEqual(WHO.get(), OPERATOR)
        self.assertIsNone(NOTE.get())


class Secrets(SynchronousTestCase):
    @given(
        st.text("abcdefgh", min_size=12, max_size=300),
        st.sampled_from(["password", "pass", "secret", "api_key", "pin"]),
    )
    def test_no_secret_is_told_however_deep(self, secret: str, name: str) -> None:
        for values in (
            {name: secret},
            {"settings": {name: secret}},
            {"x": {name: secret}},
            {"x": [{name: secret}]},
        ):
            self.assertNotIn(secret, auditing._told(values))
            self.assertNotIn(secret, auditing._after(values))
