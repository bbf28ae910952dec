"""How a time-encoded (Hadamard) scan labels: from its keys to a matrix of sub-boluses and images.

A cycle of N images labels N - 1 sub-boluses, each image another choice of them; sums and differences of the images give
the signal of each sub-bolus (Guenther, Proc ISMRM 15:380 (2007); Teeuwisse et al., MRM 72:1712 (2014)). Which choices
is a matter of the vendor, so that a scan may state its own matrix.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial

import numpy as np

from . import bids
from .per_volume import LONGEST_DELAY
from .scan import Bolus, LabelingType, Role, TimeEncoding
from .statements import Statements

LARGEST = 64
"""Images of a cycle; scanners play 4 to 12."""

_NAME = "time_encoding"
_SIZES = (4, 8, 12)
_ENTRY = re.compile(r"[+-]?1(?:\.0*)?(?![\d.])|[+-]")
_BETWEEN_ROWS = re.compile(r"[;\n\]]")
_LONGEST_TEXT = 65536


class MatrixType(StrEnum):
    """BIDS-like ``TimeEncodedMatrixType``, as ExploreASL has it."""

    HADAMARD = "Hadamard"
    WALSH = "Walsh"


# Rows are sub-boluses in playing order, columns images; ExploreASL, xASL_quant_HadamardDecoding.m.
_ROWS: Mapping[tuple[MatrixType, int], str] = {
    (MatrixType.WALSH, 4): "+-+- +--+ ++--",
    (MatrixType.WALSH, 8): "+-+-+-+- +-+--+-+ +--+-++- +--++--+ ++--++-- ++----++ ++++----",
    (MatrixType.HADAMARD, 4): "+-+- ++-- +--+",
    (MatrixType.HADAMARD, 8): "+--+-++- ++----++ +-+--+-+ ++++---- +--++--+ ++--++-- +-+-+-+-",
}
# Paley, J Math Phys 12:311 (1933): a 1, then whether a number is a square modulo 11; each row begins one place later.
_PALEY_12 = "-+-+++---+-"

Signs = tuple[tuple[int, ...], ...]
"""A matrix of 1 and -1, sub-boluses by images."""


def read_time_encoding(
    statements: Statements,
    kind: LabelingType | None,
    context: Sequence[Role],
    delay: Sequence[float],
    duration: Sequence[float],
) -> TimeEncoding | None:
    """Give the matrix and the boluses of a time-encoded scan; None for any other, and for one that cannot be decoded.

    ``delay`` and ``duration`` are ``PostLabelingDelay``, which counts from the end of the last sub-bolus, and
    ``LabelingDuration``, which is that of all sub-boluses together: one value, or one per volume of ``context``. Each
    sub-bolus travels for the delay and for the durations of all later ones: ``PLD_b = PLD + sum of LD_c, c > b``.
    """
    ask, notes = statements.ask, statements.notes
    label_sign = ask("TimeEncodedLabelSign", _sign, _NAME) or -1
    size = ask("TimeEncodedMatrixSize", bids.whole, _NAME)
    named = ask("TimeEncodedMatrixType", partial(bids.choice, choices=MatrixType), _NAME)
    own = ask("TimeEncodedMatrix", _own_matrix, _NAME)
    stated = is_time_encoded(statements)
    durations = ask("TimeEncodedLabelingDuration", partial(bids.times, longest=LONGEST_DELAY), _NAME)
    if not stated:
        statements.forget(_NAME)
        return None
    try:
        signs = own or _listed_matrix(named, size, label_sign)
        if own and size is not None and size != len(own[0]):
            notes.append(
                f"TimeEncodedMatrixSize is {size}, and TimeEncodedMatrix has {len(own[0])} images: it is believed."
            )
        if kind is LabelingType.PASL:
            raise ValueError("is for CASL and PCASL; ArterialSpinLabelingType is PASL")
        boluses = _boluses(len(signs), _of_cycles(delay, context), durations, _of_cycles(duration, context))
    except ValueError as error:
        statements.forget(_NAME)
        notes.append(
            f"The time encoding {error}. It is not used: nothing can be decoded, and no difference has a known delay."
        )
        return None
    matrix = tuple(tuple(int(sign == label_sign) for sign in row) for row in signs)
    _compare_with_context(matrix, context, notes)
    return TimeEncoding(matrix, boluses)


def is_time_encoded(statements: Statements) -> bool:
    """Tell whether anybody says that the scan is time-encoded, right or wrong."""
    keys = ("TimeEncodedMatrixType", "TimeEncodedMatrixSize", "TimeEncodedMatrix")
    told = [said for key in keys for _, _, said in statements.told(key)]
    return any(said not in (None, []) and str(said).strip() for said in told)


def _sign(value: object) -> int:
    found = bids.number(value)
    if found not in (-1, 1):
        raise ValueError(f"is {found:g}; expected -1 (entries -1 are labeled) or 1 (entries 1 are labeled)")
    return int(found)


def _own_matrix(value: object) -> Signs:
    """Read a matrix of 1 and -1: text with ``;`` between its rows, or a list of rows; a first row all 1 is left out."""
    rows = [_row(row) for row in _split(value)]
    images = len(rows[0]) if rows else 0
    odd = next((row for row in rows if len(row) != images), None)
    if odd is not None:
        raise ValueError(f"has rows of {images} and of {len(odd)} entries; expected all alike")
    if len(rows) == images > 0 and set(rows[0]) == {1}:
        rows = rows[1:]  # the row of the static tissue, which ExploreASL's own matrices have
    if not 2 <= images <= LARGEST or len(rows) != images - 1:
        raise ValueError(
            f"has {len(rows)} rows of {images} entries; expected a row for each sub-bolus and a column for each image, "
            f"one more than sub-boluses, at most {LARGEST}"
        )
    rank = int(np.linalg.matrix_rank(np.vstack([np.ones(images), rows])))
    if rank < images:
        raise ValueError(
            f"has a rank of {rank - 1}, so that its {images - 1} sub-boluses cannot be told apart; expected rows of "
            "which none is made of the others, and none the same in all images"
        )
    return tuple(rows)


def _split(value: object) -> list[object]:
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT:
            raise ValueError(f"has {len(value)} characters; expected at most {LARGEST} rows")
        return [row for row in _BETWEEN_ROWS.split(value) if row.strip(" ,\t\r[")]
    return list(value) if isinstance(value, Sequence) else [value]


def _row(value: object) -> tuple[int, ...]:
    text = value if isinstance(value, str) else " ".join(bids.entries(value))
    if _ENTRY.sub("", text).strip(" ,\t\r[]()\"'"):
        raise ValueError(f"has the row '{text[:40]}'; expected entries of 1 and -1, or + and -")
    return tuple(-1 if "-" in entry else 1 for entry in _ENTRY.findall(text))


def _listed_matrix(named: str | None, size: int | None, label_sign: int) -> Signs:
    """Give the matrix of a type and a size; where 1 is label and the order Hadamard's, the natural one, as oxasl."""
    if named is None or size not in _SIZES or (named == MatrixType.WALSH and size == 12):
        raise ValueError(
            f"has TimeEncodedMatrixType {named or 'missing'} and TimeEncodedMatrixSize {size or 'missing'}; expected "
            "Hadamard and 4, 8 or 12, Walsh and 4 or 8, or a TimeEncodedMatrix of its own"
        )
    if size == 12:
        return tuple((1, *_signs(_PALEY_12[11 - row :] + _PALEY_12[: 11 - row])) for row in range(11))
    if named == MatrixType.HADAMARD and label_sign == 1:
        return tuple(
            tuple(1 - 2 * ((row & column).bit_count() % 2) for column in range(size)) for row in range(1, size)
        )
    return tuple(_signs(row) for row in _ROWS[MatrixType(named), size].split())


def _signs(text: str) -> tuple[int, ...]:
    return tuple(1 if sign == "+" else -1 for sign in text)


def _of_cycles(values: Sequence[float], context: Sequence[Role]) -> tuple[float, ...]:
    """Give the different values that the images of the cycles have; lists hold 0 for m0scans."""
    if len(values) > 1 and len(values) == len(context):
        values = [value for value, role in zip(values, context, strict=True) if role in (Role.CONTROL, Role.LABEL)]
    elif len(values) > 1:
        values = [value for value in values if value > 0]
    return tuple(dict.fromkeys(values))


def _boluses(
    count: int, delay: tuple[float, ...], durations: tuple[float, ...] | None, whole: tuple[float, ...]
) -> tuple[Bolus, ...]:
    if len(delay) != 1:
        found = ", ".join(f"{value:g}" for value in delay) or "missing"
        raise ValueError(
            f"needs one PostLabelingDelay, from the end of the last sub-bolus to the excitation; it is {found}"
        )
    if durations is None:
        if len(whole) != 1:
            raise ValueError("needs TimeEncodedLabelingDuration, or one LabelingDuration, that of all sub-boluses")
        durations = (whole[0] / count,)
    if len(durations) not in (1, count):
        raise ValueError(
            f"has {len(durations)} values of TimeEncodedLabelingDuration for {count} sub-boluses; expected 1 or {count}"
        )
    if min(durations) <= 0:
        raise ValueError("has a sub-bolus of 0 s; expected labeling durations above 0")
    played = durations * count if len(durations) == 1 else durations
    later = [sum(played[row + 1 :]) for row in range(count)]
    # rounded to ns, so that 1.0 + 0.4 + 0.3 is 1.7, and boluses that are alike compare so
    return tuple(Bolus(round(delay[0] + after, 9), round(own, 9)) for after, own in zip(later, played, strict=True))


def _compare_with_context(matrix: Signs, context: Sequence[Role], notes: list[str]) -> None:
    """Note where the listed volumes do not fit the cycles."""
    images = len(matrix[0])
    volumes = [role for role in context if role in (Role.CONTROL, Role.LABEL)]
    if len(volumes) % images:
        notes.append(
            f"aslcontext lists {len(volumes)} control and label volumes, which is no multiple of the {images} images "
            "of a cycle: the last cycle is incomplete, and gives only what its images tell."
        )
    labeled = [any(row[image] for row in matrix) for image in range(images)]
    strange = [n for n, role in enumerate(volumes) if (role is Role.LABEL) != labeled[n % images]]
    if strange and Role.CONTROL in volumes:
        notes.append(
            f"Image {strange[0] % images + 1} of the cycle is {volumes[strange[0]]} in aslcontext, but by the matrix "
            f"{'some' if labeled[strange[0] % images] else 'none'} of its sub-boluses are labeled: "
            "TimeEncodedLabelSign may be wrong. The matrix is believed."
        )
