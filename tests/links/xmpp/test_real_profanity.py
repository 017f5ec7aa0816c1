"""A whole session of profanity, a chat program of text mode, recorded: docs/sessions/profanity.txt is what stands on its screen.

The test plays the session again and compares. `SMSD_RECORD=1` writes the file anew."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

from tests.links.xmpp import real
from tests.links.xmpp.real import EMAIL, NULL, PHONE, SMS
from tests.peers import ejabberd, prosody, terminal
from tests.peers.ejabberd import Ejabberd
from tests.peers.prosody import Prosody
from tests.peers.terminal import Terminal
from tests.rig.mailbox import Mailbox
from tests.rig.processes import ROOT, RigError, until
from tests.rig.server import mail_gateway, modem_gateway

PROGRAM = shutil.which("profanity")
MISSING = terminal.missing() or (None if PROGRAM else "profanity is not installed")
RECORD = ROOT / "docs" / "sessions" / "profanity.txt"
CAROL = f"{PHONE}@{SMS}"
HEAD = """\
A session of profanity, a chat program of text mode, as it was recorded (tests/links/xmpp/test_real_profanity.py): Prosody or
ejabberd is ann's server, smsd its component sms.example.org, and the phone a simulated one. > is what she types, [...] the
window that is before her then. A tick is what profanity shows by its colour: no receipt is missing. It asks for none from who is
[offline] to it.

"""
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d (?:UTC|-12)")
SOME_DATE = "2027-01-15 09:00 UTC"
_WINDOWS = re.compile(r"-(\d+)-")
_RED = "\x1b[31m"
"""The colour of what has no receipt yet."""


class Profanity:
    """Somebody at it. `record` is what he typed (after `>`) and what then was new on his screen, window by window. `kept` is what
    the record is expected to be once the screen was cleared: how long it takes until all of a step is there is not known."""

    def __init__(self, folder: Path, kept: Sequence[str] = ()) -> None:
        assert PROGRAM is not None
        settings = folder / ".config" / "profanity"
        settings.mkdir(parents=True)
        (settings / "profrc").write_text("[ui]\nsplash=false\n")
        self.record: list[str] = []
        self._kept = kept
        self._expected: Sequence[str] = ()
        self._seen: dict[str, list[str]] = {}
        self._window = ""
        self.terminal = Terminal(folder, [PROGRAM])

    def shown(self) -> tuple[str, str, list[str]]:
        """The number of the window, its title, and its lines; a tick is behind what has a receipt."""
        lines = [line.rstrip() for line in self.terminal.screen(colours=True)]
        plain = [_SEQUENCE.sub("", line).rstrip() for line in lines]
        bar = max((at for at, line in enumerate(plain) if _WINDOWS.search(line)), default=0)
        if not bar:
            return "", "", []
        colour = ""  # lasts over lines
        for at in range(bar):
            if plain[at].startswith("me: "):
                begins = lines[at].index("me: ")
                colour = [colour, *_SEQUENCE.findall(lines[at][:begins])][-1]
                plain[at] += "" if colour == _RED else " ✓"
            colour = [colour, *_SEQUENCE.findall(lines[at])][-1]
        found = _WINDOWS.search(plain[bar])
        assert found is not None
        title = re.split(r"  +", plain[0].strip())[0].removesuffix(" *")
        return (
            found[1],
            title,
            [line for line in plain[1:bar] if line.strip("-") and not line.startswith("OMEMO")],
        )

    def clears(self) -> None:
        """Empty the screen, and the record."""
        self.terminal.type("/clear")
        until(lambda: not any(self.shown()[2]), 30, "an empty screen")
        self._seen.clear()
        self.record.clear()
        self._expected = self._kept

    def does(self, line: str, *expected: str) -> None:
        """Type a line, and wait until all that is expected, if anything, is new on the screen."""
        self.terminal.type(line)
        self.record += ["", f"> {line if len(line) <= terminal.WIDTH else line[: terminal.WIDTH - 3] + '…'}"]
        if expected:
            self.sees(*expected)

    def sees(self, *expected: str) -> None:
        """Wait until all of it is new on the screen, and nothing moves there any more."""
        last: tuple[str, str, list[str]] = ("", "", [])
        since = time.monotonic()

        def shows() -> list[str] | None:
            nonlocal last, since
            before, last = last, self.shown()
            if before != last:
                since = time.monotonic()
            number, title, lines = last
            rest = _new(self._seen.get(number, []), lines)
            text = " ".join(" ".join(rest).split())
            added = [*([f"[{title}]"] if title != self._window else []), *rest]
            done = all(one in text for one in expected) and self._is_all(added, time.monotonic() - since)
            return added if done else None

        try:
            added = until(shows, 30, f"{expected} on the screen")
        except RigError as error:
            kept = "\n".join(self._expected[len(self.record) :][:10])
            screen = "\n".join(last[2])
            raise AssertionError(f"{error}\n{last[1]}\n{screen}\n\nKept:\n{kept}") from None
        number, self._window, lines = last
        self._seen[number] = lines
        self.record += added

    def _is_all(self, added: list[str], still: float) -> bool:
        """Whether this is what was expected, or nothing has moved for so long that no more will come."""
        if not self._expected:
            return still > 0.3
        record = [_DATE.sub(SOME_DATE, line) for line in (*self.record, *added)]
        if record != list(self._expected[: len(record)]):
            return False
        return still > 1 or not any(self._expected[len(record) : len(record) + 1])


def kept() -> list[str]:
    """What a record that is like the kept one has, line by line; nothing when it is made anew."""
    if os.environ.get("SMSD_RECORD"):
        return []
    return ["", *RECORD.read_text().removeprefix(HEAD).rstrip("\n").split("\n")]


def _new(before: list[str], lines: list[str]) -> list[str]:
    """The lines that were not there before."""
    changes = SequenceMatcher(None, before, lines, autojunk=False).get_opcodes()
    return [line for what, _, _, begin, end in changes if what != "equal" for line in lines[begin:end]]


class WithProsody(real.RealChat):
    skip = MISSING or prosody.missing()

    def chat_server(self) -> real.ChatServer:
        return Prosody(real.SECRETS)

    def test_a_session(self) -> None:
        modems = self.modems()
        modems.ask("reports 0:0")
        box = Mailbox(self.place.path / "box")
        self.addCleanup(box.stop)
        self.smsd(modem_gateway("gsm1", modems.link()), mail_gateway(box.port), replies={"keep_minutes": 60})
        home = self.place.path / "home"
        ann = Profanity(home, kept())
        self.addCleanup(ann.terminal.stop)
        ann.sees("Type '/help'")
        for line in (
            "/time all off",
            "/time statusbar off",
            "/roster hide",
            "/receipts request on",
            "/correction on",
        ):
            ann.terminal.type(line)
        ann.terminal.type(f"/connect ann@example.org server 127.0.0.1 port {self.peer.c2s} tls disable")
        ann.terminal.type("ann")
        ann.sees("logged in successfully", "TLS connection not established")
        ann.clears()

        # Nobody writes without an account.
        ann.does(f"/msg {CAROL} Hello?", "ann@example.org has no account here", "ask the administrator")
        ann.does(f"/cmd exec register {SMS}", "Form title: Link your SMS account", "for more information.")
        ann.does("/field1 ann", "required): ann")
        ann.does("/field2 annpw", "[hidden]")
        ann.does("/form submit", "ann@example.org is linked", "Received authorization request")
        ann.does(f"/sub allow {SMS}", f"++ {SMS} (smsd) is online")

        # A phone is a contact.
        ann.does(f"/roster add {CAROL} Carol", "Roster item added")
        ann.does(f"/sub request {CAROL}", "++ Carol (smsd) is online", "Received authorization request")
        ann.does("/msg Carol Grüße 😀 <b>&amp; ]]>", "]]> ✓")
        self.receive(modems, "Thanks & <see> you")
        ann.sees("Carol: Thanks & <see> you")
        modems.ask("reports 0:0x41")
        ann.does("This will not arrive.", "the network reports: 0x41")
        modems.ask("reports 0:0")
        ann.does("It was never so late. " * 25, "never so ✓")
        ann.does("?OTRv2? encrypted", "switch encryption off")
        ann.does("/correct This is better.", "cannot be corrected")

        # Mail, and what is none.
        ann.does(f"/msg john%doe.com@{EMAIL} A letter from a chat.", "letter from a chat.")
        until(lambda: box.count() >= 1, 30, "a mail", self.server.process)
        (letter,) = box.letters()
        self.assertEqual((letter.to, letter.text.strip()), ("<john@doe.com>", "A letter from a chat."))
        ann.does(f"/msg nobody@{SMS} Hello?", "a name cannot receive an SMS")

        # What the service says, and can do.
        ann.does(f"/msg {SMS} help", "Write to +15551234567@sms.example.org", "goes as 4 SMS")
        ann.does(f"/cmd list {SMS}", "balance", "messages", "unregister")
        ann.does(f"/cmd exec balance {SMS}", "Monthly limit: 50", "for more information.")
        ann.does(f"/cmd exec messages {SMS}", "Only to this number:", "for more information.")
        ann.does("/field1 failed", "field1")
        ann.does("/form submit", "This will not arrive.")

        # Good bye.
        ann.does(f"/cmd exec unregister {SMS}", "You cannot write to phones", "Unlink it")
        ann.does("/form submit")
        ann.does("/win 3", "is not linked to the SMS account ann any more")
        ann.does("/msg Carol Still there?", "has no account here", "ask the administrator")
        self.compare(ann.record)

    def compare(self, record: list[str]) -> None:
        """The record, and the one that is kept."""
        text = HEAD + "\n".join(record).strip() + "\n"
        text = _DATE.sub(SOME_DATE, text)
        if os.environ.get("SMSD_RECORD"):
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(text)
        self.assertEqual(text, RECORD.read_text())


class Choices(real.RealChat):
    """Every form that somebody with choices may see; one that profanity cannot read ends it."""

    skip = MISSING or prosody.missing()

    def chat_server(self) -> real.ChatServer:
        return Prosody(real.SECRETS)

    def test_each_form_can_be_seen_and_one_chosen(self) -> None:
        ann = {
            "user": "ann",
            "demo": True,
            "password": "annpw",
            "jids": ["ann@example.org"],
            "senders": ["ACME", "+15550001111"],
        }
        self.smsd(NULL, {"id": "null2", "type": "loopback"}, accounts=[ann])
        home = self.place.path / "home"
        screen = Profanity(home)
        self.addCleanup(screen.terminal.stop)
        screen.sees("Type '/help'")
        screen.terminal.type("/time all off")
        screen.terminal.type(f"/connect ann@example.org server 127.0.0.1 port {self.peer.c2s} tls disable")
        screen.terminal.type("ann")
        screen.sees("logged in successfully")
        for node in ("register", "balance", "messages"):
            screen.does(f"/cmd exec {node} {SMS}", "Form title:", "[field1]")
            screen.does("/form cancel")
            screen.does("/win 1")
        for node, value in (("gateway", "null2"), ("sender", "ACME")):
            screen.does(f"/cmd exec {node} {SMS}", "Form title:", f"[{value}] {value}", "[*]")
            screen.does(f"/field1 {value}", "field1")
            screen.does("/form submit")
            screen.does(
                "/win 1",
                f"From now on the {node} of your texts is {value}"
                if node == "sender"
                else f"{value} carries",
            )


class WithEjabberd(WithProsody):
    """The same screen."""

    skip = MISSING or ejabberd.missing()

    def chat_server(self) -> real.ChatServer:
        return Ejabberd(real.SECRETS)
