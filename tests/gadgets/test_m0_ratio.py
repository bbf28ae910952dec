from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from aslive.gadgets.m0_ratio import CompareM0
from aslive.streaming.flow import Mask
from aslive.streaming.notices import Measure, Measurement
from aslive.streaming.perfusion import TissueMaps
from aslive.streaming.quality import Regions
from aslive.streaming.scan import Labeling, LabelingType, Role, Scan

SHAPE = (6, 12, 12)
T1 = {"gray_matter": 1.33, "white_matter": 0.83, "fluid": 4.3}
SHARES = np.random.default_rng(0).dirichlet((3, 2, 0.3), SHAPE).astype(np.float32)
M0 = 100 * (1 + 0.3 * np.random.default_rng(1).random(SHAPE))
MAPS = TissueMaps(*(np.ascontiguousarray(SHARES[..., n]) for n in range(3)))
REGIONS = Regions(MAPS.gray_matter, MAPS.white_matter, MAPS.fluid, np.zeros(SHAPE, np.uint8), (), "atlas")
MASK = Mask(np.ones(SHAPE, bool))
TR, M0_TR, PULSES = 4.0, 2.5, (1.7, 2.9)


def shown(fraction: Callable[[float], float]) -> NDArray[np.float64]:
    """Mix what each tissue shows of its magnetization, by share."""
    return M0 * sum(SHARES[..., n] * fraction(t1) for n, t1 in enumerate(T1.values()))


def relaxed(time: float) -> Callable[[float], float]:
    return lambda t1: 1 - np.exp(-time / t1)


def suppressed(t1: float) -> float:
    """Play the pulses step by step, 0.1 ms each, from the saturation at the beginning of labeling."""
    magnetization, step = 0.0, 1e-4
    for n in range(round(3.6 / step)):
        if round(n * step, 6) in PULSES:
            magnetization *= -0.95
        magnetization += (1 - magnetization) * step / t1
    return magnetization


def scan(**changes: object) -> Scan:
    labeling: dict[str, object] = {
        "arterial_spin_labeling_type": LabelingType.PCASL,
        "context": (Role.M0SCAN, Role.CONTROL, Role.LABEL),
        "labeling_duration": (1.8,),
        "post_labeling_delay": (1.8,),
        "background_suppression": False,
        "m0_repetition_time": M0_TR,
        "mr_acquisition_type": "3D",
    }
    return Scan(labeling=Labeling(**(labeling | changes)), repetition_time=TR, field_strength=3.0)  # pyright: ignore[reportArgumentType] (fields of Labeling)


@pytest.fixture
def compare(run, make_volume, tissue) -> Callable[..., list[Measurement]]:
    def measure(
        m0scan: NDArray[np.float64],
        control: NDArray[np.float64],
        of: Scan,
        maps: object = MAPS,
        gadget: CompareM0 | None = None,
    ) -> list[Measurement]:
        volumes = [make_volume(m0scan, Role.M0SCAN, 0), make_volume(control, Role.CONTROL, 1)]
        messages = [tissue(), maps, MASK, *volumes]
        out = run([gadget or CompareM0()], messages, of)
        assert [made for made in out if not isinstance(made, Measurement)] == messages
        return [made for made in out if isinstance(made, Measurement)]

    return measure


WAYS: Mapping[str, tuple[Callable[[float], float], dict[str, object]]] = {
    "relaxed": (relaxed(TR), {}),
    "suppressed": (suppressed, {"background_suppression": True, "background_suppression_pulse_time": PULSES}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("maps", [MAPS, REGIONS], ids=["sent", "atlas"])
def test_it_is_one_where_physics_is_kept_and_the_gain_where_that_changed(compare, way, gain, maps):
    fraction, changes = WAYS[way]
    (found,) = compare(gain * shown(relaxed(M0_TR)), np.abs(shown(fraction)), scan(**changes), maps)
    assert found.name is Measure.M0_RATIO
    assert found.value == pytest.approx(gain, rel=0.01)
    assert found.place is not None
    assert found.place.volume == 1


def test_a_stated_gain_is_taken_out(compare):
    images = shown(relaxed(M0_TR)) / 4, shown(relaxed(TR))
    assert compare(*images, scan(), gadget=CompareM0(gain=4.0))[0].value == pytest.approx(1, rel=0.01)


def test_an_m0scan_that_was_suppressed_too_is_far_too_dark(compare):
    (found,) = compare(np.abs(shown(suppressed)), shown(relaxed(TR)), scan())
    assert found.value < 0.4


@pytest.mark.parametrize(
    "changes",
    [{"background_suppression": True}, {"background_suppression": None}, {"look_locker": True}],
    ids=["no pulse times", "not stated", "Look-Locker"],
)
def test_without_what_it_hangs_on_there_is_no_answer(compare, changes):
    (found,) = compare(shown(relaxed(M0_TR)), shown(relaxed(TR)), scan(**changes))
    assert np.isnan(found.value)


def test_it_is_said_once_both_are_there_and_again_when_tissue_is_known(run, make_volume, tissue):
    m0scan = make_volume(shown(relaxed(M0_TR)), Role.M0SCAN, 0)
    controls = [make_volume(shown(relaxed(TR)), role, n) for n, role in enumerate((Role.LABEL, *[Role.CONTROL] * 3), 1)]
    out = run([CompareM0()], [tissue(), MASK, m0scan, *controls, REGIONS], scan())
    kinds = [type(made).__name__ for made in out[2:]]
    assert kinds == ["Volume", "Volume", "Volume", "Measurement", "Volume", "Volume", "Regions", "Measurement"]
    assert out[-1].value == pytest.approx(1, rel=0.01)  # one T1 for all, before, is only nearly right
    assert out[5].value == pytest.approx(1, rel=0.15)


def test_images_of_different_matrix_cannot_be_compared(run, make_volume, tissue):
    images = [make_volume(np.ones((2, 4, 4)), Role.M0SCAN, 0), make_volume(np.ones((2, 4, 5)), Role.CONTROL, 1)]
    (found,) = (made for made in run([CompareM0()], [tissue(), *images], scan()) if isinstance(made, Measurement))
    assert np.isnan(found.value)


def test_only_scans_with_an_m0scan_need_it():
    assert CompareM0().needed(scan())
    assert not CompareM0().needed(scan(context=(Role.CONTROL, Role.LABEL)))
