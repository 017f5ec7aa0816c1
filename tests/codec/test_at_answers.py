"""The readers of a modem's lines, in the shapes that modems give them, and the classes of refusals."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec import at
from smsd.codec.at import answers
from smsd.codec.at.errors import CME, CMS, FEW, outcome
from smsd.values.delivery import Kind, Scope

PDU = "0011223344"


class Messages(SynchronousTestCase):
    """+CMGL, +CMGR, +CMT, +CMTI."""

    def test_listing(self) -> None:
        for header, expected in (
            ("+CMGL: 1,0,,24", (1, 0, 24)),
            ('+CMGL: 0,1,"",24', (0, 1, 24)),
            ("+CMGL: 12,1,24", (12, 1, 24)),
            ("+CMGL:3,3,,24", (3, 3, 24)),
            ('+CMGL: 3,1,"a,b",24', (3, 1, 24)),
            ('+CMGL: 4,"REC UNREAD",,24', (4, 0, 24)),
        ):
            self.assertEqual(at.listing([header, PDU]), [at.Slot(*expected, PDU)], header)

    def test_listing_goes_on_after_broken_ones(self) -> None:
        lines = [
            "+CMGL: x,1,,2",
            PDU,
            "+CMGL: 1,1,,24",
            "+CMGL: 2,1,,24",
            PDU,
            PDU,
            "+CMGL: 3,1,,24",
            "no hex",
            PDU,
        ]
        self.assertEqual([slot.index for slot in at.listing(lines)], [2, 3])

    def test_record(self) -> None:
        for header in ("+CMGR: 0,,24", '+CMGR: 0,"",24', "+CMGR: 0,24", "+CMGR:0,,24"):
            self.assertEqual(at.record([header, PDU]), at.Slot(-1, 0, 24, PDU), header)
        self.assertIsNone(at.record(["+CMGR: 0,,0"]))
        self.assertIsNone(at.record([]))

    def test_direct_lengths(self) -> None:
        for body, expected in (
            (" ,23", 23),
            (' "",23', 23),
            (" 23", 23),
            (' "a,1",23', 23),
            ("", -1),
            (' "x"', -1),
        ):
            self.assertEqual(answers.length_of(body), expected, body)

    def test_places(self) -> None:
        for body, expected in (
            (' "SM",3', ("SM", 3)),
            ("SM,3", ("SM", 3)),
            (' "mt", 12', ("MT", 12)),
            (' "ME",0,1', ("ME", 0)),
            (' "SM"', None),
            (' "SM",x', None),
        ):
            self.assertEqual(answers.place_of(body), expected, body)


class Settings(SynchronousTestCase):
    """What a modem says of its memories, news, network and numbers."""

    def test_memories(self) -> None:
        sm, me = frozenset({"SM"}), frozenset({"SM", "ME"})
        for line, expected in (
            ('+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")', (me, me, me)),
            ('+CPMS: (("SM","ME"),("SM"),("SM"))', (me, sm, sm)),
            ('+CPMS: "SM","SM","SM"', (sm, sm, sm)),
            ('+CPMS:("SM", "ME"), ("SM"), "SM"', (me, sm, sm)),
            ('+CPMS: ("SM"),(),()', (sm, frozenset(), frozenset())),
            ("+CPMS: (SM,ME),(SM),(SM)", (me, sm, sm)),
            ('+CPMS: ("SM")', (sm,)),
        ):
            self.assertEqual(at.memories([line]), expected, line)
        self.assertEqual(at.memories(["nonsense"]), ())

    def test_notify_ranges(self) -> None:
        for line, expected in (
            ("+CNMI: (0-2),(0,1,3),(2),(0-1,3),(0)", ({0, 1, 2}, {0, 1, 3}, {2}, {0, 1, 3}, {0})),
            (
                "+CNMI:(0,1,2,3),(0-3),(0,2,3),(0,1,2),(0,1)",
                ({0, 1, 2, 3}, {0, 1, 2, 3}, {0, 2, 3}, {0, 1, 2}, {0, 1}),
            ),
            ("+CNMI: 2,(0-1),0", ({2}, {0, 1}, {0})),
        ):
            self.assertEqual(at.notify_ranges([line]), tuple(map(frozenset, expected)), line)
        self.assertEqual(len(at.notify_ranges(["+CNMI: (0-9999)"])[0]), 257)

    def test_registration(self) -> None:
        for line, expected in (
            ("+CREG: 0,1", 1),
            ('+CREG: 2,5,"1A2B","00C3D4"', 5),
            ("+CREG: 2,5,1A2B,C3D4,7", 5),
            ("+CREG: 3", 3),
            ('+CREG: 1,"1A2B","C3D4"', 1),
            ("+CREG:1,1A2B,C3D4", 1),
            ("+CREG: 1, 11", 11),
            ("+CEREG: 0,6", 6),
            ("+CREG: ", None),
        ):
            self.assertEqual(at.registration([line]), expected, line)

    def test_signal(self) -> None:
        self.assertEqual([at.signal([f"+CSQ: {n},99"]) for n in (0, 20, 31, 99)], [-113, -73, -51, None])
        self.assertIsNone(at.signal(["+CSQ: x"]))

    def test_service_centre(self) -> None:
        for line, expected in (
            ('+CSCA: "+41794999000",145', "+41794999000"),
            ("+CSCA: +41794999000,145", "+41794999000"),
            ('+CSCA: "002B0034003100370039",145', "+4179"),
            ('+CSCA: "",129', ""),
            ("+CSCA: ", ""),
            ('+CSCA: "evil\x07"', ""),
        ):
            self.assertEqual(at.service_centre([line]), expected, line)

    def test_words(self) -> None:
        self.assertEqual(at.reference(['+CMGS: 255,"stamp"']), 255)
        self.assertIsNone(at.reference(["+CMGS: "]))
        self.assertEqual(at.pin_state(["+CPIN: READY"]), "READY")
        self.assertEqual(at.pin_state(['+CPIN:"SIM PIN"']), "SIM PIN")
        self.assertEqual(at.identifier(["+CGMM: SIM800"]), "SIM800")
        self.assertEqual(at.identifier(['"WAVECOM MODEM"']), "WAVECOM MODEM")


READERS = [
    at.listing, at.record, at.memories, at.notify_ranges, at.registration, at.signal, at.service_centre,
    at.reference, at.pin_state, at.identifier,
]  # fmt: skip
NAMES = ["+CMGL", "+CMGR", "+CPMS", "+CNMI", "+CREG", "+CSQ", "+CSCA", "+CMGS", "+CPIN"]


class Anything(SynchronousTestCase):
    """No line makes a reader raise."""

    @settings(max_examples=500, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([*NAMES, "", PDU]),
                st.text(st.sampled_from('"(),:-0123456789ASM+\xff '), max_size=40),
            ),
            max_size=6,
        )
    )
    def test_readers(self, parts: list[tuple[str, str]]) -> None:
        lines = [f"{name}:{body}" if name.startswith("+") else name + body for name, body in parts]
        for reader in READERS:
            reader(lines)
        for line in lines:
            answers.length_of(line)
            answers.place_of(line)
            outcome(line)


class Classes(SynchronousTestCase):
    """27.005 3.2.5 and 27.007 9.2."""

    def judged(self, kind: str, code: int) -> at.Verdict:
        return at.judge(at.Outcome(kind, code, f"+{kind.upper()} ERROR: {code}"))

    def test_permanent(self) -> None:
        for code in (1, 8, 10, 28, 29, 30, 50, 69, 95, 96, 97, 98, 99, 111, *range(128, 131), *range(143, 146),
                     *range(159, 162), 175, 176, 193, 195, 196, 198, 199, 303, 304, 305,
                     *range(515, 521), 538, 550, 551, 553, 554):  # fmt: skip
            verdict = self.judged("cms", code)
            self.assertEqual((verdict.kind, verdict.scope), (Kind.PERMANENT, Scope.MESSAGE), code)

    def test_temporary(self) -> None:
        for code in (21, 27, 41, 42, 47, 81, 127, 192, 194, 255, 301, 314, 332, 500, 512, 521, 522, 535):
            verdict = self.judged("cms", code)
            self.assertEqual((verdict.kind, verdict.scope), (Kind.TEMPORARY, Scope.MESSAGE), code)

    def test_remedies(self) -> None:
        for remedy, codes in (
            (at.Remedy.INITIALISE, (300, 302, 320, 513, 514, 532)),
            (at.Remedy.SIM, (310, 312, 313, 315, 316, 317, 318)),
            (at.Remedy.PIN, (311,)),
            (at.Remedy.STORAGE, (208, 209, 211, 322)),
            (at.Remedy.CENTRE, (330,)),
            (at.Remedy.REGISTER, (38, 331)),
        ):
            for code in codes:
                verdict = self.judged("cms", code)
                self.assertEqual((verdict.remedy, verdict.scope), (remedy, Scope.GATEWAY), code)
        self.assertIs(self.judged("cme", 16).remedy, at.Remedy.SIM)
        self.assertIs(self.judged("cme", 515).remedy, at.Remedy.INITIALISE)

    def test_words(self) -> None:
        for line, kind, code in (
            ("+CME ERROR: SIM PIN required", "cme", 11),
            ("+CME ERROR: PH-SIM PIN required", "cms", 312),
            ("+CME ERROR: PH-FSIM PIN required", "cme", 6),
            ("+CME ERROR: PH-FSIM PUK required", "cme", 7),
            ("+CME ERROR: SIM PIN2 required", "cme", 17),
            ("+CME ERROR: operation not allowed", "cme", 3),
            ("+CMS ERROR: operation not allowed", "cms", 302),
            ("+CMS ERROR: operation not supported", "cms", 303),
            ("+CMS ERROR: invalid PDU mode parameter", "cms", 304),
            ("+CMS ERROR: something new", "cms", None),
        ):
            result = outcome(line)
            self.assertEqual(result, at.Outcome(kind, code, line))
        self.assertIs(at.judge(at.Outcome("cms", 312)).remedy, at.Remedy.SIM)

    def test_duplicate_was_sent(self) -> None:
        failure = at.failure(at.Outcome("cms", 197, "+CMS ERROR: 197"))
        self.assertEqual((failure.kind, failure.maybe_sent), (Kind.PERMANENT, True))

    def test_unknown_few_times(self) -> None:
        for result in (at.Outcome("cms", 999, "x"), at.Outcome("cms", 21, "x"), at.Outcome("cme", 25, "x")):
            self.assertIs(at.failure(result, 0).kind, Kind.TEMPORARY)
            self.assertIs(at.failure(result, FEW).kind, Kind.PERMANENT)

    def test_without_code_until_it_expires(self) -> None:
        for result in (at.Outcome("error", None, "ERROR"), at.Outcome("unsupported", None, "x")):
            self.assertIs(at.failure(result, 100).kind, Kind.TEMPORARY)

    def test_every_failure_has_words(self) -> None:
        for kind, table in (("cms", CMS), ("cme", CME)):
            for code in table:
                failure = at.failure(at.Outcome(kind, code, f"+{kind.upper()} ERROR: {code}"))
                self.assertIn(str(code), failure.reason)
                if failure.scope is Scope.MESSAGE:
                    self.assertRegex(failure.status, r"^[45]\.\d\.\d$")
                    self.assertEqual(failure.status[0], "5" if failure.kind is Kind.PERMANENT else "4")
