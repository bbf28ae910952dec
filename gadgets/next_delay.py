"""Which delay the next pairs should have, to tell most about flow."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..streaming.errors import ConfigError
from ..streaming.flow import Mask, Place
from ..streaming.gadget import Gadget
from ..streaming.notices import Level, Notice
from ..streaming.perfusion import M0, Map, MapName, Physiology, SliceTimes
from ..streaming.quality import NextDelay, Regions, Verdict
from ..streaming.scan import Bolus, Labeling, LabelingType, Scan
from .calibration.bolus_times import bolus_times
from .calibration.ingredients import Ingredients
from .kernels.fisher_information import add_variances
from .kernels.kinetics import Blood, Boluses
from .kernels.response import make_response
from .kernels.response_axes import grouped, transit_times

_GRAY = 0.7  # share of gray matter from which on a voxel counts
_FEWEST = 30  # such voxels; with fewer the brain stands in
_MOST_VOXELS = 2000  # that are asked
_USUAL_FLOW = 50 / 6000  # mL/g/s
_LAST_ARRIVAL = 0.3  # s before the last readout; what arrives later cannot be seen
_USED = (MapName.CBF, MapName.ATT, MapName.ATT_STDERR, MapName.DELTAM_STDERR)


@dataclass
class AdviseNextDelay(Gadget):
    """Tells after each pair which delay the next one should have, so that flow becomes certain soonest.

    One more pair of a delay lowers the variance of CBF in each voxel by what Fisher's information says, at the flow and
    transit times found so far, averaged over how uncertain the transit times are; the delay with the largest mean
    effect in gray matter is advised (in all of the brain where there are no regions). Delays that the scan does not
    have are not looked at. It is advice to the sequence or the operator: nothing depends on it being followed.
    """

    prior_cbf_deviation: float = 100.0
    """Standard deviation of CBF where the data say nothing, mL/100 g/min; as in ``kinetics``."""
    prior_att_deviation: float = 1.0
    """Standard deviation of ATT where the data say nothing, s; as in ``kinetics``."""
    att_step: float = 0.02
    """Step of the table of transit times, s."""
    worthwhile: float = 0.1
    """By how much more than the delay that was announced last another one must gain to be announced, share."""

    _labeling: Labeling = field(default_factory=Labeling, init=False, repr=False)
    _with: Ingredients = field(default_factory=Ingredients, init=False, repr=False)
    _regions: Regions | None = field(default=None, init=False, repr=False)
    _maps: dict[MapName, Map] = field(default_factory=dict, init=False, repr=False)
    _used: dict[int, Bolus] = field(default_factory=dict, init=False, repr=False)
    """Which bolus the pairs in the map show, by their latest volume."""
    _pairs: int = field(default=0, init=False, repr=False)
    _table: tuple[NDArray[np.float64], NDArray[np.float64]] | None = field(default=None, init=False, repr=False)
    _att: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    _offsets: tuple[float, ...] = field(default=(), init=False, repr=False)
    _announced: Bolus | None = field(default=None, init=False, repr=False)

    def needed(self, scan: Scan) -> bool:
        """Tell whether delays are measured one by one, so that the next one can be chosen."""
        labeling = scan.labeling
        return len(labeling.boluses) > 1 and labeling.time_encoding is None and not labeling.look_locker

    def start(self, scan: Scan) -> None:
        """Forget the scan before."""
        for name in ("prior_cbf_deviation", "prior_att_deviation", "att_step"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"next_delay.{name} cannot be {getattr(self, name):g}: it is above 0.")
        self._labeling, self._with, self._regions = scan.labeling, Ingredients(), None
        self._maps, self._used, self._pairs, self._table, self._announced = {}, {}, 0, None, None

    def process(
        self, message: Map | Regions | Mask | Verdict | M0 | Physiology | SliceTimes
    ) -> Iterator[Map | Regions | Mask | Verdict | M0 | Physiology | SliceTimes | NextDelay | Notice]:
        """Pass everything on; look at the maps once the last of an update has left."""
        yield message
        match message:
            case Map() if message.name in _USED:
                self._maps[message.name] = message
                if message.name is MapName.DELTAM_STDERR:
                    yield from self._look_at(message)
            case Verdict():
                self._count(message.place, message.accepted)
            case Regions():
                self._regions = message
            case M0() | Physiology() | SliceTimes() | Mask():
                self._with.take(message)
                if not isinstance(message, M0 | Mask):
                    self._table = None
            case _:
                pass

    def _count(self, place: Place, accepted: bool) -> None:
        """Remember which bolus a pair shows, as long as it is used."""
        bolus = self._labeling.bolus(place.number)
        if accepted and bolus is not None:
            self._used[place.volume] = bolus
        else:
            self._used.pop(place.volume, None)

    def _look_at(self, latest: Map) -> Iterator[NextDelay | Notice]:
        maps = {name: made for name, made in self._maps.items() if made.pairs == latest.pairs}
        self._maps = {}
        if latest.pairs > self._pairs:
            self._count(latest.place, accepted=True)
        self._pairs = latest.pairs
        gains = self._gains(*(maps[name] for name in _USED)) if len(maps) == len(_USED) else None
        if gains is None:
            return
        boluses = self._labeling.boluses
        best = boluses[int(np.argmax(gains))]
        by_bolus = {bolus: float(gain) for bolus, gain in zip(boluses, gains, strict=True)}
        listed = ", ".join(f"{_name(bolus, boluses)}: {gain:.1%}" for bolus, gain in by_bolus.items())
        text = f"Most is gained by a pair of {_name(best, boluses)}; the mean variance of CBF falls by ({listed})."
        yield NextDelay(best, by_bolus, latest.place, text)
        usual = by_bolus[self._announced] if self._announced is not None else 0.0
        if best != self._announced and by_bolus[best] > (1 + self.worthwhile) * usual:
            self._announced = best
            yield Notice(text, Level.INFO)

    def _gains(self, cbf: Map, att: Map, att_stderr: Map, stderr: Map) -> NDArray[np.float64] | None:
        """Tell by which share one more pair of each bolus lowers the mean variance; None where nobody can tell."""
        shape = cbf.data.shape
        m0 = self._with.m0_of(shape)
        if m0 is None or self._with.missing:
            return None
        asked = self._voxels(shape) & (m0.data > 0) & (stderr.data > 0)
        for made in (cbf, att, att_stderr):
            asked &= np.isfinite(made.data)
        places = np.flatnonzero(asked)
        places = places[:: max(1, -(-len(places) // _MOST_VOXELS))]
        if not len(places):
            return None
        response, slope, table_of_slice = self._tables(shape[0])

        def at(volume: NDArray[np.float32]) -> NDArray[np.float64]:
            return volume.reshape(-1)[places].astype(np.float64)

        totals = np.zeros(1 + len(self._labeling.boluses))
        add_variances(
            at(cbf.data),
            at(att.data),
            at(att_stderr.data),
            self._pairs * np.square(at(stderr.data) / at(m0.data)),
            table_of_slice[places // int(np.prod(shape[1:]))],
            response,
            slope,
            float(self._att[0]),
            float(self._att[1] - self._att[0]),
            self._pairs_of_boluses(),
            self.prior_cbf_deviation**2,
            self.prior_att_deviation**2,
            totals,
        )
        return 1 - totals[1:] / totals[0]

    def _pairs_of_boluses(self) -> NDArray[np.float64]:
        """Give how many pairs of each bolus are in the maps, whose number is certain."""
        counted = list(self._used.values())
        pairs = np.array([counted.count(bolus) for bolus in self._labeling.boluses], np.float64)
        return pairs * (self._pairs / pairs.sum()) if pairs.any() else np.full(len(pairs), self._pairs / len(pairs))

    def _voxels(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        if self._regions is not None and self._regions.gray_matter.shape == shape:
            gray = self._regions.gray_matter > _GRAY
            if np.count_nonzero(gray) >= _FEWEST:
                return gray
        return self._with.brain_of(shape).copy()

    def _tables(self, slices: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """Give what each bolus shows of a unit of flow, its slope along ATT, and which table each slice uses."""
        offsets = self._with.offsets(slices)
        times, group = grouped(offsets)
        if self._table is None or offsets != self._offsets:
            number = self._with.stated.number
            efficiency, partition_coefficient = number("labeling_efficiency"), number("partition_coefficient")
            readout, duration = np.array([bolus_times(self._labeling, bolus) for bolus in self._labeling.boluses]).T
            boluses = Boluses(
                readout.copy(), duration.copy(), self._labeling.arterial_spin_labeling_type is LabelingType.PASL
            )
            shortest = 0.1
            self._att = transit_times(shortest, max(readout.max() - _LAST_ARRIVAL, 2 * shortest), self.att_step)
            rate = 1 / number("t1_gray_matter") + _USUAL_FLOW / partition_coefficient
            blood = Blood(number("t1_blood"), efficiency, partition_coefficient)
            response = make_response(self._att, np.array([1 / rate]), boluses, times, blood).tissue[:, 0]
            slope = np.gradient(response.astype(np.float64), self._att, axis=2)
            self._table, self._offsets = (response.astype(np.float64), slope), offsets
        return *self._table, group


def _name(bolus: Bolus, boluses: tuple[Bolus, ...]) -> str:
    """Name a bolus by what tells it from the others."""
    name = f"{bolus.post_labeling_delay:g} s"
    if sum(other.post_labeling_delay == bolus.post_labeling_delay for other in boluses) > 1:
        name += f" after a labeling of {bolus.labeling_duration:g} s"
    return name
