"""Imports point inward, the pure rooms stay pure, and only tap.py takes the global reactor."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

import smsd

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(smsd.__file__)))

# A room may import from rooms with a lower number, and from itself.
ROOMS = {
    "smsd.values": 0,
    "smsd.codec": 1,
    "smsd.interfaces": 1,
    "smsd.policy": 2,
    "smsd.config": 3,
    "smsd.store": 3,
    "smsd.core": 4,
    "smsd.frontends": 5,
    "smsd.gateways": 5,
    "smsd.links": 5,
    "smsd.sources": 5,
    "smsd.simulator": 5,
    "smsd.cli": 6,
}
# What belongs to the composition root: it may import everything, and nobody below may import it.
SERVICE = 7
# Both load plug-ins by name, and so stand outside.
OUTSIDE = {"smsd.registry": 5, "smsd.config.load": 6}
PURE = ("smsd.values", "smsd.codec", "smsd.policy")
WORLD = {"twisted", "socket", "os", "time", "random", "secrets", "threading", "subprocess"}


class Module(NamedTuple):
    """What the tests want to know of one; `imports` with their lines."""

    name: str
    imports: tuple[tuple[str, int], ...]
    docstring: str | None


@cache
def modules() -> tuple[Module, ...]:
    """All of the house, read once."""
    return tuple(_read())


def _read() -> Iterator[Module]:
    for folder, _, names in os.walk(os.path.join(ROOT, "smsd")):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                dotted = os.path.relpath(path, ROOT)[:-3].replace(os.sep, ".").removesuffix(".__init__")
                with open(path, encoding="utf-8") as stream:
                    tree = ast.parse(stream.read(), path)
                yield Module(dotted, tuple(imported(tree)), ast.get_docstring(tree))


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every module (or name of one) that a module imports, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def room(name: str) -> str | None:
    if any(within(name, package) for package in OUTSIDE):
        return None
    return next((package for package in ROOMS if within(name, package)), None)


def height(name: str) -> int:
    for package, number in OUTSIDE.items():
        if within(name, package):
            return number
    package = room(name)
    return SERVICE if package is None else ROOMS[package]


class Direction(SynchronousTestCase):
    def test_the_house_was_found(self) -> None:
        names = {module.name for module in modules()}
        self.assertIn("smsd.service", names)
        self.assertGreater(len(names), 60)

    def test_imports_point_inward(self) -> None:
        wrong = []
        for name, imports, _ in modules():
            for target, line in imports:
                if not within(target, "smsd") or target == "smsd.__version__":
                    continue
                siblings = room(target) and room(name) and room(target) != room(name)
                if height(target) > height(name) or (height(target) == height(name) and siblings):
                    wrong.append(f"{name}:{line} imports {target}")
        self.assertEqual(wrong, [])

    def test_pure_rooms_know_no_world(self) -> None:
        wrong = [
            f"{name}:{line} imports {target}"
            for name, imports, _ in modules()
            if any(within(name, package) for package in PURE)
            for target, line in imports
            if target.split(".")[0] in WORLD
        ]
        self.assertEqual(wrong, [])

    def test_only_tap_imports_the_global_reactor(self) -> None:
        # The simulator is also a program of its own, which has to choose a reactor.
        allowed = {"smsd.tap", "smsd.simulator.command", "smsd.simulator.phone"}
        users = {
            name
            for name, imports, _ in modules()
            for target, _ in imports
            if target == "twisted.internet.reactor"
        }
        self.assertEqual(users - allowed, set())

    def test_every_module_says_what_it_is_for(self) -> None:
        silent = [module.name for module in modules() if not module.docstring]
        self.assertEqual(silent, [])


class Weight(SynchronousTestCase):
    def test_small_verbs_import_neither_pydantic_nor_twisted(self) -> None:
        program = (
            "import sys; from smsd.cli import main; main.parser();"
            "print([name for name in ('pydantic', 'twisted', 'asyncio') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout.strip(), "[]")
