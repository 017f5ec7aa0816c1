"""Orchestration: one message's way through the house, in Deferreds, without a socket."""
