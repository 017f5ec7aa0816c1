"""A wheel, an editable installation and `pip install .` all let twistd find smsd, from any folder, with its data files.

The virtual environments borrow the packages of the one that runs the tests, so nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

from twisted.trial.unittest import SynchronousTestCase

import smsd

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(smsd.__file__)))
COPIED = (
    "smsd",
    "twisted",
    "etc",
    "docs",
    "setup.cfg",
    "pyproject.toml",
    "MANIFEST.in",
    "README.rst",
    "LICENSE",
)


def run(*command: str, cwd: str) -> str:
    """The output of a command that succeeds."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Install(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.abspath(self.mktemp())
        self.source = os.path.join(self.folder, "source")
        os.makedirs(self.source)
        for name in COPIED:
            path = os.path.join(ROOT, name)
            if os.path.isdir(path):
                ignored = shutil.ignore_patterns("__pycache__", "dropin.cache")
                shutil.copytree(path, os.path.join(self.source, name), ignore=ignored)
            else:
                shutil.copy(path, self.source)
        self.elsewhere = os.path.join(self.folder, "elsewhere")
        os.mkdir(self.elsewhere)

    def environment(self) -> str:
        """A new virtual environment that sees this one's packages, but not this one's smsd; its bin folder."""
        folder = os.path.join(self.folder, "venv")
        venv.create(folder, symlinks=True)
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        site = os.path.join(folder, "lib", version, "site-packages")
        borrowed = os.path.join(self.folder, "borrowed")
        os.mkdir(borrowed)
        for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for name in os.listdir(path):
                if "smsd" not in name.lower() and not name.endswith(".pth"):
                    os.symlink(os.path.join(path, name), os.path.join(borrowed, name))
        with open(os.path.join(site, "borrowed.pth"), "w") as stream:
            stream.write(borrowed + "\n")
        return os.path.join(folder, "bin")

    def install(self, binaries: str, *what: str) -> None:
        python = os.path.join(binaries, "python")
        options = (
            "install",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "--disable-pip-version-check",
        )
        run(python, "-m", "pip", *options, *what, cwd=self.source)

    def check(self, binaries: str) -> None:
        """What every installation has to do."""
        python = os.path.join(binaries, "python")
        shown = run(python, "-m", "twisted", "--help", cwd=self.elsewhere)
        self.assertIn("smsd", shown)
        twistd = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
        self.assertIn("SMS gateway", run(python, "-c", twistd, "--help", cwd=self.elsewhere))
        where = run(python, "-c", "import smsd; print(smsd.__file__)", cwd=self.elsewhere).strip()
        self.assertTrue(where.startswith(self.folder), where)
        smsd_command = os.path.join(binaries, "smsd")
        self.assertIn("first steps", run(smsd_command, "--help", cwd=self.elsewhere))
        names = "smsd.yaml", "modems.yaml", "providers.yaml"
        find = f"from smsd.config.places import find_data; print(*map(find_data, {names}))"
        sample, modems, providers = run(python, "-c", find, cwd=self.elsewhere).split()
        self.assertTrue(os.path.isfile(modems), modems)
        self.assertTrue(providers.startswith(self.folder) and os.path.isfile(providers), providers)
        self.assertTrue(sample.startswith(self.folder), sample)
        self.assertIn("no mistake found", run(smsd_command, "check", sample, cwd=self.elsewhere))
        migrations = (
            "import os, smsd.store; print(os.listdir(os.path.join(smsd.store.__path__[0], 'migrations')))"
        )
        self.assertIn(".sql", run(python, "-c", migrations, cwd=self.elsewhere))

    def test_wheel(self) -> None:
        """`pip install .` makes a wheel and installs it; so one test serves both."""
        binaries = self.environment()
        wheels = os.path.join(self.folder, "wheels")
        python = os.path.join(binaries, "python")
        options = ("-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", wheels)
        run(python, "-m", "pip", "wheel", *options, ".", cwd=self.source)
        [wheel] = os.listdir(wheels)
        with zipfile.ZipFile(os.path.join(wheels, wheel)) as archive:
            names = archive.namelist()
        self.assertIn("twisted/plugins/smsd_plugin.py", names)
        self.assertIn("smsd/py.typed", names)
        self.assertNotIn("twisted/__init__.py", names)
        self.assertNotIn("twisted/plugins/__init__.py", names)
        self.assertEqual([name for name in names if name.startswith("tests")], [])
        self.assertTrue(any(name.endswith("share/man/man1/smsd.1") for name in names))
        self.install(binaries, os.path.join(wheels, wheel))
        self.check(binaries)

    def test_editable(self) -> None:
        binaries = self.environment()
        self.install(binaries, "-e", ".")
        self.check(binaries)
