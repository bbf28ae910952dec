"""The running estimate through the whole session: equal to the batch computation, and as sure as it says."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from aslive.sim.anatomy import brain
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.truth import expected_cbf
from aslive.streaming.messages import Close, ConfigFile, Message
from aslive.streaming.notices import Notice
from aslive.streaming.perfusion import Map, MapName, Remove
from aslive.streaming.registry import Registry
from aslive.streaming.session import Session
from aslive.streaming.wire import Decoder, encode
from aslive.streaming.worker import converse

K_PCASL = 8630.0
"""CBF over deltam/M0 for LD 1.8 s, PLD 1.8 s, T1 of blood 1.65 s, lambda 0.9, efficiency 0.85."""
M0_FLOOR = 0.05
"""Share of the 98th percentile of M0 below which there is no tissue."""


@dataclass
class Watched:
    """A scan that is played line by line, with everything that left its chain."""

    protocol: Protocol
    seed: int = 0
    found: dict[MapName, list[Map]] = field(default_factory=lambda: {name: [] for name in MapName})
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scanner = Scanner(self.protocol, seed=self.seed, anatomy=brain(self.protocol.grid))
        self.session = Session(Registry(), watch=self.watch)

    def watch(self, output: object) -> None:
        if isinstance(output, Map):
            self.found[output.name].append(output)
        elif isinstance(output, Notice):
            self.notices.append(output.text)

    def play(self) -> "Watched":
        for _ in converse(self.pieces(), self.session, Decoder()):
            pass
        assert not self.session.error
        return self

    def pieces(self) -> Iterator[memoryview]:
        for message in self.messages():
            yield memoryview(encode(message))

    def messages(self) -> Iterator[Message]:
        yield ConfigFile("default")
        yield from self.scanner.messages()

    def remove(self, pair: int) -> None:
        """Take a pair out, as a gadget upstream that finds it spoilt will."""
        for _ in self.session._push(Remove(pair)):
            pass

    def last(self, name: MapName) -> NDArray[np.float32]:
        return self.found[name][-1].data

    def images(self, name: MapName) -> NDArray[np.float64]:
        return np.array([found.data for found in self.found[name]], np.float64)


class Interrupted(Watched):
    """A scan that stops before CLOSE, so that pairs can still be taken out."""

    def messages(self) -> Iterator[Message]:
        for message in super().messages():
            if not isinstance(message, Close):
                yield message

    def play(self) -> "Interrupted":
        decoder = Decoder()
        for piece in self.pieces():
            for message in decoder.receive(piece):
                for _ in self.session.receive(message):
                    pass
        return self


def batch(scan: Watched, pairs: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute CBF and its standard error in one go from the images that came back; shapes ``(z, y, x)``."""
    m0 = scan.images(MapName.M0SCAN).mean(axis=0)
    m0[m0 < M0_FLOOR * np.percentile(m0, 98)] = np.nan
    difference = scan.images(MapName.CONTROL)[pairs] - scan.images(MapName.LABEL)[pairs]
    spread = difference.std(axis=0, ddof=1) if len(pairs) > 1 else np.nan
    return K_PCASL * difference.mean(axis=0) / m0, K_PCASL * spread / np.sqrt(len(pairs)) / m0


def assert_equal(found: NDArray[np.float32], wanted: NDArray[np.float64]) -> None:
    """Compare to 1e-5 of the size the map has; single voxels pass through 0."""
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(wanted), initial=0.0))


@pytest.fixture(scope="module")
def six_pairs() -> Interrupted:
    return Interrupted(Protocol(matrix=(16, 16, 4), coils=3, pairs=6, three_dimensional=True)).play()


def test_the_running_map_is_the_batch_map_after_every_pair(six_pairs):
    scan = six_pairs
    assert [found.pairs for found in scan.found[MapName.CBF][:6]] == [1, 2, 3, 4, 5, 6]
    for n in range(1, 7):
        cbf, stderr = batch(scan, list(range(n)))
        assert_equal(scan.found[MapName.CBF][n - 1].data, cbf)
        assert_equal(scan.found[MapName.CBF_STDERR][n - 1].data, stderr)


def test_a_removed_pair_leaves_the_map_as_if_it_had_never_come(six_pairs):
    scan = six_pairs
    left = [0, 1, 2, 3, 4, 5]
    for pair in (3, 0, 5, 1):
        scan.remove(pair)
        left.remove(pair)
        cbf, stderr = batch(scan, left)
        assert scan.found[MapName.CBF][-1].pairs == len(left)
        assert_equal(scan.last(MapName.CBF), cbf)
        assert_equal(scan.last(MapName.CBF_STDERR), stderr)
    told = len(scan.notices)
    scan.remove(3)
    assert any("Pair 3" in text for text in scan.notices[told:])


@pytest.mark.parametrize("three_dimensional", [False, True], ids=["2D", "3D"])
def test_the_error_is_as_large_as_the_standard_error_map_says(three_dimensional):
    pairs = 8
    protocol = Protocol(matrix=(32, 32, 16), coils=3, pairs=pairs, three_dimensional=three_dimensional)
    scan = Watched(protocol, seed=5).play()
    head = scan.scanner.head
    inside = head.gray_matter + head.white_matter > 0.5
    expected = expected_cbf(head, protocol)
    score = ((scan.last(MapName.CBF) - expected) / scan.last(MapName.CBF_STDERR))[inside]
    student = stats.t(pairs - 1)
    assert score.size > 3000
    assert abs(np.mean(score)) < 0.1
    assert stats.iqr(score) == pytest.approx(student.ppf(0.75) - student.ppf(0.25), rel=0.05)
    assert np.std(score) == pytest.approx(student.std(), rel=0.05)
    assert stats.kstest(score, student.cdf).pvalue > 0.01
    for level in (0.5, 0.9, 0.95, 0.99):
        covered = np.mean(np.abs(score) < student.ppf((1 + level) / 2))
        assert covered == pytest.approx(level, abs=0.02), f"{level:.0%} intervals"
