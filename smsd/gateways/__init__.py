"""Ways out only: one module per `type:` of the configuration, each with `Settings` and `make(settings, context)`.

A gateway carries one piece at a time per slot and tells what came of it; it keeps nothing, retries nothing, cuts nothing.
"""
