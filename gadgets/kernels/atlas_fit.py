"""Laying the average brain over an image of the head, whatever its contrast."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .affine_pose import Pose, usual_heads
from .atlas_starts import starting_poses
from .average_brain import AverageBrain
from .head_lattice import Lattice, sample_head
from .head_model import BRIGHTNESS, COLUMNS, MAP, PLACE_UNIT, gram, linearize

_FEWEST = 100  # places in the brain, below which nothing is fitted
_FIRST_SIGMA = 0.3  # of the brightness of the brain; what differs more is scalp, eyes, or badly placed
_LEAST_SIGMA = 0.02
_CANDIDATES = 4
_ROUNDS = 6
_STILL = np.array([2e-3, 2e-3, 2e-3, 2e-4])  # of a row of the map; 0.2 mm at the rim of the brain
_BRIGHTNESS_PRIOR = np.diag(np.array([3.0] * 4 + [1.0] * (BRIGHTNESS - 4)) ** -2)
_SETTLED = np.array([1e-4] * 3 + [1e-3] * 9)  # m, rad and shares; a smaller step changes nothing


class Level(NamedTuple):
    """How finely image and average brain are compared."""

    brain: AverageBrain
    width: float
    """To which the image is blurred, full width at half maximum, m."""
    spacing: float
    """Of the places that are compared, m."""


def levels(brain: AverageBrain) -> tuple[Level, ...]:
    """Give the average brain as it is compared with images: coarse, then fine."""
    return Level(brain.blurred(0.012, 3), 0.012, 0.010), Level(brain.blurred(0.006, 1), 0.006, 0.0055)


class Guess(NamedTuple):
    """A place of the head, and how bright everything is."""

    pose: Pose
    brightness: NDArray[np.float64]
    """As in ``head_model``, in terms of the median of the image in the mask."""
    cost: float = float("inf")


@dataclass
class Fitting:
    """Levenberg and Marquardt's method on robust least squares, with what is usual for heads as prior knowledge."""

    brain: AverageBrain
    lattice: Lattice
    rows: NDArray[np.float32] = field(init=False)
    """As ``linearize`` writes them, shape ``(places, COLUMNS)``."""
    left: NDArray[np.float32] = field(init=False)
    """Image less model, shape ``(places,)``."""
    _prior: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.lattice.values)
        self.rows, self.left = np.empty((count, COLUMNS), np.float32), np.empty(count, np.float32)
        self._prior = np.zeros((COLUMNS - 1, COLUMNS - 1))
        self._prior[:MAP, :MAP], self._prior[MAP:, MAP:] = usual_heads(), _BRIGHTNESS_PRIOR

    def improve(self, guess: Guess, sigma: float, steps: int) -> Guess:
        """Go downhill for some steps, or until nothing changes."""
        normal, guess = self._judge(guess, sigma)
        damping = 1e-3
        for _ in range(steps):
            damped = normal[:, :-1] + damping * np.diag(np.diag(normal))
            step: NDArray[np.float64] = np.linalg.solve(damped, normal[:, -1]).astype(np.float64)
            moved = Guess(guess.pose.moved(step[:MAP]), guess.brightness + step[MAP:])
            moved_normal, moved = self._judge(moved, sigma)
            if moved.cost > guess.cost:
                damping *= 10
                continue
            normal, guess, damping = moved_normal, moved, damping / 5
            if np.all(np.abs(step[:MAP]) < _SETTLED):
                break
        return guess

    def brighten(self, guess: Guess, sigma: float) -> Guess:
        """Find the brightness of everything where the head lies."""
        normal, guess = self._judge(guess, sigma)
        step = np.linalg.solve(normal[MAP:, MAP:-1], normal[MAP:, -1])
        return Guess(guess.pose, guess.brightness + step)

    def spread(self, guess: Guess) -> float:
        """Tell up to where what the model leaves over of the brain is usual: twice its standard deviation, robustly."""
        self._judge(guess, 1.0)
        return max(2 * 1.4826 * float(np.median(np.abs(self.left[self.lattice.inside]))), _LEAST_SIGMA)

    def _judge(self, guess: Guess, sigma: float) -> tuple[NDArray[np.float64], Guess]:
        """Give the normal equations of a step, with the right side as last column, and the guess with its cost."""
        matrix = np.ascontiguousarray(self.brain.voxels(guess.pose.matrix) * [PLACE_UNIT, PLACE_UNIT, PLACE_UNIT, 1])
        places, values = self.lattice.places, self.lattice.values
        linearize(self.brain.shares, matrix, guess.brightness, sigma, places, values, self.rows, self.left)
        products = np.empty((COLUMNS, COLUMNS))
        gram(self.rows, products)
        change = np.zeros((COLUMNS, COLUMNS))
        by_step = guess.pose.derivatives() / self.brain.step * np.array([PLACE_UNIT] * 3 + [1])[:, None]
        change[:MAP, :MAP], change[MAP:, MAP:] = by_step.reshape(MAP, MAP), np.eye(COLUMNS - MAP)
        scale = self.lattice.information / sigma**2
        normal = (change.T @ products @ change)[:-1] * scale
        odd = np.concatenate([guess.pose.oddity(), guess.brightness])
        normal[:, :-1] += self._prior
        normal[:, -1] -= self._prior @ odd
        squares = np.square(self.left, dtype=np.float64)
        cost = scale * float(np.sum(squares * sigma**2 / (sigma**2 + squares))) + float(odd @ self._prior @ odd)
        return normal, guess._replace(cost=cost)


def lay_average_brain(
    on: Sequence[Level], image: NDArray[np.float32], mask: NDArray[np.bool_], axes: NDArray[np.float64]
) -> tuple[Guess, Fitting] | None:
    """Find the affine map from places in an image to the average brain; None where there is too little brain.

    ``image`` and ``mask`` have the shape ``(z, y, x)``. ``axes`` has in its rows the way from one voxel to the next
    along x, y and z: left, posterior, superior, m; places are told from the middle voxel ``n // 2``.
    """
    level = float(np.median(image[mask])) if mask.any() else 0.0
    if not level > 0:
        return None
    image = image / np.float32(level)
    coarse, *finer = on
    fitting = Fitting(coarse.brain, sample_head(image, mask, axes, coarse.width, coarse.spacing))
    if np.count_nonzero(fitting.lattice.inside) < _FEWEST:
        return None
    found = []
    for pose in starting_poses(mask, axes, coarse.brain.center):
        guess = fitting.brighten(Guess(pose, np.array([0.0] + [1.0] * 3 + [0.0] * (BRIGHTNESS - 4))), 1.0)
        found.append(fitting.improve(guess, _FIRST_SIGMA, 5))
    candidates = sorted(found, key=_cost)[:_CANDIDATES]
    best = min((fitting.improve(guess, _FIRST_SIGMA, 10) for guess in candidates), key=_cost)
    for level in finer:
        fitting = Fitting(level.brain, sample_head(image, mask, axes, level.width, level.spacing))
        best = _settle(fitting, best)
    return best, fitting


def _settle(fitting: Fitting, guess: Guess) -> Guess:
    """Go downhill until the place does not change, with what is usual judged anew on the way."""
    for _ in range(_ROUNDS):
        before = guess.pose.matrix
        guess = fitting.improve(guess, fitting.spread(guess), 6)
        if np.all(np.abs(guess.pose.matrix - before) < _STILL):
            break
    return guess


def _cost(guess: Guess) -> float:
    return guess.cost
