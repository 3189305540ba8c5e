"""requirements*.txt, conda.yml and what the code imports agree with each other."""

import ast
import importlib.metadata
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)(?: ; (python_version .*?))?(\s+#.*)?")
LEFT_OUT = {"soxbindings", "zarr", "ffmpy"}  # audition.compat stands in for them, or nobody asks


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(*files, python=f"{sys.version_info[0]}.{sys.version_info[1]}"):
    """dict package -> version of requirements files for a version of Python, checked line by line."""
    found = {}
    for file in files:
        for line in (ROOT / file).read_text().splitlines():
            if line.strip() and not line.startswith(("#", "-r ")):
                pin = PIN.fullmatch(line.strip())
                assert pin, f"{file}: {line!r} is not pinned by =="
                assert canonical(pin[1]) not in found, f"{file}: {pin[1]} is there twice"
                if not pin[3] or Marker(pin[3]).evaluate({"python_version": python}):
                    found[canonical(pin[1])] = pin[2]
    return found


def imported_packages(*folders):
    """Names of the top-level packages that files under `folders` import."""
    files = [file for folder in folders for file in sorted(ROOT.glob(folder))]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.split(".")[0]


def distributions_of(folders, optional=()):
    """Canonical names of the pip packages that `folders` import, without our own and Python's."""
    ours = {
        "audition",
        "benchmarks",
        "tests",
        "main",
        "allocate",
        "gpus",
        "logs",
        "conftest",
        *optional,
    }
    packages = set(imported_packages(*folders)) - set(sys.stdlib_module_names) - ours
    table = importlib.metadata.packages_distributions()
    return {canonical(table[package][0]) for package in packages}


def conda_parts():
    """Of conda.yml: names of conda's packages, lines for pip."""
    conda = yaml.safe_load((ROOT / "conda.yml").read_text())
    (pip,) = (part["pip"] for part in conda["dependencies"] if isinstance(part, dict))
    return [part for part in conda["dependencies"] if isinstance(part, str)], pip


def test_conda_describes_the_same_environment():
    packages, pip = conda_parts()
    assert "python=3.11" in packages
    assert {"ffmpeg", "sox", "tmux", "make", "pip"} <= set(packages)
    assert {"-r requirements-dev.txt", "-r requirements-toy.txt", "-e ."} <= set(pip)
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text().splitlines()
    own = [line for line in pip if not line.startswith("-") and not Path(ROOT, line).is_dir()]
    assert [re.sub("==.*", "", line) for line in own] == ["jupyterlab"]
    assert all(PIN.fullmatch(line) for line in own)


def test_pip_compiles_nothing_for_conda():
    """conda lets pip install what each package requires, so something must stand for these."""
    packages, pip = conda_parts()
    stand_ins = [Path(ROOT, line, "pyproject.toml") for line in pip if line.startswith("./")]
    names = {tomllib.loads(path.read_text())["project"]["name"] for path in stand_ins}
    assert names == {"soxbindings"}  # nussl and scaper require it
    assert "pyaudio" in packages  # tinysoundfont requires it


def test_one_command_of_conda_is_enough():
    for document in ("conda.yml", "README.md"):
        text = (ROOT / document).read_text()
        assert "conda env create -f conda.yml && conda activate bootstrapping" in text
        assert "PIP_NO_DEPS" not in text
    assert yaml.safe_load((ROOT / "conda.yml").read_text())["name"] == "bootstrapping"


def good_pythons():
    """The versions that install/check_python.py accepts."""
    return runpy.run_path(str(ROOT / "install/check_python.py"))["GOOD"]


@pytest.mark.parametrize("version", ["2, 7, 18", "3, 10, 13", "3, 14, 0"])
def test_make_names_the_good_pythons_before_it_makes_anything(tmp_path, version):
    older = tmp_path / "python"
    pretend = f"import runpy, sys; sys.version_info = ({version}); runpy.run_path(sys.argv[1])"
    older.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{pretend}' \"$@\"\n")
    older.chmod(0o755)
    words = ["make", "demo", f"PYTHON={older}", f"VENV={tmp_path / '.venv'}"]
    made = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode
    assert f"is Python {'.'.join(version.split(', ')[:2])}, and" in made.stderr
    assert f"known to work with {', '.join(good_pythons())}" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_documents_name_the_good_pythons():
    oldest = good_pythons()[0]
    assert (
        "Python {}, {} and {} are good".format(*good_pythons()) in (ROOT / "README.md").read_text()
    )
    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text()
    assert f"python={oldest}" in conda_parts()[0]


def test_what_the_package_imports_is_pinned():
    toy = {"espeakng_loader", "pretty_midi", "tinysoundfont"}
    others = {
        "asteroid_filterbanks",
        "clearml",
        "mlflow",
        "wandb",
    }  # only who binds them needs them
    folders = ["src/**/*.py", "*.py", "benchmarks/*.py"]
    missing = distributions_of(folders, optional=toy | others) - set(pins("requirements.txt"))
    assert not missing, f"requirements.txt lacks {missing}"


def test_what_tests_import_is_pinned():
    files = ("requirements.txt", *(f"requirements-{kind}.txt" for kind in ("dev", "peers", "toy")))
    listed = pins(*files)
    missing = distributions_of(["tests/**/*.py"]) - set(listed)
    assert not missing, f"the requirements files lack {missing}"


def needs_of(package, python):
    """Canonical names of what a pip package needs on every machine, without its extras."""
    asked = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    lines = importlib.metadata.requires(package) or []
    needs = [Requirement(line) for line in lines if "platform" not in line]
    return {
        canonical(need.name) for need in needs if not need.marker or need.marker.evaluate(asked)
    }


@pytest.mark.parametrize("python", good_pythons())
@pytest.mark.parametrize(
    "files", [["requirements.txt"], ["requirements.txt", "requirements-dev.txt"]]
)
def test_pins_are_complete(files, python):
    """--no-deps installs only what is listed, so each package's own needs must be listed, too."""
    listed, known = set(pins(*files, python=python)), pins(*files)
    missing = {package: needs_of(package, python) - listed - LEFT_OUT for package in known}
    missing = {package: needs for package, needs in missing.items() if needs}
    assert not missing, f"{files[-1]} lacks {missing}"


def test_installed_versions_are_the_pinned_ones():
    for package, version in pins("requirements.txt").items():
        installed = importlib.metadata.version(package)
        assert installed.split("+")[0] == version, f"{package} is {installed}; run make test again"
