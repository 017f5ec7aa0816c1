"""Links: one connection that carries messages both ways. Each module exports `Settings` and `make(settings, context)`."""
