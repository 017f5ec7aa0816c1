"""The words in which rules are written, whatever the file: YAML and XML differ in their brackets only.

A file is read into dicts, lists and texts with places (`smsd.config.positions`, `smsd.policy.rules.xml`); `rules` makes
values of them, `writing` takes values back to dicts, lists and texts.
"""
