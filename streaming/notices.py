"""What the chain says beside its images: how far it is, what it measured, what is odd."""

from dataclasses import dataclass
from enum import StrEnum

from .flow import Place


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a volume is that comes in several segments."""

    place: Place
    segment: int
    """Segments complete."""
    segments: int
    """Segments of the volume."""


class Measure(StrEnum):
    """What is measured of the data on the way, for quality."""

    GHOST_LEVEL = "ghost_level"
    """Mean signal in the N/2 ghost over that in the object."""
    NAVIGATOR_SLOPE = "navigator_slope"
    """Odd-even phase of the navigators along x, rad per voxel."""
    NAVIGATOR_CONSTANT = "navigator_constant"
    """Odd-even phase of the navigators, rad."""
    FIELD_DRIFT = "field_drift"
    """Mean change of the frequency since the first volume, Hz."""
    PHASE_OFFSET = "phase_offset"
    """Constant phase of a volume against the reference volume, rad."""
    GRAY_MATTER_CBF = "gray_matter_cbf"
    """Flow of gray matter in the whole brain, mL/100 g/min."""
    GRAY_MATTER_CBF_STDERR = "gray_matter_cbf_stderr"
    """Its standard error."""
    WHITE_MATTER_CBF = "white_matter_cbf"
    """Flow of white matter in the whole brain, mL/100 g/min."""
    WHITE_MATTER_CBF_STDERR = "white_matter_cbf_stderr"
    """Its standard error."""

    # Of the raw signal, once for each volume.
    SPIKES = "spikes"
    """Readouts with a spike."""
    SATURATED = "saturated"
    """Readouts in which the receiver was at its limit."""
    GAIN = "gain"
    """Signal of all coils over that of the first steady volumes of the same role, delay and echo."""
    DEAD_COILS = "dead_coils"
    """Coils without signal."""
    NOISY_COILS = "noisy_coils"
    """Coils whose noise is far above that of the others."""
    LINES_OUT_OF_ORDER = "lines_out_of_order"
    """Lines whose time stamp or counter goes back."""
    NOISE_SCAN_SIGNAL = "noise_scan_signal"
    """What the measurement of noise holds beside noise, share of its power; once."""
    SHOT_DISPLACEMENT = "shot_displacement"
    """How far a shot lies along x from the others of its volume by its navigators, m; the largest of a volume."""

    # Of the images.
    DVARS = "dvars"
    """Root mean square change in the brain since the volume before of the same role, over what noise alone gives."""
    ORDER_T = "order_t"
    """t of the mean control - label in gray matter, over the pairs."""
    M0_RATIO = "m0_ratio"
    """Signal of the m0scan over that of the controls, over what TR, T1 and suppression predict."""

    # Of the maps, once for each.
    QEI = "qei"
    """Quality evaluation index (Dolui et al., 2024), 0 to 1."""
    QEI_CORRELATION = "qei_correlation"
    QEI_DISPERSION = "qei_dispersion"
    QEI_NEGATIVE = "qei_negative"
    SPATIAL_COV = "spatial_cov"
    """Standard deviation of CBF in gray matter over its mean."""
    SPATIAL_COV_DEBIASED = "spatial_cov_debiased"
    """The same without the share of noise; from 5 pairs on."""
    TEMPORAL_SNR = "temporal_snr"
    """Mean over gray matter of mean over standard deviation of control - label, of one pair."""
    RATING = "rating"
    """1 (excellent) to 4 (poor), as MRICloud."""
    NEGATIVE_CBF = "negative_cbf"
    """Share of gray matter with negative CBF."""
    MEAN_GRAY_MATTER_CBF = "mean_gray_matter_cbf"
    """Mean CBF of gray-matter voxels, mL/100 g/min."""
    MEAN_WHITE_MATTER_CBF = "mean_white_matter_cbf"
    """Mean CBF of white-matter voxels, mL/100 g/min."""
    GRAY_WHITE_RATIO = "gray_white_ratio"
    """Of the two."""
    HIGH_CBF = "high_cbf"
    """Share of the brain with CBF above 150 mL/100 g/min."""
    EMPTY_MAP = "empty_map"
    """1 where the map is zero or not a number everywhere, else 0."""
    MISSING_VOXELS = "missing_voxels"
    """Share of the brain in which the map is no number."""
    REGION_CBF = "region_cbf"
    """Mean CBF of gray matter in a region, mL/100 g/min."""
    REGION_ATT = "region_att"
    """Mean arterial transit time of gray matter in a region, s."""
    REGION_RATIO = "region_ratio"
    """CBF of gray matter in a region over that of all other regions."""
    ASYMMETRY = "asymmetry"
    """200 (right - left) / (right + left) of a pair of regions, %."""
    LABELING_SHARE = "labeling_share"
    """Signal of labeled blood in gray matter over what usual flow and efficiency predict."""
    LABELING_CHANGE = "labeling_change"
    """Signal of labeled blood in the latest pairs over that of the pairs before."""
    ATLAS_AGREEMENT = "atlas_agreement"
    """How well the average brain lies on the images, 0 to 1."""

    # Of the computation.
    LATENCY = "latency"
    """From the last data of a pair to its map, s."""
    LAG = "lag"
    """How far the computation is behind what has arrived, s."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number that tells about the quality of the data."""

    name: Measure
    value: float
    """NaN where there is no answer."""
    place: Place | None = None
    """Of the volume; none for what belongs to no volume."""
    stderr: float = float("nan")
    """Its standard error; NaN where there is none."""
    region: str = ""
    """Where in the brain; empty for the whole."""
    pairs: int = 0
    """Pairs it was measured on; 0 for a single volume."""
    source: str = ""
    """Which maps of tissue it hangs on, ``atlas`` or ``sent``; empty where it needs none."""


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the people at the console."""

    text: str
    level: Level = Level.WARNING
