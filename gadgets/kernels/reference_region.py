"""The equilibrium magnetization of blood from a region of one tissue, whose water content is known."""

import math
from typing import NamedTuple

from .m0 import recovery

T2_BLOOD = 0.15
"""s, of arterial blood at 3 T."""
T2_STAR_BLOOD = 0.05
"""The same where nothing refocuses, s."""


class ReferenceTissue(NamedTuple):
    """What is known of a tissue that M0 is read from; times in s."""

    t1: float
    t2: float
    t2_star: float
    partition_coefficient: float
    """Its water against that of blood, whose density is 0.87 (Herscovitch and Raichle, JCBFM 5:65 (1985))."""


FLUID = ReferenceTissue(4.3, 0.75, 0.4, 1.15)
WHITE_MATTER = ReferenceTissue(1.0, 0.05, 0.06, 0.82)
"""At 3 T; these values and the formula are those of oxasl (T2*: Foucher et al., JMRI 34:785 (2011))."""


def blood_m0(
    signal: float,
    tissue: ReferenceTissue,
    repetition_time: float = math.nan,
    echo_time: float | None = None,
    refocused: bool = True,
) -> float:
    """Give M0 of blood from the mean signal of a reference tissue; times in s; what is NaN or None is not corrected.

    ``M0b = S / (1 - exp(-TR / T1r)) * exp(-TE / T2b) / exp(-TE / T2r) / lambda_r``, with T2* where a gradient echo is
    read: a long TR or TE changes the tissue otherwise than blood (Chappell et al., Introduction to Perfusion
    Quantification using ASL, Oxford (2018); oxasl).

    >>> round(blood_m0(100.0, FLUID, 6.0, 0.014, refocused=False), 1)
    90.5
    """
    m0 = signal / tissue.partition_coefficient
    if not math.isnan(repetition_time):
        m0 /= float(recovery(repetition_time, tissue.t1))
    if echo_time is not None:
        of_blood, of_tissue = (T2_BLOOD, tissue.t2) if refocused else (T2_STAR_BLOOD, tissue.t2_star)
        m0 *= math.exp(echo_time / of_tissue - echo_time / of_blood)
    return m0
