"""HTML as text."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import MailOptions, to_text
from smsd.codec.mail.html import HTML_LIMIT, text_of
from smsd.values.errors import DecodeError


class HtmlTests(SynchronousTestCase):
    """What a browser would show in one column."""

    def test_texts(self) -> None:
        for markup, expected in (
            ("<p>Hello <b>you</b>,\n  there</p>", "Hello you, there"),
            ("<p>a</p><p>b</p>", "a\n\nb"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("<div>a<br>b<br/>c<BR />d</div>", "a\nb\nc\nd"),
            ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
            ("a<br><br>b", "a\n\nb"),
            ("<ul><li>a<li>b</ul>c", "- a\n- b\nc"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            ("a&nbsp;&amp;&euro;&#233;&#xE9;&lt;", "a &€éé<"),
            ("a&#0;&#xD800;&#99999999999999999999;b", "a\ufffd\ufffd\ufffdb"),
            ("<head><title>t</title><style>p{}</style></head><body>x", "x"),
            ("<script>if (a<b) '</p>'</script>x", "x"),
            ("<!-- <p>no --> x <!--no", "x"),
            ("<![if mso]>x<![endif]><?xml no?></ >y", "xy"),
            ("1 < 2 <3 & more", "1 < 2 <3 & more"),
            ("<a title=\"a>b\" href='x>y'>link</a>", "link"),
            ("<a title=don't>link</a> it's", "link it's"),
            ('<div style="display: none">preview</div>x', "x"),
            ('<div style="display:none">a<div>b</div>c</div>x', "x"),
            ("<pre>a  b\n c</pre>d", "a  b\n c\nd"),
            ("so\u00adft\u200b", "soft"),
            ("<p>unclosed <b", "unclosed"),
            ("", ""),
            ("<o:p>word</o:p>", "word"),
        ):
            self.assertEqual(text_of(markup), expected, markup)

    def test_quotes(self) -> None:
        for quote in (
            "<blockquote>old<blockquote>older</blockquote></blockquote>",
            '<div class="gmail_quote"><div class="gmail_attr">On … wrote:<br></div><blockquote>old</blockquote></div>',
            '<div id="divRplyFwdMsg">From: Bob</div>',
        ):
            self.assertEqual(text_of(f"<p>yes</p>{quote}", cut_quotes=True), "yes")
            self.assertNotEqual(text_of(f"<p>yes</p>{quote}"), "yes")

    def test_charset_of_the_markup(self) -> None:
        raw = b"Content-Type: text/html\r\n\r\n<meta charset=koi8-r><p>\xf0\xd2\xc9\xd7\xc5\xd4"
        self.assertEqual(to_text(raw).text, "Привет")

    def test_signature_in_html(self) -> None:
        raw = b"Content-Type: text/html\r\n\r\n<div>hi</div><div>-- <br>Ann</div>"
        self.assertEqual(to_text(raw, MailOptions(cut_signature=True)).text, "hi")

    def test_too_much(self) -> None:
        error = self.assertRaises(DecodeError, text_of, "x" * (HTML_LIMIT + 1))
        self.assertIn("send plain text", str(error))
