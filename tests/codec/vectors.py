"""PDUs put together by hand: (name, frame in hexadecimal, {attribute: what it must read as}).

The first ones are published examples; the others were packed bit by bit from the rules of the standard, not
by smsd. They are the seeds of the fuzzer's corpus too.
"""

from __future__ import annotations

from typing import Any

from smsd.codec.dcs import Mwi, Waiting
from smsd.codec.timestamps import Stamp
from smsd.codec.tpdu import Concat, Extras, Validity
from smsd.codec.udh import Element, Ports

Vector = tuple[str, str, dict[str, Any]]

FROM_NETWORK: list[Vector] = [
    (
        "published, hellohello",
        "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37",
        {
            "sender.text": "27838890001",
            "sender.ton": 4,
            "user_data.text": "hellohello",
            "at": Stamp(922713419000, 8),
        },
    ),
    (
        "published, how are you",
        "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07",
        {"sender.text": "+31641600986", "user_data.text": "How are you?", "at": Stamp(1030390661000, 0)},
    ),
    (
        "extension",
        "07911326040000F0040B911497214365F7000062115241130540121BDEA6BCF16D501BE026B5E96D289B17",
        {"user_data.text": "[€]{|}~^\\"},
    ),
    (
        "trailing at",
        "07911326040000F0040B911497214365F70000621152411305400831D98C56B3DD00",
        {"user_data.text": "1234567@"},
    ),
    (
        "seven letters",
        "07911326040000F0040B911497214365F70000621152411305400731D98C56B3DD00",
        {"user_data.text": "1234567"},
    ),
    (
        "default traps",
        "07911326040000F0040B911497214365F70000621152411305401100412242026EB95DEF17BCE7F7FD7F",
        {"user_data.text": "@$Ç_¤¡ÄÖÑÜ§¿äöñüà"},
    ),
    (
        "sender 7 by the rule",
        "07911326040000F0040DD0D0F79C5EBEE10100006211524113054002C834",
        {"sender.text": "Poste7x"},
    ),
    (
        "sender 7 in 14",
        "07911326040000F0040ED0D0F79C5EBEE10100006211524113054002C834",
        {"sender.text": "Poste7x"},
    ),
    (
        "sender 8",
        "07911326040000F0040ED0D637396C7EBBCB00006211524113054002C834",
        {"sender.text": "Vodafone"},
    ),
    (
        "sender 11",
        "07911326040000F00414D0457CB80D679741C3771B00006211524113054002C834",
        {"sender.text": "Example Com"},
    ),
    (
        "sender euro",
        "07911326040000F00409D0D0707E530600006211524113054002C834",
        {"sender.text": "Pay€"},
    ),
    (
        "sender digits *#abc",
        "07911326040000F0040981BADCBE5AF100006211524113054002C834",
        {"sender.text": "*#abc#*51"},
    ),
    (
        "sender length 0",
        "07911326040000F004008100006211524113054002C834",
        {"sender.text": "", "user_data.text": "Hi"},
    ),
    (
        "concat 8",
        "07911326040000F0440B911497214365F70000621152411305400D0500034A0201906536FB0D02",
        {"user_data.text": "Hello ", "user_data.concat": Concat(0x4A, 8, 2, 1)},
    ),
    (
        "concat 16",
        "07911326040000F0440B911497214365F70000621152411305400D06080412340202F7B79C4D06",
        {"user_data.text": "world", "user_data.concat": Concat(0x1234, 16, 2, 2)},
    ),
    (
        "emoji",
        "07911326040000F0040B911497214365F70008621152411305400C004800690020D83DDE000021",
        {"user_data.text": "Hi 😀!"},
    ),
    (
        "ucs2 odd",
        "07911326040000F0040B911497214365F7000862115241130540050048006900",
        {"user_data.text": "Hi", "user_data.cut": False},
    ),
    (
        "port 16",
        "07911326040000F0440B911497214365F70004621152411305400B0605040B8423F001060401",
        {
            "user_data.text": None,
            "user_data.data": b"\x01\x06\x04\x01",
            "user_data.ports": Ports(0x0B84, 0x23F0, 16),
        },
    ),
    (
        "C8",
        "07911326040000F0040B911497214365F700C862115241130540053190BB7C07",
        {"user_data.text": "1 new", "coding.mwi": Mwi(Waiting.VOICE, True, False)},
    ),
    (
        "E0",
        "07911326040000F0040B911497214365F700E86211524113054004006E00E9",
        {"user_data.text": "né", "coding.mwi": Mwi(Waiting.VOICE, True, True)},
    ),
    (
        "flash 7",
        "07911326040000F0040B911497214365F7001062115241130540054676788E06",
        {"user_data.text": "Flash", "coding.message_class": 0},
    ),
    (
        "flash ucs2",
        "07911326040000F0040B911497214365F70018621152411305400A0046006C006100730068",
        {"user_data.text": "Flash", "coding.message_class": 0},
    ),
    (
        "F0",
        "07911326040000F0040B911497214365F700F062115241130540054676788E06",
        {"user_data.text": "Flash", "coding.message_class": 0},
    ),
    (
        "F5",
        "07911326040000F0040B911497214365F700F56211524113054002CAFE",
        {"user_data.data": b"\xca\xfe", "user_data.text": None, "coding.message_class": 1},
    ),
    (
        "reserved 80",
        "07911326040000F0040B911497214365F7008062115241130540034F3619",
        {"user_data.text": "Old", "coding.message_class": None},
    ),
    (
        "zero scts",
        "07911326040000F0040B911497214365F700000000000000000002C834",
        {"user_data.text": "Hi", "at": None},
    ),
    (
        "month 13",
        "07911326040000F0040B911497214365F700006231524113054002C834",
        {"user_data.text": "Hi", "at": None},
    ),
    (
        "nibble A",
        "07911326040000F0040B911497214365F700006211A21341354002C834",
        {"user_data.text": "Hi", "at": None},
    ),
    (
        "zone -7",
        "07911326040000F0040B911497214365F700006211524113058A02C834",
        {"at": Stamp(1795642310000, -28)},
    ),
    (
        "zone -1",
        "07911326040000F0040B911497214365F700006211524113054802C834",
        {"at": Stamp(1795620710000, -4)},
    ),
    (
        "zone +8",
        "07911326040000F0040B911497214365F700006211524113052302C834",
        {"at": Stamp(1795588310000, 32)},
    ),
    (
        "zone -0",
        "07911326040000F0040B911497214365F700006211524113050802C834",
        {"at": Stamp(1795617110000, 0)},
    ),
    (
        "year 98",
        "07911326040000F0040B911497214365F700008911524113050002C834",
        {"at": Stamp(912004310000, 0)},
    ),
    (
        "turkish single",
        "07911326040000F0440B911497214365F70000621152411305400A03240101D89C37F320",
        {"user_data.text": "ğşA"},
    ),
    (
        "turkish locking",
        "07911326040000F0440B911497214365F70000621152411305400D03250101201C160C4E070806",
        {"user_data.text": "€ıĞğŞşİç"},
    ),
    (
        "turkish both",
        "07911326040000F0440B911497214365F70000621152411305400C0624010125010187CD180C",
        {"user_data.text": "ıçç"},
    ),
    (
        "portuguese locking",
        "07911326040000F0440B911497214365F70000621152411305400C03250103904C2815CB0503",
        {"user_data.text": "ªÇÀ∞^\\€"},
    ),
    (
        "spanish single",
        "07911326040000F0440B911497214365F70000621152411305400B03240102D80437894D19",
        {"user_data.text": "Áç€"},
    ),
    (
        "hindi locking",
        "07911326040000F0440B911497214365F70000621152411305400A0325010640A5589527",
        {"user_data.text": ")(,कऽ"},
    ),
    (
        "unknown table",
        "07911326040000F0440B911497214365F70000621152411305400A0325016380B2C36937",
        {"user_data.text": "Plain"},
    ),
    (
        "two tables, locking last",
        "07911326040000F0440B911497214365F7000062115241130540090625010125010312",
        {"user_data.text": "ª"},
    ),
    (
        "escapes",
        "07911326040000F0040B911497214365F7000062115241130540069BE06623DC00",
        {"user_data.text": "A B "},
    ),
    (
        "udl too long",
        "07911326040000F0040B911497214365F70000621152411305401EC8329BFD06",
        {"user_data.text": "Hello", "user_data.cut": True},
    ),
    (
        "udl too short",
        "07911326040000F0040B911497214365F700006211524113054005C8329BFD06D1D1657919",
        {"user_data.text": "Hello", "user_data.cut": False},
    ),
    (
        "header beyond data",
        "07911326040000F0440B911497214365F70000621152411305400AFF00034A0201C8",
        {"user_data.text": "", "user_data.cut": True},
    ),
    (
        "element beyond header",
        "07911326040000F0440B911497214365F70000621152411305400D0500084A0201906536FB0D02",
        {"user_data.text": "Hello ", "user_data.concat": None},
    ),
    (
        "repeated concat",
        "07911326040000F0440B911497214365F7000062115241130540130A00034A020100034B03024096D9EC3708",
        {"user_data.text": "Hello ", "user_data.concat": Concat(0x4B, 8, 3, 2)},
    ),
    (
        "concat 8 then 16",
        "07911326040000F0440B911497214365F7000062115241130540140B00034A020108041234030220CB6CF61B04",
        {"user_data.text": "Hello ", "user_data.concat": Concat(0x1234, 16, 3, 2)},
    ),
    (
        "concat seq 0",
        "07911326040000F0440B911497214365F70000621152411305400D0500034A0200906536FB0D02",
        {"user_data.text": "Hello ", "user_data.concat": None},
    ),
    (
        "concat seq beyond",
        "07911326040000F0440B911497214365F70000621152411305400D0500034A0203906536FB0D02",
        {"user_data.text": "Hello ", "user_data.concat": None},
    ),
    (
        "unknown element",
        "07911326040000F0440B911497214365F7000062115241130540130A7F03AABBCC00034A02014096D9EC3708",
        {
            "user_data.text": "Hello ",
            "user_data.concat": Concat(0x4A, 8, 2, 1),
            "user_data.header": (Element(0x7F, b"\xaa\xbb\xcc"), Element(0, b"\x4a\x02\x01")),
        },
    ),
    (
        "reserved type 3",
        "07911326040000F0070B911497214365F700006211524113054002C834",
        {"user_data.text": "Hi"},
    ),
    (
        "more waits",
        "07911326040000F0000B911497214365F700006211524113054002C834",
        {"more": True},
    ),
    (
        "flags",
        "07911326040000F0A40B911497214365F700006211524113054002C834",
        {"more": False, "report_indication": True, "reply_path": True, "loop_prevention": False},
    ),
    (
        "empty",
        "07911326040000F0040B911497214365F700006211524113054000",
        {"user_data.text": "", "user_data.cut": False},
    ),
    (
        "cut",
        "07911326040000F0040B911497214365F70000621152",
        {"sender.text": "+41791234567", "at": None, "user_data.cut": True},
    ),
    (
        "report delivered",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004000",
        {
            "reference": 42,
            "recipient.text": "+41791234567",
            "at": Stamp(1795613510000, 4),
            "discharged": Stamp(1795613520000, 4),
            "status": 0,
            "more": False,
            "extras": Extras(),
        },
    ),
    (
        "report pending",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004030",
        {"status": 0x30},
    ),
    (
        "report expired",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004046",
        {"status": 0x46},
    ),
    (
        "report given up",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004065",
        {"status": 0x65},
    ),
    (
        "report FF tail",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        {"status": 0, "extras": Extras()},
    ),
    (
        "report extras",
        "07911326040000F0062A0B911497214365F7621152411305406211524123004000073F0002EF35",
        {"extras.pid": 0x3F, "extras.dcs": 0, "extras.user_data.text": "ok"},
    ),
    (
        "submit-report ack",
        "00010062115241130540",
        {"cause": None, "at": Stamp(1795613510000, 4)},
    ),
    (
        "submit-report error",
        "0001C30062115241130540",
        {"cause": 0xC3, "at": Stamp(1795613510000, 4)},
    ),
]

FROM_PHONE: list[Vector] = [
    (
        "published, submit",
        "0011000B916407281553F80000AA0AE8329BFD4697D9EC37",
        {"recipient.text": "+46708251358", "user_data.text": "hellohello", "validity.seconds": 345600},
    ),
    (
        "mo none",
        "0001000B911497214365F7000002C834",
        {"recipient.text": "+41791234567", "user_data.text": "Hi", "validity": None},
    ),
    (
        "mo relative",
        "0031000B911497214365F70000A702C834",
        {"status_report": True, "validity": Validity(2, b"\xa7"), "validity.seconds": 86400},
    ),
    (
        "mo enhanced",
        "0009050B911497214365F70000423C000000000002C834",
        {"validity.seconds": 60, "validity.single_shot": True, "user_data.text": "Hi"},
    ),
    (
        "mo absolute",
        "0019050B911497214365F700006211524113054002C834",
        {"validity.until": Stamp(1795613510000, 4), "user_data.text": "Hi"},
    ),
    (
        "mo flags",
        "00A5050B911497214365F7410002C834",
        {"reject_duplicates": True, "status_report": True, "reply_path": True, "pid": 0x41},
    ),
    (
        "mo command",
        "00220700022A0B911497214365F700",
        {"type": 2, "number": 42, "reference": 7, "status_report": True, "recipient.text": "+41791234567"},
    ),
    (
        "mo report ack",
        "000000",
        {"cause": None},
    ),
    (
        "mo report error",
        "0000D300",
        {"cause": 0xD3},
    ),
    (
        "mo report extras",
        "0000D3013F",
        {"cause": 0xD3, "extras.pid": 0x3F},
    ),
]
