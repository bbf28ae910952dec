from dataclasses import replace

import numpy as np
import pytest

from aslive.sim.anatomy import Anatomy
from aslive.sim.kinetics import Dispersion, continuous_artery, continuous_difference, pulsed_difference
from aslive.sim.magnetization import parts, signal
from aslive.sim.preparation import Preparation
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.territories import Late, Territory, number_of
from aslive.sim.time_encoding import TimeEncoded
from aslive.sim.tissue import TISSUES, Tissue
from aslive.streaming.scan import LabelingType, Role
from aslive.streaming.time_encoding import MatrixType

SMALL = {"matrix": (4, 3, 2), "coils": 1, "repetition_time": 8.0}


def brightness(head: Anatomy, protocol: Protocol) -> np.ndarray:
    """Every volume of the scan, shape (volumes, z, y, x)."""
    return np.stack([signal(head, protocol, volume.preparation).astype(float) for volume in protocol.volumes])


def pure(protocol: Protocol, tissue: int) -> Anatomy:
    fractions = np.zeros((len(TISSUES), *protocol.grid.shape), np.float32)
    fractions[tissue] = 1
    return Anatomy(protocol.grid, fractions)


def model(head: Anatomy, protocol: Protocol, bolus) -> np.ndarray:
    """What one bolus makes darker, straight from the kinetic model, tissue by tissue and slice by slice."""
    total = np.zeros(head.grid.shape)
    starts = np.array([0.0, protocol.slice_duration])
    for tissue, share in zip(TISSUES, head.fractions, strict=True):
        if protocol.pulsed:
            drop = pulsed_difference(
                tissue.cbf,
                tissue.att,
                tissue.t1,
                bolus_duration=protocol.bolus_cut_off_delay_time,
                inversion_time=bolus.post_labeling_delay + starts,
                labeling_efficiency=protocol.efficiency,
            )
        else:
            drop = continuous_difference(
                tissue.cbf,
                tissue.att,
                tissue.t1,
                labeling_duration=bolus.labeling_duration,
                post_labeling_delay=bolus.post_labeling_delay + starts,
                labeling_efficiency=protocol.efficiency,
            )
        total += tissue.m0 * np.exp(-protocol.echo_time / tissue.t2star) * drop[:, None, None] * share
    return total


@pytest.mark.parametrize(
    "schedule",
    [
        {"post_labeling_delay": (0.2, 1.0, 2.0), "delay_order": (2, 0, 0, 1)},
        {"post_labeling_delay": (0.2, 1.0), "labeling_duration": (1.0, 2.0), "label_first": True},
        {"post_labeling_delay": (0.3, 1.0, 2.0), "labeling_type": LabelingType.PASL},
    ],
)
def test_each_pair_shows_the_model_at_its_own_delay_and_duration(any_head, schedule):
    protocol = Protocol(**SMALL, pairs=5, **schedule)
    head = any_head(protocol.grid)
    volumes = brightness(head, protocol)[1:].reshape(5, 2, *head.grid.shape)
    differences = (volumes[:, 0] - volumes[:, 1]) * (-1 if protocol.label_first else 1)
    for pair, difference in enumerate(differences):
        np.testing.assert_allclose(difference, model(head, protocol, protocol.volumes[1 + 2 * pair].bolus), atol=2e-5)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("kind", "size"), [("Hadamard", 4), ("Hadamard", 8), ("Hadamard", 12), ("Walsh", 8)])
def test_a_cycle_decodes_to_the_model_of_each_sub_bolus(any_head, kind, size, sign):
    durations = tuple(0.6 / (1 + row) for row in range(size - 1))  # longest first, as in practice
    encoding = TimeEncoded(kind=MatrixType(kind), size=size, label_sign=sign, durations=durations)
    protocol = Protocol(**SMALL, pairs=1, time_encoding=encoding, post_labeling_delay=(0.3,))
    head = any_head(protocol.grid)
    volumes = brightness(head, protocol)[1:]
    decoded = -sign * 2 / size * np.tensordot(np.array(encoding.matrix), volumes, axes=1)
    for bolus, found in zip(protocol.boluses, decoded, strict=True):
        np.testing.assert_allclose(found, model(head, protocol, bolus), atol=4e-5)


def test_any_matrix_of_independent_rows_can_be_played_and_solved(any_head):
    encoding = TimeEncoded(own_matrix=((1, -1, 1), (1, 1, -1)), durations=(1.0, 0.7))
    protocol = Protocol(**SMALL, pairs=1, time_encoding=encoding, post_labeling_delay=(0.3,))
    head = any_head(protocol.grid)
    labeled = np.array(encoding.matrix) == -1
    design = np.vstack([np.ones(3), -1.0 * labeled]).T
    volumes = brightness(head, protocol)[1:]
    solved = np.linalg.lstsq(design, volumes.reshape(3, -1))[0].reshape(3, *head.grid.shape)
    for bolus, found in zip(protocol.boluses, solved[1:], strict=True):
        np.testing.assert_allclose(found, model(head, protocol, bolus), atol=4e-5)


def stepped(protocol: Protocol, tissue: Tissue, step: float = 1e-3) -> np.ndarray:
    """Control and label at each reading, shape (2, readings), by small steps of the Bloch equations."""
    labeled, bolus = (0.0, protocol.bolus_cut_off_delay_time) if protocol.pulsed else (1.8, 1.8)
    reads = {round((labeled + delay) / step) for delay in protocol.post_labeling_delay}
    left = np.cos(np.radians(protocol.flip_angle))
    rate = tissue.cbf / 6000 / 0.9
    seen: list[tuple[float, float]] = []
    static = 0.0
    for _ in range(5):  # TRs until nothing changes any more
        label = 0.0
        seen.clear()
        for tick in range(round(protocol.repetition_time / step)):
            if tick in reads:
                seen.append((static, static - label))
                static, label = left * static, left * label
            middle = (tick + 0.5) * step
            decay = np.exp(-(middle if protocol.pulsed else tissue.att) / 1.65)
            arriving = tissue.att <= middle < tissue.att + bolus
            label += step * (2 * rate * protocol.efficiency * decay * arriving - label * (1 / tissue.t1 + rate))
            static += step * (1 - static) / tissue.t1
    return np.array(seen).T


@pytest.mark.parametrize("kind", [LabelingType.PCASL, LabelingType.PASL])
@pytest.mark.parametrize("tissue", [0, 1])
def test_look_locker_is_what_small_steps_of_the_bloch_equations_give(kind, tissue):
    protocol = Protocol(
        matrix=(1, 1, 1),
        labeling_type=kind,
        post_labeling_delay=(0.3, 0.7, 1.4),
        look_locker=True,
        flip_angle=35.0,
        bolus_cut_off_delay_time=0.5,
        pairs=1,
    )
    found = brightness(pure(protocol, tissue), protocol)[1:].reshape(2, 3)
    shine = TISSUES[tissue].m0 * np.exp(-protocol.echo_time / TISSUES[tissue].t2star)
    wanted = shine * np.sin(np.radians(35.0)) * stepped(protocol, TISSUES[tissue])
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
    np.testing.assert_allclose(found[0] - found[1], wanted[0] - wanted[1], rtol=5e-3, atol=1e-5)


def test_late_blood_comes_late_and_to_its_own_territory_only():
    protocol = Protocol(matrix=(16, 16, 4), pairs=1)
    head = pure(protocol, 0)
    late = replace(head, late=(Late(Territory.LEFT_MIDDLE, 1.2, flow=0.5),))
    there = head.territories == number_of(Territory.LEFT_MIDDLE)
    usual, changed = (brightness(one, protocol) for one in (head, late))
    np.testing.assert_array_equal(usual[:2], changed[:2])
    np.testing.assert_array_equal(usual[2][~there], changed[2][~there])
    np.testing.assert_allclose(late.att[there], head.att[there] + 1.2, rtol=1e-6)
    np.testing.assert_allclose(late.cbf[there], 0.5 * head.cbf[there], rtol=1e-6)
    np.testing.assert_array_equal(late.cbf[~there], head.cbf[~there])
    assert 0 < there.sum() < there.size / 2
    wanted = continuous_difference(
        30.0,
        2.0,
        1.33,
        labeling_duration=1.8,
        post_labeling_delay=1.8 + protocol.slice_duration * np.arange(4),
        labeling_efficiency=0.85,
    )
    shine = 74.6 * np.exp(-protocol.echo_time / 0.066)
    np.testing.assert_allclose((changed[1] - changed[2])[there] / shine, wanted[np.nonzero(there)[0]], rtol=1e-4)


def test_arteries_are_seen_while_the_bolus_passes_unless_they_are_crushed(any_head):
    protocol = Protocol(**SMALL, post_labeling_delay=(0.1, 1.8), pairs=2)
    plain = any_head(protocol.grid)
    blood = np.full(plain.grid.shape, 0.04, np.float32)
    arterial = replace(plain, arterial_blood_volume=blood, late=(Late(Territory.RIGHT_ANTERIOR, 0.2),))
    plain = replace(arterial, arterial_blood_volume=None)
    more = brightness(plain, protocol) - brightness(arterial, protocol)
    fed = arterial.abat
    shine = np.tensordot(
        [one.m0 * np.exp(-protocol.echo_time / one.t2star) for one in TISSUES], plain.fractions, axes=1
    )
    assert set(np.unique(fed.round(6))) <= {np.float32(0.5), np.float32(0.7)}
    wanted = continuous_artery(fed, labeling_duration=1.8, post_labeling_delay=0.1, labeling_efficiency=0.85)
    np.testing.assert_allclose(more[2], wanted * shine * 0.04, rtol=1e-3)
    assert not more[[0, 1, 3, 4]].any()
    crushed = replace(protocol, vascular_crushing=True)
    np.testing.assert_array_equal(brightness(arterial, crushed), brightness(plain, protocol))


def test_half_as_good_labeling_is_half_the_difference(any_head):
    protocol = Protocol(**SMALL, pairs=1)
    head = any_head(protocol.grid)
    bolus = protocol.boluses
    control, whole, half = (
        signal(head, protocol, one).astype(float)
        for one in (
            Preparation(Role.CONTROL),
            Preparation(Role.LABEL, bolus, 0.8),
            Preparation(Role.LABEL, bolus, 0.4),
        )
    )
    np.testing.assert_allclose(control - whole, 2 * (control - half), atol=4e-5)


def test_transit_times_of_a_head_are_its_own(any_head):
    protocol = Protocol(**SMALL)
    head = replace(any_head(protocol.grid), transit_times=(1.0, 1.5, 0.0))
    gray, white = 60 * head.fractions[0], 20 * head.fractions[1]
    np.testing.assert_allclose(head.att, (gray * 1.0 + white * 1.5) / (gray + white), rtol=1e-5)
    usual, slow = (parts(one, protocol, protocol.volumes[2].preparation) for one in (any_head(protocol.grid), head))
    assert (usual[:2] != slow[:2]).any()
    np.testing.assert_array_equal(usual[2], slow[2])


def test_dispersed_blood_brings_less_at_first(any_head):
    protocol = Protocol(**SMALL, post_labeling_delay=(0.0,), labeling_duration=1.0, pairs=1)
    head = any_head(protocol.grid)
    spread = replace(head, dispersion=Dispersion(5.0, 0.2))
    whole, late = (-np.diff(brightness(one, protocol)[1:], axis=0) for one in (head, spread))
    assert (late < whole).all()


def test_the_scanner_knows_the_image_of_every_volume(any_head):
    protocol = Protocol(**SMALL, pairs=2, time_encoding=TimeEncoded(size=4), post_labeling_delay=(0.2,))
    scanner = Scanner(protocol, snr=None, anatomy=any_head(protocol.grid))
    images = [scanner.volume(number) for number in range(len(protocol.context))]
    np.testing.assert_array_equal(images[1:5], images[5:9])
    assert len({image.tobytes() for image in images}) == 5
    np.testing.assert_array_equal(scanner.image(Role.LABEL), images[2])
