"""Simulated scans through the whole session, wire bytes in and maps out, against what mathematics expects of them."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from through_session import maps, reconstruct

from aslive.sim.anatomy import Anatomy
from aslive.sim.anatomy import brain as cut_brain
from aslive.sim.grid import Grid
from aslive.sim.protocol import Order, Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import Header, Image, Message, Text
from aslive.streaming.scan import LabelingType

brain = cache(cut_brain)  # the template takes a second to read
T1_TISSUE = 1.607
"""What the CBF gadget takes for the recovery of M0 at 3 T, s."""
LABELED = {
    "PCASL": {},
    "CASL": {"labeling_type": LabelingType.CASL},
    "PASL": {"labeling_type": LabelingType.PASL},
}


def texts(replies: Iterable[Message], *levels: str) -> list[str]:
    return [reply.text for reply in replies if isinstance(reply, Text) and reply.text.startswith(levels or "")]


def mixed_head(grid: Grid) -> Anatomy:
    """A head of random tissue on any grid, so that no test leans on symmetry or smoothness."""
    fractions = np.random.default_rng(0).dirichlet((2, 2, 1, 0.5), grid.shape)
    return Anatomy(grid, np.ascontiguousarray(np.moveaxis(fractions[..., :3], -1, 0), np.float32))


def scan_of(protocol: Protocol, head: Anatomy | None = None) -> Scanner:
    return Scanner(protocol, snr=None, anatomy=head or mixed_head(protocol.grid))


def assert_as_expected(cbf: NDArray[np.float32], scanner: Scanner, tolerance: float = 0.002) -> None:
    """Compare where there is tissue to speak of, and see that there is no value where nothing is."""
    expected = expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    inside = (scanner.head.m0 > 0.1 * scanner.head.m0.max()) & (expected > 5)
    assert inside.any()
    np.testing.assert_allclose(cbf[inside], expected[inside], rtol=tolerance)
    assert np.isnan(cbf[scanner.head.m0 == 0]).all()


@pytest.mark.parametrize("labeling", LABELED.values(), ids=LABELED)
@pytest.mark.parametrize("three_dimensional", [False, True], ids=["2D", "3D"])
@pytest.mark.parametrize("label_first", [False, True], ids=["control first", "label first"])
def test_noise_free_cbf_is_what_the_formula_expects_of_the_brain(labeling, three_dimensional, label_first):
    protocol = Protocol(
        matrix=(24, 22, 8),
        coils=4,
        pairs=2,
        three_dimensional=three_dimensional,
        label_first=label_first,
        **labeling,
    )
    scanner = scan_of(protocol, brain(protocol.grid))
    replies = reconstruct(scanner.messages())
    assert not texts(replies, "warning", "error")
    cbf = maps(replies, "cbf")
    assert len(cbf) == 2
    for update in cbf:
        assert_as_expected(update, scanner)


@settings(max_examples=30, deadline=None)
@given(
    matrix=st.tuples(st.integers(4, 10), st.integers(4, 10), st.integers(1, 5)),
    options=st.fixed_dictionaries(
        {
            "coils": st.integers(1, 5),
            "readout_oversampling": st.integers(1, 2),
            "averages": st.integers(1, 2),
            "m0_repetition_time": st.sampled_from((2.0, 10.0)),
            "background_suppression": st.sampled_from((0.2, 1.0)),
            "label_first": st.booleans(),
            "line_order": st.sampled_from(Order),
            "labeling_type": st.sampled_from(LabelingType),
        }
    ),
    three_dimensional=st.booleans(),
    shots=st.integers(1, 2),
    more_lines=st.integers(0, 3),
    slice_order=st.sampled_from((Order.LINEAR, Order.INTERLEAVED)),
    partition_order=st.sampled_from(Order),
)
def test_noise_free_cbf_is_as_expected_however_it_is_sampled(
    matrix, options, three_dimensional, shots, more_lines, slice_order, partition_order
):
    more = {"slice_order": slice_order}
    if three_dimensional:
        more = {
            "three_dimensional": True,
            "partition_order": partition_order,
            "partitions": matrix[2] + more_lines,
            "shots": min(shots, matrix[2]),
        }
    scanner = scan_of(Protocol(matrix=matrix, pairs=1, phase_lines=matrix[1] + more_lines, **options, **more))
    (cbf,) = maps(reconstruct(scanner.messages()), "cbf")
    assert_as_expected(cbf, scanner)


@pytest.mark.parametrize(("labeling", "gray", "white"), [("PCASL", 45.81, 9.33), ("PASL", 54.64, 12.59)])
def test_pure_tissue_gives_the_published_values(labeling, gray, white):
    protocol = Protocol(
        matrix=(16, 16, 4), coils=4, pairs=1, three_dimensional=True, m0_repetition_time=100, **LABELED[labeling]
    )
    fractions = np.zeros((3, *protocol.grid.shape), np.float32)
    fractions[0, ..., :8] = fractions[1, ..., 8:] = 1
    (cbf,) = maps(reconstruct(scan_of(protocol, Anatomy(protocol.grid, fractions)).messages()), "cbf")
    np.testing.assert_allclose(cbf[..., :8], gray, rtol=0.005)
    np.testing.assert_allclose(cbf[..., 8:], white, rtol=0.005)


def test_later_slices_are_not_read_low():
    # Without the slice's own delay the last of 24 slices would come out 1.6 times too low.
    protocol = Protocol(matrix=(8, 32, 24), coils=2, pairs=1, repetition_time=6)
    fractions = np.zeros((3, *protocol.grid.shape), np.float32)
    fractions[1] = 1
    scanner = scan_of(protocol, Anatomy(protocol.grid, fractions))
    (cbf,) = maps(reconstruct(scanner.messages()), "cbf")
    assert_as_expected(cbf, scanner)


@pytest.mark.parametrize("three_dimensional", [False, True], ids=["2D", "3D"])
def test_partial_fourier_only_smooths(three_dimensional):
    protocol = Protocol(
        matrix=(32, 32, 12),
        coils=4,
        pairs=1,
        partial_fourier=0.75,
        three_dimensional=three_dimensional,
        partial_fourier_slice=0.75 if three_dimensional else 1.0,
    )
    scanner = scan_of(protocol, brain(protocol.grid))
    replies = reconstruct(scanner.messages())
    assert not texts(replies, "warning", "error")
    (cbf,) = maps(replies, "cbf")
    expected = expected_cbf(scanner.head, protocol, t1_tissue=T1_TISSUE)
    brainy = scanner.head.m0 > 0.9 * scanner.head.m0.max()
    assert np.mean(cbf[brainy]) == pytest.approx(np.mean(expected[brainy]), rel=0.02)
    assert np.corrcoef(cbf[brainy], expected[brainy])[0, 1] > 0.9


@pytest.mark.parametrize("matrix", [(17, 15, 3), (24, 32, 5), (15, 16, 1), (32, 9, 2)])
@pytest.mark.parametrize("three_dimensional", [False, True], ids=["2D", "3D"])
@pytest.mark.parametrize("coils", [1, 3])
def test_odd_and_oblong_scans_of_one_pair_come_out_right(matrix, three_dimensional, coils):
    scanner = scan_of(Protocol(matrix=matrix, coils=coils, pairs=1, three_dimensional=three_dimensional))
    replies = reconstruct(scanner.messages())
    assert not texts(replies, "warning", "error")
    (cbf,) = maps(replies, "cbf")
    assert cbf.shape == scanner.protocol.grid.shape
    assert_as_expected(cbf, scanner)
    (stderr,) = maps(replies, "cbf_stderr")
    assert np.isnan(stderr).all(), "one pair has no spread"


def test_without_m0_the_unsuppressed_control_takes_its_place():
    scanner = scan_of(Protocol(matrix=(12, 10, 2), coils=2, pairs=2, m0scan=False))
    replies = reconstruct(scanner.messages())
    for cbf in maps(replies, "cbf"):
        assert_as_expected(cbf, scanner)
    constants = [
        read_attributes(reply.attributes)["aslive_constants"]
        for reply in replies
        if isinstance(reply, Image) and "aslive_constants" in reply.attributes
    ]
    assert "mean of 2 control" in constants[-1][0]


def test_without_any_m0_the_map_is_relative_and_says_so():
    scanner = scan_of(Protocol(matrix=(12, 10, 2), coils=2, pairs=2, m0scan=False, background_suppression=0.2))
    replies = reconstruct(scanner.messages())
    assert not maps(replies, "cbf")
    assert len(maps(replies, "deltam")) == 2
    assert sum("No absolute CBF" in text and "m0scan" in text for text in texts(replies, "warning")) == 1


def test_without_noise_readouts_the_maps_are_right_and_it_is_said():
    protocol = Protocol(matrix=(12, 10, 2), coils=3, pairs=2, noise_readouts=0)
    scanner = Scanner(protocol, snr=1e6, anatomy=mixed_head(protocol.grid))
    replies = reconstruct(scanner.messages())
    assert any("No noise readouts came" in text for text in texts(replies))
    assert_as_expected(maps(replies, "cbf")[-1], scanner, tolerance=0.01)


@pytest.mark.parametrize("label_first", [False, True], ids=["control first", "label first"])
def test_swapped_roles_turn_the_sign_and_are_reported(label_first):
    protocol = Protocol(matrix=(24, 22, 6), coils=3, pairs=4, label_first=label_first)
    scanner = scan_of(protocol, brain(protocol.grid))
    header, *lines = scanner.messages()
    right = reconstruct([header, *lines])
    lied = {"control": "label", "label": "control"}
    assert isinstance(header, Header)
    order = ",".join(protocol.context)
    swapped = ",".join(lied.get(role, role) for role in protocol.context)
    assert order in header.text
    wrong = reconstruct([replace(header, text=header.text.replace(order, swapped)), *lines])
    np.testing.assert_allclose(maps(wrong, "cbf")[-1], -maps(right, "cbf")[-1], rtol=1e-5)
    assert any("swapped" in text for text in texts(wrong, "error"))
    assert not any("swapped" in text for text in texts(right))
