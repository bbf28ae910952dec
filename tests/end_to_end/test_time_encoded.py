"""Time-encoded scans, as bytes: flow and transit time of every matrix, and what becomes of images that went wrong."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from pure_brain import GRAY, pure_brain
from through_session import maps, reconstruct, texts

from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.messages import Acquisition, Header, Message
from aslive.streaming.perfusion import Map, MapName
from aslive.streaming.time_encoding import MatrixType

SETTINGS: dict[str, object] = {"reply.maps": "cbf,cbf_stderr,att,att_stderr", "physiology.t1_tissue": 1.33}
PROTOCOL = Protocol(
    matrix=(20, 20, 6),
    coils=3,
    pairs=2,
    three_dimensional=True,
    labeling_duration=3.2,
    post_labeling_delay=(0.3,),
    time_encoding=TimeEncoded(),
)
HEAD = pure_brain(PROTOCOL.grid)
GRAY_MATTER = HEAD.segmentation == GRAY
KINDS = [(MatrixType.HADAMARD, 4), (MatrixType.HADAMARD, 8), (MatrixType.HADAMARD, 12)]
KINDS += [(MatrixType.WALSH, 4), (MatrixType.WALSH, 8)]
ENCODINGS = {
    f"{kind} {size}, {sign} is label": TimeEncoded(kind=kind, size=size, label_sign=sign)
    for kind, size in KINDS
    for sign in (-1, 1)
} | {
    "own matrix": TimeEncoded(own_matrix=((1, 1, 1, -1), (1, -1, 1, 1), (1, 1, -1, 1)), durations=(2.0, 0.8, 0.3)),
    "unequal sub-boluses": TimeEncoded(durations=(1.4, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2)),
}


def scanner(snr: float | None = None, seed: int = 0, **changes: object) -> Scanner:
    protocol = replace(PROTOCOL, **changes)  # pyright: ignore[reportArgumentType] (fields of Protocol)
    return Scanner(protocol, seed=seed, snr=snr, anatomy=HEAD)


def last(replies: Iterable[Message], name: str) -> NDArray[np.float32]:
    """Give gray matter of the final map."""
    return maps(replies, name)[-1][GRAY_MATTER]


def assert_true(replies: list[Message]) -> None:
    np.testing.assert_allclose(last(replies, "cbf"), 60, rtol=0.005)
    np.testing.assert_allclose(last(replies, "att"), 0.8, atol=0.005)


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_gray_matter_comes_back_from_every_matrix(encoding):
    replies = reconstruct(scanner(time_encoding=encoding).messages(), SETTINGS)
    assert_true(replies)
    assert "warning" not in texts(replies)
    assert "error" not in texts(replies)


def test_noisy_maps_are_those_of_a_scan_of_the_same_boluses_one_by_one():
    cycles, snr = 8, 900.0
    encoded = scanner(snr, pairs=cycles, time_encoding=TimeEncoded(size=4))
    boluses = encoded.protocol.boluses
    alone = scanner(
        snr,
        seed=1,
        pairs=2 * cycles * len(boluses),  # a cycle of 4 images tells of each bolus as much as 2 pairs
        time_encoding=None,
        post_labeling_delay=tuple(bolus.post_labeling_delay for bolus in boluses),
        labeling_duration=tuple(bolus.labeling_duration for bolus in boluses),
    )
    found = [reconstruct(scan.messages(), SETTINGS) for scan in (encoded, alone)]
    for name, true in (("cbf", 60), ("att", 0.8)):
        values, errors = ([last(replies, name + part) for replies in found] for part in ("", "_stderr"))
        score = (values[0] - values[1]) / np.hypot(*errors)
        assert abs(np.mean(score)) < 4 / np.sqrt(score.size)
        assert np.std(score) == pytest.approx(1, abs=0.12)
        assert np.mean(values[0]) == pytest.approx(true, rel=0.02)
        assert np.median(errors[0]) == pytest.approx(np.median(errors[1]), rel=0.06)


def spoilt(
    messages: Iterable[Message], number: int, spoil: Callable[[Acquisition], Message | None]
) -> Iterator[Message]:
    """Change or lose the lines of one volume."""
    for message in messages:
        found: Message | None = message
        if isinstance(message, Acquisition) and message.fields["idx"]["repetition"] == number:
            found = spoil(message)
        if found is not None:
            yield found


def lost(line: Acquisition) -> None:
    """Lose the whole image."""


def half(line: Acquisition) -> Message | None:
    """Lose every other line."""
    return line if line.fields["idx"]["kspace_encode_step_1"] % 2 else None


def garbage(line: Acquisition) -> Message:
    """Give noise as strong as the image."""
    place = line.fields["idx"]
    generator = np.random.default_rng((int(place["kspace_encode_step_1"]), int(place["kspace_encode_step_2"])))
    noise = generator.standard_normal((*line.data.shape, 2), np.float32).view(np.complex64)[..., 0]
    return Acquisition(line.header, line.trajectory, noise * np.float32(np.std(line.data)))


def spike(line: Acquisition) -> Message:
    """Give one sample of one line far too much."""
    data = line.data.copy()
    if (line.fields["idx"]["kspace_encode_step_1"], line.fields["idx"]["kspace_encode_step_2"]) == (13, 2):
        data[:, 3] += 100 * np.abs(data).max()
    return Acquisition(line.header, line.trajectory, data)


@pytest.mark.parametrize("image", [3, 10, 20], ids=["first cycle", "third cycle", "last image"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [(lost, ""), (half, "lacks 60 lines"), (garbage, "differs from the same image"), (spike, "differs from the same")],
)
def test_a_bad_image_in_five_cycles_changes_the_maps_by_less_than_their_noise(spoil, said, image):
    scan = scanner(900.0, pairs=5, time_encoding=TimeEncoded(size=4))
    clean = reconstruct(scan.messages(), SETTINGS)
    spoiled = reconstruct(spoilt(scan.messages(), image, spoil), SETTINGS)
    assert f"Image {(image - 1) % 4 + 1} of cycle {(image - 1) // 4} of time encoding {said}" in texts(spoiled)
    for name in ("cbf", "att"):
        change = (last(spoiled, name) - last(clean, name)) / last(clean, f"{name}_stderr")
        assert np.sqrt(np.mean(change**2)) < 0.6  # leaving the cycle out would change them by 0.5
        assert np.abs(change).max() < 2.5


def test_early_maps_come_before_the_first_cycle_ends_and_leave_no_trace():
    scan = scanner(900.0, time_encoding=TimeEncoded(kind=MatrixType.WALSH))
    shown: list[int] = []

    def watch(output: object) -> None:
        if isinstance(output, Map) and output.name is MapName.CBF:
            shown.append(output.place.number)

    patient = reconstruct(scan.messages(), SETTINGS | {"decode.early": False})
    eager = reconstruct(scan.messages(), SETTINGS, watch=watch)
    assert len(maps(patient, "cbf")) == 2
    assert shown == [2, 4, 8, 10, 12, 16]  # Walsh's order: after 2, 4 and 8 images of each cycle
    for name in ("cbf", "cbf_stderr", "att", "att_stderr"):
        np.testing.assert_allclose(last(eager, name), last(patient, name), rtol=1e-5)


def test_a_scan_that_breaks_off_within_a_cycle_gives_what_it_has():
    messages = scanner(pairs=3).messages()
    broken = (m for m in messages if not isinstance(m, Acquisition) or m.fields["idx"]["repetition"] <= 21)
    replies = reconstruct(broken, SETTINGS)
    assert_true(replies)
    assert "The scan ended within a cycle of time encoding, after 5 of 8 images" in texts(replies)


def test_a_wrong_label_sign_is_an_error_said_aloud():
    def turned() -> Iterator[Message]:
        for message in scanner(pairs=2, time_encoding=TimeEncoded(kind=MatrixType.WALSH)).messages():
            if isinstance(message, Header):
                name = "<name>TimeEncodedLabelSign</name>"
                _, _, rest = message.text.partition(name)
                assert "-1" in rest[:60]
                message = Header(message.text.replace(name + rest[:60], name + rest[:60].replace("-1", "1")))
            yield message

    replies = reconstruct(turned(), SETTINGS)
    assert "error: Labels and controls look swapped" in texts(replies)
    assert "TimeEncodedLabelSign may have to be the other one" in texts(replies)
