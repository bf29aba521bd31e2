"""Environments of the clients, created once and kept: virtual environments of Python, packages of Node.

As a command: `environments.py FOLDER REQUIREMENTS…` prints the path of the Python in FOLDER.
"""
import shutil
import subprocess
import sys
import venv
from pathlib import Path


def python_with(folder, requirements, without_dependencies=()):
    """Returns the Python of an environment in `folder` with the given requirements."""
    folder = Path(folder).resolve()
    python = folder / "bin" / "python"
    wanted = "\n".join([sys.version, *(Path(file).read_text() for file in [*requirements, *without_dependencies])])
    complete = folder / "complete.txt"
    if complete.is_file() and complete.read_text() == wanted and python.exists():
        return python
    venv.create(folder, clear=True, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for file in requirements:
        subprocess.run([*install, "-r", file], check=True, stdout=sys.stderr)
    for file in without_dependencies:
        subprocess.run([*install, "--no-deps", "-r", file], check=True, stdout=sys.stderr)
    complete.write_text(wanted)
    return python


def rest_clients(cache):
    """Returns the Pythons of the plugin and of the legacy client library, in environments below `cache`."""
    here = Path(__file__).parent
    plugin = python_with(cache / "plugin", [here / "requirements-plugin.txt"])
    library = python_with(
        cache / "library", [here / "requirements-library.txt"], [here / "requirements-library-itself.txt"]
    )
    return plugin, library


def node_with(folder, sources):
    """Copies the scripts in `sources` to `folder` and installs the packages of their lock file there."""
    folder, sources = Path(folder).resolve(), Path(sources)
    complete = folder / "complete.txt"
    wanted = (sources / "package-lock.json").read_text()
    shutil.copytree(sources, folder, dirs_exist_ok=True)
    if not (complete.is_file() and complete.read_text() == wanted):
        complete.unlink(missing_ok=True)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, stdout=sys.stderr)
        complete.write_text(wanted)
    return folder


if __name__ == "__main__":
    print(python_with(sys.argv[1], sys.argv[2:]))
