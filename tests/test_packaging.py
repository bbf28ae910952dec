"""The lists of pyproject.toml, the folders, and what is installed agree."""

import ast
import os
import tomllib
from fnmatch import fnmatch
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from aslive.streaming.chain import Chain
from aslive.streaming.config import build, named_recipe
from aslive.streaming.gadget import Gadget
from aslive.streaming.registry import Registry

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("gadgets", "sim", "streaming")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
ENTRY_POINTS = PYPROJECT["project"]["entry-points"]
LISTED = [(group, name, value) for group, entries in ENTRY_POINTS.items() for name, value in entries.items()]


def package_of(folder: Path) -> str:
    """Give the dotted name of a folder below the root."""
    return ".".join(("aslive", *folder.relative_to(ROOT).parts))


def found(pattern: str) -> list[Path]:
    """Give the files of the three folders that match a pattern, without what Python caches."""
    paths = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob(pattern))]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


MODULES = [path for path in found("*.py") if path.name != "__init__.py"]


# Lists


def test_every_folder_with_an_init_is_a_listed_package():
    folders = {package_of(path.parent) for path in found("__init__.py")}
    assert sorted(SETUPTOOLS["packages"]) == sorted({"aslive", *folders})


def test_every_folder_with_modules_has_an_init():
    assert all((path.parent / "__init__.py").is_file() for path in MODULES)


def test_every_data_file_is_listed():
    patterns = SETUPTOOLS["package-data"]
    assert not SETUPTOOLS["include-package-data"]
    unlisted = [path for path in found("*") if path.suffix != ".py" and not _listed(path, patterns)]
    assert not unlisted


def test_every_listed_data_file_is_there():
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert [pattern for pattern in patterns if not any(folder.glob(pattern))] == []


def test_the_gadgets_of_the_list_are_those_in_the_folder():
    modules = {value.partition(":")[0] for value in ENTRY_POINTS["aslive.gadgets"].values()}
    assert modules == {f"{package_of(path.parent)}.{path.stem}" for path in MODULES if path.parent == ROOT / "gadgets"}


def _listed(path: Path, patterns: dict[str, list[str]]) -> bool:
    for folder in path.parents:
        if not folder.is_relative_to(ROOT):
            return False
        inside = str(path.relative_to(folder))
        if any(fnmatch(inside, pattern) for pattern in patterns.get(package_of(folder), ())):
            return True
    return False


# Root


def test_the_root_package_is_one_docstring():
    body = ast.parse((ROOT / "__init__.py").read_text()).body
    assert len(body) == 1
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    assert isinstance(body[0].value.value, str)


def test_no_other_module_stands_beside_the_root_package():
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]
    assert not (ROOT / "tests" / "__init__.py").exists()


def test_the_checks_can_be_run():
    checks = ROOT / ".ci" / "run"
    assert os.access(checks, os.X_OK)
    assert checks.read_text().startswith("#!")


# Installation


@pytest.mark.parametrize("module", [f"{package_of(path.parent)}.{path.stem}" for path in MODULES])
def test_every_module_is_installed(module):
    assert find_spec(module) is not None


def test_every_data_file_is_installed():
    missing = [
        path
        for path in (*found("*"), ROOT / "py.typed")
        if not files("aslive").joinpath(*path.relative_to(ROOT).parts).is_file()
    ]
    assert not missing


@pytest.mark.parametrize("group", ENTRY_POINTS)
def test_the_installed_entry_points_are_those_of_the_list(group):
    ours = {entry.name: entry.value for entry in entry_points(group=group) if entry.value.startswith("aslive.")}
    assert ours == ENTRY_POINTS[group], "install again: pip install ."


@pytest.mark.parametrize(("group", "name", "value"), LISTED, ids=[name for _, name, _ in LISTED])
def test_every_entry_point_loads_and_is_what_its_group_says(group, name, value):
    loaded = EntryPoint(name, value, group).load()
    if group == "aslive.gadgets":
        assert issubclass(loaded, Gadget)
        assert loaded.takes()
        assert loaded.makes()
    else:
        assert group == "aslive.commands"
        assert isinstance(loaded, click.Command)
        assert loaded.name == name


def test_the_command_aslive_is_a_command():
    (entry,) = (entry for entry in entry_points(group="console_scripts") if entry.name == "aslive")
    assert entry.value == PYPROJECT["project"]["scripts"]["aslive"]
    assert isinstance(entry.load(), click.Group)


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "streaming" / "chains").glob("*.xml")))
def test_every_chain_builds(name):
    registry = Registry()
    recipe = named_recipe(name, registry)
    assert recipe
    assert isinstance(build(recipe, registry), Chain)
