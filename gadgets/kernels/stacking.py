"""In which order numbered slices lie in the body."""

from collections.abc import Sequence


def spatial_order(positions: Sequence[float]) -> tuple[int, ...]:
    """Sort slices by their positions along the slice direction, m; as numbered where two lie within 1 µm."""
    numbered = tuple(range(len(positions)))
    if len({round(position, 6) for position in positions}) < len(positions):
        return numbered
    return tuple(sorted(numbered, key=lambda number: positions[number]))
