"""How bright each voxel is in control, label and M0 images."""

import numpy as np
from numpy.typing import NDArray

from ..streaming.scan import LabelingType, Role
from .anatomy import Anatomy
from .grid import BRAIN_CENTER, Grid
from .kinetics import continuous_difference, pulsed_difference
from .lines import Lines
from .protocol import Protocol
from .sequence import excitation_times
from .tissue import TISSUES, Tissue


def signal(anatomy: Anatomy, protocol: Protocol, role: Role, delay: float) -> NDArray[np.float32]:
    """Give the noise-free brightness of one volume, shape ``(z, y, x)``, in the units of M0.

    The signals of the tissues of a voxel add up, each with its share:

        m0scan   M0 (1 - exp(-TR_M0/T1)) exp(-TE/T2*)
        control  M0 b (1 - exp(-TR/T1)) exp(-TE/T2*)          with b what background suppression leaves
        label    control - M0 (deltam/M0) exp(-TE/T2*)        by the general kinetic model, slice by slice

    Where refocusing pulses follow the excitation, T2 stands for T2*.
    """
    return np.einsum("tz,tzyx->zyx", brightness(protocol, role, delay), anatomy.fractions)


def brightness(protocol: Protocol, role: Role, delay: float) -> NDArray[np.float32]:
    """Give the signal of a voxel that is full of one tissue, shape ``(tissues, z)``."""
    parts = [
        _per_slice(tissue, protocol, role, delay, left)
        for tissue, left in zip(TISSUES, protocol.suppression, strict=True)
    ]
    return np.asarray(parts, np.float32)


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


def delays(protocol: Protocol, delay: float) -> NDArray[np.float64]:
    """Give the post-labeling delay of each slice, s: in 2-D later slices see older blood."""
    return delay + np.asarray(excitation_times(protocol))


def _per_slice(tissue: Tissue, protocol: Protocol, role: Role, delay: float, left: float) -> NDArray[np.float64]:
    repetition_time = protocol.m0_repetition_time if role is Role.M0SCAN else protocol.repetition_time
    # Each slice is excited at the same moment of every TR, so all recover for one full TR.
    static = -np.expm1(-repetition_time / tissue.t1) * np.ones(protocol.matrix[2])
    if role is not Role.M0SCAN:
        static *= left
    if role is Role.LABEL:
        static -= _difference(tissue, protocol, delays(protocol, delay))
    return tissue.m0 * np.exp(-protocol.echo_time / transverse_time(tissue, protocol)) * static


def _difference(tissue: Tissue, protocol: Protocol, slice_delays: NDArray[np.float64]) -> NDArray[np.float64]:
    if protocol.labeling_type is LabelingType.PASL:
        return pulsed_difference(
            tissue.cbf,
            tissue.att,
            tissue.t1,
            bolus_duration=protocol.bolus_cut_off_delay_time,
            inversion_time=slice_delays,
            labeling_efficiency=protocol.efficiency,
        )
    return continuous_difference(
        tissue.cbf,
        tissue.att,
        tissue.t1,
        labeling_duration=protocol.labeling_duration,
        post_labeling_delay=slice_delays,
        labeling_efficiency=protocol.efficiency,
    )


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
