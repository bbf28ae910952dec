"""Maps of tissue that the scanner sends with its data, as bytes: flow of gray and of white matter comes back."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from through_session import maps, reconstruct
from tissue_images import images, segmentation, with_maps

from aslive.sim.anatomy import brain
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import Image, Message, Text
from aslive.streaming.notices import Measure, Measurement

MAPS = ("cbf", "cbf_gray_matter", "cbf_white_matter")
SETTINGS: dict[str, object] = {"reply.maps": ",".join(MAPS)}


@cache
def scan(three_dimensional: bool = True) -> Scanner:
    protocol = Protocol(matrix=(24, 24, 8), coils=4, pairs=2, three_dimensional=three_dimensional)
    return Scanner(protocol, snr=None, anatomy=brain(protocol.grid))


def flows(scanner: Scanner, extra: Iterable[Message]) -> tuple[list[Message], Mapping[Measure, float]]:
    measured: dict[Measure, float] = {}

    def watch(output: object) -> None:
        if isinstance(output, Measurement):
            measured[output.name] = output.value

    return reconstruct(with_maps(scanner, extra), SETTINGS, watch=watch), measured


def words(replies: Iterable[Message]) -> str:
    return "\n".join(reply.text for reply in replies if isinstance(reply, Text))


def formula_of(scanner: Scanner, tissue: int) -> float:
    """Give the flow that the formula makes of a head of one tissue; in 2-D that of the middle slice."""
    fractions = np.zeros_like(scanner.head.fractions)
    fractions[tissue] = 1
    return float(np.median(expected_cbf(replace(scanner.head, fractions=fractions), scanner.protocol)))


@pytest.mark.parametrize("one_by_one", [False, True], ids=["3-D, volumes", "2-D, slices"])
def test_flow_of_gray_and_white_matter_comes_back(one_by_one):
    """To some percent: the M0 of each tissue depends on the echo time as well."""
    scanner = scan(three_dimensional=not one_by_one)
    replies, measured = flows(scanner, segmentation(scanner, one_by_one))
    for measure, tissue in ((Measure.GRAY_MATTER_CBF, 0), (Measure.WHITE_MATTER_CBF, 1)):
        assert measured[measure] == pytest.approx(formula_of(scanner, tissue), rel=0.03, abs=0.7)
    said = re.search(r"gray matter ([\d.]+) \+- .*, white matter ([\d.]+) \+-", words(replies))
    assert said
    assert float(said[1]) == pytest.approx(measured[Measure.GRAY_MATTER_CBF], abs=0.05)
    assert float(said[2]) == pytest.approx(measured[Measure.WHITE_MATTER_CBF], abs=0.05)


def test_the_maps_of_both_tissues_are_flatter_than_that_of_the_mixture():
    scanner = scan()
    replies, _ = flows(scanner, segmentation(scanner))
    (*_, cbf), (*_, gray), (*_, white) = (maps(replies, name) for name in MAPS)
    inside = np.isfinite(gray) & np.isfinite(white)
    assert inside.sum() > 200
    assert np.median(gray[inside]) > 1.5 * np.median(white[inside])
    spread = [np.std(data[inside]) / np.mean(data[inside]) for data in (gray, cbf)]
    assert spread[0] < 0.1 * spread[1]


def test_tissue_maps_are_not_sent_back_and_other_images_are():
    scanner = scan()
    other = list(images("t1w", scanner.head.gray_matter, scanner, False))
    replies, _ = flows(scanner, [*other, *segmentation(scanner)])
    names = {read_attributes(reply.attributes)["aslive_map"][0] for reply in replies if isinstance(reply, Image)}
    assert names == {"t1w", *MAPS}


def test_a_scan_with_wrong_maps_is_as_one_without():
    scanner = scan()
    wrong = list(images("gray_matter", 100 * scanner.head.gray_matter, scanner, False))
    replies, measured = flows(scanner, wrong)
    plain, _ = flows(scanner, ())
    np.testing.assert_array_equal(maps(replies, "cbf"), maps(plain, "cbf"))
    assert "The map gray_matter is not used: its values reach from 0 to" in words(replies)
    assert not measured.keys() & {Measure.GRAY_MATTER_CBF, Measure.WHITE_MATTER_CBF}
