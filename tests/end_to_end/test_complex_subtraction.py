"""Strong background suppression through the whole session: flow is right also where the control is dark or negative."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from through_session import reconstruct

from aslive.sim.anatomy import brain
from aslive.sim.choices import ReadoutType
from aslive.sim.effects import Effects
from aslive.sim.epi import EchoPlanar
from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.sim.spiral import Spiral
from aslive.sim.truth import expected_cbf
from aslive.streaming.attributes import read_attributes
from aslive.streaming.messages import Image, Message, Text

T1_TISSUE = 1.607
"""What the CBF gadget takes for the recovery of M0 at 3 T, s."""
UNSTABLE = Effects(shot_phase=0.3, drift=0.5)
GHOSTS = EchoPlanar(delay=2e-6, phase=0.4)
READOUTS: dict[str, dict[str, object]] = {
    "EPI": {"readout": ReadoutType.EPI, "echo_planar": GHOSTS},
    "GRASE": {"readout": ReadoutType.GRASE, "echo_planar": GHOSTS},
    "spirals": {"readout": ReadoutType.SPIRAL, "three_dimensional": True, "spiral": Spiral(interleaves=1)},
}
LEFT = (0.1, 0.03, 0.0, -0.05, -0.1)
DARK = ("too little signal to tell their phase", "shots had no navigators", "shots lost navigators")
"""What may be said where not a single spin is left in the control."""
head = cache(brain)
every_readout = pytest.mark.parametrize("options", READOUTS.values(), ids=READOUTS)


def scan(snr: float | None, options: dict[str, object], left: float, effects: Effects, seed: int = 0) -> Scanner:
    usual: dict[str, Any] = {"matrix": (24, 24, 6), "coils": 6, "pairs": 1} | options  # Any: fields of Protocol
    protocol = Protocol(**usual, background_suppression=left, effects=effects)
    return Scanner(protocol, seed=seed, snr=snr, anatomy=head(protocol.grid))


def subtracted(scanner: Scanner, subtraction: str) -> list[Message]:
    return reconstruct(scanner.messages(), {"pair.subtraction": subtraction})


def last_cbf(replies: Iterable[Message]) -> NDArray[np.float32]:
    images = [reply for reply in replies if isinstance(reply, Image)]
    return [i.data[0].view(np.float32) for i in images if read_attributes(i.attributes)["aslive_map"] == ["cbf"]][-1]


def texts(replies: Iterable[Message]) -> list[str]:
    return [reply.text for reply in replies if isinstance(reply, Text)]


def error(scanner: Scanner, cbf: NDArray[np.float32]) -> float:
    """Tell by how much the mean flow of gray matter misses the true one, as share of it."""
    gray = scanner.head.gray_matter > 0.6
    truth = expected_cbf(scanner.head, scanner.protocol, t1_tissue=T1_TISSUE)
    assert np.isfinite(cbf[gray]).mean() > 0.99
    return float(np.nanmean(cbf[gray]) / np.nanmean(truth[gray]) - 1)


@every_readout
@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("subtraction", ["complex", "auto"])
def test_flow_is_right_whatever_is_left_and_however_the_phase_wanders(options, left, subtraction):
    scanner = scan(None, options, left, UNSTABLE)
    replies = subtracted(scanner, subtraction)
    assert abs(error(scanner, last_cbf(replies))) < 0.01
    complaints = [text for text in texts(replies) if text.startswith(("warning", "error"))]
    assert not [text for text in complaints if left or not any(words in text for words in DARK)]


@every_readout
@pytest.mark.parametrize("left", [0.0, -0.05, -0.1])
def test_magnitudes_alone_take_dark_and_negative_controls_for_the_reverse(options, left):
    scanner = scan(None, options, left, UNSTABLE)
    assert error(scanner, last_cbf(subtracted(scanner, "magnitude"))) < -1.9


@every_readout
@pytest.mark.parametrize("left", [0.03, 0.0, -0.05])
@pytest.mark.parametrize("subtraction", ["complex", "auto"])
def test_with_noise_the_mean_over_scans_is_right(options, left, subtraction):
    """Where nothing is left, nothing tells the phase of a volume either: that costs the cosine of it, in the mean."""
    scanners = [scan(400.0, options | {"pairs": 2}, left, UNSTABLE, seed) for seed in range(6)]
    errors = [error(scanner, last_cbf(subtracted(scanner, subtraction))) for scanner in scanners]
    cosine = np.exp(-(UNSTABLE.shot_phase**2) / 2) if left == 0 else 1.0
    assert np.mean(errors) == pytest.approx(cosine - 1, abs=0.01 + 3 * np.std(errors, ddof=1) / np.sqrt(len(errors)))
    assert np.std(errors) < 0.1
