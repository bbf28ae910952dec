"""Gadgets and chains are found by name, ours and a site's own, and by nothing but their name."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.chain import Chain
from aslive.streaming.config import build, listed_recipe, named_recipe, xml_recipe
from aslive.streaming.errors import ConfigError
from aslive.streaming.gadget import Gadget
from aslive.streaming.messages import Array
from aslive.streaming.notices import Notice
from aslive.streaming.registry import Registry

MODULE = '''
from collections.abc import Iterator
from dataclasses import dataclass

from aslive.streaming.notices import Notice
from aslive.streaming.gadget import Gadget
from aslive.streaming.messages import Array


@dataclass
class Weigh(Gadget):
    """Says how much an array weighs."""

    gravity: float = 9.81

    def process(self, message: Array) -> Iterator[Notice]:
        yield Notice(f"{self.gravity * message.data.sum():g} N")


NO_GADGET = 42
'''
ENTRY_POINTS = """[aslive.gadgets]
weigh = site_gadgets:Weigh
broken = site_gadgets.missing:Weigh
failing = site_failing:Weigh
absent = site_gadgets:Absent
number = site_gadgets:NO_GADGET
gather = site_gadgets:Weigh
"""
CHAIN = "<configuration><stream><gadget><classname>weigh</classname></gadget></stream></configuration>"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Install a real distribution of a site's own gadgets."""
    (tmp_path / "site_gadgets.py").write_text(MODULE)
    (tmp_path / "site_failing.py").write_text("raise RuntimeError('no license')")
    information = tmp_path / "site_gadgets-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: site-gadgets\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    return Registry()


# Gadgets


def test_a_gadget_of_another_distribution_is_found_and_runs(site):
    assert "weigh" in site.gadgets
    chain = build(listed_recipe([{"gadget": "weigh", "gravity": "2"}]), site)
    assert list(chain.push(Array(np.array([1.0, 2.0])))) == [Notice("6 N")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", r"gadget 'broken' \(site_gadgets.missing:Weigh\) cannot be loaded: No module"),
        ("failing", r"gadget 'failing' \(site_failing:Weigh\) cannot be loaded: no license"),
        ("absent", r"gadget 'absent' \(site_gadgets:Absent\) cannot be loaded: .*Absent"),
        ("number", r"entry point 'number' \(site_gadgets:NO_GADGET\) is no Gadget"),
    ],
)
def test_a_broken_entry_point_is_named(site, name, words):
    with pytest.raises(ConfigError, match=words):
        site.gadget(name)


def test_a_broken_gadget_does_not_stop_the_others(site):
    with pytest.raises(ConfigError):
        site.gadget("broken")
    assert issubclass(site.gadget("weigh"), Gadget)


def test_ours_wins_over_another_of_the_same_name(site):
    assert site.gadget("gather").__module__ == "aslive.gadgets.gather"


NO_NAMES = ["os", "os:system", "aslive.gadgets.gather:Gather", "../x", "/etc/passwd", "", "Gather", "n" * 10_000]


@pytest.mark.parametrize("name", NO_NAMES, ids=lambda name: name[:30])
def test_a_gadget_is_found_by_its_name_only(name):
    with pytest.raises(ConfigError, match=r"there is no gadget .*; there are: .*gather") as caught:
        Registry().gadget(name)
    assert len(str(caught.value)) < 2000


def test_the_gadgets_are_told_in_order():
    names = Registry().gadgets
    assert {"gather", "fourier", "pair", "cbf"} <= set(names)
    assert all(one < other for one, other in pairwise(names))


# Chains


@pytest.mark.parametrize("name", ["asl", "asl.xml", "image", "image.xml"])
def test_our_chains_are_found_with_and_without_xml(name):
    recipe = named_recipe(name, Registry())
    assert recipe
    assert recipe.name == name.removesuffix(".xml")


@pytest.mark.parametrize("name", Registry().chains)
def test_our_chains_name_gadgets_there_are(name):
    registry = Registry()
    recipe = named_recipe(name, registry)
    assert recipe
    assert {step.gadget for step in recipe.steps} <= set(registry.gadgets)
    assert isinstance(build(recipe, registry), Chain)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a site's folder of chains, beside files that are none of it."""
    chains = tmp_path / "chains"
    chains.mkdir()
    (chains / "weight.xml").write_text(CHAIN)
    (chains / "asl.xml").write_text(CHAIN)
    (chains / "readme.txt").write_text("no chain")
    (chains / "inner.xml").mkdir()
    (tmp_path / "x.xml").write_text(CHAIN)
    return chains


def test_a_sites_folder_of_chains_is_searched(folder, site):
    registry = Registry([folder])
    text = registry.chain("weight")
    assert text == CHAIN
    chain = build(xml_recipe(text), registry)
    assert [timing.name for timing in chain.timings] == ["weigh"]
    assert {"weight", "asl", "image"} <= set(registry.chains)
    assert "readme" not in registry.chains


def test_our_own_chain_is_not_replaced_by_a_sites(folder):
    assert Registry([folder]).chain("asl") == Registry().chain("asl")


NO_CHAINS = ["../x", "../x.xml", "..", ".", "", ".xml", "/etc/passwd", "chains/weight", "C:weight", "weight.xml.xml"]
ODD_NAMES = ["weight\n", "we ight", "weight\0", "wëight", "-weight", "readme.txt", "inner", "n" * 10_000]


@pytest.mark.parametrize("name", [*NO_CHAINS, *ODD_NAMES], ids=lambda name: name[:20])
def test_nothing_but_a_name_finds_a_chain(folder, name):
    assert Registry([folder]).chain(name) is None


def test_an_absolute_path_finds_no_chain(folder):
    assert Registry([folder]).chain(str(folder / "weight.xml")) is None


@given(st.text(max_size=30))
def test_any_text_gives_a_chain_or_none(name):
    registry = Registry()
    assert (registry.chain(name) is not None) == (name.removesuffix(".xml") in registry.chains)


def test_a_folder_that_is_not_there_does_no_harm(tmp_path):
    registry = Registry([tmp_path / "gone"])
    assert registry.chains == Registry().chains
    assert registry.chain("weight") is None


def test_a_chain_that_is_no_text_is_named(folder):
    (folder / "binary.xml").write_bytes(b"<\xff\xfe>")
    with pytest.raises(ConfigError, match="chain 'binary' cannot be read"):
        Registry([folder]).chain("binary")
