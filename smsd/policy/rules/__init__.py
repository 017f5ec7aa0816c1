"""Rules: what happens to a message on its way, decided by an administrator's ordered lists. Pure; see `engine.judge`."""
