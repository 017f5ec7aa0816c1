"""Sans-I/O codecs: octets or characters in, frozen values out, and back.

Nothing here knows a socket, a clock or a file. Anything that comes in gives a value or `DecodeError`, never
another exception; anything that cannot go out raises `InvalidValue` (or another `ValueError`) that says what
to do about it.
"""
