"""What some converters cannot carry, said before a scan is spoilt by them."""

from ...streaming.errors import ConfigError
from ...streaming.scan import Scan


def refuse_all_but_full_lines(converter: str, scan: Scan) -> None:
    """Refuse trajectories, parallel imaging and partial Fourier, of which a converter does not tell."""
    encoding = scan.encoding
    if encoding is None:
        return
    if not encoding.on_a_grid:
        raise ConfigError(f"{converter} converts no trajectories; choose another profile or a Cartesian protocol")
    if max(encoding.acceleration) > 1:
        raise ConfigError(f"{converter} does not tell of parallel imaging; choose another profile or no acceleration")
    for counter, size in zip(
        ("kspace_encode_step_1", "kspace_encode_step_2"), encoding.encoded_matrix[1:], strict=True
    ):
        limits = encoding.limits.get(counter)
        if limits is not None and limits.maximum + 1 < size:
            raise ConfigError(f"{converter} does not tell of partial Fourier; choose another profile or all lines")
