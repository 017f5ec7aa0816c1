"""Answers find the phone: registered contacts, absent phones, several phones, a proxy; one absent phone keeps nobody waiting."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import Peer, Request, Response, write
from smsd.interfaces import MessageIn
from smsd.values.message import Text
from tests.links.sip.rig import NUMBER, PBX, REALM, Rig, ok, register, request

HOME = Peer("UDP", "192.0.2.8", 5070, 1)


class Phones(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.addCleanup(lambda: self.rig.close())
        self.rig.house.inbound.arriving.replying = self.rig.house.inbound.arriving.replying.__class__(
            keep=3_600_000
        )
        self.rig.house.store.replies.keep = 3_600_000

    def register(self, user: str = "ann", **options: Any) -> Response:
        """A phone logs in; what the link asks of it besides is left in `wires.sent`."""
        peer = options.get("peer", HOME)
        signed = self.rig.logged_in(register(user=user, **{"peer": HOME, **options}), user, peer)
        answer, *more = self.rig.hear(write(signed), peer)
        self.rig.wires.sent += [(to, write(asked)) for to, asked in more]
        assert isinstance(answer[1], Response)
        return answer[1]

    def write(self, user: str = "ann", number: str = NUMBER) -> None:
        asked = request(user=user, to=f"sip:{number}@{REALM}")
        self.rig.hear(write(self.rig.logged_in(asked, user)))

    def answer(self, text: str = "Hi", number: str = NUMBER) -> list[tuple[Peer, Request]]:
        """Somebody answers from his mobile phone; what the link asks of phones because of it."""
        self.rig.house.wait(self.rig.house.inbound.message(MessageIn("gsm1", number, Text(text))))
        self.rig.house.settle()
        return self.asked()

    def asked(self) -> list[tuple[Peer, Request]]:
        return [(peer, one) for peer, one in self.rig.wires.take() if isinstance(one, Request)]

    def fate(self) -> str:
        """The state of the last delivery."""
        return self.rig.states()[-1]

    # -- REGISTER

    def test_a_phone_registers_asks_and_leaves(self) -> None:
        answer = self.register()
        self.assertEqual((answer.status, len(answer.contacts)), (200, 1))
        self.assertEqual(answer.contacts[0].parameter("expires"), "300")
        self.assertEqual(len(self.register(contact="").contacts), 1)
        self.assertEqual(self.register(contact="*", expires="0").contacts, ())
        self.assertIn("phones of 0 people", self.rig.link.status)

    def test_times_are_kept_within_limits(self) -> None:
        answer = self.register(expires="5")
        self.assertEqual((answer.status, answer.get("Min-Expires")), (423, "60"))
        self.assertEqual(self.register(expires="99999999").contacts[0].parameter("expires"), "3600")
        self.register(contact="*", expires="0")
        answer = self.register(contact="<sip:ann@192.0.2.8>;expires=100")
        self.assertEqual(answer.contacts[0].parameter("expires"), "100")

    def test_a_star_stands_alone(self) -> None:
        self.assertEqual(self.register(contact="*", expires="300").status, 400)

    def test_nobody_registers_for_others(self) -> None:
        asked = register(user="bob", peer=HOME)
        self.assertEqual(self.rig.asked(self.rig.logged_in(asked, "ann", HOME), HOME).status, 403)

    def test_there_is_room_for_some_phones_only_and_the_one_in_hand_is_one_of_them(self) -> None:
        def ports(answer: Response) -> list[int]:
            return sorted(int(contact.uri.rpartition(":")[2]) for contact in answer.contacts)

        for port in range(6000, 6010):
            answer = self.register(contact=f"<sip:ann@192.0.2.8:{port}>")
            self.rig.house.advance(1)
        self.assertEqual(ports(answer), [*range(6000, 6010)])
        self.register(contact="<sip:ann@192.0.2.8:6000>")  # again: it is not the oldest any more
        answer = self.register(contact="<sip:ann@192.0.2.8:7000>")
        self.assertEqual((answer.status, ports(answer)), (200, [6000, *range(6002, 6010), 7000]))
        many = ", ".join(f"<sip:ann@192.0.2.8:{port}>" for port in range(8000, 8011))
        self.assertEqual(self.register(contact=many).status, 403)
        self.assertEqual(ports(self.register(contact="")), [6000, *range(6002, 6010), 7000])

    def test_a_connection_that_is_gone_makes_room_first(self) -> None:
        self.register(contact="<sip:ann@192.0.2.8:5999>")
        for port in range(6000, 6009):
            self.rig.house.advance(1)
            self.rig.wires.flows.add(port)
            self.register(contact=f"<sip:ann@192.0.2.8:{port}>", peer=Peer("TCP", HOME.host, port, port))
        self.rig.wires.flows.discard(6005)
        answer = self.register(contact="<sip:ann@192.0.2.8:7000>")
        left = sorted(int(contact.uri.rpartition(":")[2]) for contact in answer.contacts)
        self.assertEqual(left, [5999, *range(6000, 6005), *range(6006, 6009), 7000])

    def test_a_phone_with_a_new_port_is_one_phone(self) -> None:
        for port in (6000, 6001):
            contact = f'<sip:ann@192.0.2.8:{port}>;+sip.instance="<urn:uuid:1>"'
            answer = self.register(contact=contact)
        self.assertEqual([contact.uri for contact in answer.contacts], ["sip:ann@192.0.2.8:6001"])

    # -- answers

    def test_an_answer_comes_from_the_number_as_it_was_written_to(self) -> None:
        self.register()
        self.write(number="00393331234567")
        ((peer, asked),) = self.answer()
        self.assertEqual((peer.host, peer.port), (HOME.host, HOME.port))
        self.assertEqual(asked.sender.uri, f"sip:00393331234567@{REALM}")
        self.assertEqual((asked.body, asked.content_type), (b"Hi", "text/plain"))
        self.rig.hear(ok(asked))
        self.assertEqual(self.fate(), "sent")

    def test_an_answer_waits_for_the_phone_and_goes_at_once_when_it_is_there(self) -> None:
        self.write()
        self.assertEqual(self.answer(), [])
        self.rig.house.advance(3600)
        self.assertEqual(self.fate(), "ready")
        self.assertEqual(self.register().status, 200)
        ((_, asked),) = self.asked()
        self.rig.hear(ok(asked))
        self.assertEqual(self.fate(), "sent")

    def test_registrations_and_what_waits_survive_a_restart(self) -> None:
        self.register()
        self.write()
        self.rig.restart()
        ((peer, _),) = self.answer_by_account()
        self.assertEqual((peer.host, peer.port), (HOME.host, HOME.port))

    def test_what_waits_over_a_restart_goes_at_once_when_the_phone_is_there(self) -> None:
        for settled in (True, False):  # or killed while nobody had written yet that there was no phone
            self.write(number=f"+39333000001{settled:d}")
            if settled:
                self.assertEqual(self.answer(number="+393330000011"), [])
            else:
                house = self.rig.house
                house.wait(house.inbound.message(MessageIn("gsm1", "+393330000010", Text("Hi"))))
            self.rig.restart()
            self.rig.house.store.replies.keep = 3_600_000
            self.assertEqual(self.asked(), [])
            self.register()
            ((_, asked),) = self.asked()
            self.rig.hear(ok(asked))
            self.assertEqual(self.fate(), "sent")
            self.register(contact="*", expires="0")

    def answer_by_account(self) -> list[tuple[Peer, Request]]:
        self.rig.house.store.replies.keep = 3_600_000
        self.rig.house.inbound.arriving.replying = self.rig.house.inbound.arriving.replying.__class__(
            keep=3_600_000
        )
        return self.answer()

    def test_a_registration_ends(self) -> None:
        self.register()
        self.write()
        self.rig.house.advance(301)
        self.assertEqual(self.answer(), [])
        self.assertEqual(self.fate(), "ready")

    def test_an_absent_phone_keeps_nobody_waiting(self) -> None:
        self.write("bob")
        self.register("ann")
        for number in range(5):
            self.write("ann", f"+39333000000{number}")
        self.assertEqual(self.answer("to bob"), [])
        for number in range(5):
            ((_, asked),) = self.answer(f"to ann {number}", f"+39333000000{number}")
            self.rig.hear(ok(asked))
        self.assertEqual(self.rig.states()[-6:], ["ready"] + ["sent"] * 5)

    def test_phones_that_are_silent_do_not_stop_the_link(self) -> None:
        """Three in a row without an answer would open the breaker of a gateway that has one other end."""
        for number in range(4):
            contact = f"<sip:ann@192.0.2.{100 + number}:5060>"
            self.register("ann", contact=contact)
        self.write("ann")
        self.register("bob")
        self.write("bob", "+393330000009")
        self.answer("to ann")
        for _ in range(5):
            self.rig.house.advance(33)
            self.rig.wires.take()
        self.assertEqual(self.rig.house.outlet("sip1").told(self.rig.house.queue.now()), "")
        ((_, asked),) = self.answer("to bob", "+393330000009")
        self.assertEqual(asked.body, b"to bob")

    def test_a_phone_that_has_not_answered_may_have_it_and_that_is_marked(self) -> None:
        self.register()
        self.write()
        ((_, first),) = self.answer()
        self.rig.house.advance(33)
        self.rig.wires.take()
        self.assertEqual(self.fate(), "ready")
        row = self.rig.house.rows()[-1]
        self.assertTrue(row["maybe_twice"])
        self.register()
        ((_, second),) = self.asked()
        self.assertEqual(second.call_id, first.call_id)
        self.assertGreater(second.cseq, first.cseq)

    def test_the_next_phone_gets_what_the_latest_does_not_take(self) -> None:
        self.register(contact="<sip:ann@192.0.2.8:6000>")
        self.rig.house.advance(1)
        self.register(contact="<sip:ann@192.0.2.8:6001>")
        self.write()
        ((_, first),) = self.answer()
        self.assertEqual(first.uri, "sip:ann@192.0.2.8:6001")
        ((_, second),) = [
            (peer, one) for peer, one in self.rig.hear(ok(first, 415)) if isinstance(one, Request)
        ]
        self.assertEqual(second.uri, "sip:ann@192.0.2.8:6000")
        self.rig.hear(ok(second))
        self.assertEqual(self.fate(), "sent")

    def test_a_phone_that_registers_elsewhere_during_a_try_gets_it_after_that(self) -> None:
        self.register(contact='<sip:ann@192.0.2.8:5070>;+sip.instance="<urn:uuid:1>"')
        self.write()
        ((peer, _),) = self.answer("on the way")
        self.assertEqual(peer.host, "192.0.2.8")
        away = Peer("UDP", "198.51.100.20", 5071, 1)
        self.register(contact='<sip:ann@198.51.100.20:5071>;+sip.instance="<urn:uuid:1>"', peer=away)
        self.rig.house.advance(33)
        (asked,) = [one for peer, one in self.asked() if peer.host == "198.51.100.20"]
        self.assertEqual(asked.body, b"on the way")
        self.rig.hear(ok(asked), away)
        self.assertEqual(self.fate(), "sent")

    def test_a_phone_that_names_itself_twice_in_one_request_is_one_phone(self) -> None:
        answer = self.register(contact="<sip:ann@192.0.2.8:5070>, <sip:ann@192.0.2.8:5070;transport=tcp>")
        self.assertEqual(
            [contact.uri for contact in answer.contacts], ["sip:ann@192.0.2.8:5070;transport=tcp"]
        )

    def test_a_phone_that_is_set_up_anew_is_one_phone(self) -> None:
        for instance in "123":
            answer = self.register(contact=f'<sip:ann@192.0.2.8:5070>;+sip.instance="<urn:uuid:{instance}>"')
        self.assertEqual(len(answer.contacts), 1)

    def test_a_phone_that_never_takes_texts_ends_it(self) -> None:
        self.register()
        self.write()
        ((_, asked),) = self.answer()
        self.rig.hear(ok(asked, 405))
        self.assertEqual(self.fate(), "failed")

    def test_busy_is_not_for_ever(self) -> None:
        self.register()
        self.write()
        ((_, asked),) = self.answer()
        self.rig.hear(ok(asked, 486, (("Retry-After", "20"),)))
        self.assertEqual(self.fate(), "ready")
        self.rig.house.advance(21)
        ((_, second),) = self.asked()
        self.assertEqual(second.call_id, asked.call_id)

    def test_a_phone_on_a_connection_gets_it_there(self) -> None:
        peer = Peer("TCP", "192.0.2.8", 40_000, 5)
        self.rig.wires.flows.add(5)
        self.register(peer=peer, contact="<sip:ann@10.0.0.1:5060;transport=tcp>")
        self.assertIn(5, self.rig.wires.known)
        self.write()
        ((to, asked),) = self.answer()
        self.assertEqual((to.flow, asked.via.transport), (5, "TCP"))

    def test_nobody_is_sent_to_where_he_has_not_been(self) -> None:
        peer = Peer("TCP", "192.0.2.8", 40_000, 5)
        self.rig.wires.flows.add(5)
        self.register(peer=peer, contact="<sip:ann@10.0.0.1:22;transport=tcp>")
        self.rig.wires.flows.discard(5)
        self.write()
        self.assertEqual(self.answer(), [])
        self.assertEqual(self.fate(), "ready")
        self.register(peer=peer, contact="<sip:ann@192.0.2.8:5064;transport=tcp>")
        ((to, _),) = self.asked()
        self.assertEqual((to.host, to.port, to.flow), ("192.0.2.8", 5064, None))

    def test_a_phone_that_is_silent_is_left_alone_until_it_comes_back(self) -> None:
        self.register()
        self.write()
        self.write(number="+393330000002")
        self.assertEqual(len(self.answer("first")), 1)
        self.rig.house.advance(33)
        self.rig.wires.take()
        self.assertEqual(self.answer("second", "+393330000002"), [])
        self.rig.house.advance(16)
        self.assertEqual(self.asked(), [])
        self.register()
        self.assertEqual(len(self.asked()), 1)  # one after the other

    def test_a_large_text_goes_by_tcp_and_by_datagram_where_nobody_listens(self) -> None:
        self.register()
        self.write()
        self.rig.wires.refused.add(("TCP", HOME.host))
        ((to, asked),) = self.answer("x" * 1500)
        self.assertEqual((to.transport, asked.via.transport), ("UDP", "UDP"))
        self.rig.hear(ok(asked))
        self.rig.wires.refused.clear()
        ((to, asked),) = self.answer("y" * 1500)
        self.assertEqual((to.transport, asked.via.transport), ("TCP", "TCP"))


class Trunk(SynchronousTestCase):
    """A PBX that has the phones: everything goes there."""

    def setUp(self) -> None:
        self.rig = Rig(
            trusted_networks=["10.0.0.0/8"], account="ann", registrar=False,
            proxy="sip:10.9.8.7:5060", proxy_user="smsd", proxy_password="pbx",
        )  # fmt: skip
        self.addCleanup(self.rig.close)
        self.rig.house.store.replies.keep = 3_600_000
        self.rig.house.inbound.arriving.replying = self.rig.house.inbound.arriving.replying.__class__(
            keep=3_600_000
        )
        self.assertEqual(self.rig.asked(request(peer=PBX, user="200"), PBX).status, 202)
        self.rig.house.wait(self.rig.house.inbound.message(MessageIn("gsm1", NUMBER, Text("Hi"))))
        self.rig.house.settle()

    def asked(self) -> Request:
        ((to, asked),) = self.rig.wires.take()
        assert isinstance(asked, Request)
        self.assertEqual((to.transport, to.host, to.port), ("UDP", "10.9.8.7", 5060))
        return asked

    def test_it_is_asked_to_route(self) -> None:
        asked = self.asked()
        self.assertEqual(asked.uri, f"sip:200@{REALM}")
        self.assertEqual(asked.all("Route"), ("<sip:10.9.8.7:5060;lr>",))
        self.rig.hear(ok(asked, 202))
        self.assertEqual(self.rig.states()[-1], "sent")

    def test_it_may_ask_for_a_password(self) -> None:
        challenge = ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"')
        asked = self.asked()
        ((_, second),) = [e for e in self.rig.hear(ok(asked, 407, (challenge,))) if isinstance(e[1], Request)]
        assert isinstance(second, Request)
        self.assertIn('username="smsd"', second.get("Proxy-Authorization"))
        self.assertEqual((second.call_id, second.cseq), (asked.call_id, asked.cseq + 1))
        self.rig.hear(ok(second))
        self.assertEqual(self.rig.states()[-1], "sent")

    def test_a_wrong_password_is_the_links_trouble(self) -> None:
        challenge = ("Proxy-Authenticate", 'Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"')
        ((_, second),) = [
            e for e in self.rig.hear(ok(self.asked(), 407, (challenge,))) if isinstance(e[1], Request)
        ]
        assert isinstance(second, Request)
        self.rig.hear(ok(second, 407, (challenge,)))
        self.assertEqual(self.rig.states()[-1], "ready")
        told = self.rig.house.outlet("sip1").told(self.rig.house.queue.now())
        self.assertIn("proxy_user and proxy_password are wrong", told)

    def test_nothing_registers(self) -> None:
        self.rig.wires.take()
        answer = self.rig.asked(register(peer=PBX), PBX)
        self.assertEqual(answer.status, 405)
