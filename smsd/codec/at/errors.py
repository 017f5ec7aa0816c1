"""What a modem's final results mean: 3GPP TS 27.005 3.2.5 (+CMS), TS 27.007 9.2 (+CME), TS 24.011 annex E, as data.

Owns the way from a code to (no for now, no for ever; this message or this gateway) and to what the gateway should do
about itself. Vendors use the space from 512 on differently: what is unknown there is tried a few times.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from smsd.codec.at.events import Outcome
from smsd.values.delivery import Failure, Kind, Scope

FEW = 5  # tries after which a refusal of the doubtful sort is taken for final

_CODED = re.compile(r"\+?(CMS|CME) ?ERROR ?: ?(.*)", re.IGNORECASE | re.DOTALL)


class Remedy(enum.Enum):
    """What the gateway should do about itself."""

    NOTHING = "nothing"
    REGISTER = "wait until the modem is registered"
    INITIALISE = "initialise the modem again"
    SIM = "stop: the SIM needs a person"
    PIN = "enter the PIN, once"
    STORAGE = "read and delete what the memories hold"
    CENTRE = "stop: no SMS centre is set"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a refusal means. `few`: final after a few tries; `maybe_sent`: the network has it all the same."""

    kind: Kind
    scope: Scope
    remedy: Remedy
    reason: str
    few: bool = False
    maybe_sent: bool = False
    status: str = ""


def _table(*groups: tuple[dict[int, str], dict[str, object]]) -> dict[int, Verdict]:
    defaults: dict[str, object] = {"scope": Scope.MESSAGE, "remedy": Remedy.NOTHING}
    table = {}
    for words, common in groups:
        for code, reason in words.items():
            table[code] = Verdict(reason=reason, **{**defaults, **common})  # type: ignore[arg-type]
    return table


_PERMANENT: dict[str, object] = {"kind": Kind.PERMANENT, "status": "5.0.0"}
_NUMBER: dict[str, object] = {"kind": Kind.PERMANENT, "status": "5.1.1"}
_LATER: dict[str, object] = {"kind": Kind.TEMPORARY, "status": "4.0.0"}
_FEW: dict[str, object] = {"kind": Kind.TEMPORARY, "few": True, "status": "4.0.0"}
_AWAY: dict[str, object] = {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.REGISTER}
_INIT: dict[str, object] = {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.INITIALISE}
_SIM: dict[str, object] = {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.SIM}
_PIN: dict[str, object] = {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.PIN}
_FULL: dict[str, object] = {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.STORAGE}

CMS = _table(
    (
        {
            1: "unassigned number",
            28: "unidentified subscriber",
            30: "unknown subscriber",
            195: "invalid SME address",
            515: "the modem refuses a character in the number",
        },
        _NUMBER,
    ),
    (
        {
            8: "barred by the operator",
            10: "barred",
            29: "facility rejected",
            50: "requested facility not subscribed",
            69: "requested facility not implemented",
            95: "semantically incorrect message",
            96: "invalid mandatory information",
            97: "message type not implemented",
            98: "message not compatible with the protocol state",
            99: "information element not implemented",
            111: "protocol error",
            128: "telematic interworking not supported",
            129: "short message type 0 not supported",
            130: "cannot replace short message",
            143: "protocol identifier not supported",
            144: "data coding scheme not supported",
            145: "message class not supported",
            159: "protocol identifier error",
            160: "command not possible",
            161: "command not supported",
            175: "PDU not supported",
            176: "PDU not supported",
            193: "no SMS centre subscription",
            196: "destination barred",
            198: "validity period format not supported",
            199: "validity period not supported",
            303: "operation not supported by the modem",
            304: "invalid PDU",
            305: "invalid text parameter",
            516: "the modem refuses the length",
            517: "the modem refuses a character in the PDU",
            518: "the modem refuses the PDU",
            519: "the modem refuses the PDU",
            520: "the modem refuses the PDU",
            538: "invalid parameter",
            550: "the modem refuses a parameter",
            551: "the modem refuses the user data header",
            553: "wrong user data length",
            554: "wrong length of the SMS centre's address",
        },
        _PERMANENT,
    ),
    ({197: "duplicate: the SMS centre has it already"}, {**_PERMANENT, "maybe_sent": True}),
    (
        {
            27: "destination out of order",
            41: "temporary failure of the network",
            42: "the network is congested",
            47: "resources not available",
            81: "invalid transaction identifier",
            127: "interworking error",
            192: "the SMS centre is busy",
            194: "the SMS centre's system failed",
            314: "the SIM is busy",
            332: "the network did not answer in time",
            255: "unspecified error of the SMS centre",
            301: "SMS service of the modem reserved",
            500: "unknown error of the modem",
            512: "refused, or ended by the modem",
            521: "the modem gave up waiting",
            522: "the modem is busy",
            535: "refused by the modem",
        },
        _LATER,
    ),
    ({21: "the network rejected it"}, _FEW),
    ({38: "the network is out of order", 331: "no network service"}, _AWAY),
    (
        {
            300: "the modem failed",
            302: "the modem does not allow it now",
            320: "the modem's memory failed",
            513: "the modem lost its link or cannot store",
            514: "the modem is in a wrong state",
            532: "the SIM is not ready",
        },
        _INIT,
    ),
    (
        {
            310: "no SIM in the modem",
            312: "the SIM asks for its phone's PIN (PH-SIM PIN)",
            313: "the SIM failed",
            315: "a wrong SIM is in the modem",
            316: "the SIM asks for its PUK",
            317: "the SIM asks for its PIN2",
            318: "the SIM asks for its PUK2",
        },
        _SIM,
    ),
    ({311: "the SIM asks for its PIN"}, _PIN),
    (
        {
            208: "the SIM's message memory is full",
            209: "the SIM has no message memory",
            211: "memory capacity exceeded",
            322: "the message memory is full",
        },
        _FULL,
    ),
    ({321: "no such index"}, _FEW),
    ({340: "no acknowledgement was expected"}, _FEW),
    (
        {330: "no SMS centre address: set `smsc` for this gateway"},
        {"kind": Kind.TEMPORARY, "scope": Scope.GATEWAY, "remedy": Remedy.CENTRE},
    ),
)
"""+CMS ERROR codes met, in the classes of TS 27.005 and of what modems do with them."""

CME = _table(
    (
        {
            3: "the modem does not allow it",
            4: "the modem does not support it",
            24: "text too long for the modem",
            25: "invalid characters in the text",
            26: "number too long for the modem",
            27: "invalid characters in the number",
        },
        _FEW,
    ),
    (
        {
            14: "the SIM is busy",
            31: "the network did not answer in time",
            100: "unknown error of the modem",
        },
        _LATER,
    ),
    ({30: "no network service", 32: "emergency calls only"}, _AWAY),
    (
        {
            0: "the phone failed",
            1: "no connection to the phone",
            2: "the phone's line is reserved",
            21: "invalid index",
            22: "not found",
            23: "memory failure",
            515: "the modem is still starting",
        },
        _INIT,
    ),
    (
        {
            5: "the SIM asks for its phone's PIN (PH-SIM PIN)",
            6: "the SIM asks for its phone's PIN (PH-FSIM PIN)",
            7: "the SIM asks for its phone's PUK (PH-FSIM PUK)",
            10: "no SIM in the modem",
            12: "the SIM asks for its PUK",
            13: "the SIM failed",
            15: "a wrong SIM is in the modem",
            16: "incorrect password",
            17: "the SIM asks for its PIN2",
            18: "the SIM asks for its PUK2",
            40: "the modem is locked to a network",
            41: "the modem is locked to a network",
            42: "the modem is locked to a network subset",
            43: "the modem is locked to a network subset",
            44: "the modem is locked to a service provider",
            45: "the modem is locked to a service provider",
            46: "the modem is locked to a company",
            47: "the modem is locked to a company",
        },
        _SIM,
    ),
    ({11: "the SIM asks for its PIN"}, _PIN),
    ({20: "the memory is full"}, _FULL),
)
"""+CME ERROR codes, where a modem answers an SMS command with one."""

_WORDS: tuple[tuple[str, str, int], ...] = (
    # Texts of AT+CMEE=2, by a part that is the same in every firmware seen: (part, family, code). The first that fits
    # counts: what asks for the phone's or a network's lock must never pass for "SIM PIN".
    ("ph-sim", "cms", 312),
    ("ph-fsim pin", "cme", 6),
    ("ph-fsim puk", "cme", 7),
    ("sim not inserted", "cme", 10),
    ("sim pin2", "cme", 17),
    ("sim puk2", "cme", 18),
    ("sim pin required", "cme", 11),
    ("sim puk required", "cme", 12),
    ("sim failure", "cme", 13),
    ("sim busy", "cme", 14),
    ("sim wrong", "cme", 15),
    ("incorrect password", "cme", 16),
    ("invalid pdu", "cms", 304),
    ("invalid text mode", "cms", 305),
    ("operation not allowed", "cme", 3),
    ("operation not supported", "cme", 4),
    ("memory full", "cms", 322),
    ("invalid memory index", "cms", 321),
    ("no network service", "cms", 331),
    ("network timeout", "cms", 332),
    ("emergency", "cme", 32),
    ("smsc address unknown", "cms", 330),
    ("sca address unknown", "cms", 330),
    ("no +cnma", "cms", 340),
    ("sms service of me reserved", "cms", 301),
    ("me failure", "cms", 300),
    ("unassigned", "cms", 1),
    ("congestion", "cms", 42),
    ("network out of order", "cms", 38),
    ("short message transfer rejected", "cms", 21),
)

_AS_CMS = {("cms", 3): ("cms", 302), ("cms", 4): ("cms", 303)}
"""Texts that both families have, and mean by another number."""

NOT_READY = frozenset({("cms", 302), ("cms", 314), ("cms", 532), ("cme", 14), ("cme", 515)})
"""(kind, code) of results that a starting modem gives: repeat the same command a little later."""


def outcome(line: str) -> Outcome | None:
    """The final result that a line is, or None."""
    if line == "OK":
        return Outcome("ok", text=line)
    if line in ("ERROR", "error"):
        return Outcome("error", text=line)
    if line.startswith("COMMAND NOT SUPPORT"):
        return Outcome("unsupported", text=line)
    match = _CODED.match(line)
    if match is None:
        return None
    family, text = match[1].lower(), match[2].strip()
    if text.isascii() and text.isdigit() and len(text) < 7:
        return Outcome(family, int(text), line)
    lowered = text.lower()
    for part, known, code in _WORDS:
        if part in lowered:
            return Outcome(*_AS_CMS.get((family, code), (known, code)), line)
    return Outcome(family, None, line)


def judge(result: Outcome) -> Verdict:
    """What a refusal means; a code that nobody knows is tried a few times, one without a code until it expires."""
    verdict = None
    if result.code is not None:
        verdict = (CMS if result.kind == "cms" else CME).get(result.code)
    if verdict is not None:
        return verdict
    return Verdict(
        Kind.TEMPORARY,
        Scope.MESSAGE,
        Remedy.NOTHING,
        f"the modem refused it ({result.text})",
        few=result.code is not None,
        status="4.0.0",
    )


def failure(result: Outcome, tries: int = 0) -> Failure:
    """A refusal of a message as a gateway reports it; `tries` is how often it was tried before."""
    verdict = judge(result)
    kind = verdict.kind
    if verdict.few and tries >= FEW:
        kind = Kind.PERMANENT
    text = result.text if len(result.text) <= 80 else result.text[:77] + "..."
    reason = verdict.reason if text in verdict.reason else f"{verdict.reason} ({text})"
    status = verdict.status.replace("4.", "5.", 1) if kind is Kind.PERMANENT else verdict.status
    return Failure(kind, reason, scope=verdict.scope, maybe_sent=verdict.maybe_sent, status=status)
