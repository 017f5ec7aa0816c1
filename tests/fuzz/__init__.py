"""A fuzzer with a kept corpus: `python -m tests.fuzz --runs 1000000 --seed 1`.

A module `fuzz_*.py` in this folder registers targets with `driver.target`; nothing else needs to be edited.
"""
