"""Decisions: pure functions from (what is known, what happened, now) to what is to be done. No I/O, no clock."""
