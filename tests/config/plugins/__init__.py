"""Plug-ins for the tests of the configuration: one door, one gateway, one helper, one without its library."""
