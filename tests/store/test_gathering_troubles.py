"""What must not keep a gathered message from leaving: codings, rules with one name, gateways that are gone."""

from __future__ import annotations

from smsd.codec.dcs import Dcs
from smsd.values.address import Address
from smsd.values.message import Parameters, Ticket, Wants
from tests.house import MODEM
from tests.store.caring import ANN, CareCase, cap, digest
from tests.store.test_gathering import Account

GSM7 = Parameters(coding=0)
FLASH = Parameters(coding=0x10)


class Codings(CareCase):
    """A digest may have characters that no message in it has, and messages of several codings."""

    def test_what_is_cut_may_end_in_a_sign_that_the_coding_does_not_have(self) -> None:
        for number in "abc":
            self.send(number * 150, cap(1), parameters=GSM7)
        self.later(1)
        self.assertEqual(set(self.texts()[1:]), {f"2 more: {'b' * 119}…"})

    def test_the_last_text_may_not_fit_the_coding_of_the_first(self) -> None:
        self.send("disk", digest(text="%first% %last%"), parameters=GSM7)
        self.send("диск", digest(text="%first% %last%"))
        self.later(1)
        self.assertEqual(self.texts(), ["disk диск"])

    def test_it_flashes_like_its_first_message(self) -> None:
        for number in "ab":
            self.send(number, digest(), parameters=FLASH)
        self.later(1)
        (piece,) = self.house.gsm.pieces
        self.assertEqual(Dcs.read(piece.parameters.coding or 0).message_class, 0)


class Windows(CareCase):
    def test_the_same_wish_twice_is_one(self) -> None:
        for text in "abc":
            self.send(text, cap(1), cap(1))
        self.later(1)
        self.assertEqual(self.texts(), ["a", "2 more: b"])

    def test_what_nothing_carries_keeps_nobody_else_waiting(self) -> None:
        self.house.accounts.update(ann=Account("ann"), bob=Account("bob"))
        self.house.gateway("gsm2", MODEM)
        for text in "ab":
            self.send(text, digest(), account="ann", parameters=Parameters(gateway="gsm2"))
        for text in "cd":
            self.send(text, digest(), account="bob")
        self.house.wait(self.house.queue.remove("gsm2"))
        self.later(1)
        self.assertEqual(self.texts(ANN), ["2 more: c"])
        self.assertEqual(self.house.states(), ["gathered"] * 2 + ["merged"] * 2 + ["sent"])
        self.house.gateway("gsm2", MODEM)
        self.house.outlet("gsm2").opened(1)
        self.later(1.1)
        self.assertEqual(self.house.states(), ["merged"] * 4 + ["sent"] * 2)


class CallLog(CareCase):
    def test_what_is_in_a_digest_is_kept_until_that_has_come_to_an_end(self) -> None:
        self.house.sweeper.keep_days = 1
        self.house.outlet("gsm1").closed("pulled out")
        for name in "ab":
            ticket = Ticket(Address("mailto", f"{name}@example.org"))
            self.send(name, digest(), ticket=ticket, wants=Wants.FAILURE)
        for _ in range(5 * 24):
            self.later(60)
        self.assertEqual(
            [piece.target.target for piece in self.house.mail.pieces], ["a@example.org", "b@example.org"]
        )
        for _ in range(3 * 24):
            self.later(60)
        self.assertEqual(self.house.rows(), [])
