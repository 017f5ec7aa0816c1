"""A spool folder, over a real store and real files: taken, told, refused; and what a crash between any two steps leaves."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import replace
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.python.failure import Failure as Failed
from twisted.trial.unittest import SynchronousTestCase

from smsd.config.spool import SpoolSettings
from smsd.core.inbound import Arrivals
from smsd.core.spool import files
from smsd.core.spool.fates import fail_file
from smsd.frontends import spool as door_module
from smsd.gateways import spool as gateway_module
from smsd.interfaces import MessageIn
from smsd.values.delivery import Accepted, Failure, Kind, NetworkReport
from smsd.values.message import Text
from tests.frontends.fakes import context
from tests.gateways.helpers import context as gateway_context
from tests.house import House

FILE = b"To: 491721234567\n\nhello"


class Pool:
    """Threads that are none."""

    def callInThreadWithCallback(self, done: Any, call: Any, *args: Any, **options: Any) -> None:
        try:
            result = call(*args, **options)
        except Exception:
            done(False, Failed())
        else:
            done(True, result)


class Reactor:
    """The house's clock, with a pool."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def getThreadPool(self) -> Pool:
        return Pool()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)


class SpoolCase(SynchronousTestCase):
    dialect = "smstools"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="smsd-spool-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.begin(House())
        self.addCleanup(lambda: self.end())

    def begin(self, house: House, **said: Any) -> None:
        self.house = house
        settings = SpoolSettings(
            id="files", type="spool", folder=self.folder, dialect=self.dialect, queues={"D1": "gsm1"}, **said
        )  # fmt: skip
        reactor = Reactor(house.clock)
        given = gateway_module.Settings(id="spool", type="spool", doors=(settings,))
        self.gateway = gateway_module.make(given, replace(gateway_context(reactor), outlet=None))
        outlet = house.queue.outlet("spool", self.gateway.abilities)
        outlet.gateway = self.gateway
        self.gateway._context = replace(self.gateway._context, outlet=outlet)
        known = context(
            reactor=reactor, dispatcher=house.dispatcher, inbound=house.inbound, gateways=frozenset({"gsm1"})
        )
        self.door = door_module.make(settings, known)
        house.open(slots=5)
        self.gateway.startService()
        self.door.startService()
        self.settle()

    def end(self) -> None:
        self.house.wait(self.door.stopService())
        self.house.wait(maybeDeferred(self.gateway.stopService))
        self.house.close()

    def settle(self) -> None:
        for _ in range(4):
            self.house.settle()

    def look(self, seconds: float = 1.1) -> None:
        for _ in range(3):
            self.house.clock.advance(seconds)
            self.settle()

    def put(self, name: str, octets: bytes = FILE, kind: str = "outgoing") -> str:
        path = os.path.join(self.door.settings.place(kind), name)
        with open(path, "wb") as stream:
            stream.write(octets)
        return path

    def there(self, kind: str) -> dict[str, bytes]:
        found = {}
        place = self.door.settings.place(kind)
        for name in os.listdir(place):
            with open(os.path.join(place, name), "rb") as stream:
                found[name] = stream.read()
        return found

    def texts(self) -> list[str]:
        return [piece.content.text for piece in self.house.gsm.pieces]


class StrangeFilesCase(SpoolCase):
    """Whoever may write into the folders gets nothing by it that he may not, and stops nobody else's files."""

    dialect = "gammu"

    def test_names_as_long_as_they_may_be_stop_nobody(self) -> None:
        self.put("OUT" + "1" * 248 + ".txt", b"hello")
        self.put("OUT+491721234567.txt", b"hello")
        self.look()
        self.assertEqual(self.texts(), ["hello"])
        self.assertEqual(self.there("outgoing"), {})
        (why,) = (text for name, text in self.there("failed").items() if name.endswith(".why"))
        self.assertIn(b"longer than 200 octets", why)

    def test_a_bad_file_that_cannot_be_moved_stops_nobody(self) -> None:
        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        self.patch(door_module, "fail_file", full)
        self.put("OUTbad.txt", b"hello")
        self.put("OUT+491721234567.txt", b"hello")
        self.look()
        self.assertEqual(self.texts(), ["hello"])
        self.assertEqual(list(self.there("outgoing")), ["OUTbad.txt"])
        self.patch(door_module, "fail_file", fail_file)
        self.look(door_module.STUCK)
        self.assertEqual(self.there("outgoing"), {})

    def test_nothing_is_made_that_runs_as_the_server(self) -> None:
        os.chmod(self.put("OUTbad.txt", b"\x7fELF"), 0o6755)
        self.look()
        mode = os.stat(os.path.join(self.door.settings.place("failed"), "OUTbad.txt")).st_mode
        self.assertEqual(mode & 0o7777, 0o644)

    def test_links_are_not_followed_to_write(self) -> None:
        victim = os.path.join(self.folder, "victim")
        with open(victim, "wb") as stream:
            stream.write(b"mine")
        failed = self.door.settings.place("failed")
        for name in ("OUTbad.txt", ".OUTbad.txt.tmp"):
            os.symlink(victim, os.path.join(failed, name))
        files.write(os.path.join(failed, "probe"), b"x")
        self.patch(os, "unlink", lambda path: None)  # whoever is quick lays it again
        digest = hashlib.sha256(b"other").hexdigest()[:16]
        os.symlink(victim, os.path.join(failed, f".smsd-{digest}.tmp"))
        self.assertRaises(OSError, files.write, os.path.join(failed, "other"), b"x")
        self.put("OUTbad.txt", b"hello")
        self.look()
        with open(victim, "rb") as stream:
            self.assertEqual(stream.read(), b"mine")

    def test_what_stands_in_checked_instead_of_a_file_is_not_read(self) -> None:
        secret = os.path.join(self.folder, "secret")
        with open(secret, "wb") as stream:
            stream.write(b"secret")
        checked, sent = self.door.settings.place("checked"), self.door.settings.place("sent")
        os.symlink(secret, os.path.join(checked, "a.1"))
        os.mkfifo(os.path.join(checked, "b.1"))
        for name in ("a.1", "b.1"):
            self.assertIsNone(files.source(self.door.settings.place("outgoing"), checked, name))
            with self.assertRaises(OSError):
                files.finish(os.path.join(checked, name), sent, name, bytes, "1")
        self.assertEqual(os.listdir(sent), [])


class SmsToolsCase(SpoolCase):
    def test_sent(self) -> None:
        self.put("send_1")
        self.look()
        (piece,) = self.house.gsm.pieces
        self.assertEqual((piece.target.target, piece.content), ("+491721234567", Text("hello")))
        self.assertEqual((self.there("outgoing"), self.there("checked"), self.there("failed")), ({}, {}, {}))
        self.assertIn(b"Modem: gsm1\nSent: ", self.there("sent")["send_1"])
        self.look()
        self.assertEqual(len(self.house.gsm.pieces), 1)

    def test_what_is_on_its_way_is_in_checked(self) -> None:
        self.house.gsm.manual = True
        self.put("send_1")
        self.look()
        ((name, octets),) = self.there("checked").items()
        self.assertTrue(name.startswith("send_1."))
        self.assertEqual(octets, FILE)
        self.house.gsm.release(Failure(Kind.PERMANENT, "no such number"))
        self.settle()
        self.assertEqual(self.there("checked"), {})
        self.assertIn(b"Fail_reason: no such number", self.there("failed")["send_1"])

    def test_half_written_files_are_left_alone(self) -> None:
        self.put("empty", b"")
        self.put(".hidden")
        self.put("locked.LOCK")
        os.symlink("/etc/passwd", os.path.join(self.door.settings.place("outgoing"), "link"))
        os.mkdir(os.path.join(self.door.settings.place("outgoing"), "folder"))
        for number in range(5):
            self.put("growing", FILE + b"x" * number)
            self.house.clock.advance(0.9)
            self.settle()
        self.assertEqual(self.texts(), [])
        self.look()
        self.assertEqual(self.texts(), ["helloxxxx"])
        self.assertEqual(
            sorted(self.there_names("outgoing")), [".hidden", "empty", "folder", "link", "locked.LOCK"]
        )

    def there_names(self, kind: str) -> list[str]:
        return os.listdir(self.door.settings.place(kind))

    def test_a_file_that_was_moved_here_is_whole(self) -> None:
        self.put("send_1")
        self.door._noticed("send_1")
        self.settle()
        self.assertEqual(self.texts(), ["hello"])

    def test_bad_files(self) -> None:
        self.put("a", b"rubbish")
        self.put("b", b"To: nobody at all\n\nx")
        self.put("c", b"To: 491721234567\nQueue: nowhere\n\nx")
        self.put("d", b"x" * 70_000)
        self.put("e", b"To: 491721234567\nInclude: /etc/passwd\n\n")
        self.put("f")
        self.look()
        failed = self.there("failed")
        for name, why in (
            ("a", b"no header"), ("b", b"Fail_reason"), ("c", b"no gateway for Provider"), ("d.why", b"larger than"),
            ("e", b"not read here"),
        ):  # fmt: skip
            self.assertIn(why, failed[name], name)
        self.assertEqual(self.texts(), ["hello"])
        self.assertEqual(self.there("outgoing"), {})

    def test_two_files_of_one_name(self) -> None:
        self.house.gsm.manual = True
        self.put("send", FILE + b"1")
        self.look()
        self.put("send", FILE + b"2")
        self.look()
        self.assertEqual(len(self.there("checked")), 2)
        self.house.gsm.manual = False
        while self.house.gsm.pending:
            self.house.gsm.release()
            self.settle()
        self.look()
        self.assertEqual(len(self.there("sent")), 2)
        self.assertEqual(sorted(self.texts()), ["hello1", "hello2"])

    def test_a_crash_before_the_move(self) -> None:
        """The message is committed and the file still lies there: the next life knows it."""
        self.patch(files, "take", lambda *args: None)
        self.house.gsm.manual = True
        self.put("send_1")
        self.look()
        self.assertEqual(list(self.there("outgoing")), ["send_1"])
        self.house.gsm.manual = False
        self.house.gsm.pending.clear()
        self.house.outlet("gsm1").on_wire.clear()
        self.house.wait(self.door.stopService())
        self.begin(self.house.crash())
        self.look()
        self.assertEqual(len(self.house.rows(target="491721234567")), 1)
        self.assertEqual(list(self.there("sent")), ["send_1"])
        self.assertEqual(self.there("outgoing"), {})

    def test_a_crash_while_the_result_is_written(self) -> None:
        self.put("send_1")
        unlink = os.unlink
        self.patch(os, "unlink", lambda path: (_ for _ in ()).throw(OSError(5, "the machine is off")))
        self.look()
        self.assertEqual((len(self.there("checked")), len(self.there("sent"))), (1, 1))
        self.patch(os, "unlink", unlink)
        for _ in range(40):
            self.house.clock.advance(5)
            self.settle()
        self.assertEqual((len(self.there("checked")), len(self.there("sent"))), (0, 1))

    def test_reports(self) -> None:
        self.house.gsm.answer = lambda piece: Accepted("117")
        self.put("send_1", b"To: 491721234567\nReport: yes\n\nhello")
        self.look()
        self.assertEqual(list(self.there("sent")), ["send_1"])
        outlet = self.house.outlet("gsm1")
        self.house.wait(outlet.reported(NetworkReport("117", "+491721234567", "delivered")))
        self.settle()
        (octets,) = self.there("report").values()
        self.assertIn(b"SMS STATUS REPORT\nMessage_id: 117\n", octets)
        self.assertIn(b"Status: 0,Ok", octets)

    def test_what_phones_write(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("spool:files", "%s", None)
        for _ in range(2):
            self.house.wait(
                self.house.inbound.message(MessageIn("gsm1", "+491721234567", Text("grüße"), id="7"))
            )
        self.settle()
        ((name, octets),) = self.there("incoming").items()
        self.assertTrue(name.startswith("gsm1."))
        self.assertTrue(octets.endswith("\n\ngrüße".encode("iso-8859-15")))
        self.assertIn(b"From: 491721234567\n", octets)

    def test_several_sms_of_one_file(self) -> None:
        self.put("send_1", b"To: 491721234567\nAutosplit: 2\n\n" + b"0123456789" * 40)
        self.look()
        self.assertEqual([text[:4] for text in self.texts()], ["1/3 ", "2/3 ", "3/3 "])
        self.assertEqual(list(self.there("sent")), ["send_1"])

    def test_what_became_of_it_waits_for_a_reload(self) -> None:
        self.house.gsm.manual = True
        self.put("send_1")
        self.look()
        self.house.wait(self.house.queue.remove("spool"))
        self.house.gsm.release()
        self.settle()
        self.assertEqual(len(self.there("checked")), 1)
        outlet = self.house.queue.outlet("spool", self.gateway.abilities)
        outlet.gateway = self.gateway
        outlet.opened(1)
        self.settle()
        self.assertEqual(list(self.there("sent")), ["send_1"])

    def test_files_wait_for_a_gateway(self) -> None:
        self.house.wait(self.house.queue.remove("gsm1"))
        self.put("send_1")
        self.look()
        self.assertEqual((list(self.there("outgoing")), self.there("failed")), (["send_1"], {}))


class GammuCase(SpoolCase):
    dialect = "gammu"

    def test_sent_and_failed(self) -> None:
        self.put("OUTC20261121_173659_00_+15551234567_x.txtd", "grüße".encode())
        self.put("OUT+15551234568.txtb", b"a bookmark,http://example.org")
        self.put("readme.txt", b"left alone")
        self.look()
        self.assertEqual(self.texts(), ["grüße"])
        self.assertEqual(list(self.there("sent")), ["OUTC20261121_173659_00_+15551234567_x.txtd"])
        self.assertEqual(list(self.there("outgoing")), ["readme.txt"])
        failed = self.there("failed")
        self.assertEqual(failed["OUT+15551234568.txtb"], b"a bookmark,http://example.org")
        self.assertIn(b"bookmarks", failed["OUT+15551234568.txtb.why"])

    def test_what_phones_write(self) -> None:
        self.house.inbound.arriving.arrivals["gsm1"] = Arrivals("spool:files", "%s", None)
        self.house.wait(self.house.inbound.message(MessageIn("gsm1", "+15551234567", Text("grüße"))))
        self.settle()
        ((name, octets),) = self.there("incoming").items()
        self.assertRegex(name, r"IN\d{8}_\d{6}_\d{8}_\+15551234567_00.txt")
        self.assertEqual(octets.decode("utf-16"), "grüße")
