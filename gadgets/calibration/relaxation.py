"""Which T1 the tissue of each voxel is taken to have, and what says so."""

from typing import NamedTuple

import numpy as np

from ...streaming.perfusion import Constant
from ...streaming.scan import Source
from ..kernels.m0 import TissueT1
from .ingredients import Ingredients


class Relaxation(NamedTuple):
    """What is known of the T1 of tissue."""

    t1: TissueT1
    constants: dict[str, Constant]
    """The T1 that were used, and in words where each of them."""

    @property
    def known(self) -> bool:
        """Whether any T1 was stated: not in a chain without ``physiology``."""
        return bool(np.isfinite(self.t1.usual))


def of_static_tissue(known: Ingredients, shape: tuple[int, ...]) -> Relaxation:
    """Give the T1 that the magnetization of all tissue recovers with; ``m0_t1`` tells which it is.

    Measured (``t1map``), else of gray matter, white matter and fluid by their shares, else ``t1_tissue``.
    """
    return _gathered(known, shape, "m0_t1", "t1_tissue", ("t1_gray_matter", "t1_white_matter", "t1_fluid"))


def of_perfused_tissue(known: Ingredients, shape: tuple[int, ...]) -> Relaxation:
    """Give the T1 that label fades with once it has arrived; ``kinetics_t1`` tells which it is.

    Measured (``t1map``), else of gray and white matter by their shares, else of gray matter: where nobody says what a
    voxel holds, its flow is mostly of that. Fluid does not count, as nothing flows in it.
    """
    return _gathered(known, shape, "kinetics_t1", "t1_gray_matter", ("t1_gray_matter", "t1_white_matter"))


def _gathered(known: Ingredients, shape: tuple[int, ...], name: str, usual: str, kinds: tuple[str, ...]) -> Relaxation:
    stated, maps, measured = known.stated, known.tissues_of(shape), known.t1_of(shape)
    times = [stated.number(kind) for kind in kinds]
    shares = (maps.gray_matter, maps.white_matter, maps.fluid) if maps is not None else ()
    mixed = bool(shares) and bool(np.isfinite(times).all())
    mixture = tuple(zip(shares, times, strict=False)) if mixed else ()  # fluid comes last, and may be left out
    used = dict.fromkeys((usual, *kinds) if mixed else (usual,))
    constants = {each: stated.constants[each] for each in used if each in stated.constants}
    ways = (*(("t1map",) * (measured is not None)), *((f"{', '.join(kinds)} by share",) * mixed), usual)
    source = Source.DATA if mixed or measured is not None else _source(constants.get(usual))
    constants[name] = Constant(", else ".join(ways), "", source)
    return Relaxation(TissueT1(stated.number(usual), mixture, measured), constants)


def _source(constant: Constant | None) -> Source:
    return Source.DEFAULT if constant is None else constant.source
