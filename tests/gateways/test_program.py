"""Programs of rules: real ones, written by the tests; the clock of their time limits is the test's."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
import time
from dataclasses import replace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from smsd.gateways import program
from smsd.gateways.hooks import LONGEST, environment, event_file
from smsd.interfaces import IGateway
from smsd.values.delivery import Accepted, Failure, Kind, Piece, Scope
from smsd.values.message import Call, Text
from tests.gateways.helpers import context, piece

FACTS = (
    ("SMSD_DIRECTION", "incoming"),
    ("SMSD_FROM", "sms:+15551234567@sms.example.org"),
    ("SMSD_TO", ""),
    ("SMSD_NUMBER", "+15551234567"),
    ("SMSD_TEXT", "Grüße\nzwei"),
    ("SMSD_GATEWAY", "GSM1"),
)
SAY = "import sys; sys.stdout.write"


class Mixed:
    """Processes of the real reactor on a clock of the test's."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.seconds = self.clock.seconds
        self.lingering: Deferred[None] = Deferred()

    def callLater(self, delay: float, *arguments: Any, **options: Any) -> Any:
        if delay == program.LINGER and not self.lingering.called:
            reactor.callLater(0, self.lingering.callback, None)  # type: ignore[attr-defined]
        return self.clock.callLater(delay, *arguments, **options)

    def spawnProcess(self, *arguments: Any, **options: Any) -> Any:
        return reactor.spawnProcess(*arguments, **options)  # type: ignore[attr-defined]


class Programs(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        os.makedirs(self.folder)
        self.mixed = Mixed()
        self.clock = self.mixed.clock
        spool = lambda name: os.path.join(self.folder, name)  # noqa: E731
        self.context = replace(context(self.mixed), spool=spool)
        self.gateway = self.make()

    def make(self, **settings: Any) -> program.Programs:
        made = program.make(program.Settings(id="rules-program", **settings), self.context)
        made.startService()
        self.addCleanup(made.stopService)
        return made

    def script(self, text: str, head: str = f"#!{sys.executable} -I\n", mode: int = 0o755) -> str:
        path = os.path.join(self.folder, f"script{len(os.listdir(self.folder))}")
        with open(path, "w") as stream:
            stream.write(head + text + "\n")
        os.chmod(path, mode)
        return path

    def piece(self, path: str, *arguments: str, text: str = "", **more: Any) -> Piece:
        call = Call("program", path, arguments, text, facts=more.pop("facts", FACTS), rule="a rule", **more)
        return piece(content=call, gateway="rules-program")

    def run_(self, source: str, *arguments: str, **more: Any) -> Deferred[Accepted]:
        return self.gateway.send(self.piece(self.script(source), *arguments, **more))

    async def failure(self, done: Deferred[Accepted]) -> Failure:
        failure: Failure = await self.assertFailure(done, Failure)
        return failure

    def pipe(self) -> str:
        """A pipe with a name, for a program that tells us how far it is; see `read`."""
        path = os.path.join(self.folder, "pipe")
        os.mkfifo(path)
        return path

    def read(self, path: str) -> Deferred[str]:
        """What a program writes there."""

        def wait() -> str:
            with open(path) as stream:
                return stream.read()

        return deferToThread(wait)

    async def gone(self, pid: int) -> None:
        """Wait until a process that is no child of ours is gone."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        await deferToThread(poll.poll)
        os.close(handle)

    # -- what it gets, what it gives

    async def test_text_in_answer_out(self) -> None:
        verifyObject(IGateway, self.gateway)
        self.assertEqual(self.context.outlet.told, [("opened", 4)])
        done = await self.run_(f"{SAY}('<' + sys.stdin.read() + '>\\n')", text="Grüße\nzwei 😀")
        self.assertEqual(done, Accepted(output="<Grüße\nzwei 😀>"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.gateway.status, "1 done, 0 failed, 0 under way")

    async def test_arguments_are_not_interpreted(self) -> None:
        evil = ("$(touch x)", "a b", "; rm -rf /", "", "*", "ü\n")
        done = await self.run_(f"{SAY}(repr(sys.argv[1:]))", *evil)
        self.assertEqual(done.output, repr(list(evil)))

    async def test_environment_and_place(self) -> None:
        os.environ["SMSD_SECRET_OF_THE_SERVER"] = "x"
        self.addCleanup(os.environ.pop, "SMSD_SECRET_OF_THE_SERVER")
        done = await self.run_(
            f"import os; {SAY}(repr((os.getcwd(), os.getpgid(0) == os.getpid(), dict(os.environ))))"
        )
        where, leads, given = eval(done.output)
        self.assertEqual((where, leads), ("/", True))
        self.assertEqual(given["SMSD_TEXT"], "Grüße\nzwei")
        self.assertEqual(given["LANG"], "C.UTF-8")
        expected = {"PATH", "LANG", "SMSD_DELIVERY"} | {name for name, _ in FACTS}
        self.assertEqual({n for n in given if not n.startswith(("SMS_", "DECODED_", "PHONE_"))}, expected)

    async def test_no_file_of_the_server_is_open_in_it(self) -> None:
        with open(__file__) as stream:
            os.set_inheritable(stream.fileno(), True)
            done = await self.run_(f"import os; {SAY}(' '.join(sorted(os.listdir('/proc/self/fd'))))")
        self.assertEqual(done.output, "0 1 2 3")  # 3 is the listing itself

    async def test_signals_are_as_in_a_new_program(self) -> None:
        done = await self.run_(f"import signal; {SAY}(str(signal.getsignal(signal.SIGINT)))")
        self.assertIn("default_int_handler", done.output)
        done = await self.run_(
            "print([l for l in open('/proc/self/status') if l.startswith('SigBlk')][0].split()[1])"
        )
        self.assertEqual(int(done.output, 16), 0)

    async def test_what_gammu_tells(self) -> None:
        """A script for RunOnReceive, as its users write them."""
        done = await self.run_(
            """
import os
n = int(os.environ["DECODED_PARTS"])
if n == 0:
    text = os.environ["SMS_1_TEXT"]
else:
    text = "".join(os.environ["DECODED_%d_TEXT" % i] for i in range(1, n + 1))
print(os.environ["SMS_MESSAGES"], os.environ["PHONE_ID"], os.environ["SMS_1_NUMBER"], os.environ["SMS_1_CLASS"], text)
"""
        )
        self.assertEqual(done.output, "1 GSM1 +15551234567 -1 Grüße\nzwei")

    async def test_what_an_eventhandler_gets(self) -> None:
        """The way its users read the file, in sh."""
        path = self.script(
            'echo "$1"; grep ^From: "$2" | cut -d" " -f2; sed -e "1,/^$/ d" < "$2"; stat -c %a "$2"; echo "$2" >&2',
            head="#!/bin/sh\n",
        )
        done = await self.gateway.send(self.piece(path, "RECEIVED", "{eventfile}"))
        self.assertEqual(done.output, "RECEIVED\n15551234567\nGrüße\nzwei600")
        folder = os.path.join(self.folder, "events")
        self.assertEqual((os.listdir(folder), stat.S_IMODE(os.stat(folder).st_mode)), ([], 0o700))

    async def test_event_files_of_an_earlier_life(self) -> None:
        folder = os.path.join(self.folder, "events")
        os.makedirs(folder)
        with open(os.path.join(folder, "left"), "w") as stream:
            stream.write("x")
        self.make()
        self.assertFalse(os.path.exists(folder))

    async def test_an_event_file_that_cannot_be_written(self) -> None:
        with open(os.path.join(self.folder, "events"), "w") as stream:
            stream.write("in the way")
        failure = await self.failure(self.run_("", "{eventfile}"))
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))

    async def test_output_that_is_no_text(self) -> None:
        done = await self.run_("import sys; sys.stdout.buffer.write(b' \\xff a\\0b \\xc3\\xa9\\n\\n')")
        self.assertEqual(done.output, "\ufffd ab é")

    async def test_much_output(self) -> None:
        """100 MB: all is read, the beginning is kept, cut between two characters."""
        self.gateway = self.make(output=101)
        done = await self.run_("import sys\nfor _ in range(100): sys.stdout.write('é' * 500_000)")
        self.assertEqual(done.output, "é" * 50)

    async def test_just_enough_output(self) -> None:
        self.gateway = self.make(output=5)
        self.assertEqual((await self.run_(f"{SAY}('12345')")).output, "12345")

    # -- how it ends

    async def test_exit_codes(self) -> None:
        for code, kind, words in (
            (75, Kind.TEMPORARY, "asks to try again (exit 75): no room"),
            (1, Kind.PERMANENT, "failed (exit 1): no room"),
            (127, Kind.PERMANENT, "failed (exit 127): no room"),
        ):
            failure = await self.failure(
                self.run_(f"import sys; print('first\\nno room', file=sys.stderr); sys.exit({code})")
            )
            self.assertEqual((failure.kind, failure.scope, failure.maybe_sent), (kind, Scope.MESSAGE, False))
            self.assertIn(words, failure.reason)
        self.assertEqual(self.gateway.status, "0 done, 3 failed, 0 under way")

    async def test_a_crash(self) -> None:
        failure = await self.failure(self.run_("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
        self.assertEqual((failure.kind, failure.maybe_sent), (Kind.TEMPORARY, True))
        self.assertIn("signal 11", failure.reason)

    async def test_no_secret_in_the_reason(self) -> None:
        lines = "cannot reach http://ann:topsecret@h/?pin=1234&x=1 password=topsecret API_KEY=topsecret"
        failure = await self.failure(self.run_(f"import sys; sys.exit({lines!r})"))
        self.assertIn("http://***@h/?pin=***&x=1 password=*** API_KEY=***", failure.reason)
        self.assertNotIn("topsecret", failure.reason)

    async def test_what_cannot_be_run(self) -> None:
        for path, number in (
            (os.path.join(self.folder, "missing"), errno.ENOENT),
            (self.folder, errno.EACCES),
            (self.script("", mode=0o644), errno.EACCES),
            (self.script("echo a shell ran this", head=""), errno.ENOEXEC),
            (self.script("", head="#!/no/such/interpreter\n"), errno.ENOENT),
        ):
            failure = await self.failure(self.gateway.send(self.piece(path)))
            self.assertEqual(
                (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.MESSAGE, False)
            )
            self.assertEqual(failure.reason, f"{path} cannot be run: {os.strerror(number)}")

    async def test_too_large_arguments(self) -> None:
        failure = await self.failure(self.run_("", "x" * 200_000))
        self.assertEqual(failure.kind, Kind.PERMANENT)
        self.assertIn("too long", failure.reason)

    async def test_no_room_for_a_process(self) -> None:
        def full(*arguments: Any, **options: Any) -> None:
            raise BlockingIOError(errno.EAGAIN, "x")

        self.mixed.spawnProcess = full  # type: ignore[method-assign]
        failure = await self.failure(self.run_(""))
        self.assertEqual((failure.kind, failure.scope), (Kind.TEMPORARY, Scope.GATEWAY))

    async def test_not_an_absolute_path(self) -> None:
        failure = await self.failure(self.gateway.send(self.piece("handler")))
        self.assertEqual(failure.kind, Kind.PERMANENT)
        self.assertIn("write the whole path", failure.reason)

    async def test_other_contents(self) -> None:
        for content in (Text("x"), Call("url", "http://127.0.0.1/")):
            failure = await self.failure(self.gateway.send(piece(content=content)))
            self.assertEqual(failure.kind, Kind.PERMANENT)

    # -- what does not end

    async def test_too_long(self) -> None:
        """TERM is enough for most."""
        path = self.pipe()
        done = self.run_("import sys, time; open(sys.argv[1], 'w').close(); time.sleep(1000)", path)
        await self.read(path)
        self.clock.advance(29.9)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        failure = await self.failure(done)
        self.assertEqual(
            (failure.kind, failure.scope, failure.maybe_sent), (Kind.TEMPORARY, Scope.MESSAGE, True)
        )
        self.assertIn("longer than 30 s", failure.reason)

    async def test_ignores_term_and_so_do_its_children(self) -> None:
        path = self.pipe()
        done = self.run_(
            """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    with open(sys.argv[1], "w") as stream:
        stream.write(f"{os.getpid()} {child}")
while True:
    time.sleep(1000)
""",
            path,
        )
        pids = [int(word) for word in (await self.read(path)).split()]
        self.clock.advance(30)
        self.clock.advance(program.KILL_AFTER)
        failure = await self.failure(done)
        self.assertTrue(failure.maybe_sent)
        for pid in pids:
            await self.gone(pid)

    async def test_children_that_ignore_term_end_with_their_parent(self) -> None:
        path = self.pipe()
        done = self.run_(
            """
import os, signal, sys, time
child = os.fork()
if not child:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(sys.argv[1], "w") as stream:
        stream.write(str(os.getpid()))
time.sleep(1000)
""",
            path,
        )
        pid = int(await self.read(path))
        self.clock.advance(30)
        await self.failure(done)
        await self.gone(pid)

    async def test_what_cannot_be_ended(self) -> None:
        """It hangs in the kernel, say: we do not wait for ever."""
        path = self.pipe()
        done = self.run_(
            "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(1000)", path
        )
        pid = int(await self.read(path))
        self.patch(os, "killpg", lambda group, number: None)
        self.clock.pump([30, program.KILL_AFTER, program.GIVE_UP_AFTER])
        self.assertTrue(self.failureResultOf(done, Failure).value.maybe_sent)
        os.kill(pid, 9)
        await self.mixed.lingering
        self.clock.advance(program.LINGER)

    async def test_never_reads_its_input(self) -> None:
        done = await self.run_("print('done')", text="x" * 1_000_000)
        self.assertEqual(done.output, "done")

    async def test_closes_everything_and_goes_on(self) -> None:
        path = self.pipe()
        done = self.run_(
            "import os, sys, time; [os.close(n) for n in (0, 1, 2)]; open(sys.argv[1], 'w').close(); time.sleep(1000)",
            path,
            text="x" * 1_000_000,
        )
        await self.read(path)
        self.clock.advance(30)
        await self.failure(done)

    async def test_a_child_in_the_background_holds_the_output(self) -> None:
        """The answer is what the program itself said; the child goes on."""
        path = self.pipe()
        done = self.run_(
            """
import os, sys, time
print("done", flush=True)
if not os.fork():
    with open(sys.argv[1], "w") as stream:
        stream.write(str(os.getpid()))
    time.sleep(1000)
""",
            path,
            text="x" * 1_000_000,
        )
        pid = int(await self.read(path))
        self.addCleanup(os.kill, pid, 9)
        await self.mixed.lingering
        self.assertNoResult(done)
        before = len(os.listdir("/proc/self/fd"))
        self.clock.advance(program.LINGER)
        self.assertEqual(self.successResultOf(done).output, "done")
        self.assertTrue(os.path.exists(f"/proc/{pid}"))
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 3)  # its input, output and errors

    async def test_stop_waits(self) -> None:
        path = self.pipe()
        done = self.run_("import sys; open(sys.argv[1], 'w').close(); print('done')", path)
        stopped = self.gateway.stopService()
        self.assertNoResult(stopped)
        await self.read(path)
        await stopped
        self.assertEqual((await done).output, "done")


class Told(SynchronousTestCase):
    """The two ways to tell a program of a message."""

    def call(self, *facts: tuple[str, str], text: str = "the text") -> Call:
        return Call("program", "/bin/true", (), text, facts=facts)

    def test_nobody_else_names_a_variable(self) -> None:
        call = self.call(
            ("LD_PRELOAD", "x"), ("PATH", "x"), ("SMSD_A=B", "x"), ("SMSD_X", "y"), ("SMS_1_TEXT", "x")
        )
        given = environment(call, piece())
        self.assertNotIn("LD_PRELOAD", given)
        self.assertNotIn("SMSD_A=B", given)
        self.assertEqual((given["SMSD_X"], given["SMS_1_TEXT"]), ("y", "the text"))
        self.assertTrue(given["PATH"].startswith("/usr/local/sbin:"))

    def test_what_may_have_run_before_is_told(self) -> None:
        self.assertNotIn("SMSD_MAYBE_TWICE", environment(self.call(), piece()))
        given = environment(self.call(), piece(maybe_twice=True))
        self.assertEqual((given["SMSD_MAYBE_TWICE"], given["SMSD_DELIVERY"]), ("1", "77"))

    def test_long_values_are_cut_between_characters(self) -> None:
        given = environment(self.call(("SMSD_TEXT", "é" * LONGEST)), piece())
        self.assertEqual(given["SMSD_TEXT"], "é" * (LONGEST // 2))

    def test_a_lone_surrogate_and_a_nul(self) -> None:
        given = environment(self.call(("SMSD_TEXT", "a\0b"), ("SMSD_SUBJECT", "\ud800")), piece())
        self.assertEqual(given["SMSD_TEXT"], "ab")

    def test_when_it_was_written(self) -> None:
        self.patch(time, "localtime", time.gmtime)
        given = environment(self.call(), piece(headers=(("date", "1704103200000"),)))
        self.assertEqual(given["SMS_1_TIMESTAMP"], "1704103200")
        self.assertTrue(given["SMS_1_DATETIME"].startswith("2024-01-01T10:00:00"))
        self.assertEqual(environment(self.call(), piece(headers=()))["SMS_1_TIMESTAMP"], "1704103201")

    def test_an_incoming_event(self) -> None:
        self.patch(time, "localtime", time.gmtime)
        file = event_file(self.call(*FACTS), piece()).decode()
        self.assertEqual(
            file,
            "From: 15551234567\nFrom_TOA: 91 international, ISDN/telephone\nSent: 24-01-01 10:00:00\n"
            "Received: 24-01-01 10:00:01\nSubject: GSM1\nModem: GSM1\nReport: no\nAlphabet: UTF-8\nLength: 10\n"
            "\nGrüße\nzwei",
        )

    def test_an_outgoing_event(self) -> None:
        facts = (("SMSD_DIRECTION", "outgoing"), ("SMSD_FROM", "ann@example.org"), ("SMSD_NUMBER", "+1555"))
        file = event_file(self.call(*facts), piece()).decode()
        self.assertTrue(file.startswith("From: ann@example.org\nTo: 1555\n"), file)

    def test_nobody_writes_a_header(self) -> None:
        facts = (("SMSD_NUMBER", "Evil\nTo: 1\r\n\nx"),)
        file = event_file(self.call(*facts), piece()).decode()
        self.assertTrue(file.startswith("From: Evil To: 1 x\nFrom_TOA: D0 alphanumeric, unknown\n"), file)
