"""A rig for whole-house tests: the server, simulated modems and a mailbox as real processes, and loads to put on them.

`tests.crash` and `tests.bench` are built from it. Everything here is a process of its own, so that killing the server kills
nothing else and measuring it does not measure the load. Nothing is shared with the server but sockets, files and the
pseudo-terminal.
"""
