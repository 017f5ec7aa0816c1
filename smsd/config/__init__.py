"""The configuration: what a YAML file may say (`settings`), and how one is read and refused (`load`)."""
