"""Names of folders: what rules write, what nobody should write, and that no name leads out of the Maildir."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.mail import imap4
from twisted.trial.unittest import SynchronousTestCase

from smsd.codec.mail import folders

NAMES = st.text(
    st.one_of(st.sampled_from("/\\.~&%* \t\nAe\u0301\u200b😀\u202e\0"), st.characters()), max_size=300
)


class LevelTests(SynchronousTestCase):
    """`levels` and `maildir`."""

    def test_names(self) -> None:
        for name, directory in {
            "SMS": ".SMS",
            "SMS/Alarms": ".SMS.Alarms",
            "/SMS//Alarms/": ".SMS.Alarms",
            "SMS\\Alarms": ".SMS.Alarms",
            "My messages": ".My messages",
            "Entwürfe": ".Entw&APw-rfe",
            "Entwu\u0308rfe": ".Entw&APw-rfe",
            "R&D": ".R&-D",
            "日本/語": ".&ZeVnLA-.&ip4-",
            "v1.2": ".v1_2",
            "../../etc": ".etc",
            "./.../x": ".x",
            "..hidden": ".__hidden",
            "a/../b": ".a.b",
            "~root": "._root",
            "*%": ".__",
            "a\0b\r\nX: y": ".ab X: y",
            "\u202eSMS\u200b": ".SMS",
            "INBOX": "",
            "Inbox/SMS": ".SMS",
            "SMS/INBOX": ".SMS.INBOX",
            "": "",
            " / . / .. ": "",
            "\ud800": "",
        }.items():
            self.assertEqual(folders.maildir(folders.levels(name)), directory, name)

    def test_long_names_are_cut(self) -> None:
        self.assertEqual(folders.levels("x" * 500), ("x" * 64,))
        self.assertEqual(len(folders.levels("a/" * 500)), 10)
        wide = folders.levels("語" * 64 + "/" + "語" * 64 + "/x")
        self.assertLessEqual(len(folders.maildir(wide)), folders.LONGEST_NAME)
        self.assertEqual(wide[0], "語" * 64)

    @given(NAMES)
    def test_no_name_leads_elsewhere(self, name: str) -> None:
        found = folders.levels(name)
        directory = folders.maildir(found)
        self.assertNotIn("/", directory)
        self.assertTrue(directory.isascii() and directory.isprintable())
        self.assertLessEqual(len(directory), folders.LONGEST_NAME)
        self.assertNotIn(directory, (".", ".."))
        self.assertEqual(directory.count("."), len(found))
        self.assertEqual(folders.levels("/".join(found)), found, "cleaning what is clean changes nothing")

    @given(st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
    def test_utf7_is_what_imap_reads(self, text: str) -> None:
        self.assertEqual(imap4.decoder(folders.utf7(text).encode("ascii"))[0], text)


class AddressTests(SynchronousTestCase):
    """`plus` and `directories`."""

    def test_plus(self) -> None:
        for recipient, found, separator, shown in (
            ("ann@example.org", ("SMS",), "/", "ann+SMS@example.org"),
            ("ann@example.org", ("SMS", "Alarms"), "/", "ann+SMS/Alarms@example.org"),
            ("ann@example.org", ("SMS", "Alarms"), ".", "ann+SMS.Alarms@example.org"),
            ("ann@example.org", ("My texts",), "/", '"ann+My texts"@example.org'),
            ('"ann b"@example.org', ("SMS",), "/", '"ann b+SMS"@example.org'),
            ('"a\\"b"@example.org', ("x>y",), "/", '"a\\"b+x>y"@example.org'),
        ):
            self.assertEqual(folders.plus(recipient, found, separator), shown)

    def test_directories(self) -> None:
        for recipient, shown in {
            "Ann@Example.org": ("example.org", "ann"),
            '"Ann"@example.org': ("example.org", "ann"),
            "a/b@example.org": ("example.org", "a%2Fb"),
            "a%2fb@example.org": ("example.org", "a%252fb"),
            "..@..": ("%2E.", "%2E."),
            "sms:+1555@[127.0.0.1]": ("[127.0.0.1]", "sms%3A+1555"),
            "jürgen@x": ("x", "j%C3%BCrgen"),
        }.items():
            self.assertEqual(folders.directories(recipient), shown)

    @given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20))
    def test_no_directory_leads_elsewhere(self, local: str) -> None:
        for name in folders.directories(f"{local}@{local}")[1:]:
            self.assertNotIn("/", name)
            self.assertTrue(name.isascii() and name.isprintable() and not name.startswith("."))
