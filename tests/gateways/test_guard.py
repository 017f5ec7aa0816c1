"""Which addresses requests of senders may reach."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsd.gateways.guard import Forbidden, Guard, is_public

OURS = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8", "198.18.0.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1",
]  # fmt: skip
OURS6 = [
    "::", "::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1", "100::1",
    "::127.0.0.1", "2001:db8::1", "2001::1", "2001:10::1", "3fff::1", "64:ff9b:1::1", "4000::1", "5f00::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.0.1",
    "172.32.0.1",
    "169.253.0.1",
    "223.255.255.1",
]
PUBLIC6 = ["2606:4700::1111", "2a00:1450::1", "2001:200::1", "2001:4860:4860::8888", "2620:fe::fe"]


def disguises(address: str) -> list[str]:
    """The ways in which IPv6 leads to an IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    return [
        f"::ffff:{address}",
        str(ipaddress.IPv6Address(0x64FF9B << 96 | number)),
        str(ipaddress.IPv6Address(0x2002 << 112 | number << 80 | 1)),
    ]


class Decisions(SynchronousTestCase):
    def test_ours(self) -> None:
        guard = Guard()
        for address in OURS + OURS6:
            self.assertFalse(guard.admits(address), address)
        for address in OURS:
            for other in disguises(address):
                self.assertFalse(guard.admits(other), other)

    def test_public(self) -> None:
        guard = Guard()
        for address in PUBLIC + PUBLIC6:
            self.assertTrue(guard.admits(address), address)
        for address in PUBLIC:
            for other in disguises(address):
                self.assertTrue(guard.admits(other), other)

    def test_no_address(self) -> None:
        for text in (
            "",
            "localhost",
            "example.org",
            "127.1",
            "0x7f000001",
            "1.1.1.1.",
            "[::1]",
            "1.1.1.1%25",
        ):
            self.assertEqual(Guard().admits(text), text == "1.1.1.1%25")

    def test_allowed(self) -> None:
        guard = Guard(["192.168.7.0/24", "fd00::/16"])
        for address in ("192.168.7.5", "fd00::5", *disguises("192.168.7.5"), "1.1.1.1"):
            self.assertTrue(guard.admits(address), address)
        for address in ("192.168.8.5", "fd01::5", *disguises("192.168.8.5"), "127.0.0.1"):
            self.assertFalse(guard.admits(address), address)
        with self.assertRaises(ValueError):
            Guard(["192.168.7.5/24"])

    @given(st.ip_addresses())
    def test_never_wider_than_the_registries(self, address: Any) -> None:
        """What we call public, Python's own tables of the registries call so, too."""
        if is_public(address) and not (
            address.version == 6 and str(address).startswith(("2002:", "64:ff9b:"))
        ):
            mapped = getattr(address, "ipv4_mapped", None) or address
            self.assertTrue(mapped.is_global and not mapped.is_multicast)

    @given(st.ip_addresses(v=4))
    def test_a_disguise_changes_nothing(self, address: Any) -> None:
        for other in disguises(str(address)):
            self.assertEqual(Guard().admits(other), Guard().admits(str(address)), other)

    def test_connecting(self) -> None:
        class Reactor:
            def connectTCP(self, host: str, port: int, factory: Any, timeout: int = 0) -> Any:
                return host, port, timeout

        guarded = Guard().over(Reactor())
        self.assertEqual(guarded.connectTCP("1.1.1.1", 80, None, timeout=5), ("1.1.1.1", 80, 5))
        with self.assertRaisesRegex(Forbidden, r"^10\.0\.0\.1 is in a network"):
            guarded.connectTCP("10.0.0.1", 80, None)
