"""How labeled blood arrives in tissue and fades: the general kinetic model of Buxton et al., MRM 40:383 (1998).

All responses are linear in what they are responses to: ``deltam / M0 = CBF * tissue + aBV * arterial``, with CBF in
mL/100 g/min, the arterial blood volume aBV as a share of the voxel, and M0 that of tissue (that of blood is M0/lambda).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dispersion import Dispersion, arrived_share, dispersed_uptake
from .uptake import uptake

_UNIT = 6000.0  # mL/100 g/min in one mL/g/s


class Boluses(NamedTuple):
    """When each bolus was made and when it is looked at; times in s from the beginning of its labeling."""

    readout: NDArray[np.float64]
    """Excitation, shape ``(B,)``: LD + PLD in (P)CASL, TI in PASL."""
    duration: NDArray[np.float64]
    """How long the bolus is, shape ``(B,)``: LD in (P)CASL; what the bolus cut-off leaves in PASL."""
    pulsed: bool = False
    """Whether all of it was labeled at once (PASL), so that it decays from one moment on."""

    def later(self, offset: float) -> "Boluses":
        """Give the same boluses as a slice sees them that is read later."""
        return self._replace(readout=self.readout + offset)


class Blood(NamedTuple):
    """What becomes of labeled blood on its way."""

    t1: float
    """Of arterial blood, s."""
    labeling_efficiency: float
    """Share of the magnetization that is inverted, all losses included."""
    partition_coefficient: float
    """Of water between brain and blood, lambda, mL/g."""
    dispersion: Dispersion | None = None
    """How unevenly it travels; none where all of it takes the transit time."""


def tissue_response(
    att: NDArray[np.float64], t1_apparent: NDArray[np.float64], boluses: Boluses, blood: Blood
) -> NDArray[np.float64]:
    """Tell what tissue shows of each bolus, per mL/100 g/min; shape ``(T, B, A)`` for T values of T1' and A of ATT.

    The arterial input, carried in at rate f and fading with the apparent T1 of tissue, at the readout t:

        K = 2 alpha / (6000 lambda) * integral from 0 to t of c(u) exp(-(t - u) / T1') du,    1/T1' = 1/T1t + f/lambda
        c(u) = exp(-ATT / T1b) in (P)CASL, exp(-u / T1b) in PASL, while ATT <= u < ATT + duration

    in closed form, the difference of an inflow that begins at ATT and one that begins a duration later (Buxton et al.,
    MRM 40:383 (1998), eqs. 3 and 5, without their division by 0 where T1' = T1b).
    """
    rates = 1.0 / t1_apparent[:, np.newaxis, np.newaxis]
    since = boluses.readout[:, np.newaxis] - att
    since_end = since - boluses.duration[:, np.newaxis]
    decay = _decay(att, boluses, blood)
    growth = 1.0 / blood.t1 - rates if boluses.pulsed else -rates
    if blood.dispersion is None:
        amount = uptake(since, growth) - uptake(since_end, growth)
    else:
        way = _way(boluses, blood)
        amount = dispersed_uptake(since, growth, way) - dispersed_uptake(since_end, growth, way)
    return 2 * blood.labeling_efficiency / (_UNIT * blood.partition_coefficient) * decay * amount


def arterial_response(att: NDArray[np.float64], boluses: Boluses, blood: Blood) -> NDArray[np.float64]:
    """Tell what blood in the arteries of a voxel shows of each bolus, per unit of aBV; shape ``(B, A)``.

    ``2 alpha / lambda * c(t)`` with c as in ``tissue_response``, for blood that arrives after the times in ``att``
    (Chappell et al., MRM 63:1357 (2010)).
    """
    since = boluses.readout[:, np.newaxis] - att
    since_end = since - boluses.duration[:, np.newaxis]
    if blood.dispersion is None:
        present = ((since >= 0) & (since_end < 0)).astype(np.float64)
    else:
        way = _way(boluses, blood)
        present = arrived_share(since, way) - arrived_share(since_end, way)
    return 2 * blood.labeling_efficiency / blood.partition_coefficient * _decay(att, boluses, blood) * present


def _decay(att: NDArray[np.float64], boluses: Boluses, blood: Blood) -> NDArray[np.float64]:
    """Give what is left of the label, ``(B, A)``: on arrival in (P)CASL, at the readout in PASL.

    Unevenly travelling blood of (P)CASL decays for as long as each part of it travels: on average that is a factor.
    """
    if boluses.pulsed:
        return np.broadcast_to(np.exp(-boluses.readout / blood.t1)[:, np.newaxis], (len(boluses.readout), len(att)))
    lost = 1.0 if blood.dispersion is None else blood.dispersion.survival(blood.t1)
    return np.broadcast_to(lost * np.exp(-att / blood.t1), (len(boluses.readout), len(att)))


def _way(boluses: Boluses, blood: Blood) -> Dispersion:
    """Give the spread of transit times among what is left of the label on arrival."""
    if blood.dispersion is None:
        raise ValueError("this blood travels evenly")
    return blood.dispersion if boluses.pulsed else blood.dispersion.of_survivors(blood.t1)
