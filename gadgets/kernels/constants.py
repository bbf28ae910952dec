"""The constants of blood, tissue and labeling, where nobody measured them: numbers from the literature, with source."""

from collections.abc import Mapping

import numpy as np

PARTITION_COEFFICIENT = 0.9
"""Of water between brain and blood, mL/g; Herscovitch and Raichle, J Cereb Blood Flow Metab 5:65 (1985)."""

LABELING_EFFICIENCY = {"CASL": 0.68, "PCASL": 0.85, "PASL": 0.98}
"""By labeling type, without background suppression; Wang et al., Radiology 235:218 (2005), Dai et al., MRM 60:1488
(2008), Wong et al., MRM 40:348 (1998); the last two as Alsop et al., MRM 73:102 (2015) advise."""

BACKGROUND_SUPPRESSION_EFFICIENCY = 0.95
"""Share of the label that one background-suppression pulse leaves; Garcia et al., MRM 54:366 (2005)."""

GRAY_MATTER_CBF = 50.0
"""Usual flow of gray matter where something is compared with it, mL/100 g/min; the prior's mean, adults have 40-80."""

ARTERIAL_TRANSIT_TIME = {"CASL": 1.3, "PCASL": 1.3, "PASL": 0.7}
"""By labeling type, s: in (P)CASL the label starts farther away; the priors of BASIL."""

T1_FLUID = 4.3
"""T1 of cerebrospinal fluid at any field strength, s; as oxford_asl."""

_T1_BLOOD = {1.5: 1.35, 3.0: 1.65, 7.0: 2.087}  # s by T; Alsop et al., MRM 73:102 (2015); 7 T as ASLPrep
_T1_TISSUE = {1.5: 1.197, 3.0: 1.607, 7.0: 1.939}  # cortex by MPRAGE; Wright et al., MAGMA 21:121 (2008), as ASLPrep
_T1_GRAY_MATTER = _T1_TISSUE | {3.0: 1.33}  # by inversion recovery; Wansapura et al., JMRI 9:531 (1999)
_T1_WHITE_MATTER = {1.5: 0.646, 3.0: 0.83, 7.0: 1.126}  # Wright; 3 T: Wansapura
_USUAL_FIELD = 3.0  # T
_ALIKE = 0.15  # T; a 3 T magnet may state 2.89 T
_ARTERIAL_SATURATION = 0.97


def t1_blood(field_strength: float | None) -> float:
    """Give the T1 of arterial blood, s: the white paper's; off its field strengths by formula; by default that of 3 T.

    ``(110 B0 + 1316) / 1000`` with B0 in T (Zhang et al., MRM 70:1082 (2013)).

    >>> t1_blood(2.89), t1_blood(0.55)
    (1.65, 1.3765)
    """
    usual = _of_usual_field(field_strength, _T1_BLOOD)
    if usual is not None or field_strength is None:
        return _T1_BLOOD[_USUAL_FIELD] if usual is None else usual
    return (110 * field_strength + 1316) / 1000


def t1_blood_of_hematocrit(hematocrit: float, field_strength: float | None) -> float:
    """Give the T1 of arterial blood, s, from the share of red cells in it: sickle cell disease, children, anemia.

    Water of red cells (share ``Fe``) and of plasma relax each at their own rate, linear in the field strength (Hales et
    al., J Cereb Blood Flow Metab 36:370 (2016)); saturation of arterial blood 0.97.

    >>> round(t1_blood_of_hematocrit(0.42, 3.0), 3), round(t1_blood_of_hematocrit(0.25, 3.0), 3)
    (1.766, 2.006)
    """
    tesla = _USUAL_FIELD if field_strength is None else field_strength
    cells = 0.70 * hematocrit / (0.70 * hematocrit + 0.95 * (1 - hematocrit))
    rate_of_cells = 1.099 - 0.057 * tesla + 0.033 * 5.15 * (1 - _ARTERIAL_SATURATION)
    rate_of_plasma = 0.496 - 0.023 * tesla
    return 1 / (cells * rate_of_cells + (1 - cells) * rate_of_plasma) + 0.108


def t1_tissue(field_strength: float | None) -> float:
    """Give the T1 of brain tissue where its kinds are not told apart, s; for the recovery of M0."""
    return _between_fields(field_strength, _T1_TISSUE)


def t1_gray_matter(field_strength: float | None) -> float:
    """Give the T1 of gray matter, s."""
    return _between_fields(field_strength, _T1_GRAY_MATTER)


def t1_white_matter(field_strength: float | None) -> float:
    """Give the T1 of white matter, s."""
    return _between_fields(field_strength, _T1_WHITE_MATTER)


def _of_usual_field(field_strength: float | None, table: Mapping[float, float]) -> float | None:
    tesla = _USUAL_FIELD if field_strength is None else field_strength
    return next((value for usual, value in table.items() if abs(tesla - usual) < _ALIKE), None)


def _between_fields(field_strength: float | None, table: Mapping[float, float]) -> float:
    usual = _of_usual_field(field_strength, table)
    if usual is not None:
        return usual
    fields = sorted(table)
    return float(np.interp(field_strength or _USUAL_FIELD, fields, [table[tesla] for tesla in fields]))
