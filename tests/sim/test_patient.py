import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.sim.anatomy import Anatomy
from aslive.sim.choices import ReadoutType
from aslive.sim.faults_labeling import LabelFailure, LabelFailureArtery
from aslive.sim.faults_motion import MotionDrift, MotionStep, MotionWithinVolume, Nodding
from aslive.sim.faults_receiver import DeadCoil, EarlyStop, GainJump, LostLines, NoisyCoil, Spikes
from aslive.sim.faults_rhythm import Cardiac, Respiratory
from aslive.sim.patient import FAULTS, Fault, Patient
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.territories import Territory, number_of
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.errors import ConfigError
from aslive.streaming.layouts import flag
from aslive.streaming.messages import Acquisition, Close
from aslive.streaming.scan import Role
from aslive.streaming.wire import encode

EPI = Protocol(matrix=(16, 16, 6), coils=3, pairs=3, readout=ReadoutType.EPI)
PLAIN = replace(EPI, readout=ReadoutType.CARTESIAN, echo_time=0.0)
NOISE = flag(19)
NAVIGATOR = flag(24)


def readouts(scanner: Scanner) -> list[Acquisition]:
    return [message for message in scanner.messages() if isinstance(message, Acquisition)]


def by_volume(scanner: Scanner) -> dict[int, bytes]:
    """All that is sent of each volume; noise and references are volume -1."""
    found: dict[int, bytes] = {}
    for readout in readouts(scanner):
        noise = int(readout.fields["flags"]) & NOISE
        volume = -1 if noise else int(readout.fields["idx"]["repetition"])
        found[volume] = found.get(volume, b"") + encode(readout)
    return found


def lines_of(scanner: Scanner, volume: int) -> NDArray[np.complex64]:
    """The imaging lines of one volume, ``(lines, coils, samples)``."""
    wanted = [
        readout.data
        for readout in readouts(scanner)
        if int(readout.fields["idx"]["repetition"]) == volume and not int(readout.fields["flags"]) & (NOISE | NAVIGATOR)
    ]
    return np.stack(wanted)


def silent(head: Anatomy, faults: Sequence[str | Fault], protocol: Protocol = PLAIN) -> Scanner:
    return Scanner(protocol, snr=None, anatomy=head, patient=Patient.of(faults))


def test_faults_that_do_nothing_leave_every_bit_as_it_is(coarse_brain: Anatomy):
    idle: list[Fault] = [
        MotionStep(size=0),
        MotionDrift(size=0),
        MotionWithinVolume(size=0),
        Nodding(pitch=0),
        LabelFailure(factor=1),
        LabelFailureArtery(factor=1),
        Spikes(height=0),
        NoisyCoil(factor=1),
        GainJump(factor=1),
        EarlyStop(volume=6),
    ]
    faulty = Scanner(EPI, anatomy=coarse_brain, patient=Patient.of(idle))
    assert by_volume(faulty) == by_volume(Scanner(EPI, anatomy=coarse_brain))


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_changes_the_volumes_that_it_says_and_no_bit_of_the_others(coarse_brain: Anatomy, name: str):
    patient = Patient.of([name], seed=2)
    clean = by_volume(Scanner(EPI, anatomy=coarse_brain))
    found = by_volume(Scanner(EPI, anatomy=coarse_brain, patient=patient))
    changed = {volume for volume, sent in clean.items() if found.get(volume) != sent}
    wanted = set(patient.affected(EPI)[name])
    assert wanted
    assert changed - {-1} == wanted
    assert (-1 in changed) == (name == "noisy-coil")


@pytest.mark.parametrize("name", FAULTS)
def test_the_same_seed_is_the_same_scan_and_all_its_readouts_are_counted(coarse_brain: Anatomy, name: str):
    scanner = Scanner(EPI, seed=4, anatomy=coarse_brain, patient=Patient.of([name], seed=4))
    first = list(scanner.messages())
    again = Scanner(EPI, seed=4, anatomy=coarse_brain, patient=Patient.of([name], seed=4))
    assert [encode(message) for message in first] == [encode(message) for message in again.messages()]
    assert isinstance(first[-1], Close)
    assert scanner.readouts == sum(isinstance(message, Acquisition) for message in first)


def test_a_patient_comes_back_from_the_record():
    patient = Patient.of([*FAULTS], seed=7)
    assert Patient.read(json.loads(json.dumps(patient.record()))) == patient
    assert list(patient.faults) == list(FAULTS)


def test_pairs_are_those_of_the_volumes():
    patient = Patient.of([GainJump(volume=4), Spikes(volume=0), LabelFailure(pair=1, pairs=1)])
    assert patient.affected(EPI) == {"gain-jump": (4, 5, 6), "spikes": (0,), "label-failure": (4,)}
    assert patient.affected_pairs(EPI) == {"gain-jump": (1, 2), "spikes": (), "label-failure": (1,)}


def test_a_moved_scan_is_that_of_a_head_which_lies_there(coarse_brain: Anatomy):
    step = MotionStep(volume=3, z=4e-3, pitch=0.05)
    scanner = silent(coarse_brain, [step])
    moved = coarse_brain.moved(scanner.patient.poses(PLAIN)[3])
    np.testing.assert_array_equal(lines_of(scanner, 3), lines_of(silent(moved, []), 3))
    np.testing.assert_array_equal(lines_of(scanner, 2), lines_of(silent(coarse_brain, []), 2))
    twice = moved.moved(scanner.patient.poses(PLAIN)[3].after(moved.pose))
    np.testing.assert_array_equal(lines_of(silent(moved, [step]), 3), lines_of(silent(twice, []), 3))


@pytest.mark.parametrize("protocol", [PLAIN, EPI, replace(PLAIN, averages=2, segments=2)])
def test_lines_after_the_moment_see_the_moved_head(coarse_brain: Anatomy, protocol: Protocol):
    within = silent(coarse_brain, [MotionWithinVolume(volume=2, z=5e-3, moment=0.3)], protocol)
    still = lines_of(silent(coarse_brain, [], protocol), 2)
    moved = lines_of(silent(coarse_brain, [MotionStep(volume=2, z=5e-3)], protocol), 2)
    found = lines_of(within, 2)
    late = np.arange(len(found)) >= round(0.3 * len(found))
    np.testing.assert_array_equal(found[~late], still[~late])
    np.testing.assert_array_equal(found[late], moved[late])


def test_a_head_that_stays_away_lies_there_from_the_next_volume_on(coarse_brain: Anatomy):
    stays = silent(coarse_brain, [MotionWithinVolume(volume=2, yaw=0.05, returns=False)])
    step = silent(coarse_brain, [MotionStep(volume=3, yaw=0.05)])
    np.testing.assert_array_equal(lines_of(stays, 4), lines_of(step, 4))


def test_swapped_order_plays_label_where_the_header_says_control(coarse_brain: Anatomy):
    clean, swapped = silent(coarse_brain, []), silent(coarse_brain, ["swapped-order"])
    assert next(clean.messages()) == next(swapped.messages())
    for volume, other in ((0, 0), (1, 2), (2, 1), (5, 6)):
        np.testing.assert_array_equal(lines_of(swapped, volume), lines_of(clean, other))


def test_swapped_order_labels_the_other_sub_boluses_of_a_cycle(coarse_brain: Anatomy):
    encoded = replace(PLAIN, pairs=1, time_encoding=TimeEncoded(size=4), post_labeling_delay=(0.3,))
    clean, swapped = silent(coarse_brain, [], encoded), silent(coarse_brain, ["swapped-order"], encoded)
    sums = [clean.volume(volume) + swapped.volume(volume) for volume in range(1, 5)]
    for one in sums[1:]:  # each sub-bolus is labeled in one of the two
        np.testing.assert_allclose(one, sums[0], atol=1e-4)
    assert np.abs(clean.volume(1) - swapped.volume(1)).max() > 0.1


def test_a_failing_label_is_as_much_weaker_as_it_says(coarse_brain: Anatomy):
    control = silent(coarse_brain, []).volume(3)
    full = control - silent(coarse_brain, []).volume(4)
    failing = silent(coarse_brain, [LabelFailure(factor=0.3, pair=1, pairs=1)])
    np.testing.assert_allclose(control - failing.volume(4), 0.3 * full, atol=1e-4)
    np.testing.assert_array_equal(failing.volume(6), silent(coarse_brain, []).volume(6))


def test_one_failing_artery_leaves_its_territory_without_label(coarse_brain: Anatomy):
    control = silent(coarse_brain, []).volume(3)
    full = control - silent(coarse_brain, []).volume(4)
    artery = LabelFailureArtery(territory=Territory.RIGHT_MIDDLE)
    found = control - silent(coarse_brain, [artery]).volume(4)
    fed = coarse_brain.territories == number_of(Territory.RIGHT_MIDDLE)
    assert np.abs(full[fed]).max() > 0.1
    np.testing.assert_allclose(found[fed], 0, atol=1e-5)
    np.testing.assert_array_equal(found[~fed], full[~fed])


def fluid(protocol: Protocol) -> Anatomy:
    fractions = np.zeros((3, *protocol.grid.shape), np.float32)
    fractions[2] = 1
    return Anatomy(protocol.grid, fractions)


def turns(patient: Patient, name: str, frequency: float, volume: int) -> NDArray[np.float64]:
    """The phase of a steady rhythm at the excitation of each slice of a volume, by the schedule alone."""
    first = patient.generator(name).uniform()
    readout = PLAIN.readout_time
    begin = 10 - readout if volume == 0 else 10 + 5 * (volume - 1) + 3.6
    turned = first + frequency * (begin + np.arange(6) * PLAIN.slice_duration)
    return np.asarray(2 * np.pi * turned, np.float64)


@pytest.mark.parametrize("volume", [0, 1, 6])
def test_the_signal_follows_pulse_and_breathing_at_the_time_of_each_excitation(volume: int):
    heart = Cardiac(frequency=1.3, variability=0, fluid=0.07, arteries=0)
    breath = Respiratory(frequency=0.3, variability=0, magnitude=0.04, phase=0.2)
    head = fluid(PLAIN)
    clean = lines_of(silent(head, []), volume).reshape(6, 16, 3, -1)
    patient = Patient.of([heart, breath])
    found = lines_of(Scanner(PLAIN, snr=None, anatomy=head, patient=patient), volume).reshape(clean.shape)
    wave = np.cos(turns(patient, "respiratory", 0.3, volume))
    factors = (1 + 0.07 * np.cos(turns(patient, "cardiac", 1.3, volume))) * (1 + 0.04 * wave) * np.exp(0.2j * wave)
    np.testing.assert_allclose(found, clean * factors[:, None, None, None], atol=2e-5 * np.abs(clean).max())


def test_the_pulse_is_strongest_in_fluid_and_at_arteries_and_beats_are_not_quite_even(coarse_brain: Anatomy):
    amplitude = Cardiac().amplitude(coarse_brain)
    assert amplitude[2].min() >= 0.06
    assert amplitude[0].min() == pytest.approx(0.01, abs=1e-6)
    assert amplitude[0].max() > 0.03
    times = np.linspace(0, 300, 30001)
    wave = Cardiac().wave(times.tolist(), np.random.default_rng(1))
    crossings = times[1:][(wave[:-1] < 0) & (wave[1:] >= 0)]
    assert 1 / np.diff(crossings).mean() == pytest.approx(1.1, rel=0.02)
    assert np.diff(crossings).std() / np.diff(crossings).mean() == pytest.approx(0.05, rel=0.5)


def test_a_spike_is_one_sample_of_all_coils(coarse_brain: Anatomy):
    clean = lines_of(silent(coarse_brain, [], EPI), 2)
    found = lines_of(silent(coarse_brain, [Spikes(volume=2, readouts=4, height=0.5)], EPI), 2)
    spikes = np.abs(found - clean)
    changed = spikes > 1e-3
    assert changed.all(axis=1).sum() == changed.any(axis=1).sum() == 4
    assert changed.any(axis=(1, 2)).sum() == 4
    for coil in range(3):
        height = spikes[:, coil][changed[:, coil]]
        np.testing.assert_allclose(height, 0.5 * np.abs(clean[:, coil]).max(), rtol=1e-4)


def test_a_dead_coil_receives_its_noise_and_nothing_else(coarse_brain: Anatomy):
    scanner = Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([DeadCoil(coil=1, volume=2)]))
    clean = Scanner(EPI, anatomy=coarse_brain)
    dead, alive = lines_of(scanner, 2), lines_of(clean, 2)
    np.testing.assert_array_equal(dead[:, ::2], alive[:, ::2])
    variance = np.mean(np.abs(dead[:, 1]) ** 2)
    assert variance == pytest.approx(clean.covariance[1, 1].real, rel=0.05)
    np.testing.assert_array_equal(lines_of(scanner, 1), lines_of(clean, 1))


def test_a_noisy_coil_has_more_noise_and_the_same_signal(coarse_brain: Anatomy):
    noisy = lines_of(Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([NoisyCoil(coil=1, factor=6)])), 2)
    usual, signal = lines_of(Scanner(EPI, anatomy=coarse_brain), 2), lines_of(silent(coarse_brain, [], EPI), 2)
    np.testing.assert_allclose(noisy[:, 1] - signal[:, 1], 6 * (usual[:, 1] - signal[:, 1]), atol=1e-3)
    np.testing.assert_array_equal(noisy[:, 0], usual[:, 0])
    with pytest.raises(ConfigError, match="without noise"):
        silent(coarse_brain, ["noisy-coil"])


def test_a_gain_jump_changes_signal_and_noise_alike(coarse_brain: Anatomy):
    jump = Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([GainJump(volume=3, factor=1.5)]))
    np.testing.assert_array_equal(lines_of(jump, 3), np.float32(1.5) * lines_of(Scanner(EPI, anatomy=coarse_brain), 3))


def test_lost_lines_leave_a_gap_in_the_count(coarse_brain: Anatomy):
    whole = readouts(Scanner(EPI, anatomy=coarse_brain))
    fewer = readouts(Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([LostLines(volume=4, readouts=5)])))
    there = {int(readout.fields["scan_counter"]): encode(readout) for readout in fewer}
    missing = [readout for readout in whole if int(readout.fields["scan_counter"]) not in there]
    assert len(missing) == 5
    assert {int(readout.fields["idx"]["repetition"]) for readout in missing} == {4}
    assert all(there.get(int(one.fields["scan_counter"]), encode(one)) == encode(one) for one in whole)


def test_a_scan_that_stops_early_ends_after_its_last_volume(coarse_brain: Anatomy):
    stopped = Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([EarlyStop(volume=2)]))
    messages = list(stopped.messages())
    assert isinstance(messages[-1], Close)
    assert isinstance(messages[-2], Acquisition)
    assert int(messages[-2].fields["idx"]["repetition"]) == 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MotionStep(volume=7), "motion-step: volume 7 is not of this scan: there are 0 to 6"),
        (MotionWithinVolume(moment=1.0), "above 0 and below 1"),
        (DeadCoil(coil=3), "dead-coil: coil 3 is not of this scan: there are 0 to 2"),
        (LabelFailure(pair=3), "label-failure: pair 3"),
        (LabelFailureArtery(factor=2.0), "between 0 and 1"),
        (Spikes(readouts=97), "97 readouts are more than the 96 of a volume"),
        (Respiratory(frequency=0.0), "above 0 Hz"),
        (GainJump(factor=0.0), "above 0"),
    ],
)
def test_what_a_scan_cannot_show_is_refused(coarse_brain: Anatomy, fault: Fault, words: str):
    with pytest.raises(ConfigError, match=words):
        Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([fault]))


def test_a_fault_is_known_and_given_once():
    with pytest.raises(ConfigError, match="there is no fault 'sneezing'; there are: motion-step, "):
        Patient.of(["sneezing"])
    with pytest.raises(ConfigError, match="spikes is given 2 times"):
        Patient.of(["spikes", Spikes(readouts=1)])


def test_the_header_says_nothing_of_faults(coarse_brain: Anatomy):
    faulty = Scanner(EPI, anatomy=coarse_brain, patient=Patient.of([*FAULTS]))
    assert next(faulty.messages()) == next(Scanner(EPI, anatomy=coarse_brain).messages())
    assert EPI.context[1] is Role.CONTROL
