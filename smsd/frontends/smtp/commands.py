"""The arguments of SMTP commands: paths, parameters and xtext, from text to values.

Pure. Implements the argument grammar of RFC 5321 4.1.2 (with the space after the colon and the missing brackets that
many clients send), SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH= (RFC 4954 5) and NOTIFY, ORCPT, RET,
ENVID (RFC 3461 4). It knows no session: whether a command may come now is the protocol's business. Errors are
`CommandError`, which carries the reply.
"""

from __future__ import annotations

import re

from smsd.values.frozen import frozen
from smsd.values.message import Wants

LONGEST_PATH = 256
"""Octets of a path with its brackets (RFC 5321 4.5.3.1.3)."""
LONGEST_SMS_LOCAL = 512
"""Octets of a local part that is an `sms:` address with its parameters (feature S4)."""


class CommandError(Exception):
    """A command that is answered with an error: reply code, enhanced code, and a text for people."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.enhanced = enhanced
        self.text = text


@frozen
class Mailbox:
    """A path without brackets and source route. `local` has its quotes removed; `domain` is "" when there was none."""

    local: str
    domain: str
    quoted: bool = False

    def __str__(self) -> str:
        local = self.local
        if self.quoted and not _DOT_STRING.fullmatch(local):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local


@frozen
class Mail:
    """MAIL: `sender` is None for `<>`; `size` in octets, None when not said; `full` is RET=FULL. `sender_id`: the sender is no
    address, but what phones are to see."""

    sender: Mailbox | None
    size: int | None = None
    utf8: bool = False
    full: bool = True
    envelope_id: str = ""
    sender_id: str = ""


@frozen
class Rcpt:
    """RCPT: `wants` is None when NOTIFY was not given; `original` is ORCPT, decoded: `rfc822;ann@example.org`."""

    path: Mailbox
    wants: Wants | None = None
    original: str = ""


_DOT_STRING = re.compile(r"[^\s\"(),:;<>@\[\\\]\x00-\x1f\x7f]+")
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"'
_ARGUMENT = re.compile(
    rf'(FROM|TO):[ \t]*(?:<((?:{_QUOTED}|[^"<>\s])*)>|((?:{_QUOTED}|[^"<>\s])+))(.*)', re.I | re.S
)
_QUOTED_MAILBOX = re.compile(rf"({_QUOTED})(?:@(.*))?", re.S)
_DOMAIN = re.compile(r"(?:[\w-]+\.)*[\w-]+\.?|\[[0-9A-Za-z.:-]+\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_UTF8_XTEXT = re.compile(r"(?:[^\x00-\x20\x7f+=\\]|\\x\{[0-9A-Fa-f]+\}|\+[0-9A-F]{2})*")

_MAIL_KEYWORDS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"})
_RCPT_KEYWORDS = frozenset({"NOTIFY", "ORCPT"})
_NOTIFY = {"SUCCESS": Wants.SUCCESS, "FAILURE": Wants.FAILURE, "DELAY": Wants.DELAY}


def decode_xtext(name: str, text: str) -> str:
    """Text from xtext (RFC 3461 4); CommandError 501 when it is none."""
    if not _XTEXT.fullmatch(text):
        raise CommandError(
            501, "5.5.4", f"{name} is not xtext: write + = and blanks as +2B +3D +20 (RFC 3461)"
        )
    if "+" not in text:
        return text
    octets = _HEX.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1")
    decoded = octets.decode("utf-8", "replace")
    if _CONTROL.search(decoded):
        raise CommandError(501, "5.5.4", f"{name} contains control characters")
    return decoded


def _split(verb: str, word: str, argument: str) -> tuple[str, str]:
    """The path without brackets, and what follows it."""
    found = _ARGUMENT.fullmatch(argument)
    if found is None or found[1].upper() != word:
        if argument[: len(word) + 1].upper() != word + ":":
            raise CommandError(501, "5.5.4", f"write {verb} {word}:<address>")
        raise CommandError(
            501,
            "5.1.3" if word == "TO" else "5.1.7",
            f"the address cannot be read: write {verb} {word}:<address>, with blanks only inside quotes",
        )
    bracketed, bare, rest = found[2], found[3], found[4]
    if rest and rest[0] not in " \t":
        raise CommandError(501, "5.5.4", "write a blank between the address and its parameters")
    return (bare if bracketed is None else bracketed), rest


def _parameters(rest: str, known: frozenset[str], bare: bool) -> dict[str, str | None]:
    given: dict[str, str | None] = {}
    for word in rest.split():
        keyword, equals, value = word.partition("=")
        key = keyword.upper()
        if key not in known:
            if not equals and bare and key != "SMTPUTF8":
                raise CommandError(
                    501,
                    "5.1.3",
                    "text after the address: write it in angle brackets, a number without blanks in it",
                )
            if not _KEYWORD.fullmatch(keyword):
                raise CommandError(501, "5.5.4", "the parameters cannot be read: write KEYWORD=value")
            raise CommandError(555, "5.5.4", f"parameter {key[:40]} is not known here")
        if key in given:
            raise CommandError(501, "5.5.4", f"{key} is given twice")
        if equals and not value:
            raise CommandError(501, "5.5.4", f"{key} has no value")
        given[key] = value if equals else None
    return given


def read_mailbox(path: str, enhanced: str) -> Mailbox:
    """A path without its brackets; a source route is dropped. `enhanced` is the code of its errors (5.1.3 or 5.1.7)."""
    if path.startswith("@"):
        _, colon, path = path.partition(":")
        if not colon or not path:
            raise CommandError(501, enhanced, "the source route has no address after it")
    quoted = path.startswith('"')
    if quoted:
        found = _QUOTED_MAILBOX.fullmatch(path)
        if found is None:
            raise CommandError(501, enhanced, 'the address cannot be read: write "local part"@domain')
        local, domain, at = re.sub(r"\\(.)", r"\1", found[1][1:-1]), found[2], found[2] is not None
    else:
        local, at_sign, domain = path.rpartition("@")
        if not at_sign:
            local, domain = path, ""
        at = bool(at_sign)
        if '"' in local or "\\" in local:
            raise CommandError(501, enhanced, "quotes belong around the whole local part")
    if not local:
        raise CommandError(501, enhanced, "the address has nothing before its @")
    if at and not _DOMAIN.fullmatch(domain or ""):
        raise CommandError(501, enhanced, "the domain cannot be read")
    _check_length(path, local, domain or "", enhanced)
    return Mailbox(local, domain or "", quoted)


def _check_length(path: str, local: str, domain: str, enhanced: str) -> None:
    if len(path) * 4 < LONGEST_PATH:
        return
    if len(domain.encode()) > 255:
        raise CommandError(501, enhanced, "the domain is too long: 255 octets are the limit")
    if ":" in local:  # an sms: address with its parameters
        if len(local.encode()) > LONGEST_SMS_LOCAL:
            raise CommandError(
                501, enhanced, f"the local part is too long: {LONGEST_SMS_LOCAL} octets are the limit"
            )
    elif len(path.encode()) + 2 > LONGEST_PATH:
        raise CommandError(501, enhanced, f"the address is too long: {LONGEST_PATH} octets are the limit")


def read_mail(argument: str, extended: bool, size_limit: int) -> Mail:
    """The argument of MAIL. `extended` says that EHLO was used; without it there are no parameters."""
    path, rest = _split("MAIL", "FROM", argument)
    given = _parameters(rest, _MAIL_KEYWORDS, False) if rest else {}
    if given and not extended:
        raise CommandError(555, "5.5.4", "parameters need EHLO: after HELO there are none")
    utf8 = "SMTPUTF8" in given
    if not path.isascii() and not utf8:
        raise CommandError(553, "5.6.7", "the address is not ASCII: that needs the SMTPUTF8 parameter")
    sender = read_mailbox(path, "5.1.7") if path else None
    size = _read_size(given, size_limit)
    full, envelope_id = True, ""
    if given:
        if utf8 and given["SMTPUTF8"] is not None:
            raise CommandError(501, "5.5.4", "SMTPUTF8 takes no value")
        if "BODY" in given and (given["BODY"] or "").upper() not in ("7BIT", "8BITMIME"):
            raise CommandError(501, "5.5.4", "BODY is 7BIT or 8BITMIME")
        if "RET" in given:
            ret = (given["RET"] or "").upper()
            if ret not in ("FULL", "HDRS"):
                raise CommandError(501, "5.5.4", "RET is FULL or HDRS")
            full = ret == "FULL"
        if "AUTH" in given:
            decode_xtext("AUTH", (given["AUTH"] or "").replace("<>", ""))
        if "ENVID" in given:
            if len(given["ENVID"] or "") not in range(1, 101):
                raise CommandError(501, "5.5.4", "ENVID has 1 to 100 characters")
            envelope_id = decode_xtext("ENVID", given["ENVID"] or "")
    return Mail(sender, size, utf8, full, envelope_id)


def _read_size(given: dict[str, str | None], size_limit: int) -> int | None:
    if "SIZE" not in given:
        return None
    text = given["SIZE"] or ""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise CommandError(501, "5.5.4", "SIZE is a number of octets, at most 20 digits")
    if int(text) > size_limit:
        raise CommandError(552, "5.3.4", f"the message is too big: {size_limit} octets are the limit")
    return int(text)


def read_rcpt(argument: str, extended: bool, utf8: bool) -> Rcpt:
    """The argument of RCPT. `utf8` says that MAIL had SMTPUTF8."""
    path, rest = _split("RCPT", "TO", argument)
    given = _parameters(rest, _RCPT_KEYWORDS, True) if rest else {}
    if given and not extended:
        raise CommandError(555, "5.5.4", "parameters need EHLO: after HELO there are none")
    if not path:
        raise CommandError(501, "5.1.3", "a recipient cannot be empty")
    if not path.isascii() and not utf8:
        raise CommandError(553, "5.6.7", "the address is not ASCII: that needs SMTPUTF8 at MAIL")
    mailbox = read_mailbox(path, "5.1.3")
    wants, original = None, ""
    if "NOTIFY" in given:
        wants = _read_notify(given["NOTIFY"] or "")
    if "ORCPT" in given:
        original = _read_orcpt(given["ORCPT"] or "", utf8)
    return Rcpt(mailbox, wants, original)


def _read_notify(text: str) -> Wants:
    words = text.upper().split(",")
    if words == ["NEVER"]:
        return Wants.NOTHING
    wants = Wants.NOTHING
    for word in words:
        if word not in _NOTIFY:
            raise CommandError(501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
        wants |= _NOTIFY[word]
    return wants


def _read_orcpt(text: str, utf8: bool) -> str:
    kind, semicolon, address = text.partition(";")
    if len(text) > 500 or not semicolon or not address or not _KEYWORD.fullmatch(kind):
        raise CommandError(501, "5.5.4", "ORCPT is type;address, at most 500 characters")
    if kind.lower() == "utf-8" and utf8:
        if not _UTF8_XTEXT.fullmatch(address):
            raise CommandError(501, "5.5.4", "ORCPT is not utf-8-addr-xtext (RFC 6533)")
        return f"{kind};{address}"
    return f"{kind};{decode_xtext('ORCPT', address)}"
