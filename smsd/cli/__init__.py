"""The `smsd` command. Small verbs stay small: nothing here imports Twisted or pydantic before it is needed."""
