from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from aslive.gadgets.ghost import CorrectGhost, Drift
from aslive.streaming.errors import ConfigError
from aslive.streaming.notices import Measure, Measurement, Notice
from aslive.streaming.readouts import Kind, Readout, Train
from aslive.streaming.scan import Labeling, Role, Trapezoid

REVERSED, CALIBRATION = 1 << 21, 1 << 19
COLUMNS, LINES, COILS = 24, 8, 3
X = np.arange(COLUMNS) - COLUMNS // 2
TRAPEZOID = Trapezoid(1e-4, 4e-4, 1e-4, 4e-6, 48, 3, 6e-4)
OBJECT = (np.exp(-((X / 6) ** 2)) * np.exp(1j * np.arange(COILS))[:, np.newaxis]).astype(np.complex64)
CONTEXT = (Role.M0SCAN, Role.CONTROL, Role.LABEL, Role.CONTROL, Role.LABEL)


@pytest.fixture
def epi(make_scan):
    scan = make_scan((COLUMNS, LINES, 1), labeling=Labeling(context=CONTEXT, mr_acquisition_type="2D"))
    return replace(scan, encodings=(replace(scan.encodings[0], trapezoid=TRAPEZOID),))


@pytest.fixture
def shot(make_readout):
    """Make the navigators and the lines of one shot in hybrid space, each line the same object but for its faults."""

    def make(slope=0.1, constant=0.3, step=0.0, navigators=(0, 1, 0), kind=Kind.IMAGING, flags=0, lines=LINES, **where):
        def line(number, backward, kind, flags, **counters):
            turn = np.exp((0.5j if backward else -0.5j) * (slope * X + constant) + 1j * step * number)
            return make_readout(OBJECT * turn, kind, flags | REVERSED * backward, segment=backward, **counters, **where)

        ahead = [
            line(n - len(navigators), backward, Kind.NAVIGATOR, flags, average=n // 2)
            for n, backward in enumerate(navigators)
        ]
        behind = [line(n, n % 2, kind, flags, kspace_encode_step_1=n) for n in range(lines)]
        return ahead, behind

    return make


def images(out):
    """Give all corrected lines in order of arrival."""
    found = []
    for message in out:
        if isinstance(message, Train):
            found += list(message.split())
        elif isinstance(message, Readout):
            found.append(message)
    return found


def roughness(lines):
    """How much lines of one object differ, the best of them 0."""
    data = np.array([line.data for line in lines])
    return np.abs(data - data[:1]).max()


def notices(out):
    return [message.text for message in out if isinstance(message, Notice)]


@pytest.mark.parametrize("navigators", [(0, 1, 0), (1, 0, 1), (0, 1), (0, 1) * 8], ids=str)
def test_navigators_make_the_lines_of_their_shot_fit_each_other(run, epi, shot, navigators):
    ahead, lines = shot(navigators=navigators)
    assert roughness(lines) > 0.3
    out = images(run([CorrectGhost()], ahead + lines, epi))
    assert len(out) == LINES
    assert roughness(out) < 1e-5


def test_lines_that_come_together_give_what_they_give_alone(run, epi, shot, make_train):
    messages, together = [], []
    for volume in range(3):
        ahead, lines = shot(slope=0.1 + 0.01 * volume, step=0.02 * volume, repetition=volume)
        messages += ahead + lines
        together += [*ahead, make_train(lines[:3]), make_train(lines[3:])]
    copies = [line.with_data(line.data.copy()) for line in messages]
    alone, trains = (images(run([CorrectGhost()], given, epi)) for given in (copies, together))
    np.testing.assert_allclose([line.data for line in trains], [line.data for line in alone], atol=1e-6)


def test_a_train_may_reach_from_one_slice_into_the_next(run, epi, shot, make_train):
    navigators, lines = [], []
    for number, slope in enumerate((0.1, -0.2)):
        ahead, behind = shot(slope=slope, navigators=(0, 1) * 4, slice=number)
        navigators += ahead
        lines += behind
    out = images(run([CorrectGhost()], [*navigators, make_train(lines)], epi))
    assert [line.counters.slice for line in out] == [0] * LINES + [1] * LINES
    assert roughness(out) < 1e-5


def test_lines_wait_for_navigators_that_come_later(run, epi, shot):
    navigators, lines = shot()
    messages = [*lines[:4], *navigators, *lines[4:]]
    out = images(run([CorrectGhost()], messages, epi))
    assert [line.counters.kspace_encode_step_1 for line in out] == list(range(LINES))
    assert roughness(out) < 1e-5


def test_lines_do_not_wait_for_ever(run, epi, shot, monkeypatch):
    monkeypatch.setattr("aslive.gadgets.ghost._MOST_HELD", 3 * OBJECT.nbytes)
    gadget = CorrectGhost()
    gadget.start(epi)
    _, lines = shot()
    came = [len(images(gadget.process(line))) for line in lines]
    assert came == [0, 0, 0, 4, 1, 1, 1, 1]


def test_without_navigators_lines_pass_and_that_is_said_once(run, epi, shot):
    lines = [line for volume in range(3) for line in shot(repetition=volume)[1]]
    before = np.array([line.data for line in lines])
    out = run([CorrectGhost()], lines, epi)
    np.testing.assert_array_equal([line.data for line in images(out)], before)
    (text,) = notices(out)
    assert "without navigators" in text


def test_a_cartesian_scan_passes_untouched_and_in_silence(run, make_scan, shot, make_train):
    _, lines = shot()
    train = make_train(lines)
    assert run([CorrectGhost()], [lines[0], train], make_scan((COLUMNS, LINES, 1))) == [lines[0], train]


def test_navigators_count_even_where_the_header_calls_the_scan_cartesian(run, make_scan, shot):
    ahead, lines = shot()
    scan = make_scan((COLUMNS, LINES, 1))
    assert CorrectGhost().needed(scan)
    assert roughness(images(run([CorrectGhost()], ahead + lines, scan))) < 1e-5


def test_a_reference_scan_ahead_holds_for_all_later_shots(run, epi, shot):
    ahead, lines = shot(navigators=(0, 1) * 8)
    messages = ahead + lines
    for volume in range(1, 4):
        messages += shot(repetition=volume)[1]
    out = run([CorrectGhost()], messages, epi)
    assert roughness(images(out)) < 1e-5
    assert notices(out) == []


@pytest.mark.parametrize("loss", ["all", "one", "nan"])
def test_a_shot_that_lost_its_navigators_is_corrected_as_those_before(run, epi, shot, loss):
    ahead, lines = shot()
    messages = ahead + lines
    ahead, lines = shot(slope=0.1, repetition=1)
    if loss == "nan":
        ahead = [ahead[0].with_data(np.full_like(OBJECT, np.nan)), *ahead[1:]]
    messages += {"all": [], "one": ahead[1:], "nan": ahead}[loss] + lines
    out = run([CorrectGhost()], messages, epi)
    assert roughness(images(out)) < 1e-5
    assert len(notices(out)) == 1


def test_control_and_label_of_a_pair_are_corrected_alike(run, epi, shot):
    rng = np.random.default_rng(0)
    volumes, true = [], []
    for volume in range(len(CONTEXT)):
        ahead, lines = shot(slope=0.1 + 0.05 * rng.standard_normal(), constant=0.2, repetition=volume)
        volumes += ahead + lines
        true.append(np.array([line.data for line in lines]))
    out = np.array([line.data for line in images(run([CorrectGhost(smoothing=2)], volumes, epi))])
    factor = out.reshape(np.array(true).shape) / np.array(true)
    np.testing.assert_allclose(factor[2], factor[1], atol=1e-5)
    np.testing.assert_allclose(factor[4], factor[3], atol=1e-5)
    assert np.abs(factor[3] - factor[1]).max() > 1e-3


def test_smoothing_averages_over_the_volumes(run, epi, shot):
    slopes = 0.1 + 0.05 * np.random.default_rng(1).standard_normal(12)
    messages = []
    for volume, slope in enumerate(slopes):
        ahead, lines = shot(slope=slope, repetition=volume)
        messages += ahead + lines
    epi = replace(epi, labeling=Labeling())
    out = images(run([CorrectGhost(smoothing=100)], messages, epi))[-2:]
    left = np.angle(out[1].data[0] * out[0].data[0].conj())
    expected = slopes[-1] - slopes.mean()
    assert np.polyfit(X, left, 1)[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(("drift", "left"), [(Drift.RELATIVE, 0.05), (Drift.ABSOLUTE, 0.0), (Drift.OFF, 0.15)])
def test_the_field_that_drifts_is_followed_from_echo_to_echo(run, epi, shot, drift, left):
    messages = []
    for volume, step in enumerate((0.05, 0.15)):
        ahead, lines = shot(slope=0, constant=0, step=step, repetition=volume)
        messages += ahead + lines
    out = run([CorrectGhost(drift=drift, smoothing=1)], messages, replace(epi, labeling=Labeling()))
    last = images(out)[-LINES:]
    turns = [np.angle(np.vdot(one.data, other.data)) for one, other in pairwise(last)]
    np.testing.assert_allclose(turns, left, atol=1e-4)
    drifts = [m.value for m in out if isinstance(m, Measurement) and m.name is Measure.FIELD_DRIFT]
    np.testing.assert_allclose(drifts, [0, 0.1 / (2 * np.pi * 6e-4)], atol=1e-2)


def test_each_shot_of_a_segmented_volume_has_its_own_constant(run, epi, shot):
    messages = []
    for volume in range(3):
        for segment, constant in enumerate((0.3, -0.4)):
            ahead, lines = shot(constant=constant, repetition=volume)
            messages += ahead
            for line in lines:
                moved = line.counters._replace(kspace_encode_step_1=line.counters.kspace_encode_step_1 * 2 + segment)
                messages.append(replace(line, counters=moved))
    assert roughness(images(run([CorrectGhost()], messages, epi))) < 1e-5


def test_shots_of_one_volume_get_one_phase(run, epi, shot):
    """Each excitation has a phase of its own; the navigators of each show it."""
    messages = []
    for volume in range(2):
        for segment, turn in enumerate((0.2 + volume, -0.9, 2.5)):
            for line in (part for parts in shot(constant=0.3 - 0.2 * segment, repetition=volume) for part in parts):
                row = line.counters.kspace_encode_step_1 * 3 + segment
                moved = line.with_data(line.data * np.exp(1j * turn).astype(np.complex64))
                messages.append(replace(moved, counters=line.counters._replace(kspace_encode_step_1=row)))
    straight = images(run([CorrectGhost()], messages, epi))
    volumes = straight[: 3 * LINES], straight[3 * LINES :]
    assert [len(volume) for volume in volumes] == [3 * LINES] * 2
    assert max(map(roughness, volumes)) < 1e-5
    assert roughness(straight) > 0.5  # volumes keep phases of their own


def test_one_triplet_serves_all_partitions_of_a_train(run, epi, shot):
    ahead, _ = shot()
    lines = [line for partition in range(4) for line in shot(kspace_encode_step_2=partition)[1]]
    assert roughness(images(run([CorrectGhost()], ahead + lines, epi))) < 1e-5


@pytest.mark.parametrize("marked", [True, False])
def test_reference_lines_are_corrected_by_their_own_navigators(run, epi, shot, marked):
    flags = CALIBRATION if marked else 0
    ahead, lines = shot(slope=-0.2, kind=Kind.REFERENCE, flags=CALIBRATION)
    ahead = [replace(line, flags=line.flags & ~CALIBRATION | flags) for line in ahead]
    image_ahead, image = shot(slope=0.1)
    out = images(run([CorrectGhost()], ahead + lines + image_ahead + image, epi))
    assert roughness(out[:LINES]) < 1e-5
    assert roughness(out[LINES:]) < 1e-5


def test_reference_lines_of_a_plain_gradient_echo_stay_as_they_are(run, epi, shot, make_readout):
    def other_space(line):
        header = bytearray(line.header)
        header[174:176] = b"\x01\x00"
        return replace(line, header=bytes(header))

    ahead, lines = shot()
    reference = [other_space(line) for line in shot(kind=Kind.REFERENCE)[1]]
    before = np.array([line.data for line in reference])
    out = images(run([CorrectGhost()], ahead + lines + reference, epi))
    np.testing.assert_array_equal([line.data for line in out[LINES:]], before)


def test_what_the_navigators_say_is_told_once_for_each_volume_and_slice(run, epi, shot):
    messages = []
    for volume in range(2):
        for number in range(3):
            ahead, lines = shot(repetition=volume, slice=number)
            messages += ahead + lines
    out = [m for m in run([CorrectGhost()], messages, epi) if isinstance(m, Measurement)]
    assert [m.place and m.place.volume for m in out if m.name is Measure.NAVIGATOR_SLOPE] == [0, 0, 0, 1, 1, 1]
    for name, value in ((Measure.NAVIGATOR_SLOPE, 0.1), (Measure.NAVIGATOR_CONSTANT, 0.3), (Measure.FIELD_DRIFT, 0)):
        np.testing.assert_allclose([m.value for m in out if m.name is name], value, atol=1e-4)


@pytest.mark.parametrize("change", [{"order": 0}, {"order": 9}, {"smoothing": 0.5}, {"smoothing": float("nan")}])
def test_parameters_out_of_range_are_refused(epi, change):
    with pytest.raises(ConfigError, match="should be"):
        CorrectGhost(**change).start(epi)


def test_random_loss_never_loses_what_came(run, epi, shot):
    rng = np.random.default_rng(3)
    messages = []
    for volume in range(4):
        for number in range(3):
            ahead, lines = shot(repetition=volume, slice=number)
            messages += ahead + lines
    for _ in range(20):
        kept = [message for message in messages if rng.random() < 0.6]
        copies = [line.with_data(line.data.copy()) for line in kept]
        came = images(run([CorrectGhost()], copies, epi))
        wanted = [line.counters for line in kept if line.kind is Kind.IMAGING]
        assert sorted(line.counters for line in came) == sorted(wanted)


@pytest.mark.parametrize(
    ("labeling", "pairs"),
    [
        (Labeling(context=CONTEXT), [None, 0, 0, 1, 1, None]),
        (Labeling(context=(Role.LABEL, Role.LABEL, Role.CONTROL, Role.CONTROL)), [0, 1, 0, 1, None]),
        (Labeling(), [None, None]),
    ],
)
def test_a_volume_knows_its_pair(labeling, pairs):
    assert [labeling.pair_of(volume) for volume in range(len(pairs))] == pairs
