import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.gadgets.kernels.kinetics import Blood, Boluses, tissue_response
from aslive.gadgets.kernels.look_locker import seen_by_small_flips
from aslive.gadgets.kernels.response_axes import apparent_t1, grouped, transit_times
from aslive.gadgets.kernels.response_tables import ResponseTables

BLOOD = Blood(1.65, 0.85, 0.9)
ATT = transit_times(0.1, 3.0, 0.02)
SCHEDULE = ((2.3, 1.8), (2.8, 1.8), (3.3, 1.8))


def tables(**options):
    return ResponseTables(ATT, SCHEDULE, BLOOD, pulsed=False, **options)


def test_transit_times_are_even_and_bounded():
    assert ATT[0] == 0.1
    assert ATT[-1] == 3.0
    np.testing.assert_allclose(np.diff(ATT), 0.02)
    assert len(transit_times(0.0, 1e6, 1e-3)) == 501
    assert len(transit_times(0.5, 0.6, 0.3)) == 2


@given(st.floats(0.3, 5.0), st.floats(0.0, 4.0))
def test_apparent_t1_covers_all_flows_in_small_steps(shortest, more):
    longest = min(shortest + more, 5.0)
    axis = apparent_t1(shortest, longest, 0.9)
    assert axis[0] <= 1 / (1 / shortest + 200 / 6000 / 0.9) * (1 + 1e-9)
    assert axis[-1] >= longest * (1 - 1e-9)
    assert np.all(axis[1:] / axis[:-1] <= 1.0101)
    assert len(axis) <= 300
    assert len(apparent_t1(shortest, longest, 0.9, 7)) <= 7


def test_slices_that_are_read_together_share_a_table():
    times, group = grouped((0.0, 0.08, 0.04, 0.0, 0.08, 0.04))
    np.testing.assert_allclose(times, [0, 0.04, 0.08])
    np.testing.assert_array_equal(group, [0, 2, 1, 0, 2, 1])
    assert len(grouped((0.0,) * 24)[0]) == 1


def test_later_slices_see_later_blood():
    response, group = tables().of(SCHEDULE, (0.0, 0.5), (1.3, 1.3))
    shifted = tissue_response(ATT, response.t1_apparent, Boluses(np.array([2.8]), np.array([1.8])), BLOOD)
    np.testing.assert_allclose(response.tissue[group[1], :, 0], shifted[:, 0], rtol=1e-6)
    np.testing.assert_allclose(response.tissue[group[0], :, 1], shifted[:, 0], rtol=1e-6)


def test_a_part_of_the_boluses_is_a_part_of_the_tables():
    kept = tables(macrovascular=True)
    whole, _ = kept.of(SCHEDULE, (0.0,), (1.3, 1.3))
    part, _ = kept.of((SCHEDULE[2], SCHEDULE[0]), (0.0,), (1.3, 1.3))
    np.testing.assert_array_equal(part.tissue, whole.tissue[:, :, [2, 0]])
    assert part.arterial is not None
    assert whole.arterial is not None
    np.testing.assert_array_equal(part.arterial, whole.arterial[:, [2, 0]])
    assert kept.of((SCHEDULE[2], SCHEDULE[0]), (0.0,), (1.3, 1.3))[0] is part


def test_a_bolus_that_the_schedule_does_not_list_gets_its_table():
    kept = tables()
    merged, _ = kept.of(((3.3, 2.8),), (0.0,), (1.3, 1.3))
    alone = tissue_response(ATT, merged.t1_apparent, Boluses(np.array([3.3]), np.array([2.8])), BLOOD)
    np.testing.assert_allclose(merged.tissue[0], alone, rtol=1e-6)


def test_readouts_that_are_not_seen_yet_still_cost_signal():
    response, _ = tables(flip_angle=0.6).of(SCHEDULE[2:], (0.0,), (1.3, 1.3))
    readout, duration = np.transpose(SCHEDULE)
    boluses = Boluses(readout.copy(), duration.copy())
    single = tissue_response(ATT, response.t1_apparent, boluses, BLOOD)
    seen = seen_by_small_flips(single, boluses, response.t1_apparent, 0.6)
    np.testing.assert_allclose(response.tissue[0, :, 0], seen[:, 2], rtol=1e-6)


def test_other_tissue_or_other_slice_times_make_other_tables():
    kept = tables()
    first, _ = kept.of(SCHEDULE, (0.0,), (1.3, 1.3))
    assert kept.of(SCHEDULE, (0.0,), (0.8, 1.3))[0].t1_apparent[0] < first.t1_apparent[0]
    assert len(kept.of(SCHEDULE, (0.0, 0.04), (1.3, 1.3))[0].tissue) == 2


@pytest.mark.parametrize("boluses", [1, 128])
def test_the_tables_of_any_scan_fit_into_memory(boluses):
    schedule = tuple((1.0 + 0.01 * n, 0.5) for n in range(boluses))
    kept = ResponseTables(transit_times(0.0, 4.0, 0.02), schedule, BLOOD, pulsed=False)
    response, _ = kept.of(schedule, tuple(0.04 * z for z in range(4)), (0.3, 5.0))
    assert response.tissue.nbytes <= 64e6
