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
    cycles, snr = 6, 900.0
    encoded = scanner(snr, pairs=cycles)
    boluses = encoded.protocol.boluses
    alone = scanner(
        snr,
        seed=1,
        pairs=4 * cycles * len(boluses) // 2,  # a cycle of 8 tells as much of each bolus as 4 pairs
        time_encoding=None,
        post_labeling_delay=tuple(bolus.post_labeling_delay for bolus in boluses),
        labeling_duration=tuple(bolus.labeling_duration for bolus in boluses),
    )
    found = [reconstruct(scan.messages(), SETTINGS | {"decode.early": False}) for scan in (encoded, alone)]
    for name, true in (("cbf", 60), ("att", 0.8)):
        values, errors = ([last(replies, name + part) for replies in found] for part in ("", "_stderr"))
        score = (values[0] - values[1]) / np.hypot(*errors)
        assert abs(np.mean(score)) < 4 / np.sqrt(score.size)
        assert np.std(score) == pytest.approx(1, abs=0.12)
        assert np.mean(values[0]) == pytest.approx(true, rel=0.02)


def spoilt(messages: Iterable[Message], number: int, spoil: Callable[[Acquisition], Message | None]) -> Iterator[Message]:
    """Change or lose the lines of one volume."""
    for message in messages:
        found: Message | None = message
        if isinstance(message, Acquisition) and message.fields["idx"]["repetition"] == number:
            found = spoil(message)
        if found is not None:
            yield found


def half(line: Acquisition) -> Message | None:
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
