"""Doors: they turn a protocol into submissions and hold no policy. Each module is found by its `type:`
name."""
