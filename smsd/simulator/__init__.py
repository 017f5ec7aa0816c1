"""A GSM modem on a pseudo-terminal, and a phone to talk to it: everything can be tried, tested and measured without hardware.

`modem.SimulatedModem` is the modem (in a test, in `make run`, or as its own process), `control` steers it over a Unix
socket, `phone` is the person at the other end, `replay` plays a recorded conversation back. The simulator knows AT, TPDUs
and the misbehaviour of real modems; it never imports the core or the store, and it is no part of the gateway's trust: it
checks what it is sent octet by octet with `structure`, not with the codec that wrote it.
"""
