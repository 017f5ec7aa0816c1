"""The values that travel through the house: frozen, typed, without behaviour beyond their own shape.

Nothing here knows Twisted, sockets, files or the clock. A value refuses, when it is made, what a store or a network
could not hold (NUL, lone surrogates), so that a bad message fails at its own door and never inside a group commit.
"""
