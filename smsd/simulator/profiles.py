"""What each model of modem does its own way, as data: one `Profile` per model, found by name with `find`.

The behaviours are those that users of such modems report (storages and where their indexes begin, the ranges of +CNMI, the
form of lists, floods of unsolicited lines and what stops them, boot messages, odd prompts). A profile holds no code; what
is common to all is in `general` and `messaging`. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Chatter:
    """Unsolicited lines that come every `every` seconds until one of the `stops` commands is given."""

    every: float
    lines: tuple[str, ...]
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """One model.

    `cnmi` is the answer to +CNMI=? and says what is accepted, `cpms` the form of that to +CPMS=? (nested, flat, doubled).
    `memory` is in force after power-on. `reports_in` is the storage of +CDSI; None: they are announced with index 0 and
    cannot be read back. `alpha` stands for the missing name in +CMGR, +CMGL and +CMT; None: its comma is missing too.
    `extra` maps commands (without AT) to the lines they answer; `boot` lists (seconds after power-on, line), `after_pin`
    the same after the PIN; until `ready` seconds SMS commands get `not_ready`, until `deaf` nothing is answered at all.
    `full` comes when a memory is full. `no_reference` n: every n-th part of a long message is answered OK without +CMGS.
    `piece` octets at once are read safely, more without a pause are lost.
    """

    name: str
    about: str
    manufacturer: str = "Simulated"
    model: str = "Modem"
    revision: str = "1.0"
    storages: tuple[tuple[str, int], ...] = (("SM", 30), ("ME", 100), ("SR", 20))
    memory: str = "SM"
    first_index: int = 1
    reports_in: str | None = "SR"
    unannounced_when_full: bool = False
    full: str = ""
    echo: bool = True
    prompt: bytes = b"\r\n> "
    before_reference: bytes = b"\r\n"
    line_end: str = "\r\n"
    chatter_end: str = "\r\n"
    escape_answer: str = "OK"
    unknown: str = "ERROR"
    cnmi: str = "(0-3),(0-3),(0,2,3),(0-2),(0,1)"
    cpms: str = "nested"
    csms: tuple[int, ...] = (0, 1)
    alpha: str | None = ""
    empty_slot: str = "+CMS ERROR: 321"
    cpin_ok: bool = True
    cpin_quoted: bool = False
    receives: bool = True
    text_mode: bool = True
    text_default: bool = False
    needs_csca: bool = False
    iccid: tuple[str, str] = ("+CCID", '+CCID: "{}"')
    no_reference: int = 0
    piece: int = 0
    deaf: float = 0.0
    ready: float = 0.0
    not_ready: str = "+CMS ERROR: 302"
    boot: tuple[tuple[float, str], ...] = ()
    after_pin: tuple[tuple[float, str], ...] = ()
    chatter: tuple[Chatter, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _quiet(*commands: str) -> Mapping[str, tuple[str, ...]]:
    """Commands that the model knows and answers with OK alone."""
    return MappingProxyType(dict.fromkeys(commands, ()))


GENERIC: Final = Profile("generic", "what the standards describe, with nothing odd")

SIEMENS_TC35: Final = Profile(
    "siemens-tc35",
    "Siemens TC35, TC35i, ES75 and their kin: slow prompt, +CMGS missing for some parts, only 1 as fifth +CNMI value",
    manufacturer="SIEMENS",
    model="TC35i",
    revision="REVISION 03.01",
    storages=(("SM", 20), ("ME", 25)),
    reports_in="SM",
    prompt=b"\r\n> \r\n",
    before_reference=b"\r\n\r\n",
    cnmi="(0-3),(0,1),(0,2,3),(0,2),(1)",
    cpms="flat",
    iccid=("^SCID", '^SCID: "{}"'),
    no_reference=4,
    boot=((0.0, "^SYSSTART"),),
    extra=_quiet("\\Q3", "^SSMSS=1", "^SSMSS=0", "+CLIP=1"),
)

_HUAWEI: Final = Profile(
    "huawei",
    "the common part of the Huawei sticks",
    manufacturer="huawei",
    storages=(("SM", 20), ("ME", 23), ("SR", 10)),
    unknown="COMMAND NOT SUPPORT",
    cnmi="(0-2),(0-3),(0,2,3),(0-2),(0,1)",
    chatter_end="\r\r\n",
    iccid=("^ICCID?", '^ICCID: "{}"'),
    boot=((0.0, "^BOOT:20293684,0,0,0,72"), (0.0, "^SIMST:1"), (0.0, "^SRVST:2")),
    chatter=(
        Chatter(2.0, ("^BOOT:20293684,0,0,0,72",), ("^CURC=0", "^PORTSEL=1")),
        Chatter(
            3.0,
            ("^RSSI:18", "^MODE:3,4", "^DSFLOWRPT:0000000A,00000000,00000000,0000000000000000"),
            ("^CURC=0",),
        ),
    ),
    extra=_quiet("^CURC=0", "^CURC=1", "^PORTSEL=0", "^PORTSEL=1", "^CPIN?"),
)

HUAWEI_E220: Final = replace(
    _HUAWEI,
    name="huawei-e220",
    about="Huawei E220: no answer to a send until +CSCA was written, COMMAND NOT SUPPORT, floods until ^CURC=0",
    model="E220",
    revision="11.117.09.04.00",
    needs_csca=True,
)

HUAWEI_E1556: Final = replace(
    _HUAWEI,
    name="huawei-e1556",
    about="Huawei E1556, E1550, E160: indexes begin at 0, messages in SM and ME, ^SMMEMFULL instead of +CMTI when full",
    model="E1556",
    revision="11.608.02.00.00",
    first_index=0,
    full='^SMMEMFULL: "{memory}"',
    unannounced_when_full=True,
    alpha='""',
)

MULTITECH: Final = Profile(
    "multitech",
    "Multitech MTCBA-G-F2 (Wavecom): +WIND lines, SM only, +CPIN: READY without OK, +CME ERROR: 515 while starting",
    manufacturer="WAVECOM MODEM",
    model="MULTIBAND  900E  1800",
    revision="641b09gg.Q2403A 1320676 061804 14:38",
    storages=(("SM", 15), ("SR", 5)),
    cpms="doubled",
    cpin_ok=False,
    ready=2.0,
    not_ready="+CME ERROR: 515",
    boot=((0.0, "+WIND: 1"), (1.0, "+WIND: 3"), (1.0, "+WIND: 7"), (2.0, "+WIND: 4")),
    chatter=(Chatter(20.0, ("+WIND: 13",), ("+WIND=0",)),),
    iccid=("+CCID", '+CCID: "{}"'),
    extra=_quiet("+WIND=0", "+WIND=255", "+WOPEN=0"),
)

SIM800: Final = Profile(
    "sim800",
    "SIM800, SIM900, SIM300: no SMS commands before 'SMS Ready', +CME ERROR: 100 for the unknown, *SMSFULL",
    manufacturer="SIMCOM_Ltd",
    model="SIMCOM_SIM800L",
    revision="Revision:1418B05SIM800L24",
    storages=(("SM", 25), ("ME", 50)),
    reports_in="SM",
    unknown="+CME ERROR: 100",
    cnmi="(0-3),(0-3),(0,2,3),(0-2),(0,1)",
    alpha='""',
    empty_slot="OK",
    full="*SMSFULL",
    unannounced_when_full=True,
    iccid=("+CCID", "{}"),
    ready=3.0,
    boot=((0.0, "RDY"), (0.0, "+CFUN: 1"), (1.0, "+CPIN: READY"), (2.0, "Call Ready"), (3.0, "SMS Ready")),
    after_pin=((0.5, "Call Ready"), (1.0, "SMS Ready")),
    extra=_quiet("+CIURC=0", "+CIURC=1", "+CSCLK=0"),
)

QUECTEL_EC25: Final = Profile(
    "quectel-ec25",
    "Quectel EC25, EG25, EC20: +QIND lines, ME by default, reports announced with index 0 that cannot be read back",
    manufacturer="Quectel",
    model="EC25",
    revision="EC25EFAR06A06M4G",
    storages=(("ME", 23), ("SM", 20)),
    memory="ME",
    first_index=0,
    reports_in=None,
    cnmi="(0-2),(0-3),(0,2,3),(0-2),(0,1)",
    iccid=("+QCCID", "+QCCID: {}"),
    boot=(
        (0.0, "RDY"),
        (0.0, "+CFUN: 1"),
        (0.5, "+CPIN: READY"),
        (0.5, "+QUSIM: 1"),
        (1.0, "+QIND: SMS DONE"),
    ),
    ready=1.0,
    after_pin=((0.2, "+QUSIM: 1"), (0.5, "+QIND: SMS DONE")),
    extra=_quiet('+QURCCFG="urcport","usbat"', "+QCFG"),
)

UBLOX: Final = Profile(
    "ublox",
    "u-blox: +UUSIMSTAT lines, text mode again after every +CFUN=1",
    manufacturer="u-blox",
    model="LISA-U200",
    revision="23.41",
    storages=(("ME", 23), ("SM", 30), ("SR", 10)),
    memory="ME",
    cnmi="(0-3),(0-3),(0,2,3),(0-2),(0-1)",
    text_default=True,
    alpha='""',
    iccid=("+CCID", "+CCID: {}"),
    boot=((0.0, "+UUSIMSTAT:5"),),
    chatter=(Chatter(15.0, ("+UUSIMSTAT:6",), ("+USIMSTAT=0",)),),
    extra=_quiet("+USIMSTAT=0", "+UPSV=0"),
)

TELIT: Final = Profile(
    "telit",
    "Telit: quoted empty names, # commands, a memory that fills without a word",
    manufacturer="Telit",
    model="GE864-QUAD",
    revision="10.00.186",
    storages=(("SM", 20), ("SR", 10)),
    alpha='""',
    unannounced_when_full=True,
    iccid=("#CCID", "#CCID: {}"),
    extra=_quiet("#SELINT=2", "#SMSMODE=1", "#BND=0"),
)

ZTE: Final = Profile(
    "zte",
    "ZTE: +ZUSIMR:2 floods until +CPMS? is asked, answers with doubled carriage returns",
    manufacturer="ZTE CORPORATION",
    model="MF190",
    revision="BD_MF190V1.0.0B04",
    storages=(("SM", 20), ("ME", 100), ("SR", 10)),
    cnmi="(0-2),(0-3),(0,2,3),(0-2),(0,1)",
    line_end="\r\r\n",
    iccid=("+ZGETICCID", "+ZGETICCID: {}"),
    chatter=(Chatter(2.0, ("+ZUSIMR:2",), ("+CPMS?",)), Chatter(6.0, ('+ZPASR:"UMTS"',), ("+CPMS?",))),
    extra=_quiet("+ZCDRUN=8", "+ZOPRT=5"),
)

NOKIA_SENDONLY: Final = Profile(
    "nokia-sendonly",
    "a Nokia phone on a cable: sends only, no +CNMI, loses characters of long writes without pauses, echo of its own",
    manufacturer="Nokia Mobile Phones",
    model="Nokia 6310i",
    revision="V 5.52",
    storages=(("SM", 10), ("ME", 75)),
    memory="ME",
    reports_in="ME",
    cnmi="",
    csms=(0,),
    receives=False,
    text_mode=False,
    piece=18,
    escape_answer="",
    iccid=("", ""),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            GENERIC, SIEMENS_TC35, HUAWEI_E220, HUAWEI_E1556, MULTITECH, SIM800,
            QUECTEL_EC25, UBLOX, TELIT, ZTE, NOKIA_SENDONLY,
        )
    }
)  # fmt: skip
"""Every profile by its name."""


def find(name: str) -> Profile:
    """The profile of that name; ValueError that lists the names there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; there are: {', '.join(PROFILES)}") from None
