"""RFC 4475's torture messages, by the RFC's own names: what is legal is read as it is meant, what is not is answered or dropped."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.sip import (
    Malformed,
    Party,
    Peer,
    Request,
    Response,
    Send,
    Transactions,
    parse,
    respond,
    unsupported,
    write,
)


def octets(text: str, body: bytes = b"") -> bytes:
    """A message from lines; `{length}` is that of the body."""
    head = text.strip("\n").replace("{length}", str(len(body))).replace("\n", "\r\n")
    return head.encode("latin-1") + b"\r\n\r\n" + body


WSINV = octets(
    """
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : {length}
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
""",
    b"v=0\r\n",
)

_USER = (
    "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"
)
INTMETH = octets(
    f"""
!interesting-Method0123456789_*+`.%indeed'~ sip:{_USER} SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{_USER}>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="\xc3\x91\xc3\x91"\
;tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/"][?}}{{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\xef\xbb\xbf\xe5\xa4\xa7\xe5\x81\x9c\xe9\x9b\xbb
Content-Length: 0
"""
)

ESC01 = octets(
    """
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: 0
"""
)

ESCNULL = octets(
    """
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0
"""
)

ESC02 = octets(
    """
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0
"""
)

LWSDISP = octets(
    """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0
"""
)

_LONG = "unreasonablylongvalue" * 30
LONGREQ = octets(
    f"""
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of {"extreme " * 60}proportion"<sip:user@example.com:6000;unknownparam1={_LONG};longparam{_LONG}=shortvalue>
F: sip:amazinglylongcallername{_LONG}@example.net;tag=12{"982" * 50}424;unknownheaderparam{_LONG}=unknownheaderparam{_LONG}
Call-ID: longreq.one{"really" * 20}longcallid
CSeq: 3882340 INVITE
Unknown-{"Long" * 20}-Name: unknown-{_LONG}-value
Via: SIP/2.0/TCP sip33.example.com
v: SIP/2.0/TCP sip32.example.com
V: SIP/2.0/TCP sip31.example.com
Via: SIP/2.0/TCP sip30.example.com
m: <sip:amazinglylongcallername{_LONG}@host5.example.net>
Content-Length: 0
"""
)

DBLREQ = (
    octets(
        """
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0
"""
    )
    + b"\r\nINVITE sip:joe@example.com SIP/2.0\r\n"
)

SEMIURI = octets(
    """
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0
"""
)

TRANSPORTS = octets(
    """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0
"""
)

UNREASON = (
    b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n"
    b"Call-ID: unreason.1234ksdfak3j2erwedfsASdf\r\nCSeq: 35 INVITE\r\n"
    b"From: sip:user@example.com;tag=11141343\r\nTo: sip:user@example.edu;tag=2229\r\n"
    b"Content-Length: 0\r\nContact: <sip:user@host198.example.com>\r\n\r\n"
)
NOREASON = octets(
    """
SIP/2.0 100 \x20
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
"""
).replace(b"100  ", b"100 ")


def invite(
    start: str = "INVITE sip:user@example.com SIP/2.0", cseq: str = "9 INVITE", more: str = "", **headers: str
) -> bytes:
    """A plain INVITE, or nearly one."""
    lines = {
        "Via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdj.insuf",
        "Max-Forwards": "70",
        "To": "<sip:user@example.com>",
        "From": '"Caller" <sip:caller@example.net>;tag=123',
        "Call-ID": "torture@example.net",
        "CSeq": cseq,
        "Content-Length": "0",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    said = "\n".join(f"{name}: {value}" for name, value in lines.items() if value != "-")
    return octets(f"{start}\n{said}\n{more}")


class LegalTests(SynchronousTestCase):
    """Section 3.1.1: messages that are legal, however odd."""

    def request(self, message: bytes) -> Request:
        """The request, after a check that it can be written and answered too."""
        read = parse(message)
        assert isinstance(read, Request)
        self.assertEqual(parse(write(read)), read)
        self.assertIsInstance(parse(write(respond(read, 200, tag="t"))), Response)
        return read

    def test_wsinv(self) -> None:
        """Blanks and folds everywhere, compact forms, escapes."""
        read = self.request(WSINV)
        self.assertEqual(read.to.target.address, "vivekg@chair-dnrc.example.com")
        self.assertEqual(read.to.tag, "1918181833n")
        self.assertEqual(
            read.sender, Party("sip:jdrosen@example.com", 'J Rosenberg \\"', (("tag", "98asjd8"),))
        )
        self.assertEqual((read.cseq, read.method, read.body), (9, "INVITE", b"v=0\r\n"))
        self.assertEqual(
            [via.split()[-1] for via in read.all("via")],
            ["192.0.2.2;branch=390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"],
        )
        self.assertEqual(read.via.branch, "390skdjuw")
        self.assertEqual(read.get("subject", "none"), "")
        (contact,) = read.contacts
        self.assertEqual((contact.name, contact.parameter("q")), ('Quoted string ""', "0.33"))
        self.assertEqual(contact.parameter("newparam"), "newvalue")
        self.assertEqual(read.target.parameter("unknownparam"), "")
        self.assertEqual(read.get("NewFangledHeader"), "newfangled value continued newfangled value")

    def test_intmeth(self) -> None:
        """Every character that is allowed somewhere stands there."""
        read = self.request(INTMETH)
        self.assertEqual(read.method, "!interesting-Method0123456789_*+`.%indeed'~")
        self.assertEqual(read.target.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
        self.assertEqual(read.target.password, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        self.assertEqual(read.to.name, "BEL:  NUL:  DEL: ")
        self.assertEqual(read.sender.parameter("fromparam''~+*_!.-%"), "ÑÑ")
        self.assertEqual(read.sender.tag, "_token~1'+`*%!-.")

    def test_esc01(self) -> None:
        """Escapes are undone once."""
        read = self.request(ESC01)
        self.assertEqual((read.target.user, read.target.host), ("sips:user@example.com", "example.net"))
        self.assertEqual(read.to.target.address, "user@example.com")
        self.assertEqual(read.sender.target.user, "I have spaces")
        self.assertEqual(read.contacts[0].target.parameters, (("lr", ""), ("name", "value%41")))

    def test_escnull(self) -> None:
        """An escaped NUL is a character like others."""
        read = self.request(ESCNULL)
        self.assertEqual(read.to.target.user, "null-\0-null")
        self.assertEqual([contact.target.user for contact in read.contacts], ["\0", "\0\0"])

    def test_esc02(self) -> None:
        """What only looks like an escape is none: an unknown method, an unknown header."""
        read = self.request(ESC02)
        self.assertEqual((read.method, read.sender.name), ("RE%47IST%45R", "%Z%45"))
        self.assertEqual(len(read.contacts), 2)

    def test_lwsdisp(self) -> None:
        """No blank between name and address."""
        read = self.request(LWSDISP)
        self.assertEqual((read.sender.name, read.sender.tag), ("caller", "323"))

    def test_longreq(self) -> None:
        """Long values."""
        read = self.request(LONGREQ)
        self.assertEqual(len(read.all("Via")), 4)
        self.assertEqual(read.to.target.port, 6000)

    def test_dblreq(self) -> None:
        """What follows the body in a datagram is ignored."""
        read = self.request(DBLREQ)
        self.assertEqual((read.method, read.body), ("REGISTER", b""))

    def test_semiuri(self) -> None:
        """A semicolon in the user part is not a parameter."""
        read = self.request(SEMIURI)
        self.assertEqual(read.target.user, "user;par=u@example.net")
        self.assertEqual(read.target.parameters, ())

    def test_transports(self) -> None:
        """Unknown transports in Via."""
        read = self.request(TRANSPORTS)
        self.assertEqual(len(read.all("Via")), 5)

    def test_mpart01(self) -> None:
        """A body with NUL and line ends is octets."""
        body = b"--7a9\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9\r\n\r\n0\x82\x01\x00\x0d\x0a\x0d\x0a\xff\r\n--7a9--\r\n"
        read = self.request(
            octets(WSINV.decode("latin-1").partition("\r\n\r\n")[0].replace("\r\n", "\n"), body)[
                : -len(body)
            ].replace(b": 5", b": %d" % len(body))
            + body
        )
        self.assertEqual(read.body, body)

    def test_unreason(self) -> None:
        """A reason phrase in UTF-8."""
        read = parse(UNREASON)
        assert isinstance(read, Response)
        self.assertEqual((read.status, read.reason), (200, "= 2**3 * 5**2 но сто"))
        self.assertEqual(parse(write(read)), read)

    def test_noreason(self) -> None:
        """An empty reason phrase."""
        read = parse(NOREASON)
        assert isinstance(read, Response)
        self.assertEqual((read.status, read.reason), (100, ""))


class BrokenTests(SynchronousTestCase):
    """Section 3.1.2: messages that are not legal."""

    def refused(self, message: bytes, status: int = 400) -> Malformed:
        """The error; by way of the transactions it is answered with `status` to where it came from."""
        error = self.assertRaises(Malformed, parse, message)
        self.assertEqual(error.status, status)
        (sent,) = Transactions(b"k").heard(message, Peer("UDP", "192.0.2.7", 5070), 0.0)
        assert isinstance(sent, Send)
        self.assertEqual(sent.to, Peer("UDP", "192.0.2.7", 5060))
        answer = parse_loosely(sent.octets)
        self.assertTrue(answer.startswith(f"SIP/2.0 {status} "), answer)
        self.assertIn(";received=192.0.2.7", answer)
        return error

    def dropped(self, message: bytes) -> None:
        """Nobody is answered."""
        error = self.assertRaises(Malformed, parse, message)
        self.assertIsNone(error.request)
        self.assertEqual(Transactions(b"k").heard(message, Peer("UDP", "192.0.2.7", 5070), 0.0), [])

    def test_badinv01(self) -> None:
        """Empty parameters and values in Via: there is no way back."""
        self.dropped(invite(Via="SIP/2.0/UDP 192.0.2.15;;,;,,"))

    def test_clerr(self) -> None:
        """Content-Length is larger than the datagram."""
        self.refused(invite(Content_Length="9999"))

    def test_ncl(self) -> None:
        """Content-Length is negative."""
        self.refused(invite(Content_Length="-999"))

    def test_scalar02(self) -> None:
        """Numbers that are too large, in a request and in a response."""
        self.refused(invite(cseq="36893488147419103232 INVITE"))
        self.dropped(invite("SIP/2.0 503 Service Unavailable", cseq="9292394834772304023312 OPTIONS"))

    def test_quotbal(self) -> None:
        """A quotation mark that is never closed."""
        self.refused(invite(To='"Mr. J. User <sip:j.user@example.com>'))

    def test_ltgtruri(self) -> None:
        """The Request-URI in angle brackets."""
        self.refused(invite("INVITE <sip:user@example.com> SIP/2.0"))

    def test_lwsruri(self) -> None:
        """A blank in the Request-URI."""
        self.refused(invite("INVITE sip:user@example.com; lr SIP/2.0"))

    def test_lwsstart(self) -> None:
        """Several blanks in the request line."""
        self.refused(invite("INVITE  sip:user@example.com  SIP/2.0"))

    def test_trws(self) -> None:
        """Blanks behind the request line."""
        self.refused(invite("INVITE sip:user@example.com SIP/2.0  "))

    def test_escruri(self) -> None:
        """Headers in the Request-URI are read, and used by nobody."""
        read = parse(invite("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"))
        assert isinstance(read, Request)
        self.assertEqual(read.target.headers, (("Route", "<sip:example.com>"),))

    def test_baddate(self) -> None:
        """A Date that is none hurts only who needs it."""
        self.assertEqual(
            parse(invite(Date="Fri, 01 Jan 2010 16:00:00 EST")).get("date"), "Fri, 01 Jan 2010 16:00:00 EST"
        )

    def test_regbadct(self) -> None:
        """A Contact with a question mark outside of angle brackets."""
        read = parse(invite(Contact="sip:user@example.com?Route=%3Csip:sip.example.com%3E"))
        self.assertRaises(Malformed, lambda: read.contacts)

    def test_badaspec(self) -> None:
        """Blanks inside angle brackets."""
        self.refused(invite(To='"Watson, Thomas" < sip:t.watson@example.org >'))

    def test_baddn(self) -> None:
        """A name with a comma but no quotation marks: it is clear enough what is meant."""
        read = parse(invite(From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"))
        self.assertEqual((read.sender.name, read.sender.tag), ("Bell, Alexander", "43"))

    def test_badvers(self) -> None:
        """Another version of SIP."""
        self.refused(invite("INVITE sip:user@example.com SIP/7.0"), 505)

    def test_mismatch01(self) -> None:
        """CSeq names another method."""
        self.refused(invite(cseq="9 NOTIFY"))

    def test_mismatch02(self) -> None:
        """CSeq names another method, and neither is known."""
        self.refused(invite("NEWMETHOD sip:user@example.com SIP/2.0", cseq="9 INVITE"))

    def test_bigcode(self) -> None:
        """A status of ten digits."""
        self.dropped(invite("SIP/2.0 4294967301 better not break the receiver"))


class TransactionLayerTests(SynchronousTestCase):
    """Section 3.2."""

    def test_badbranch(self) -> None:
        """A branch that is the magic cookie and nothing else is no branch: what is known of old requests must do."""
        layer, peer = Transactions(b"k"), Peer("UDP", "192.0.2.1", 5060)
        first = invite(
            "OPTIONS sip:user@example.com SIP/2.0", "1 OPTIONS", Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"
        )
        self.assertEqual(len(layer.heard(first, peer, 0.0)), 1)
        self.assertEqual(layer.heard(first, peer, 0.0), [])
        other = first.replace(b"torture@", b"another@")
        self.assertEqual(len(layer.heard(other, peer, 0.0)), 1)


class ApplicationTests(SynchronousTestCase):
    """Section 3.3 and 3.4: what a user agent has to see to."""

    def test_insuf(self) -> None:
        """Call-ID, From and To are missing: no answer could be made."""
        error = self.assertRaises(Malformed, parse, invite(To="-", From="-", Call_ID="-"))
        self.assertIsNone(error.request)

    def test_unkscm(self) -> None:
        """A Request-URI of an unknown scheme."""
        read = parse(invite("INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"))
        assert isinstance(read, Request)
        self.assertEqual(self.assertRaises(Malformed, lambda: read.target).status, 416)

    def test_novelsc(self) -> None:
        """A known scheme that is of no use."""
        read = parse(invite("INVITE soap.beep://192.0.2.103:3002 SIP/2.0"))
        assert isinstance(read, Request)
        self.assertEqual(self.assertRaises(Malformed, lambda: read.target).status, 416)

    def test_unksm2(self) -> None:
        """Unknown schemes in To, From and Contact do not matter to who does not use them."""
        read = parse(
            invite(
                To="isbn:2983792873", From="<http://www.example.com>;tag=3234233", Contact="<name:John_Smith>"
            )
        )
        self.assertEqual((read.to.uri, read.sender.tag), ("isbn:2983792873", "3234233"))

    def test_bext01(self) -> None:
        """Options that nobody knows."""
        read = parse(
            invite(
                Require="nothingSupportsThis, nothingSupportsThisEither",
                Proxy_Require="noProxiesSupportThis",
            )
        )
        assert isinstance(read, Request)
        self.assertEqual(
            unsupported(read),
            ("nothingSupportsThis", "nothingSupportsThisEither"),
        )

    def test_multi01(self) -> None:
        """What may be there once is there twice."""
        for name in ("CSeq", "Call-ID", "To", "From", "Max-Forwards", "Content-Length"):
            error = self.assertRaises(Malformed, parse, invite(more=f"{name}: 1"))
            self.assertIn(f"{name} is there more than once", error.text)

    def test_mcl01(self) -> None:
        """Two Content-Lengths, one of them compact."""
        error = self.assertRaises(Malformed, parse, invite(more="l: 0"))
        self.assertIsNotNone(error.request)

    def test_bcast(self) -> None:
        """A response whose second Via is a broadcast address goes nowhere: it is none of ours."""
        message = invite("SIP/2.0 200 OK", more="Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23")
        self.assertEqual(Transactions(b"k").heard(message, Peer("UDP", "192.0.2.7", 5070), 0.0), [])

    def test_zeromf(self) -> None:
        """Max-Forwards 0 is for who is meant as good as any."""
        self.assertEqual(parse(invite(Max_Forwards="0")).get("Max-Forwards"), "0")

    def test_cparam01(self) -> None:
        """A parameter outside of angle brackets belongs to the header, inside to the address (cparam02)."""
        outside = parse(invite(Contact="sip:+19725552222@gw1.example.net;unknownparam")).contacts[0]
        self.assertEqual((outside.parameter("unknownparam"), outside.target.parameters), ("", ()))
        inside = parse(invite(Contact="<sip:+19725552222@gw1.example.net;unknownparam>")).contacts[0]
        self.assertEqual(
            (inside.parameter("unknownparam"), inside.target.parameters), (None, (("unknownparam", ""),))
        )

    def test_regescrt(self) -> None:
        """A Contact whose address has a Route in it."""
        contact = parse(invite(Contact="<sip:user@example.com?Route=%3Csip:sip.example.com%3E>")).contacts[0]
        self.assertEqual(contact.target.headers, (("Route", "<sip:sip.example.com>"),))

    def test_inv2543(self) -> None:
        """An INVITE of RFC 2543: no branch, no tag, no Max-Forwards."""
        message = octets(
            """
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
""",
            b"v=0\r\n",
        )
        read = parse(message)
        self.assertEqual((read.body, read.via.branch, read.sender.tag), (b"v=0\r\n", "", ""))
        (asked,) = Transactions(b"k").heard(message, Peer("UDP", "192.0.2.7", 5060), 0.0)
        self.assertNotIsInstance(asked, Send)


def parse_loosely(message: bytes) -> str:
    """An answer to what cannot be parsed cannot be parsed itself."""
    return message.decode("utf-8", "replace")
