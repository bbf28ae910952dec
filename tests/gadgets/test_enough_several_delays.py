"""The advice where flow is fitted to several delays."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from aslive.gadgets.average import Average
from aslive.gadgets.enough import AdviseEnough
from aslive.gadgets.kinetics import FitKinetics
from aslive.sim.kinetics import continuous_difference
from aslive.streaming.flow import Place
from aslive.streaming.perfusion import M0, Constant, Difference, Map, MapName, Physiology, SliceTimes
from aslive.streaming.quality import Action, Advice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Labeling, Role, Scan, Source

Run = Callable[..., list[object]]
TIME = 9.0
"""Of a pair, s."""
BLOOD = {"labeling_efficiency": 0.85, "t1_blood": 1.65, "partition_coefficient": 0.9}
TISSUE = {"t1_tissue": 1.607, "t1_gray_matter": 1.33, "t1_white_matter": 0.83, "t1_fluid": 4.3}
CONSTANTS = {name: Constant(value, "s", Source.DEFAULT) for name, value in (BLOOD | TISSUE).items()}


def test_several_delays_are_judged_by_their_fit(run: Run, pcasl: Callable[..., Labeling]) -> None:
    delays, cycles, shape = (0.7, 1.3, 1.9, 2.5), 9, (1, 12, 12)
    count = len(delays) * cycles
    each = tuple(delay for _ in range(cycles) for delay in delays for _ in range(2))
    labeling = pcasl(context=(Role.CONTROL, Role.LABEL) * count, post_labeling_delay=each)
    generator = np.random.default_rng(3)
    signal = 80 * continuous_difference(
        60.0, 1.2, 1.33, labeling_duration=1.8, post_labeling_delay=np.array(delays), **BLOOD
    )
    pairs = []
    for pair in range(count):
        data = signal[pair % 4] * (1 + 0.08 * generator.standard_normal()) + 0.2 * generator.standard_normal(shape)
        there = Place(2 * pair + 1, Counters(), TIME * pair, Geometry(), Role.LABEL, number=2 * pair + 1)
        pairs.append(Difference(data.astype(np.float32), there, pair, bolus=labeling.bolus(2 * pair)))
    ahead = [Physiology(CONSTANTS), SliceTimes((0.0,), Source.HEADER), M0(np.full(shape, 80, np.float32), {})]
    out = run([Average(), FitKinetics(), AdviseEnough(target=8.0)], [*ahead, *pairs], Scan(labeling=labeling))
    given = [message for message in out if isinstance(message, Advice)]
    stop = next(made.pairs for made in given if made.action is Action.ENOUGH)
    assert Action.CANNOT_BE_REACHED not in {made.action for made in given}
    assert given[stop // 3 - 1].pairs_needed == pytest.approx(stop, rel=0.25)
    spans = [made.interval for made in given if math.isfinite(made.interval[0])]
    assert all(lower <= 60 <= upper for lower, upper in spans)
    flow = [made.data for made in out if isinstance(made, Map) and made.name is MapName.CBF][stop - 1]
    assert 1.4826 * np.median(np.abs(flow - 60.0)) < 1.15 * 8.0
