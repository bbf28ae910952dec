"""What the head is made of: gray matter, white matter and cerebrospinal fluid at 3 T."""

from dataclasses import dataclass

FIELD_STRENGTH = 3.0
"""T, for which the times below hold."""
T1_BLOOD = 1.65
"""Arterial blood at 3 T, s; Alsop et al., MRM 73:102 (2015)."""
PARTITION_COEFFICIENT = 0.9
"""Water in brain over water in blood, mL/g; Alsop et al., MRM 73:102 (2015)."""


@dataclass(frozen=True, slots=True)
class Tissue:
    """One tissue: how it is perfused, and how it shines.

    The numbers are those of the hrgt_icbm_2009a_nls_3t reference object of ASLDRO 2.2.0 (Gold Standard Phantoms).
    """

    name: str
    cbf: float
    """mL/100 g/min."""
    att: float
    """Arterial transit time, s; without meaning where CBF is 0."""
    t1: float
    """s."""
    t2: float
    """s."""
    t2star: float
    """s."""
    m0: float
    """Equilibrium magnetization, arbitrary units."""


GRAY_MATTER = Tissue("gray matter", cbf=60.0, att=0.8, t1=1.33, t2=0.080, t2star=0.066, m0=74.6)
WHITE_MATTER = Tissue("white matter", cbf=20.0, att=1.2, t1=0.83, t2=0.110, t2star=0.053, m0=64.7)
CEREBROSPINAL_FLUID = Tissue("cerebrospinal fluid", cbf=0.0, att=0.0, t1=3.0, t2=0.300, t2star=0.2, m0=68.1)

TISSUES = (GRAY_MATTER, WHITE_MATTER, CEREBROSPINAL_FLUID)
"""In the order of ``Anatomy.fractions``."""
