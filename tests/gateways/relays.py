"""A mail relay that says what a test wants, on a real socket on loopback."""

from __future__ import annotations

import base64
from typing import Any

from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

CLOSE = "close"
SILENT = "silent"


class RelayProtocol(LineReceiver):
    """Answers each command by `factory.script`: a list of replies per command word, the last one for ever.

    The words: greeting, EHLO, LHLO, HELO, STARTTLS, AUTH, LOGIN (each answer to a challenge), MAIL, RCPT, DATA, END, RSET, QUIT.
    """

    factory: Relay
    MAX_LENGTH = 100_000
    reading = False
    challenged = False
    taken = 0

    def connectionMade(self) -> None:
        self.factory.connections.append(self)
        self.mail: list[bytes] = []
        self.envelope: list[str] = []
        self.say("greeting")

    def say(self, word: str) -> str:
        replies = self.factory.script.get(word, self.factory.defaults[word])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply == CLOSE:
            self.transport.abortConnection()
        elif reply != SILENT:
            self.transport.write(reply.replace("\n", "\r\n").encode("utf-8") + b"\r\n")
        return reply

    def lineReceived(self, line: bytes) -> None:
        if self.reading:
            if line == b".":
                self.reading = False
                self.finished()
            else:
                self.mail.append(line[1:] if line.startswith(b".") else line)
            return
        text = line.decode("utf-8")
        self.factory.commands.append(text)
        if self.challenged:
            self.challenged = self.say("LOGIN").startswith("334")
            return
        word = text.split(" ")[0].upper()
        if word in ("MAIL", "RCPT"):
            self.envelope.append(text)
        if word == "DATA" and self.factory.lmtp and not self.taken:
            word = "DATA for nobody"
        reply = self.say(word)
        self.taken += word == "RCPT" and reply.startswith("2")
        if word == "DATA" and reply.startswith("354"):
            self.reading = True
        elif word == "AUTH" and reply.startswith("334"):
            self.challenged = True
        elif word == "RSET":
            self.taken = 0
        elif word == "STARTTLS" and reply.startswith("220"):
            self.transport.startTLS(self.factory.tls)
        elif word == "QUIT":
            self.transport.loseConnection()

    def finished(self) -> None:
        reply = ""
        for _ in range(self.taken if self.factory.lmtp else 1):
            reply = self.say("END")
        self.taken = 0
        self.factory.ends += 1
        if reply.startswith("2"):
            self.factory.mails.append((tuple(self.envelope), b"\r\n".join(self.mail) + b"\r\n"))
        self.mail, self.envelope = [], []

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.gone += 1


class Relay(Factory):
    """The relay: `mails` are (commands, octets), `commands` all lines, `script` changes what it says. With `lmtp` it is an
    LMTP server (RFC 2033)."""

    protocol = RelayProtocol
    noisy = False

    def __init__(self, tls: Any = None, lmtp: bool = False, **script: list[str]) -> None:
        self.tls = tls
        self.lmtp = lmtp
        self.script = script
        extended = ["250-relay.example.org\n250-PIPELINING\n250 8BITMIME"]
        unknown = ["500 5.5.1 unknown command"]
        self.defaults = {
            "greeting": ["220 relay.example.org ESMTP"],
            "EHLO": unknown if lmtp else extended,
            "HELO": unknown if lmtp else ["250 relay.example.org"],
            "LHLO": extended if lmtp else unknown,
            "STARTTLS": ["220 2.0.0 go ahead"],
            "AUTH": ["235 2.7.0 welcome"],
            "LOGIN": ["535 5.7.8 no"],
            "MAIL": ["250 2.1.0 ok"],
            "RCPT": ["250 2.1.5 ok"],
            "DATA": ["354 go on"],
            "DATA for nobody": ["503 5.5.1 no valid recipients"],
            "END": ["250 2.0.0 queued"],
            "RSET": ["250 2.0.0 ok"],
            "QUIT": ["221 2.0.0 bye"],
        }
        self.mails: list[tuple[tuple[str, ...], bytes]] = []
        self.commands: list[str] = []
        self.connections: list[RelayProtocol] = []
        self.gone = 0
        self.ends = 0

    def listen(self, reactor: IReactorTCP) -> Any:
        """Listen on a free port of loopback."""
        return reactor.listenTCP(0, self, interface="127.0.0.1")


def challenge(text: str) -> str:
    """A 334 reply."""
    return "334 " + base64.b64encode(text.encode()).decode()
