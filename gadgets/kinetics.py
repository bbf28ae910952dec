"""From the differences of several delays to cerebral blood flow and arterial transit time, together."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import (
    M0,
    Constant,
    Map,
    MapName,
    MeanDifference,
    Physiology,
    RelaxationMap,
    SliceTimes,
    TissueMaps,
)
from ..streaming.remarks import Remarks
from ..streaming.scan import Labeling, LabelingType, Scan
from .calibration.flow_remarks import NO_M0, for_want_of, holes
from .calibration.ingredients import Ingredients
from .calibration.kinetic_model import KineticModel, Transits
from .calibration.parameters import of_parameter
from .calibration.relaxation import of_perfused_tissue
from .kernels.constants import ARTERIAL_TRANSIT_TIME
from .kernels.delay_mean import mean_over_boluses
from .kernels.dispersion import Dispersion
from .kernels.joint_fit import Differences, fit
from .kernels.posterior import Posterior, Prior
from .kernels.response_axes import grouped
from .kernels.weighted_delay import weighted_delay_att

_PILED = 0.05  # of the brain, with the most likely transit time at the end of the grid
_FLOW = "mL/100g/min"
_UNITS = {
    "prior_cbf": _FLOW,
    "prior_cbf_deviation": _FLOW,
    "prior_att": "s",
    "prior_att_deviation": "s",
    "att_minimum": "s",
    "att_maximum": "s",
    "att_step": "s",
    "prior_abv_deviation": "mL/mL",
    "dispersion_sharpness": "1/s",
    "dispersion_time_to_peak": "s",
}
"""Of the parameters that are numbers."""
_MAY_BE_ZERO = ("prior_cbf", "prior_att", "att_minimum", "dispersion_time_to_peak")
_POSTERIOR = "posterior of deltam = M0 (CBF K(ATT) + noise) on a grid of ATT, CBF integrated out; K: {0}"
_PCASL = "Buxton et al., MRM 40:383 (1998), eq. 5"
_PASL = "Buxton et al., MRM 40:383 (1998), eq. 3"
_WEIGHTED = "sum PLD deltam / sum deltam as the model has it at ATT; Dai et al., MRM 67:1252 (2012)"
_MEAN = "deltam = mean of control - label over the boluses, weighted by their pairs"
_MEAN_STDERR = "deltam_stderr = sqrt(pooled variance of control - label / sum of weights)"


class Spread(StrEnum):
    """How labeled blood spreads on its way."""

    NONE = "none"
    GAMMA = "gamma"


@dataclass
class FitKinetics(Gadget):
    """Tells how much blood reaches each voxel and how long it takes, and how sure both are.

    The general kinetic model of Buxton et al., MRM 40:383 (1998), is linear in CBF: ``deltam = M0 CBF K(ATT)``. On a
    grid of ATT flow is integrated out in closed form, which leaves the exact posterior of both: mean, standard
    deviation and 95 % interval. The noise is learned from the repetitions; where the data say little the prior shows.
    Maps go out from the first pair on, and again when an M0, slice times or tissue maps come late. T1 of tissue is that
    of the T1 map, else that of the gray and white matter in each voxel, else that of gray matter, which most of the
    flow is of (``physiology.t1_gray_matter``); the constant ``kinetics_t1`` tells which it was. Without M0 there is no
    flow, but there are transit times, which need no scale; where timing or labeling are in doubt there is the
    difference alone.
    """

    prior_cbf: float = 50.0
    """Mean of the prior of CBF, mL/100 g/min."""
    prior_cbf_deviation: float = 100.0
    """Standard deviation of the prior of CBF, mL/100 g/min."""
    prior_att: float | None = None
    """Mean of the prior of ATT, s; by default 1.3 in (P)CASL, 0.7 in PASL."""
    prior_att_deviation: float = 1.0
    """Standard deviation of the prior of ATT, s."""
    att_minimum: float = 0.1
    """Shortest ATT, s."""
    att_maximum: float | None = None
    """Longest ATT, s; by default 0.3 s before the last readout of the first slice."""
    att_step: float = 0.02
    """Step of the grid of ATT, s."""
    nonnegative: bool = False
    """Whether CBF below 0 is ruled out: single voxels look better, and averages over noise read high."""
    macrovascular: bool = False
    """Whether labeled blood that is still in arteries is fitted as well; not where ``VascularCrushing`` is stated."""
    prior_abv_deviation: float = 0.01
    """Standard deviation of the prior of the arterial blood volume, mL/mL; its mean is 0."""
    dispersion: Spread = Spread.NONE
    """``none``, or ``gamma``: transit times spread by a gamma distribution (Chappell et al., MRM 69:563 (2013))."""
    dispersion_sharpness: float = 7.4
    """s of the gamma distribution, 1/s."""
    dispersion_time_to_peak: float = 0.1
    """p of the gamma distribution: from the first arrival to its peak, s."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _remarks: Remarks = field(default_factory=Remarks, init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _model: KineticModel | None = field(default=None, init=False, repr=False)
    _latest: MeanDifference | None = field(default=None, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether there are several delays or labeling durations; for one there is a formula."""
        return len(scan.labeling.boluses) > 1

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        self._refuse_the_impossible()
        self._labeling, self._remarks, self._with = scan.labeling, Remarks(), Ingredients()
        self._model, self._latest = None, None

    def process(
        self, message: MeanDifference | M0 | Physiology | SliceTimes | Mask | TissueMaps | RelaxationMap
    ) -> Iterator[Map | M0 | Physiology | SliceTimes | Mask | TissueMaps | RelaxationMap | Notice]:
        """Compute the maps from a new mean; let what they need pass on behind it."""
        if isinstance(message, MeanDifference):
            self._latest = message
            yield from self._compute(message)
            return
        worthwhile = self._with.take(message)
        if isinstance(message, Physiology):
            self._model = self._model_of(message)
        if worthwhile and self._latest is not None:
            yield from self._compute(self._latest)
        yield message

    # The model.

    def _refuse_the_impossible(self) -> None:
        for name in _UNITS:
            value = getattr(self, name)
            lowest = "0 or above" if name in _MAY_BE_ZERO else "above 0"
            if value is not None and not (value >= 0 if name in _MAY_BE_ZERO else value > 0):
                raise ConfigError(f"kinetics.{name} cannot be {value:g}: it is {lowest}.")
        if self.att_maximum is not None and not self.att_maximum > self.att_minimum:
            minimum = f"att_minimum ({self.att_minimum:g} s)"
            raise ConfigError(f"kinetics.att_maximum cannot be {self.att_maximum:g}: it is above {minimum}.")

    @property
    def _pulsed(self) -> bool:
        return self._labeling.arterial_spin_labeling_type is LabelingType.PASL

    @property
    def _prior(self) -> Prior:
        usual = ARTERIAL_TRANSIT_TIME["PASL" if self._pulsed else "PCASL"]
        att = usual if self.prior_att is None else self.prior_att
        flow = self.prior_cbf, self.prior_cbf_deviation
        return Prior(*flow, att, self.prior_att_deviation, self.nonnegative, self.prior_abv_deviation)

    @property
    def _with_arteries(self) -> bool:
        return self.macrovascular and not self._labeling.vascular_crushing

    def _model_of(self, physiology: Physiology) -> KineticModel | None:
        transits = Transits(self.att_minimum, self.att_maximum, self.att_step)
        spread = Dispersion.of_peak(self.dispersion_sharpness, self.dispersion_time_to_peak)
        dispersion = spread if self.dispersion is Spread.GAMMA else None
        return KineticModel.of(self._labeling, physiology, transits, dispersion, self._with_arteries)

    # Maps.

    def _compute(self, mean: MeanDifference) -> Iterator[Map | Notice]:
        shape = mean.data.shape[1:]
        m0, brain = self._with.m0_of(shape), self._with.brain_of(shape)
        boluses = tuple(bolus for bolus in mean.boluses if bolus is not None)
        weights = np.array(np.broadcast_to(mean.weights, mean.data.shape[:2]))
        relaxation = of_perfused_tissue(self._with, shape)
        model = None
        if self._model is not None and len(boluses) == len(mean.data):
            model = self._model.explain(boluses, self._with, relaxation, shape)
        constants = self._with.constants(self._labeling, mean, boluses) | self._choices()
        constants |= relaxation.constants if model is not None else {}
        yield from self._say_what_is_missing(m0)
        if model is not None:
            degrees = mean.degrees_of_freedom if mean.degrees_by_slice is None else mean.degrees_by_slice
            differences = Differences(mean.data, weights, mean.variance, degrees)
            found = fit(differences, model, self._prior, None if m0 is None else m0.data, brain)
            equation = _POSTERIOR.format(_PASL if self._pulsed else _PCASL)
            for name, data in _named(found).items():
                if m0 is not None or name.startswith("att"):
                    yield Map(name, data, mean.place, _unit(name), mean.pairs, constants, equation)
            delays = np.array([bolus.post_labeling_delay for bolus in boluses])
            later = delays + grouped(self._with.offsets(shape[0]))[0][:, np.newaxis]
            crossed = weighted_delay_att(mean.data, later, model.t1_tissue, model.response, model.group)
            yield Map(MapName.ATT_WEIGHTED_DELAY, crossed, mean.place, "s", mean.pairs, constants, _WEIGHTED)
            repeated = mean.degrees_of_freedom >= len(boluses) >= len(self._labeling.boluses)
            yield from self._judge(found, m0, brain, sure=repeated)
        together, stderr = mean_over_boluses(mean.data, weights, mean.variance)
        yield Map(MapName.DELTAM, together, mean.place, "arbitrary", mean.pairs, constants, _MEAN)
        yield Map(MapName.DELTAM_STDERR, stderr, mean.place, "arbitrary", mean.pairs, constants, _MEAN_STDERR)

    def _choices(self) -> dict[str, Constant]:
        """Give priors and options of the model, by the names of the parameters."""
        values = {name: getattr(self, name) for name in _UNITS} | {"prior_att": self._prior.att_mean}
        if self._model is not None:
            values["att_maximum"] = float(self._model.tables.att[-1])
        values |= {name: str(getattr(self, name)).lower() for name in ("nonnegative", "macrovascular", "dispersion")}
        unused = () if self._with_arteries else ("prior_abv",)
        unused += () if self.dispersion is Spread.GAMMA else ("dispersion_",)
        return {
            name: of_parameter(self, name, _UNITS.get(name, ""))._replace(value=value)
            for name, value in values.items()
            if value is not None and not name.startswith(unused)
        }

    # What is said.

    def _say_what_is_missing(self, m0: M0 | None) -> Iterator[Notice]:
        missing, lost = self._with.missing, "No absolute CBF, only transit times (att) and the difference (deltam)"
        if missing:
            lost = "No absolute CBF and no transit times, only the difference (deltam)"
        if missing or m0 is None:
            notice = for_want_of(lost, [*missing, *([NO_M0] if m0 is None else [])])
            yield from self._remarks.say(notice.text, notice.level)
        if self.macrovascular and not self._with_arteries:
            text = "VascularCrushing is stated: the signal of arteries is spoiled, and not fitted."
            yield from self._remarks.say(text, Level.INFO)

    def _judge(self, found: Posterior, m0: M0 | None, brain: NDArray[np.bool_], *, sure: bool) -> Iterator[Notice]:
        """Say where the maps have no answer, or one that the delays do not reach."""
        answered = np.isfinite(found.att) & brain
        if not answered.any():
            yield from self._remarks.say(
                "The maps of CBF and ATT are no number everywhere: something is wrong.", Level.ERROR
            )
            return
        mask = self._with.mask_of(found.att.shape)
        for notice in holes(m0.data, mask) if m0 is not None else ():
            yield from self._remarks.say(notice.text, notice.level, subject="holes")
        piled = np.count_nonzero(found.edge & answered) / np.count_nonzero(answered)
        if sure and mask is not None and piled > _PILED and self._model is not None:
            att = self._model.tables.att
            yield from self._remarks.say(
                f"In {piled:.0%} of the brain the most likely transit time is the shortest or longest one looked at "
                f"({att[0]:g} or {att[-1]:g} s): blood arrives outside of what the delays can see, or there is little "
                "signal. CBF and ATT lean on their priors there.",
                subject="transit times at the end of the grid",
            )


def _named(found: Posterior) -> dict[MapName, NDArray[np.float32]]:
    """Give the maps of a posterior by name, CBF first."""
    return {MapName(name): data for name, data in found._asdict().items() if name != "edge" and data is not None}


def _unit(name: MapName) -> str:
    if name.startswith("cbf"):
        return _FLOW
    return "mL/mL" if name in (MapName.ABV, MapName.ABV_STDERR) else "s"
