"""The JSON API, over a real store."""
