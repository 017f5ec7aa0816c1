"""smsd as the system sees it: signals, privileges, daemon, systemd. Every test starts the real `twistd smsd`."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import site
import socket
import ssl
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.rig.processes import ROOT, Folder, Process, environment, free_port, listening, until
from tests.rig.server import RUN, Server

NOWHERE = {"id": "nowhere", "type": "loopback"}
AS_ROOT = os.getuid() == 0
STOPPED = (0, -signal.SIGTERM)
"""twistd stops in order and then ends by the signal that it got, which is what supervisors expect."""


class System(SynchronousTestCase):
    """A folder, and a server in it that is gone when the test is over."""

    def setUp(self) -> None:
        self.place = Folder()
        self.addCleanup(self.place.close)

    def server(self, *gateways: dict[str, Any], **extra: Any) -> Server:
        made = Server(self.place.path / "s", gateways or (NOWHERE,), extra=extra)
        self.addCleanup(lambda: made.process and made.process.kill())
        return made

    def running(self, *gateways: dict[str, Any], **extra: Any) -> Server:
        made = self.server(*gateways, **extra)
        made.start()
        made.ready()
        until(lambda: "takes messages" in self.output(made), 20, "the end of the start", made.process)
        return made

    def output(self, server: Server) -> str:
        assert server.process is not None
        return server.process.log.read_text("utf-8", "replace")

    def change(self, server: Server, **sections: Any) -> None:
        """Write other sections into the configuration file."""
        settings = json.loads(server.file.read_text())
        server.file.write_text(json.dumps({**settings, **sections}, indent=1))

    def hang_up(self, server: Server, expected: str) -> None:
        """SIGHUP, and wait until the log says `expected` once more than before."""
        assert server.process is not None
        before = self.output(server).count(expected)
        os.kill(server.process.pid, signal.SIGHUP)
        until(
            lambda: self.output(server).count(expected) > before,
            20,
            f"{expected!r} in the log",
            server.process,
        )


class Mailer:
    """A session with the mail door, by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")
        self.answer()

    def answer(self) -> str:
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line

    def say(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def send(server: Server, user: str = "demo", number: str = "%2B15551234567") -> str:
    url = f"http://127.0.0.1:{server.http}/sms/?user={user}&pass=demo&number={number}&data=hi"
    with urllib.request.urlopen(url, timeout=120) as answer:
        text: str = answer.read().decode()
    return text


class Reload(System):
    def test_nothing_is_dropped(self) -> None:
        """A connection from before a reload works after it, whether its listener was changed or not."""
        server = self.running()
        mailer = Mailer(server.smtp)
        self.addCleanup(mailer.close)
        self.assertEqual(mailer.say("EHLO here")[:3], "250")

        accounts = json.loads(server.file.read_text())["accounts"]
        self.change(server, accounts=[*accounts, {"user": "second", "password": "demo", "demo": True}])
        self.hang_up(server, "is in force")
        self.assertEqual(mailer.say("NOOP")[:3], "250")
        self.assertIn("OK", send(server, "second"))

        listeners = json.loads(server.file.read_text())["listeners"]
        listeners[1]["error_limit"] = 20
        more = {"id": "more", "type": "loopback"}
        self.change(server, listeners=listeners, gateways=[NOWHERE, more])
        self.hang_up(server, "is in force")
        self.assertEqual(mailer.say("NOOP")[:3], "250")
        newer = Mailer(server.smtp)
        self.addCleanup(newer.close)
        self.assertEqual(newer.say("EHLO there")[:3], "250")
        self.assertIn("OK", send(server, number="%2B15551234567@more"))

    def test_connections_during_many_reloads(self) -> None:
        """Clients that come while listeners are being replaced are served, every one."""
        server = self.running()
        listeners = json.loads(server.file.read_text())["listeners"]
        for limit in range(20, 30):
            listeners[0]["max_connections"] = limit
            self.change(server, listeners=listeners)
            assert server.process is not None
            os.kill(server.process.pid, signal.SIGHUP)
            for _ in range(5):
                self.assertIn("OK", send(server))

    def test_a_broken_file_leaves_the_running_one_in_force(self) -> None:
        server = self.running()
        good = server.file.read_text()
        server.file.write_text(good.replace('"type": "loopback"', '"type": "lopback"'))
        self.hang_up(server, "the running configuration stays in force")
        self.assertRegex(
            self.output(server), r"smsd\.yaml:\d+:\d+: gateways\[0\]\.type: there is no type 'lopback'"
        )
        self.assertIn("OK", send(server))

    def test_a_renewed_certificate(self) -> None:
        """The file of an `ssl:` endpoint is read again at a reload, and only then is its listener replaced."""
        server = self.server()
        pem = self.place.path / "tls.pem"
        make_certificate(pem)
        settings = json.loads(server.file.read_text())
        settings["listeners"][0]["listen"] = [
            f"ssl:{server.http}:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
        ]
        self.change(server, listeners=settings["listeners"])
        server.start()
        server.ready()
        until(lambda: "takes messages" in self.output(server), 20, "the end of the start", server.process)
        first = ssl.get_server_certificate(("127.0.0.1", server.http))
        self.hang_up(server, "is in force")
        self.assertEqual(ssl.get_server_certificate(("127.0.0.1", server.http)), first)
        make_certificate(pem)
        self.hang_up(server, "is in force")
        second = ssl.get_server_certificate(("127.0.0.1", server.http))
        self.assertNotEqual(second, first)
        # One that is no certificate leaves the listener as it is.
        pem.write_text("nothing")
        self.hang_up(server, "is in force")
        self.assertIn("reload: door web: ", self.output(server))
        self.assertEqual(ssl.get_server_certificate(("127.0.0.1", server.http)), second)

    def test_a_removed_gateway_and_listener(self) -> None:
        server = self.running(NOWHERE, {"id": "more", "type": "loopback"})
        settings = json.loads(server.file.read_text())
        self.change(server, gateways=[NOWHERE], listeners=settings["listeners"][:1])
        self.hang_up(server, "is in force")
        self.assertFalse(listening(server.smtp))
        self.assertEqual([gateway["id"] for gateway in server.ask("status")["gateways"]], ["nowhere"])
        self.assertIn("OK", send(server))


class Stop(System):
    def test_what_is_on_the_wire_finishes(self) -> None:
        server = self.running({**NOWHERE, "delay": "1.5"})

        def on_the_wire() -> bool:
            if not server.waiting():
                send(server)  # the first, or the one before was over before we looked
            return bool(server.rows("select 1 from delivery where state=1"))

        until(on_the_wire, 20, "a message on the wire", server.process)
        self.assertIn(server.stop(), STOPPED)
        self.assertEqual(server.rows("select distinct state from delivery"), [(2,)])
        self.assertFalse((server.folder / "var" / "control.sock").exists())

    def test_one_server_per_store(self) -> None:
        server = self.running()
        second = Process(
            "second", [sys.executable, *RUN, "-n", "--pidfile=", "smsd", "-c", str(server.file)],
            server.folder / "second.out", cwd=server.folder, env=environment(),
        )  # fmt: skip
        self.addCleanup(second.kill)
        self.assertEqual(second.wait(120), 1)
        self.assertIn("is in use: another smsd runs on this store", second.tail())
        self.assertIn("OK", send(server))

    def test_a_port_that_is_taken(self) -> None:
        server = self.server()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", server.http))
            taken.listen()
            process = server.start()
            self.assertEqual(process.wait(120), 1)
        self.assertIn("Address already in use", process.tail())

    def test_mistakes_in_the_configuration(self) -> None:
        server = self.server(NOWHERE, sever={"name": "x"})
        process = server.start()
        self.assertEqual(process.wait(120), 1)
        self.assertRegex(process.tail(), r"smsd\.yaml:\d+:\d+: sever: unknown section")


class Daemon(System):
    def test_pid_file_and_logs(self) -> None:
        server = self.server()
        command = [sys.executable, *RUN, "smsd", "-c", str(server.file)]
        # The daemon must not keep this pipe open: a shell that starts it would wait for ever.
        done = subprocess.run(
            command, cwd=server.folder, env=environment(), capture_output=True, timeout=120, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        pid_file = server.folder / "var" / "smsd.pid"
        pid = int(pid_file.read_text())
        self.addCleanup(_kill, pid)
        log = server.folder / "var" / "log" / "main.log"
        until(lambda: log.exists() and "takes messages" in log.read_text(), 20, "the end of the start")
        self.assertIn("OK", send(server))
        self.assertEqual(sorted(os.listdir(server.folder)), ["smsd.yaml", "var"])
        os.kill(pid, signal.SIGTERM)
        until(lambda: not pid_file.exists(), 20, "the end of the daemon")
        self.assertIn("smsd has stopped", log.read_text())

    def test_who_starts_it_is_told_that_it_could_not(self) -> None:
        server = self.server()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", server.http))
            taken.listen()
            done = subprocess.run(
                [sys.executable, *RUN, "smsd", "-c", str(server.file)],
                cwd=server.folder, env=environment(), capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(f"Couldn't listen on 127.0.0.1:{server.http}", done.stderr)
        pid_file = server.folder / "var" / "smsd.pid"
        until(lambda: not pid_file.exists(), 20, "the end of the daemon")

    @unittest.skipUnless(AS_ROOT, "only root can give up root")
    def test_privileges_are_dropped(self) -> None:
        python = interpreter_for("nobody")
        first = os.getpid()  # another run of the tests begins elsewhere
        port = next(port for n in range(23) if not listening(port := 1000 + (first + n) % 23))
        self.place.path.chmod(0o755)
        server = self.server(server={"name": "sms.example.org", "folder": "var", "user": "nobody"})
        listeners = json.loads(server.file.read_text())["listeners"]
        listeners[0]["listen"] = [f"tcp:{port}:interface=127.0.0.1"]
        self.change(server, listeners=listeners)
        server.http = port
        process = server.start(prefix=python)
        server.ready()
        until(lambda: "takes messages" in self.output(server), 20, "the end of the start", process)
        nobody = pwd.getpwnam("nobody")
        status = Path(f"/proc/{process.pid}/status").read_text()
        self.assertIn("Uid:" + f"\t{nobody.pw_uid}" * 4, status)
        self.assertIn("Gid:" + f"\t{nobody.pw_gid}" * 4, status)
        owners = {path.stat().st_uid for path in (server.folder / "var").rglob("*")}
        self.assertEqual(owners, {nobody.pw_uid})
        # The port below 1024 outlives a reload that replaces its listener, without root.
        listeners[0]["max_connections"] = 7
        self.change(server, listeners=listeners)
        self.hang_up(server, "is in force")
        self.assertIn("OK", send(server))
        self.assertIn(server.stop(), STOPPED)


class Systemd(System):
    def notified(self, address: str) -> None:
        """Start, reload and stop under a supervisor that listens at `address`."""
        supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(supervisor.close)
        supervisor.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        supervisor.settimeout(120)
        server = self.server()
        server.start(prefix=["env", f"NOTIFY_SOCKET={address}"])
        self.assertIn("READY=1", supervisor.recv(4096).decode())
        self.assertTrue(listening(server.http), "ready means that the doors are open")
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGHUP)
        self.assertRegex(supervisor.recv(4096).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertIn("READY=1", supervisor.recv(4096).decode())
        server.process.terminate()
        self.assertIn("STOPPING=1", supervisor.recv(4096).decode())

    def test_notify(self) -> None:
        self.notified(str(self.place.path / "notify"))

    def test_notify_at_an_abstract_address(self) -> None:
        self.notified(f"@smsd-test-{os.getpid()}")

    def test_watchdog(self) -> None:
        address = str(self.place.path / "notify")
        supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(supervisor.close)
        supervisor.bind(address)
        supervisor.settimeout(120)
        self.server().start(prefix=["env", f"NOTIFY_SOCKET={address}", "WATCHDOG_USEC=200000"])
        heard = [supervisor.recv(4096) for _ in range(4)]
        self.assertGreaterEqual(heard.count(b"WATCHDOG=1"), 2)

    def test_socket_activation(self) -> None:
        """systemd's own tool opens the ports; they outlive a reload of their listeners."""
        tool = shutil.which("systemd-socket-activate")
        if tool is None:
            raise unittest.SkipTest("systemd-socket-activate is not installed")
        server = self.server()
        listeners = json.loads(server.file.read_text())["listeners"]
        for number, listener in enumerate(listeners):
            listener["listen"] = [f"systemd:domain=INET:index={number}"]
        account = {"user": "ann", "networks": ["127.0.0.0/8"]}
        self.change(server, listeners=listeners, accounts=[account])
        server.http, server.smtp = free_port(), free_port()
        ports = (f"127.0.0.1:{server.http}", f"127.0.0.1:{server.smtp}")
        passed = [f"--setenv={key}" for key in ("PYTHONPATH", "PYTHONUNBUFFERED", "PATH")]
        server.start(prefix=[tool, *(f"--listen={port}" for port in ports), "--fdname=web:mail", *passed])
        until(lambda: listening(server.http), 20, "the ports", server.process)
        self.assertIn("OK", send(server, "ann"))
        for limit in ("7", "8", "9"):
            listeners[0]["max_connections"] = limit
            self.change(server, listeners=listeners)
            self.hang_up(server, "is in force")
            self.assertIn("OK", send(server, "ann"))
        mailer = Mailer(server.smtp)
        self.addCleanup(mailer.close)
        self.assertEqual(mailer.say("EHLO here")[:3], "250")
        self.assertIn(server.stop(), STOPPED)

    def test_a_socket_that_systemd_did_not_hand_over(self) -> None:
        server = self.server()
        listeners = json.loads(server.file.read_text())["listeners"]
        listeners[0]["listen"] = ["systemd:domain=INET:index=0"]
        self.change(server, listeners=listeners, accounts=[])
        process = server.start()
        self.assertEqual(process.wait(120), 1)
        self.assertIn("systemd has not handed over this socket", process.tail())

    def test_units(self) -> None:
        """systemd-analyze finds nothing wrong with the units, once the paths of this machine are in them."""
        tool = shutil.which("systemd-analyze")
        if tool is None:
            raise unittest.SkipTest("systemd-analyze is not installed")
        for name in ("smsd.service", "smsd.socket"):
            text = (ROOT / "etc" / name).read_text()
            changed = re.sub(r"/opt/smsd/bin/twistd", shutil.which("true") or "/bin/true", text)
            (self.place.path / name).write_text(changed)
            command = [tool, "verify", "--man=no", str(self.place.path / name)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


def make_certificate(path: Path) -> None:
    """A new key and its certificate in one PEM file."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-keyout", "-", "-out", "-"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    path.write_bytes(done.stdout)


def interpreter_for(user: str) -> list[str]:
    """A prefix that makes the server run with an interpreter that `user` can read (one in root's home, nobody can)."""
    path = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    # The shell drops our own interpreter from the command and takes the system's.
    system = ["env", f"PYTHONPATH={path}", "sh", "-c", 'shift; exec /usr/bin/python3 "$@"', "sh"]
    for prefix in ([], system):
        command = [
            "runuser",
            "-u",
            user,
            "--",
            *prefix,
            sys.executable,
            "-c",
            "import smsd.tap, importlib.readers",
        ]
        done = subprocess.run(
            command, cwd="/", env=environment(), capture_output=True, timeout=120, check=False
        )
        if done.returncode == 0:
            return prefix
    raise unittest.SkipTest(f"{user} can read no Python that has the packages smsd needs")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
