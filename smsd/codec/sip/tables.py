"""The transactions of RFC 3261 section 17 as tables: (state, event) -> (next state, what to do). All changes of state are here.

What is not in a table changes nothing. Beyond the RFC: a server transaction whose user says nothing ends at 64*T1, when the client
has given up (RFC 4320: a late answer to a non-INVITE request only does harm; an INVITE gets 500 and its ACK is awaited); and one
that has answered keeps its answer when sending failed, because the next retransmission asks for it again. And a refused INVITE is
refused again by timer G only where a provisional response has stopped the client's own retransmissions: else they ask for it, and
nobody can make us send a stranger eleven answers to one datagram with his address on it.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """As the figures of section 17 call them."""

    __hash__ = object.__hash__  # each is one object, and every step of a transaction looks it up

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(enum.Enum):
    """What can happen: to a client PROVISIONAL and FINAL arrive, from a server they go out."""

    __hash__ = object.__hash__

    AGAIN = "the request arrived again"
    PROVISIONAL = "a provisional response"
    SUCCESS = "a 2xx response"
    FINAL = "another final response"
    ACK = "an ACK arrived"
    RESEND = "timer E or G: time to send again"
    GIVE_UP = "timer F or H, or the user of a server said nothing: time is over"
    SLOW = "an INVITE was not answered within 200 ms"
    FORGET = "timer I, J or K: nothing more will come"
    FAILED = "sending failed"


class Do(enum.Enum):
    """What is to be done, in order."""

    SEND = "send it (and remember it)"
    SEND_AGAIN = "send what was sent last"
    PASS = "pass the response to the user"
    TIME_OUT = "tell the user that nobody answered"
    FAIL = "tell the user that it could not be sent"
    TRY = "send 100 Trying"
    FAIL_INVITE = "answer 500 for the user"
    BACK_OFF = (
        "start timer E or G again: twice as long, at most T2; T2 at once where a provisional response came"
    )
    LINGER = "start timer K, or J: for streams none"
    AWAIT_ACK = "start timer H"
    REPEAT = "start timer G: for streams none"
    LINGER_ACK = "start timer I: for streams none"


Table = dict[tuple[State, Event], tuple[State, tuple[Do, ...]]]

_T, _P, _C, _A, _END = State.TRYING, State.PROCEEDING, State.COMPLETED, State.CONFIRMED, State.TERMINATED

NON_INVITE_CLIENT: Table = {
    (_T, Event.RESEND): (_T, (Do.SEND_AGAIN, Do.BACK_OFF)),
    (_T, Event.GIVE_UP): (_END, (Do.TIME_OUT,)),
    (_T, Event.FAILED): (_END, (Do.FAIL,)),
    (_T, Event.PROVISIONAL): (_P, (Do.PASS,)),
    (_T, Event.SUCCESS): (_C, (Do.PASS, Do.LINGER)),
    (_T, Event.FINAL): (_C, (Do.PASS, Do.LINGER)),
    (_P, Event.RESEND): (_P, (Do.SEND_AGAIN, Do.BACK_OFF)),
    (_P, Event.GIVE_UP): (_END, (Do.TIME_OUT,)),
    (_P, Event.FAILED): (_END, (Do.FAIL,)),
    (_P, Event.PROVISIONAL): (_P, (Do.PASS,)),
    (_P, Event.SUCCESS): (_C, (Do.PASS, Do.LINGER)),
    (_P, Event.FINAL): (_C, (Do.PASS, Do.LINGER)),
    (_C, Event.FORGET): (_END, ()),
}
"""Section 17.1.2, figure 6."""

NON_INVITE_SERVER: Table = {
    (_T, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_T, Event.SUCCESS): (_C, (Do.SEND, Do.LINGER)),
    (_T, Event.FINAL): (_C, (Do.SEND, Do.LINGER)),
    (_T, Event.GIVE_UP): (_END, ()),
    (_P, Event.AGAIN): (_P, (Do.SEND_AGAIN,)),
    (_P, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_P, Event.SUCCESS): (_C, (Do.SEND, Do.LINGER)),
    (_P, Event.FINAL): (_C, (Do.SEND, Do.LINGER)),
    (_P, Event.GIVE_UP): (_END, ()),
    (_C, Event.AGAIN): (_C, (Do.SEND_AGAIN,)),
    (_C, Event.FORGET): (_END, ()),
}
"""Section 17.2.2, figure 8."""

INVITE_SERVER: Table = {
    (_T, Event.SLOW): (_P, (Do.TRY,)),
    (_T, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_T, Event.SUCCESS): (_END, (Do.SEND,)),
    (_T, Event.FINAL): (_C, (Do.SEND, Do.AWAIT_ACK)),
    (_T, Event.GIVE_UP): (_C, (Do.FAIL_INVITE, Do.AWAIT_ACK)),
    (_P, Event.AGAIN): (_P, (Do.SEND_AGAIN,)),
    (_P, Event.PROVISIONAL): (_P, (Do.SEND,)),
    (_P, Event.SUCCESS): (_END, (Do.SEND,)),
    (_P, Event.FINAL): (_C, (Do.SEND, Do.AWAIT_ACK, Do.REPEAT)),
    (_P, Event.GIVE_UP): (_C, (Do.FAIL_INVITE, Do.AWAIT_ACK, Do.REPEAT)),
    (_C, Event.AGAIN): (_C, (Do.SEND_AGAIN,)),
    (_C, Event.RESEND): (_C, (Do.SEND_AGAIN, Do.BACK_OFF)),
    (_C, Event.GIVE_UP): (_END, ()),
    (_C, Event.ACK): (_A, (Do.LINGER_ACK,)),
    (_A, Event.FORGET): (_END, ()),
}
"""Section 17.2.1, figure 7; TRYING is its Proceeding as long as nothing was sent."""


def event_of(status: int) -> Event:
    """What a response with this status is for a transaction."""
    if status < 200:
        return Event.PROVISIONAL
    return Event.SUCCESS if status < 300 else Event.FINAL
