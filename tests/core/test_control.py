"""The operator's verbs, over a real store; overrides that outlive the server; the socket that carries them."""

from __future__ import annotations

import json
import os
import socket
import stat
import tempfile
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smsd.config.settings import (
    Configuration,
    ControlSettings,
    LogSettings,
    QueueSettings,
    ServerSettings,
    StoreSettings,
)
from smsd.core.control import Control
from smsd.core.explaining import Explainer
from smsd.core.overrides import Overrides
from smsd.frontends.control import ControlDoor, ControlProtocol
from smsd.values.account import Account
from smsd.values.errors import InvalidValue, Reason, Refused
from tests.house import House

FILE = Configuration(
    "smsd.yaml", "var", ServerSettings(), StoreSettings(), QueueSettings(), LogSettings(), ControlSettings()
)


class Verbs(SynchronousTestCase):
    def setUp(self) -> None:
        self.house = House()
        self.addCleanup(self.house.close)
        self.seen: list[Configuration] = []
        self.overrides = Overrides(self.house.store, FILE, self.seen.append)
        self.control = Control(
            explainer=Explainer(self.house.store, self.house.planner, self.house.judge),
            store=self.house.store,
            dispatcher=self.house.dispatcher,
            queue=self.house.queue,
            overrides=self.overrides,
            status=lambda: {"version": "x"},
            reload=self.reload,
        )

    async def reload(self) -> list[str]:
        return ["smsd.yaml:1:1: wrong"]

    def call(self, verb: str, **arguments: Any) -> Any:
        return self.house.wait(Deferred.fromCoroutine(self.control.call(verb, arguments)))

    def refused(self, verb: str, **arguments: Any) -> str:
        return str(self.assertRaises((InvalidValue, Refused), self.call, verb, **arguments))

    def test_send_in_the_name_of_an_account(self) -> None:
        async def account(arguments: Any) -> dict[str, Any]:
            if arguments["name"] != "ann":
                raise InvalidValue("there is no account 'bob'")
            return {"name": "ann", "closed": closed}

        self.house.accounts["ann"] = Account("ann", monthly_limit=1)
        self.control.add({"account": account})
        self.house.open()
        closed = ""
        self.call("send", to=["+15550000001"], text="Hello", account="ann")
        self.assertEqual([row["account"] for row in self.house.rows()], ["ann"])
        self.assertIn("may send 1", self.refused("send", to=["+15550000001"], text="x", account="ann"))
        self.assertIn("no account", self.refused("send", to=["+15550000001"], text="x", account="bob"))
        closed = "account ann is switched off"
        self.assertEqual(self.refused("send", to=["+15550000001"], text="x", account="ann"), closed)

    def test_send(self) -> None:
        self.house.open()
        answer = self.call(
            "send", to=["+15550000001", "nonsense"], text="Hello", gateway="gsm1", priority="urgent"
        )
        good, bad = answer["recipients"]
        self.assertEqual((good["number"], good["parts"], good["encoding"]), ("+15550000001", 1, "GSM-7"))
        self.assertEqual((bad["number"], bad["reason"]), ("nonsense", "bad_number"))
        self.assertIn("write a number", bad["error"])
        [row] = self.house.rows()
        self.assertEqual((row["id"], row["door"], row["route"]), (good["delivery"], "control", "gw:gsm1"))
        self.assertEqual(self.house.gsm.pieces[0].parameters.priority.name, "URGENT")

    def test_send_with_arguments_that_make_no_sense(self) -> None:
        for arguments, expected in (
            ({}, "to: a list of numbers is needed"),
            ({"to": "+1555", "text": "x"}, "to: a list of numbers is needed"),
            ({"to": ["+15550000001"]}, "text: a text is needed"),
            ({"to": ["+15550000001"], "text": ""}, "the message is empty"),
            ({"to": ["+15550000001"], "text": "a\0b"}, "NUL"),
            ({"to": ["+15550000001"], "text": "x", "priority": "high"}, "allowed: urgent, normal, bulk"),
            ({"to": ["+15550000001"], "text": "x", "expire_minutes": 0}, "expire_minutes: 0 is not possible"),
            ({"to": ["+15550000001"], "text": "x", "max_parts": "2"}, "max_parts: '2' is not possible"),
        ):
            with self.subTest(arguments=arguments):
                self.assertIn(expected, self.refused("send", **arguments))
        self.assertEqual(self.house.rows(), [])

    def test_list_and_show(self) -> None:
        first = self.house.send("+15550000001").recipients[0].delivery
        self.house.send("+15550000002")
        self.assertEqual(len(self.call("list")), 2)
        [row] = self.call("list", target="0001", states=["queued"])
        self.assertEqual(row["id"], first)
        self.assertEqual(self.call("list", states="sent"), [])
        self.assertEqual(len(self.call("list", limit=1)), 1)
        told = self.call("show", delivery=first)
        self.assertEqual((told["id"], told["state"], told["about"]["body"]), (first, "queued", "hello"))
        json.dumps(told)
        self.assertIn("smsd queue list shows", self.refused("show", delivery=1))
        self.assertIn(
            "there is no state 'lost'; allowed: waiting, all, queued", self.refused("list", states="lost")
        )
        self.assertIn("half a surrogate pair", self.refused("list", target="\ud800"))
        self.assertIn("limit: 5000 is not possible; allowed: 1 to 1000", self.refused("list", limit=5000))

    def test_cancel_and_retry(self) -> None:
        delivery = self.house.send().recipients[0].delivery
        self.call("cancel", delivery=delivery)
        self.assertEqual(self.house.states()[0], "cancelled")
        self.assertIn("too late to cancel", self.refused("cancel", delivery=delivery))
        self.house.open()
        self.assertEqual(self.house.gsm.pieces, [])
        self.call("retry", delivery=delivery)
        self.assertEqual(self.house.states()[0], "sent")
        self.assertIn("too late to retry", self.refused("retry", delivery=delivery))
        self.assertIn("its number is needed", self.refused("cancel"))

    def test_status_and_reload(self) -> None:
        self.house.send()
        status = self.call("status")
        self.assertEqual(status["version"], "x")
        self.assertEqual(status["queue"], [{"route": "any:sms", "state": "queued", "deliveries": 1}])
        self.assertEqual(self.call("reload"), ["smsd.yaml:1:1: wrong"])

    def test_status_of_what_nobody_carries(self) -> None:
        self.house.outlet("gsm1").closed("no SIM")
        self.call("send", to=["+15550000001"], text="x", gateway="gsm1")
        self.assertNotIn("why", self.call("status")["queue"][0])
        self.house.wait(self.house.queue.remove("gsm1"))
        (row,) = self.call("status")["queue"]
        self.assertEqual((row["route"], row["why"]), ("gw:gsm1", "there is no gateway gsm1 any more"))

    def test_no_such_verb(self) -> None:
        self.assertIn("there is no verb 'explode'; allowed: send, list", self.refused("explode"))

    def test_set(self) -> None:
        before = {row["name"]: row for row in self.call("set")}
        self.assertEqual(before["expire_minutes"]["value"], 7200)
        after = {row["name"]: row for row in self.call("set", name="expire_minutes", value="60")}
        self.assertEqual(
            after["expire_minutes"], {"name": "expire_minutes", "value": 60, "file": 7200, "overridden": True}
        )
        self.assertEqual(self.seen[-1].queue.expire_minutes, 60)
        self.assertEqual(self.seen[-1].queue.warn_minutes, 240)
        self.call("set", name="log_level", value="debug")
        self.assertEqual(self.seen[-1].log.level, "debug")

    def test_set_outlives_the_server(self) -> None:
        self.call("set", name="expire_minutes", value="60")
        again = Overrides(self.house.store, FILE, self.seen.append)
        self.house.wait(Deferred.fromCoroutine(again.load()))
        self.assertEqual(again.effective().queue.expire_minutes, 60)
        self.call("set", name="expire_minutes", value=None)
        self.assertEqual(self.seen[-1], FILE)
        self.house.wait(Deferred.fromCoroutine(again.load()))
        self.assertEqual(again.effective(), FILE)

    def test_set_what_cannot_be(self) -> None:
        for name, value, expected in (
            ("expire_minutes", "0", "'0' is not possible for expire_minutes; allowed: 1 to 525600"),
            ("expire_minutes", "soon", "'soon' is not possible"),
            ("log_level", "loud", "'loud' is not possible for level"),
            ("path", "/tmp", "'path' cannot be set; allowed: expire_minutes"),
        ):
            with self.subTest(name=name, value=value):
                self.assertIn(expected, self.refused("set", name=name, value=value))
        self.assertEqual(self.seen, [])


class Scripted:
    """A control whose verbs wait until they are let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.waiting: list[Deferred[Any]] = []

    async def call(self, verb: str, arguments: Any) -> Any:
        self.calls.append((verb, arguments))
        self.waiting.append(Deferred())
        return await self.waiting[-1]


class Protocol(SynchronousTestCase):
    def setUp(self) -> None:
        self.control = Scripted()
        self.protocol = ControlProtocol(self.control)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    def answers(self) -> list[Any]:
        lines = self.transport.value().splitlines()
        self.transport.clear()
        return [json.loads(line) for line in lines]

    def test_one_after_the_other(self) -> None:
        self.protocol.dataReceived(b'{"verb": "a"}\n{"verb": "b", "args": {"x": 1}}\n')
        self.assertEqual(self.control.calls, [("a", {})])
        self.control.waiting[0].callback(["one"])
        self.assertEqual(self.answers(), [{"ok": True, "result": ["one"]}])
        self.assertEqual(self.control.calls[1:], [("b", {"x": 1})])
        self.control.waiting[1].callback(None)
        self.assertEqual(self.answers(), [{"ok": True, "result": None}])

    def test_refusals(self) -> None:
        self.protocol.dataReceived(b'{"verb": "a"}\n{"verb": "b"}\n')
        self.control.waiting[0].errback(InvalidValue("no such thing"))
        self.control.waiting[1].errback(Refused(Reason.EMPTY, "the message is empty"))
        self.assertEqual(
            [each["error"] for each in self.answers()], ["no such thing", "the message is empty"]
        )

    def test_a_mistake_of_ours_is_logged_and_the_next_question_answered(self) -> None:
        self.protocol.dataReceived(b'{"verb": "a"}\n{"verb": "b"}\n')
        self.control.waiting[0].errback(ZeroDivisionError("secret detail"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        [answer] = self.answers()
        self.assertEqual((answer["ok"], "secret" in answer["error"]), (False, False))
        self.control.waiting[1].callback(1)
        self.assertTrue(self.answers()[0]["ok"])

    def test_nonsense(self) -> None:
        for line in (
            b"hello",
            b"[]",
            b"{}",
            b'{"verb": 1}',
            b'{"verb": "a", "args": []}',
            b"\xff\xfe",
            b"[" * 5000,
            b"",
        ):
            with self.subTest(line=line[:20]):
                self.protocol.dataReceived(line + b"\n")
                [answer] = self.answers()
                self.assertFalse(answer["ok"])
                self.assertIn("expected", answer["error"])
        self.assertEqual(self.control.calls, [])

    def test_an_endless_line(self) -> None:
        self.protocol.dataReceived(b"x" * (ControlProtocol.MAX_LENGTH + 20_000))
        self.assertTrue(self.transport.disconnecting)


class Door(TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "control.sock")

    def test_only_the_owner_may_open_it(self) -> Any:
        door = ControlDoor(self.path, Scripted(), reactor)
        door.startService()
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        return door.stopService().addCallback(lambda _: self.assertFalse(os.path.exists(self.path)))

    def test_a_socket_of_a_dead_server_is_replaced(self) -> Any:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path)
        door = ControlDoor(self.path, Scripted(), reactor)
        door.startService()
        return door.stopService()

    def test_a_living_server_is_respected(self) -> None:
        with socket.socket(socket.AF_UNIX) as living:
            living.bind(self.path)
            living.listen()
            error = self.assertRaises(
                CannotListenError, ControlDoor(self.path, Scripted(), reactor).startService
            )
        self.assertIn("another smsd answers there", str(error))
        self.assertTrue(os.path.exists(self.path))
