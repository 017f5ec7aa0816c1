"""SMS providers that are reached by HTTP, described as data: what is asked of them, and how their answers are read. Pure."""
