from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.partial_volume import SeparateTissues
from aslive.streaming.errors import ConfigError
from aslive.streaming.flow import Mask, Place
from aslive.streaming.notices import Level, Measure, Measurement, Notice
from aslive.streaming.perfusion import M0, Map, MapName, TissueMaps
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Scan

SHAPE = (2, 15, 12)
PLACE = Place(3, Counters(), 0.0, Geometry())
shares = np.random.default_rng(0).dirichlet((1, 1, 0.3), SHAPE).astype(np.float32)
TISSUES = TissueMaps(*(np.ascontiguousarray(shares[..., tissue]) for tissue in range(3)))
WATER = np.asarray(0.98 * TISSUES.gray_matter + 0.82 * TISSUES.white_matter + 1.15 * TISSUES.fluid, np.float32)
FLOW = np.asarray((60 * 0.98 * TISSUES.gray_matter + 20 * 0.82 * TISSUES.white_matter) / WATER, np.float32)
GRAY, WHITE = 0.98 * TISSUES.gray_matter / WATER, 0.82 * TISSUES.white_matter / WATER
"""Shares of M0."""


def estimate(pairs: int, cbf: NDArray = FLOW, stderr: float = 1.0) -> list[Map]:
    """Give the two maps of one estimate."""
    errors = np.full(SHAPE, stderr, np.float32)
    return [
        Map(MapName.CBF, cbf, PLACE, "mL/100g/min", pairs),
        Map(MapName.CBF_STDERR, errors, PLACE, "mL/100g/min", pairs),
    ]


def measured(out, name):
    return [message.value for message in out if isinstance(message, Measurement) and message.name is name]


def named(out, name):
    return [message for message in out if isinstance(message, Map) and message.name is name]


def test_both_flows_of_a_mixture_are_found_whole_and_voxel_by_voxel(run):
    out = run([SeparateTissues()], [TISSUES, *estimate(4)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]
    assert measured(out, Measure.WHITE_MATTER_CBF) == [pytest.approx(20, rel=1e-4)]
    for name, share, truth in (
        (MapName.CBF_GRAY_MATTER, GRAY, 60),
        (MapName.CBF_WHITE_MATTER, WHITE, 20),
    ):
        (found,) = named(out, name)
        np.testing.assert_allclose(found.data[share >= 0.1], truth, rtol=1e-3)
        assert np.isnan(found.data[share < 0.1]).all()
        assert (found.pairs, found.units) == (4, "mL/100g/min")
        assert "Asllani" in found.equation
        assert found.constants["partial_volume_kernel"].value == 5


def test_where_m0_is_one_number_the_shares_are_those_of_the_tissue_maps(run):
    flow = 60 * TISSUES.gray_matter + 20 * TISSUES.white_matter
    m0 = M0(np.where(TISSUES.gray_matter > 0.01, 70, 0).astype(np.float32), {})
    out = run([SeparateTissues()], [TISSUES, m0, *estimate(4, flow)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]
    assert measured(out, Measure.WHITE_MATTER_CBF) == [pytest.approx(20, rel=1e-4)]


def test_a_voxel_that_is_half_empty_counts_as_the_tissue_that_is_in_it(run):
    half = TissueMaps(
        *(
            np.where(np.arange(12) < 6, 0.5, 1).astype(np.float32) * share
            for share in (TISSUES.gray_matter, TISSUES.white_matter, TISSUES.fluid)
        )
    )
    out = run([SeparateTissues()], [half, M0(WATER, {}), *estimate(4)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]


def test_all_that_it_takes_goes_on(run):
    messages = [
        TISSUES,
        Mask(np.ones(SHAPE, bool)),
        M0(WATER, {}),
        *estimate(1),
        Map(MapName.DELTAM, FLOW, PLACE, "arbitrary", 1),
    ]
    out = run([SeparateTissues()], messages, Scan())
    assert all(any(made is message for made in out) for message in messages)


def test_without_tissue_maps_nothing_is_made(run):
    assert [type(message) for message in run([SeparateTissues()], estimate(3), Scan())] == [Map, Map]


def test_tissue_maps_that_come_late_are_used_at_once(run):
    out = run([SeparateTissues()], [*estimate(3), TISSUES], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]


def test_flow_and_error_of_different_estimates_are_never_mixed(run):
    (cbf, stderr), (later, later_stderr) = estimate(3), estimate(4, 2 * FLOW)
    assert not measured(run([SeparateTissues()], [TISSUES, cbf, later_stderr], Scan()), Measure.GRAY_MATTER_CBF)
    out = run([SeparateTissues()], [TISSUES, cbf, stderr, later, later_stderr], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4), pytest.approx(120, rel=1e-4)]
    backwards = run([SeparateTissues()], [TISSUES, stderr, cbf, later_stderr, later], Scan())
    assert measured(backwards, Measure.GRAY_MATTER_CBF) == measured(out, Measure.GRAY_MATTER_CBF)


def test_an_estimate_that_is_given_again_is_separated_again(run):
    out = run([SeparateTissues()], [TISSUES, *estimate(3), *estimate(3, 2 * FLOW)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF)[1] == pytest.approx(120, rel=1e-4)


def test_only_the_brain_counts(run):
    brain = np.zeros(SHAPE, bool)
    brain[:, 2:-2] = True
    wrong = np.where(brain, FLOW, 500).astype(np.float32)
    out = run([SeparateTissues()], [Mask(brain), TISSUES, *estimate(3, wrong)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]
    assert np.isnan(named(out, MapName.CBF_GRAY_MATTER)[0].data[~brain]).all()


def test_the_first_pair_has_no_errors_and_numbers_all_the_same(run):
    out = run([SeparateTissues()], [TISSUES, *estimate(1, stderr=np.nan)], Scan())
    assert measured(out, Measure.GRAY_MATTER_CBF) == [pytest.approx(60, rel=1e-4)]


def test_the_last_numbers_are_told_once_at_the_end(run):
    out = run([SeparateTissues()], [TISSUES, *estimate(3, 2 * FLOW), *estimate(4)], Scan())
    (notice,) = [message for message in out if isinstance(message, Notice)]
    assert notice is out[-1]
    assert notice.level is Level.INFO
    assert (
        "gray matter 60.0 +- 0.0, white matter 20.0 +- 0.0 mL/100 g/min (with standard errors, 4 pairs)" in notice.text
    )


def test_tissues_that_cannot_be_told_apart_give_nan_and_words(run):
    alike = replace(TISSUES, gray_matter=np.full(SHAPE, 0.5, np.float32), white_matter=np.full(SHAPE, 0.5, np.float32))
    out = run([SeparateTissues()], [alike, *estimate(3)], Scan())
    assert np.isnan(measured(out, Measure.GRAY_MATTER_CBF)).all()
    assert np.isnan(named(out, MapName.CBF_GRAY_MATTER)[0].data).all()
    assert "gray matter not known" in out[-1].text


def test_tissue_maps_of_another_matrix_are_named_once_and_not_used(run):
    other = TissueMaps(*(np.zeros((1, 2, 3), np.float32) for _ in range(3)))
    out = run([SeparateTissues()], [other, *estimate(3), *estimate(4)], Scan())
    (notice,) = [message for message in out if isinstance(message, Notice)]
    assert "another matrix" in notice.text
    assert not measured(out, Measure.GRAY_MATTER_CBF)


def test_a_kernel_without_a_middle_is_refused(run):
    with pytest.raises(ConfigError, match="odd number"):
        run([SeparateTissues(kernel=4)], [], Scan())
