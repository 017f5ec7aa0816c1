"""Logins of phones: which algorithms they are offered, whose nonces are whose, and texts that come by two ways."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Peer, Request, Response, again, credentials, write
from smsd.links.sip.offers import PATIENCE, Offers
from tests.links.sip.rig import PHONE, Rig, register, request, token

ANN = ("192.0.2.7", "sip:ann@sip.example.org", "Phone/1")
ELSEWHERE = Peer("UDP", "198.51.100.9", 5062, 1)


class Offered(SynchronousTestCase):
    def setUp(self) -> None:
        self.offers = Offers(["SHA-256", "MD5"])

    def test_several_requests_at_once_are_no_stumbling(self) -> None:
        self.assertEqual([self.offers.simple(ANN, 0.0) for _ in range(3)], [False] * 3)
        self.assertFalse(self.offers.simple(ANN, PATIENCE - 0.1))

    def test_who_owes_an_answer_for_long_is_asked_by_md5(self) -> None:
        self.offers.simple(ANN, 0.0)
        self.assertTrue(self.offers.simple(ANN, PATIENCE))
        self.offers.answered(ANN, "MD5")
        self.assertTrue(self.offers.simple(ANN, PATIENCE + 1))

    def test_who_has_answered_by_more_is_never_asked_by_md5_alone(self) -> None:
        self.offers.simple(ANN, 0.0)
        self.offers.answered(ANN, "SHA-256")
        self.assertEqual([self.offers.simple(ANN, at) for at in (1.0, 2.0, 600.0)], [False] * 3)

    def test_another_program_at_the_same_place_is_another_phone(self) -> None:
        other = (*ANN[:2], "Phone/2")
        self.offers.simple(ANN, 0.0)
        self.offers.answered(ANN, "SHA-256")
        self.offers.simple(other, 0.0)
        self.assertTrue(self.offers.simple(other, 60.0))
        self.assertFalse(self.offers.simple(ANN, 60.0))

    def test_a_habit_is_forgotten(self) -> None:
        self.offers.simple(ANN, 0.0)
        self.assertTrue(self.offers.simple(ANN, 60.0))
        self.assertFalse(self.offers.simple(ANN, 60.0 + 86_401))

    def test_nothing_is_weakened_where_there_is_no_choice(self) -> None:
        for algorithms in (["SHA-256"], ["MD5"]):
            offers = Offers(algorithms)
            self.assertEqual([offers.simple(ANN, at) for at in (0.0, 60.0)], [False, False])


class LoggedIn(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(lambda: self.rig.close())

    def stale(self, answer: Response) -> bool:
        self.assertEqual(answer.status, 401)
        return "stale=true" in answer.get("WWW-Authenticate")

    def test_two_texts_at_once(self) -> None:
        """As Linphone writes them: both are challenged alike, and both are sent."""
        asked = [request(text=text) for text in ("one", "two")]
        answers = [self.rig.asked(one) for one in asked]
        self.assertEqual([len(answer.all("WWW-Authenticate")) for answer in answers], [2, 2])
        for one, answer in zip(asked, answers, strict=True):
            signed = again(one, token(), credentials(answer, one, "ann", "ann's", "0123456789abcdef"))
            self.assertEqual(self.rig.asked(signed).status, 202)
        self.assertEqual(len(self.rig.written()), 2)

    def test_a_nonce_is_good_for_whom_it_was_given_to(self) -> None:
        """So nobody logs in with a stranger's address on his datagrams, or makes guesses count that are not the stranger's."""
        signed = self.rig.logged_in(register())
        self.assertTrue(self.stale(self.rig.asked(signed, ELSEWHERE)))
        asked = request()
        nonce = self.rig.asked(asked)
        for _ in range(20):
            wrong = again(asked, token(), credentials(nonce, asked, "ann", "guess", "0123456789abcdef"))
            self.assertTrue(self.stale(self.rig.asked(wrong, ELSEWHERE)))
        self.assertEqual(
            self.rig.asked(self.rig.logged_in(request(peer=ELSEWHERE), peer=ELSEWHERE), ELSEWHERE).status, 202
        )
        self.assertEqual(self.rig.asked(signed).status, 200)

    def once_more(self, signed: Request) -> int:
        """The same request by another way, when the first transaction is long over."""
        self.rig.house.advance(40)
        via = replace(signed.via, parameters=(("branch", f"z9hG4bK{token()}"), ("rport", "")))
        headers = tuple(
            [("Via", str(via)) if name == "Via" else (name, value) for name, value in signed.headers]
        )
        return self.rig.asked(replace(signed, headers=headers, facts=None)).status

    def test_a_text_that_comes_by_another_way_is_one_sms(self) -> None:
        signed = self.rig.logged_in(request())
        self.rig.hear(write(signed), PHONE)  # the answer is lost
        self.assertEqual(self.once_more(signed), 202)
        self.assertEqual(len(self.rig.states()), 1)

    def test_and_so_it_is_after_a_kill(self) -> None:
        signed = self.rig.logged_in(request())
        self.rig.hear(write(signed), PHONE)
        self.rig.restart()
        self.assertEqual(self.once_more(signed), 202)
        self.assertEqual(len(self.rig.states()), 1)

    def test_another_text_with_the_same_login_is_no_repetition(self) -> None:
        signed = self.rig.logged_in(request())
        self.assertEqual(self.rig.asked(signed).status, 202)
        self.assertEqual(self.once_more(replace(signed, body=b"Bought!")), 401)
        self.assertEqual(len(self.rig.states()), 1)

    def test_a_registration_wants_a_count_of_its_own(self) -> None:
        """Contact is not part of what the password is proved for."""
        signed = self.rig.logged_in(register())
        self.assertEqual(self.rig.asked(signed).status, 200)
        self.assertEqual(self.once_more(signed), 401)
