"""Readouts as scanners send them on a bad day: lying headers, spoilt samples, other numbers, other orders."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from through_session import maps, reconstruct

from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType, ReferenceType
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.layouts import ACQUISITION_HEADER, flag
from aslive.streaming.messages import NO_TRAJECTORY, Acquisition, Header, Message, Text

T1_TISSUE = 1.607
"""What the CBF gadget takes for the recovery of M0 at 3 T, s."""
EPI, GRASE, SPIRAL = ReadoutType.EPI, ReadoutType.GRASE, ReadoutType.SPIRAL
GHOSTS = EchoPlanar(delay=2e-6, phase=0.4)
PLAIN: dict[str, object] = {"readout": EPI, "echo_planar": GHOSTS}
EVERY_SECOND: dict[str, object] = {**PLAIN, "acceleration": (2, 1)}
PAIRS = 2
REFERENCE, NAVIGATOR = flag(20), flag(24)

head = cache(brain)


def scan(options: dict[str, object]) -> Scanner:
    usual: dict[str, object] = {"matrix": (32, 32, 3), "coils": 8, "pairs": PAIRS, "reference_lines": 16}
    protocol = Protocol(**(usual | options))  # pyright: ignore[reportArgumentType] (fields of Protocol)
    return Scanner(protocol, snr=None, anatomy=head(protocol.grid))


def texts(replies: Iterable[Message], begin: str = "") -> list[str]:
    return [reply.text for reply in replies if isinstance(reply, Text) and reply.text.startswith(begin)]


def assert_flow(scanner: Scanner, replies: Sequence[Message], maps_expected: int = PAIRS) -> None:
    """Compare the mean flow of gray matter in the last map with the truth: within 1 %."""
    found = maps(replies, "cbf")
    assert len(found) == maps_expected, texts(replies)
    truth = expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    gray = scanner.head.gray_matter > 0.6
    assert np.nanmean(found[-1][gray]) == pytest.approx(np.mean(truth[gray]), rel=0.01)


def same(found: Sequence[Message], wanted: Sequence[Message], tolerance: float = 1e-4) -> None:
    """Compare all maps of flow, against their largest value; voxels without a value may differ at the edge."""
    pairs = list(zip(maps(found, "cbf"), maps(wanted, "cbf"), strict=True))
    assert pairs
    for one, other in pairs:
        np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
        np.testing.assert_allclose(one, other, atol=tolerance * float(np.nanmax(np.abs(other))))


def changed(line: Acquisition, **fields: object) -> Acquisition:
    """Give a line with other fields in its header; counters by their own names."""
    header: Any = np.frombuffer(line.header, ACQUISITION_HEADER).copy()  # Any: the fields of a record have no types
    for name, value in fields.items():
        part = header["idx"] if name in (header["idx"].dtype.names or ()) else header
        part[name] = value
    return replace(line, header=header.tobytes())


def each(messages: Iterable[Message], change: Callable[[Acquisition], Acquisition | None]) -> list[Message]:
    """Change every line; None leaves it out."""
    made = (change(message) if isinstance(message, Acquisition) else message for message in messages)
    return [message for message in made if message is not None]


def stated(messages: Iterable[Message], pattern: str, text: str) -> list[Message]:
    """Change what the header states."""
    header, *rest = messages
    assert isinstance(header, Header)
    found = re.sub(pattern, text, header.text, flags=re.DOTALL)
    assert found != header.text
    return [Header(found), *rest]


def repetition(line: Acquisition) -> int:
    return int(line.fields["idx"]["repetition"])


def slice_of(line: Acquisition) -> int:
    return int(line.fields["idx"]["slice"])


def is_navigator(line: Acquisition) -> bool:
    return bool(int(line.fields["flags"]) & NAVIGATOR)


def is_reference(line: Acquisition) -> bool:
    return bool(int(line.fields["flags"]) & REFERENCE)


@pytest.mark.parametrize("reference", [ReferenceType.EMBEDDED, ReferenceType.SEPARATE])
def test_slices_may_be_numbered_from_any_number(reference):
    whole = list(scan(EVERY_SECOND | {"reference": reference}).messages())
    moved = each(whole, lambda line: changed(line, slice=slice_of(line) + 3))
    limits = r"<slice>\s*<minimum>0</minimum>\s*<maximum>2</maximum>\s*<center>0</center>"
    numbers = "<slice><minimum>3</minimum><maximum>5</maximum><center>3</center>"
    same(reconstruct(stated(moved, limits, numbers)), reconstruct(whole))


def test_a_fully_sampled_m0scan_among_accelerated_volumes_gives_true_flow():
    full = scan(PLAIN)
    sparse = scan(EVERY_SECOND | {"reference": ReferenceType.SEPARATE, "echo_time": full.protocol.echo_time})
    header, *lines, close = sparse.messages()
    accelerated = [line for line in lines if isinstance(line, Acquisition)]
    last = max(number for number, line in enumerate(accelerated) if is_reference(line))
    m0scan = [line for line in full.messages() if isinstance(line, Acquisition) and repetition(line) == 0]
    rest = [line for line in accelerated if repetition(line) > 0]
    assert_flow(sparse, reconstruct([header, *accelerated[: last + 1], *m0scan, *rest, close]))


def in_echoes(messages: Iterable[Message], echoes: int, interleaved: bool) -> list[Message]:
    """Read each slice, or else each volume, at further echo times, with navigators ahead of the first only."""
    header, *lines, close = stated(
        messages,
        "<repetition>",
        f"<contrast><minimum>0</minimum><maximum>{echoes - 1}</maximum><center>0</center></contrast><repetition>",
    )
    found: list[Message] = [header]
    readouts = [line for line in lines if isinstance(line, Acquisition)]
    shot = (lambda line: (repetition(line), slice_of(line))) if interleaved else repetition
    for _, group in groupby(readouts, key=shot):
        train = list(group)
        for echo in range(echoes):
            weaker = np.complex64(0.6**echo)
            found += [
                changed(replace(line, data=line.data * weaker), contrast=echo)
                for line in train
                if echo == 0 or not is_navigator(line)
            ]
    return [*found, close]


@pytest.mark.parametrize("interleaved", [True, False])
@pytest.mark.parametrize("echoes", [2, 3, 5])
def test_with_several_echoes_flow_is_that_of_the_first(echoes, interleaved):
    whole = list(scan(PLAIN).messages())
    replies = reconstruct(in_echoes(whole, echoes, interleaved))
    same(replies, reconstruct(whole))
    assert len(maps(replies, "image")) == (echoes - 1) * (1 + 2 * PAIRS)
    assert not texts(replies, "warning")


@pytest.mark.parametrize("options", [EVERY_SECOND, {"acceleration": (2, 1), "reference": ReferenceType.SEPARATE}])
def test_skipped_lines_that_no_header_states_give_no_flow_and_are_named_once(options):
    replies = reconstruct(stated(scan(options).messages(), "<parallelImaging>.*?</parallelImaging>", ""))
    assert not maps(replies, "cbf")
    assert not maps(replies, "deltam")
    assert sum("accelerationFactor" in text for text in texts(replies, "error")) == 1


def test_without_limits_either_the_folded_flow_is_called_an_error():
    skipped = "<parallelImaging>.*?</parallelImaging>|<encodingLimits>.*?</encodingLimits>"
    replies = reconstruct(stated(scan(EVERY_SECOND).messages(), skipped, ""))
    assert sum("stay folded" in text for text in texts(replies, "error")) == 1


@pytest.mark.parametrize("scale", [1e-20, 1e8, 1e14])
@pytest.mark.parametrize("options", [PLAIN, EVERY_SECOND, {"readout": SPIRAL}, {"readout": GRASE}])
def test_the_scale_of_the_receiver_makes_no_difference(options, scale):
    scanner = scan(options)
    whole = list(scanner.messages())
    replies = reconstruct(each(whole, lambda line: replace(line, data=line.data * np.complex64(scale))))
    assert_flow(scanner, replies)
    assert not texts(replies, "error")


def spoilt(line: Acquisition, value: float) -> Acquisition:
    data = line.data.copy()
    data[0, 3] = value
    return replace(line, data=data)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")  # that is what is sent
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, 3e38])
@pytest.mark.parametrize("kind", [is_navigator, is_reference])
def test_a_spoilt_navigator_or_reference_line_does_not_end_the_scan(kind, value):
    scanner = scan(EVERY_SECOND)
    whole = list(scanner.messages())
    chosen = next(
        n for n, line in enumerate(whole) if isinstance(line, Acquisition) and kind(line) and slice_of(line) == 1
    )
    lines = [
        spoilt(line, value) if n == chosen and isinstance(line, Acquisition) else line for n, line in enumerate(whole)
    ]
    replies = reconstruct(lines)
    assert not any("failed" in text for text in texts(replies))
    if np.isfinite(value):
        assert len(maps(replies, "cbf")) == PAIRS  # nobody can know which slice it spoils
    else:
        assert_flow(scanner, replies)


def test_navigators_of_the_first_volume_serve_all():
    for options in (PLAIN, PLAIN | {"segments": 2}, {"readout": GRASE, "echo_planar": GHOSTS}):
        scanner = scan(options)
        lines = each(scanner.messages(), lambda line: None if is_navigator(line) and repetition(line) else line)
        assert_flow(scanner, reconstruct(lines))


def test_a_sagittal_scan_has_the_flow_of_a_transverse_one():
    def turned(line: Acquisition) -> Acquisition:
        x, y, z = line.fields["position"]
        axes = {"read_dir": (0, 1, 0), "phase_dir": (0, 0, 1), "slice_dir": (1, 0, 0)}
        return changed(line, position=(z, x, y), **axes)

    whole = list(scan(EVERY_SECOND).messages())
    same(reconstruct(each(whole, turned)), reconstruct(whole))


@pytest.mark.parametrize("space", [1, 65535])
def test_images_in_a_further_encoding_space_are_not_lost_in_silence(space):
    def moved(line: Acquisition) -> Acquisition:
        return line if repetition(line) else changed(line, encoding_space_ref=space)

    replies = reconstruct(each(scan({}).messages(), moved))
    assert not maps(replies, "m0scan")
    assert any(f"of encoding space {space}" in text for text in texts(replies, "warning"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_coordinates_that_are_no_numbers_are_left_out(value):
    def broken(line: Acquisition) -> Acquisition:
        path = line.trajectory.copy()
        path[5] = value
        return replace(line, trajectory=path)

    scanner = scan({"readout": SPIRAL})
    assert_flow(scanner, reconstruct(each(scanner.messages(), broken)))


@pytest.mark.parametrize("how", ["zero", "one sample", "none"])
def test_spirals_without_a_usable_trajectory_give_no_flow_and_say_why(how):
    def broken(line: Acquisition) -> Acquisition:
        if how == "zero":
            return replace(line, trajectory=np.zeros_like(line.trajectory))
        if how == "none":
            return replace(changed(line, trajectory_dimensions=0), trajectory=NO_TRAJECTORY)
        short = changed(line, number_of_samples=1, center_sample=0)
        return replace(short, data=line.data[:, :1].copy(), trajectory=line.trajectory[:1].copy())

    replies = reconstruct(each(scan({"readout": SPIRAL}).messages(), broken))
    assert not maps(replies, "cbf")
    assert sum("trajectory" in text for text in texts(replies, "error")) == 1


@pytest.mark.parametrize("options", [EVERY_SECOND, {"readout": GRASE, "acceleration": (2, 2)}])
@pytest.mark.parametrize("kept", [is_navigator, is_reference, lambda line: repetition(line) == 0, lambda line: False])
def test_a_scan_that_consists_of_one_kind_of_lines_ends_in_words(options, kept):
    replies = reconstruct(each(scan(options).messages(), lambda line: line if kept(line) else None))
    assert not maps(replies, "cbf")
    assert not any("failed" in text for text in texts(replies))
