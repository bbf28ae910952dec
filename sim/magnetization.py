"""How bright each voxel is in control, label and M0 images."""

import numpy as np
from numpy.typing import NDArray

from ..streaming.scan import Role
from .anatomy import Anatomy
from .blood import arterial_difference, tissue_difference
from .grid import BRAIN_CENTER, Grid
from .lines import Lines
from .preparation import Preparation
from .protocol import Protocol
from .territories import Territory, number_of
from .tissue import TISSUES, Tissue


def signal(anatomy: Anatomy, protocol: Protocol, preparation: Preparation) -> NDArray[np.float32]:
    """Give the noise-free brightness of one volume, shape ``(z, y, x)``, in the units of M0."""
    return parts(anatomy, protocol, preparation).sum(axis=0)


def parts(anatomy: Anatomy, protocol: Protocol, preparation: Preparation) -> NDArray[np.float32]:
    """Give the same for each tissue by itself, shape ``(tissues, z, y, x)``.

    The signals of the tissues of a voxel add up, each with its share:

        m0scan   M0 s(TR_M0) exp(-TE/T2*)
        control  M0 b s(TR) exp(-TE/T2*)            with b what background suppression leaves
        label    control - M0 (deltam/M0) sin(angle) exp(-TE/T2*)

    with deltam by the general kinetic model, slice by slice, of tissue and of the share that is arteries; s(TR) is
    1 - exp(-TR/T1), and in Look-Locker the steady state of all its excitations. Where refocusing pulses follow the
    excitation, T2 stands for T2*.
    """
    role = preparation.role
    shine = np.array([_shine(tissue, protocol) for tissue in anatomy.tissues])
    static = np.array([_static(tissue, protocol, preparation) for tissue in anatomy.tissues])
    if role is not Role.M0SCAN:
        static *= protocol.suppression
    found = (shine * static).astype(np.float32)[:, None, None, None] * anatomy.fractions
    if role is not Role.LABEL:
        return found
    labeled = _labeled(anatomy, preparation)
    for supply, fed in anatomy.supplies:
        tissues = [supply.feed(tissue) for tissue in anatomy.tissues]
        drop = np.array([tissue_difference(one, protocol, preparation, anatomy.dispersion) for one in tissues])
        label = drop[:, :, None, None]
        if anatomy.arterial_blood_volume is not None and not protocol.vascular_crushing:
            arrival = anatomy.arterial_arrival + supply.delay
            passing = arterial_difference(arrival, protocol, preparation, anatomy.dispersion)
            label = label + passing[:, None, None] * anatomy.arterial_blood_volume
        found -= (shine[:, None, None, None] * label).astype(np.float32) * (anatomy.fractions * (fed * labeled))
    return found


def _labeled(anatomy: Anatomy, preparation: Preparation) -> NDArray[np.float32] | np.float32:
    """Give what is left of labeling in each voxel, by the artery that feeds it; 1 where it is as it should be."""
    if not preparation.unlike:
        return np.float32(1)
    factors = np.ones(len(Territory) + 1, np.float32)
    for territory, factor in preparation.unlike:
        factors[number_of(territory)] = factor
    return factors[anatomy.territories]


def transverse_time(tissue: Tissue, protocol: Protocol) -> float:
    """Give the time with which the signal of a tissue decays up to the middle of k-space, s."""
    return tissue.t2 if protocol.refocused else tissue.t2star


def decay(protocol: Protocol, lines: Lines) -> NDArray[np.float32]:
    """Give the signal of each line over that in the middle of k-space, shape ``(tissues, lines)``.

    exp(-(t - TE) / T2*)                           after an excitation
    exp(-(t - TE) / T2) exp(-|t - t_e| / T2')      with t_e the spin echo, 1/T2' = 1/T2* - 1/T2
    """
    if not protocol.effects.decay:
        return np.ones((len(TISSUES), len(lines.late)), np.float32)
    rates = np.array([[1 / transverse_time(tissue, protocol)] for tissue in TISSUES])
    exponent = -lines.late * rates
    if protocol.refocused:
        exponent -= np.abs(lines.evolution) * np.array([[1 / tissue.t2star - 1 / tissue.t2] for tissue in TISSUES])
    return np.exp(exponent).astype(np.float32)


def relaxed_signal(anatomy: Anatomy, protocol: Protocol) -> NDArray[np.float32]:
    """Give the brightness after endless recovery, shape ``(z, y, x)``: what noise is measured against."""
    return anatomy.mixed(
        [tissue.m0 * np.exp(-protocol.echo_time / transverse_time(tissue, protocol)) for tissue in TISSUES]
    )


def _shine(tissue: Tissue, protocol: Protocol) -> float:
    """Give the signal of fully relaxed tissue."""
    excited = np.sin(np.radians(protocol.flip_angle))
    return tissue.m0 * excited * np.exp(-protocol.echo_time / transverse_time(tissue, protocol))


def _static(tissue: Tissue, protocol: Protocol, preparation: Preparation) -> float:
    """Give the longitudinal magnetization that one volume finds, over M0, when the scan has run for long.

    Each slice is excited at the same moments of every TR. Before a delay longer or shorter than the one before there
    is a presaturation, so that all recover for one full TR.
    """
    m0scan = preparation.role is Role.M0SCAN
    repetition_time = protocol.m0_repetition_time if m0scan else protocol.repetition_time
    readings = protocol.post_labeling_delay if protocol.look_locker and not m0scan else (0.0,)
    left = np.cos(np.radians(protocol.flip_angle)) if protocol.look_locker else 0.0
    gaps = [*np.diff(readings), repetition_time - (readings[-1] - readings[0])]
    # One TR turns m into factor m + gain; the steady state does not change by it.
    factor, gain = 1.0, 0.0
    found = []
    for gap in gaps:
        found.append((factor, gain))
        fades = np.exp(-gap / tissue.t1)
        factor, gain = left * factor * fades, 1 + (left * gain - 1) * fades
    steady = gain / (1 - factor)
    factor, gain = found[preparation.reading]
    return float(factor * steady + gain)


def object_phase(grid: Grid) -> NDArray[np.complex64]:
    """Give the smooth phase that field inhomogeneity leaves in an image, shape ``(z, y, x)``.

    A tilt and a bowl of about one turn over the head: no two places of the brain have the same phase, and no voxel
    cancels itself.
    """
    x, y, z = (grid.along(axis) - middle for axis, middle in enumerate(BRAIN_CENTER))
    radians = (
        0.4
        + 6.0 * x[None, None, :]
        - 9.0 * y[None, :, None]
        + 12.0 * z[:, None, None]
        + 90.0 * (x[None, None, :] ** 2 + y[None, :, None] ** 2)
    )
    return np.exp(1j * radians).astype(np.complex64)
