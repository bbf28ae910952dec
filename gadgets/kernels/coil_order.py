"""Which coil of one measurement is which of another."""

from collections.abc import Sequence


def matched(wanted: Sequence[str], given: Sequence[str], coils: int, available: int) -> list[int] | None:
    """Give, for each of ``coils`` channels, its channel among the ``available`` ones of an earlier measurement.

    By names where both measurements have one for every channel and none twice; else in their order if their numbers
    agree. None where a coil is not among them, or nothing tells which is which.

    >>> matched(("H2", "H1"), ("H1", "H2", "N1"), 2, 3)
    [1, 0]
    """
    if _names_all(wanted, coils) and _names_all(given, available):
        places = {name: number for number, name in enumerate(given)}
        return [places[name] for name in wanted] if places.keys() >= set(wanted) else None
    return list(range(coils)) if coils == available else None


def _names_all(names: Sequence[str], coils: int) -> bool:
    return len(names) == coils == len(set(names)) and all(names)
