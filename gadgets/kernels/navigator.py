"""What lines without phase encoding tell: how odd echoes of an EPI differ from even ones, and how fast phase runs off.

Forward and backward lines of an EPI see eddy currents and delays with opposite signs. Between them lies a phase that
is nearly linear along x; where it stays, a second image appears half a field of view away (Nyquist ghost).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Comparison(NamedTuple):
    """Backward against forward lines of one group of navigators."""

    profile: NDArray[np.complex128]
    """``conj(forward) backward`` along x, summed over coils, ``(x,)``; magnitudes sum to 1."""
    turn: complex
    """Phase from one line to the next of the same direction, of magnitude 1; 0 where there are no two."""
    lines: int
    """Navigator lines that went into it."""
    weight: float = 1.0
    """How far lines of the same direction agree, 0 to 1: near 0 where background suppression left nothing but noise."""


def compare(lines: NDArray[np.complex64], backward: NDArray[np.bool_]) -> Comparison | None:
    """Compare navigator lines ``(lines, coils, x)`` in the order of time; None where they tell nothing.

    Of every three lines of alternating direction the middle one is compared with the mean of its neighbors, which lie
    as far before it as behind it: so the phase that runs off in an off-resonant field cancels. Two lines alone are
    compared as they are.
    """
    coils_and_x = lines.astype(np.complex128)
    profile = np.zeros(lines.shape[2], np.complex128)
    turn, power = 0j, 0.0
    for before, middle, after in zip(range(len(lines)), range(1, len(lines)), range(2, len(lines)), strict=False):
        if backward[before] != backward[after]:
            continue
        turn += np.vdot(coils_and_x[before], coils_and_x[after])
        power += float(np.linalg.norm(coils_and_x[before]) * np.linalg.norm(coils_and_x[after]))
        if backward[middle] != backward[before]:
            outer = (coils_and_x[before] + coils_and_x[after]) / 2
            profile += _odd_even(outer, coils_and_x[middle], bool(backward[middle]))
    if not profile.any() and len(lines) == 2 and backward[0] != backward[1]:
        profile = _odd_even(coils_and_x[0], coils_and_x[1], bool(backward[1]))
    size = np.abs(profile).sum()
    if not (np.isfinite(size) and size > 0):
        return None
    weight = abs(turn) ** 2 / power**2 if power > 0 else 1.0
    return Comparison(profile / size, complex(turn / abs(turn)) if turn else 0j, len(lines), float(weight))


def _odd_even(
    first: NDArray[np.complex128], second: NDArray[np.complex128], second_is_backward: bool
) -> NDArray[np.complex128]:
    difference = (first.conj() * second).sum(axis=0)
    return difference if second_is_backward else difference.conj()


def slope(step: complex) -> float:
    """Give the slope of the phase along x, rad per voxel, from ``steps`` summed over profiles; it does not wrap."""
    return float(np.angle(step))


def steps(profile: NDArray[np.complex128]) -> complex:
    """Sum the steps of a profile from voxel to voxel, ``conj(c_x) c_(x+1)`` (Ahn and Cho, IEEE TMI 6:32 (1987))."""
    return complex(np.vdot(profile[:-1], profile[1:]))


def phase(profile: NDArray[np.complex128], inclination: float, order: int = 1) -> tuple[NDArray[np.float64], float]:
    """Give the phase of backward against forward lines along x, rad, and its constant at the middle, rad.

    ``inclination`` x + constant; with an ``order`` above 1 a polynomial of that order is fitted to what is left,
    weighted by the signal.
    """
    x = np.arange(len(profile), dtype=np.float64) - len(profile) // 2
    flat = profile * np.exp(-1j * inclination * x)
    constant = float(np.angle(flat.sum()))
    line = np.asarray(inclination * x + constant, np.float64)
    if order < 2:
        return line, constant
    left = np.angle(flat * np.exp(-1j * constant))
    scaled = x / max(1, len(x) // 2)
    # the square root, because the fit squares what it weighs
    fitted = np.polynomial.Polynomial.fit(scaled, left, min(order, len(x) - 1), w=np.sqrt(np.abs(profile)), domain=[])
    return line + np.asarray(fitted(scaled), np.float64), constant
