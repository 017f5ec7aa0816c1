"""Credentials as doors hand them to the portal: user name, password, and the peer who guesses."""

from __future__ import annotations

from twisted.cred.credentials import UsernamePassword


class Login(UsernamePassword):
    """A user name and a password (str) with the address they came from, so that guessing can be slowed down."""

    def __init__(self, username: str, password: str, peer: str = "") -> None:
        super().__init__(username, password)  # type: ignore[arg-type]  # text, decoded by the doors
        self.peer = peer
