"""The data door: what each readout is for, and that no line is lost or taken for another."""

from collections import Counter
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming import door as door_module
from aslive.streaming.door import Door, classify
from aslive.streaming.header import read_header
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import Acquisition, Acquisitions
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Kind, Readout, Train
from aslive.streaming.scan import Encoding, Scan
from aslive.streaming.wire import Decoder, encode

RAW = Path(__file__).resolve().parents[2].parent / "shared/data/raw"
NAMES = Counters._fields[:9]
ORIGIN = Counters()


def line(
    flags: int = 0,
    samples: int = 8,
    coils: int = 2,
    counters: Counters = ORIGIN,
    dimensions: int = 0,
    **fields: object,
) -> Acquisition:
    header: Any = np.zeros(1, ACQUISITION_HEADER)[0]  # Any: the fields of a record have no types
    header["flags"], header["center_sample"], header["number_of_samples"] = flags, samples // 2, samples
    header["active_channels"], header["trajectory_dimensions"] = coils, dimensions
    for name, value in fields.items():
        header[name] = value
    for name, value in zip(NAMES, counters, strict=False):
        header["idx"][name] = value
    header["idx"]["user"] = counters[9:]
    data = np.arange(coils * samples, dtype=np.complex64).reshape(coils, samples)
    trajectory = np.arange(samples * dimensions, dtype=np.float32).reshape(samples, dimensions)
    return Acquisition(header.tobytes(), trajectory, data)


def pass_through(door: Door, acquisitions: list[Acquisition]) -> tuple[list[Readout], list[Notice]]:
    given_out = [message for acquisition in acquisitions for message in door.receive(acquisition)]
    given_out += door.finish()
    readouts = [message for message in given_out if isinstance(message, Readout)]
    return readouts, [message for message in given_out if isinstance(message, Notice)]


WORD = st.integers(0, 65535)


@given(st.tuples(*[WORD] * 17), st.integers(0, 2**32 - 1), st.sampled_from((0.0, 4.0, 12.5)), st.booleans())
def test_what_the_header_says_is_what_the_readout_says(
    numbers: tuple[int, ...], stamp: int, dwell: float, settled: bool
):
    door = Door(Scan(), tick=1e-3)
    if settled:
        for _ in range(64):
            list(door.receive(line()))
    acquisition = line(counters=Counters(*numbers), acquisition_time_stamp=stamp, sample_time_us=dwell, dimensions=2)
    (readout,) = door.receive(acquisition)
    assert isinstance(readout, Readout)
    assert type(readout.counters) is Counters
    assert readout.counters == numbers
    assert readout.time == pytest.approx(stamp * 1e-3)
    assert readout.dwell == pytest.approx(dwell * 1e-6)
    assert (readout.center_sample, readout.header) == (4, acquisition.header)
    assert readout.data.shape == (2, 8)
    assert readout.trajectory is not None
    assert readout.trajectory.shape == (8, 2)


@pytest.mark.parametrize(
    ("numbers", "space", "kind"),
    [
        ((), 0, Kind.IMAGING),
        ((1, 2, 5, 25, 64), 0, Kind.IMAGING),
        ((22,), 0, Kind.IMAGING),
        ((19, 24, 20), 0, Kind.NOISE),
        ((19,), 1, Kind.NOISE),
        ((24, 23, 28), 0, Kind.NAVIGATOR),
        ((20,), 0, Kind.REFERENCE),
        ((20, 23), 0, Kind.REFERENCE),
        ((), 1, Kind.REFERENCE),
        ((20, 21), 0, Kind.REFERENCE_AND_IMAGING),
        ((21,), 0, Kind.REFERENCE_AND_IMAGING),
        ((21, 27), 0, Kind.SKIPPED),
        *(((number,), 0, Kind.SKIPPED) for number in (23, 26, 27, 28, 30, 31)),
        ((29,), 0, None),
        ((29, 21), 0, None),
        ((29, 27), 0, Kind.SKIPPED),
    ],
)
def test_flags_are_asked_in_the_right_order(numbers: tuple[int, ...], space: int, kind: Kind | None):
    assert classify(sum(flag(number) for number in numbers), space) is kind


@given(st.lists(st.sampled_from((0, 0, 0, 19, 20, 21, 23, 24, 27, 29)), max_size=100))
def test_no_readout_is_lost_and_each_has_its_class(numbers: list[int]):
    acquisitions = [line(flag(number) if number else 0, counters=Counters(n)) for n, number in enumerate(numbers)]
    readouts, _ = pass_through(Door(Scan()), acquisitions)
    assert sorted(readout.counters.kspace_encode_step_1 for readout in readouts) == list(range(len(numbers)))
    others_image = any(number in (0, 21) for number in numbers)
    for readout in readouts:
        number = numbers[readout.counters.kspace_encode_step_1]
        expected = classify(flag(number) if number else 0) or (Kind.SKIPPED if others_image else Kind.IMAGING)
        assert readout.kind is expected


FLAGS = st.sampled_from((0, 0, 0, 0, flag(1), flag(19), flag(21), flag(22), flag(24), flag(27), flag(29)))
LINES = st.lists(st.tuples(FLAGS, st.sampled_from((2.0, 5.0)), st.integers(0, 2)), max_size=12)


@given(LINES, st.booleans())
def test_lines_that_come_together_are_those_that_come_one_by_one(kinds, settled):
    lines = [
        line(bits, counters=Counters(number), sample_time_us=dwell, acquisition_time_stamp=number, discard_pre=before)
        for number, (bits, dwell, before) in enumerate(kinds)
    ]
    lines = [line(flag(29))] * settled + [line(counters=Counters(n)) for n in range(70 * settled)] + lines
    together, alone = Door(Scan()), Door(Scan())
    found: list[Readout | Notice] = []
    for run in Decoder().receive_together(b"".join(map(encode, lines))):
        if isinstance(run, Acquisition):
            found += together.receive(run)
        elif isinstance(run, Acquisitions):
            for made in together.receive_together(run):
                found += made.split() if isinstance(made, Train) else [made]
    found += together.finish()
    readouts, notices = pass_through(alone, lines)
    assert [message for message in found if isinstance(message, Notice)] == notices
    got = [message for message in found if isinstance(message, Readout)]
    assert [(r.kind, r.counters, r.flags, r.center_sample, r.time, r.dwell, r.header) for r in got] == [
        (r.kind, r.counters, r.flags, r.center_sample, r.time, r.dwell, r.header) for r in readouts
    ]
    for one, other in zip(got, readouts, strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def settled_door() -> Door:
    door = Door(Scan())
    for n in range(64):
        list(door.receive(line(counters=Counters(n))))
    return door


def arrive(door: Door, lines: list[Acquisition]) -> list[Train | Readout | Notice]:
    return [
        message
        for run in Decoder().receive_together(b"".join(map(encode, lines)))
        if isinstance(run, Acquisitions)
        for message in door.receive_together(run)
    ]


def test_the_lines_behind_navigators_are_a_train_of_both_directions_with_a_center_each():
    navigators = [line(flag(24), center_sample=4)] * 3
    echoes = [line(flag(22) * (n % 2), counters=Counters(n), center_sample=4 - n % 2) for n in range(10)]
    found = arrive(settled_door(), [*navigators, *echoes, line(flag(24))])
    assert [type(message) for message in found] == [Readout] * 3 + [Train, Readout]
    train = found[3]
    assert isinstance(train, Train)
    assert train.reversed.tolist() == [False, True] * 5
    assert [readout.center_sample for readout in train.split()] == [4, 3] * 5


def test_lines_of_one_direction_with_different_centers_are_no_train():
    echoes = [line(counters=Counters(n), center_sample=4 - n % 2) for n in range(4)]
    assert [type(message) for message in arrive(settled_door(), echoes)] == [Readout] * 4


def test_lines_flagged_29_are_images_if_nothing_else_comes():
    door = Door(Scan())
    assert [message for _ in range(5) for message in door.receive(line(flag(29)))] == []
    notice, *readouts = door.finish()
    assert isinstance(notice, Notice)
    assert [readout.kind for readout in readouts if isinstance(readout, Readout)] == [Kind.IMAGING] * 5


def test_lines_flagged_29_are_skipped_once_an_image_without_it_comes():
    door = Door(Scan())
    assert list(door.receive(line(flag(29)))) == []
    kinds = [message.kind for message in door.receive(line()) if isinstance(message, Readout)]
    assert kinds == [Kind.SKIPPED, Kind.IMAGING]
    assert [message.kind for message in door.receive(line(flag(29))) if isinstance(message, Readout)] == [Kind.SKIPPED]
    assert any("2 x surface coil" in notice.text for notice in door.finish() if isinstance(notice, Notice))


@pytest.mark.parametrize(("limit", "value"), [("MOST_HELD_LINES", 4), ("MOST_HELD_BYTES", 4 * 2 * 8 * 8)])
def test_held_lines_are_bounded(monkeypatch: pytest.MonkeyPatch, limit: str, value: int):
    monkeypatch.setattr(door_module, limit, value)
    door = Door(Scan())
    counts = [sum(isinstance(message, Readout) for message in door.receive(line(flag(29)))) for _ in range(6)]
    assert counts == [0, 0, 0, 4, 1, 1]
    notice, readout = door.receive(line())
    assert isinstance(notice, Notice)
    assert "spoil" in notice.text
    assert isinstance(readout, Readout)
    assert [message.kind for message in door.receive(line(flag(29))) if isinstance(message, Readout)] == [Kind.SKIPPED]


@given(st.integers(1, 20), st.integers(0, 22), st.integers(0, 22), st.integers(0, 24), st.sampled_from((0, 19, 24)))
def test_discarded_samples_are_cut_and_the_center_stays_on_its_sample(
    samples: int, before: int, after: int, center: int, number: int
):
    flags = flag(number) if number else 0
    acquisition = line(flags, samples, discard_pre=before, discard_post=after, center_sample=center, dimensions=1)
    readouts, notices = pass_through(Door(Scan()), [acquisition, acquisition])
    if before + after >= samples:
        assert readouts == []
    elif before <= center < samples - after:
        assert len(readouts) == 2
        assert readouts[0].data[0, readouts[0].center_sample] == center
    elif number == 19 or center == samples:
        assert len(readouts) == 2
        assert readouts[0].center_sample == (samples - before - after) // 2
    else:
        assert readouts == []
    for readout in readouts:
        assert readout.trajectory is not None
        assert readout.data.shape == (2, samples - before - after)
        assert readout.data[0, 0] == before
        assert readout.trajectory[0, 0] == before
    if not readouts:
        assert [notice.text.startswith("A readout is left out") for notice in notices] == [True, False]
        assert "2 x " in notices[-1].text


@pytest.mark.parametrize(("samples", "coils", "said"), [(0, 2, "no samples"), (8, 0, "no coils")])
def test_an_empty_readout_is_left_out_said_once_and_counted(samples: int, coils: int, said: str):
    readouts, notices = pass_through(Door(Scan()), [line(samples=samples, coils=coils)] * 3)
    assert readouts == []
    assert len(notices) == 2
    assert said in notices[0].text
    assert f"3 x it has {said}" in notices[1].text


def test_skipped_readouts_are_summed_up_at_the_end():
    _, notices = pass_through(Door(Scan()), [line(flag(27)), line(flag(27)), line(flag(23)), line()])
    (notice,) = notices
    assert notice.level is Level.INFO
    assert "2 x dummy scan (flag 27), 1 x navigation (flag 23)" in notice.text


def test_finishing_twice_gives_nothing_more():
    door = Door(Scan())
    list(door.receive(line(flag(27))))
    assert len(list(door.finish())) == 1
    assert list(door.finish()) == []


CARTESIAN = Scan(encodings=(Encoding((64, 64, 1), (0.2, 0.2, 0.0), (64, 64, 1), (0.2, 0.2, 0.0), {}),))


def train(samples: int, spacing: float, flags: int = 0, dwell: float = 4.0, step: int = 1) -> list[Acquisition]:
    return [
        line(
            flags * (n % 2),
            samples,
            counters=Counters(n * step, contrast=n * (1 - step)),
            acquisition_time_stamp=1000 + int(n * spacing / 2.5e-3),
            sample_time_us=dwell,
        )
        for n in range(80)
    ]


@pytest.mark.parametrize(
    ("acquisitions", "suspicious"),
    [
        (train(152, 0.7e-3), True),
        (train(64, 0.7e-3, dwell=20.0), True),
        (train(64, 0.7e-3), False),
        (train(152, 0.7e-3, flags=flag(22)), False),
        (train(152, 5e-3), False),
        (train(152, 2e-3), False),
        (train(152, 0.0), False),
        (train(152, 0.7e-3, step=0), False),
    ],
    ids=["odd samples", "impossible dwell", "plausible", "reversed", "slow", "fast", "same stamp", "echoes"],
)
def test_only_an_impossible_pace_is_called_an_unflagged_epi(acquisitions: list[Acquisition], suspicious: bool):
    _, notices = pass_through(Door(CARTESIAN), acquisitions)
    assert [notice.level for notice in notices] == [Level.ERROR] * suspicious


@pytest.mark.skipif(not RAW.exists(), reason="the shared raw data are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "kinds", "shape", "said"),
    [
        ("siemens_ep2d_bold_phantom/epi_mrd_EPIxsl", {Kind.NAVIGATOR: 3, Kind.IMAGING: 80}, (2, 160), ""),
        ("siemens_ep2d_bold_phantom/epi_mrd", {Kind.NAVIGATOR: 3, Kind.IMAGING: 80}, (2, 160), ""),
        ("pulseq_epi_phantom/epi128_4ch_rampsamp", {Kind.NAVIGATOR: 3, Kind.IMAGING: 128}, (4, 152), ""),
        ("pulseq_epi_phantom/epi128_4ch_flattop", {Kind.NAVIGATOR: 3, Kind.IMAGING: 128}, (4, 128), ""),
        ("pulseq_epi_phantom/epi96_1ch_rampsamp_peplus", {Kind.NAVIGATOR: 3, Kind.IMAGING: 96}, (1, 136), ""),
        ("pulseq_epi_phantom/epi96_1ch_rampsamp_peminus", {Kind.NAVIGATOR: 3, Kind.IMAGING: 96}, (1, 136), ""),
        ("siemens_multicoil_misc/flash_128_16ch_a", {Kind.IMAGING: 128}, (16, 128), ""),
        ("siemens_multicoil_misc/flash_128_16ch_b", {Kind.IMAGING: 128}, (16, 128), ""),
        ("siemens_multicoil_misc/gre_160_2ch", {Kind.IMAGING: 160}, (2, 320), ""),
        ("siemens_multicoil_misc/se2d_64x64_32ch", {Kind.IMAGING: 64}, (32, 64), "flagged 29"),
        ("siemens_multicoil_misc/pulseq05_epi_officialconv", {Kind.IMAGING: 128}, (4, 152), "lost its polarity"),
    ],
)
def test_real_scans_pass_with_every_line(name: str, kinds: dict[Kind, int], shape: tuple[int, int], said: str):
    with ismrmrd.Dataset(str(RAW / f"{name}.h5"), mode="r") as recording:
        xml: Any = recording.read_xml_header()  # Any: the package's types say less than what it gives
    with ismrmrd.File(str(RAW / f"{name}.h5"), "r") as file:
        acquisitions: list[Any] = list(file["dataset"].acquisitions[:])
    door = Door(read_header(xml.decode()))
    readouts, notices = pass_through(
        door, [Acquisition(bytes(one.getHead()), one.traj, one.data) for one in acquisitions]
    )
    assert Counter(readout.kind for readout in readouts) == kinds
    assert {readout.data.shape for readout in readouts} == {shape}
    assert len(notices) == bool(said)
    assert all(said in notice.text for notice in notices)
    for readout, one in zip(readouts, acquisitions, strict=True):
        assert readout.counters.kspace_encode_step_1 == one.idx.kspace_encode_step_1
        assert readout.counters[9:] == tuple(one.idx.user)
        assert readout.time == pytest.approx(one.acquisition_time_stamp * 2.5e-3)
        assert readout.dwell == pytest.approx(one.sample_time_us * 1e-6)
        assert readout.center_sample == one.center_sample
        assert np.array_equal(readout.data, one.data)


@pytest.mark.parametrize("space", [1, 7, 65535])
def test_what_lies_in_a_further_encoding_space_is_told_where_nothing_needs_it(space: int):
    def encoding(acceleration: tuple[int, int]) -> Encoding:
        sizes, lengths = (8, 8, 1), (0.1, 0.1, 0.1)
        return Encoding(sizes, lengths, sizes, lengths, {}, acceleration=acceleration)

    lines = [line(encoding_space_ref=space) for _ in range(3)]
    readouts, notices = pass_through(Door(Scan((encoding((1, 1)),))), lines)
    assert not readouts
    assert [notice.level for notice in notices] == [Level.WARNING] * 2
    assert f"encoding space {space}" in notices[0].text
    readouts, notices = pass_through(Door(Scan((encoding((2, 1)),))), lines)
    assert [readout.kind for readout in readouts] == [Kind.REFERENCE] * 3
    assert not notices
