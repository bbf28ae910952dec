"""What the file of each map is called: as in ASLPrep (``_cbf``, ``_att``) and BIDS (``_m0scan``, ``_mask``)."""

from collections.abc import Mapping

from ..perfusion import MapName

NAMES: Mapping[str, str] = {
    MapName.IMAGE: "desc-image_asl",
    MapName.M0SCAN: "m0scan",
    MapName.CONTROL: "desc-control_asl",
    MapName.LABEL: "desc-label_asl",
    MapName.DELTAM: "desc-deltam_asl",
    MapName.DELTAM_STDERR: "desc-deltamStderr_asl",
    MapName.CBF: "cbf",
    MapName.CBF_STDERR: "desc-stderr_cbf",
    MapName.CBF_LOWER: "desc-lower_cbf",
    MapName.CBF_UPPER: "desc-upper_cbf",
    MapName.CBF_GRAY_MATTER: "desc-GM_cbf",
    MapName.CBF_WHITE_MATTER: "desc-WM_cbf",
    MapName.ATT: "att",
    MapName.ATT_STDERR: "desc-stderr_att",
    MapName.ATT_LOWER: "desc-lower_att",
    MapName.ATT_UPPER: "desc-upper_att",
    MapName.ATT_WEIGHTED_DELAY: "desc-weightedDelay_att",
    MapName.ABV: "abv",
    MapName.ABV_STDERR: "desc-stderr_abv",
    MapName.ABAT: "abat",
    MapName.M0: "M0map",
    MapName.DELAY: "desc-delay_map",
    MapName.MASK: "desc-brain_mask",
    MapName.GFACTOR: "desc-gfactor_map",
}
"""What follows the subject in the name of a map's file, by ``aslive_map``."""

DESCRIPTIONS: Mapping[str, str] = {
    MapName.IMAGE: "magnitude of a volume without a role",
    MapName.M0SCAN: "magnitude of the latest m0scan",
    MapName.CONTROL: "magnitude of the latest control",
    MapName.LABEL: "magnitude of the latest label",
    MapName.DELTAM: "mean of control - label over the pairs",
    MapName.DELTAM_STDERR: "standard error of the mean of control - label",
    MapName.CBF: "cerebral blood flow",
    MapName.CBF_STDERR: "standard error of cerebral blood flow",
    MapName.CBF_LOWER: "lower end of the 95 % interval of cerebral blood flow",
    MapName.CBF_UPPER: "upper end of the 95 % interval of cerebral blood flow",
    MapName.CBF_GRAY_MATTER: "cerebral blood flow of the gray matter in and around each voxel",
    MapName.CBF_WHITE_MATTER: "cerebral blood flow of the white matter in and around each voxel",
    MapName.ATT: "arterial transit time",
    MapName.ATT_STDERR: "standard error of the arterial transit time",
    MapName.ATT_LOWER: "lower end of the 95 % interval of the arterial transit time",
    MapName.ATT_UPPER: "upper end of the 95 % interval of the arterial transit time",
    MapName.ATT_WEIGHTED_DELAY: "arterial transit time by the signal-weighted delay, a cross-check",
    MapName.ABV: "arterial blood volume",
    MapName.ABV_STDERR: "standard error of the arterial blood volume",
    MapName.ABAT: "arterial bolus arrival time",
    MapName.M0: "equilibrium magnetization of tissue",
    MapName.DELAY: "post-labeling delay with which each voxel sees its blood, the shortest where there are several",
    MapName.MASK: "where the brain is",
    MapName.GFACTOR: "noise amplification by parallel imaging, beyond the loss of acquiring less",
}
"""What each map shows; BIDS ``Description``."""

UNKNOWN_TO_BIDS = ("*_cbf.*", "*_att.*", "*_abv.*", "*_abat.*", "*_M0map.*", "*_desc-*_map.*", "*_desc-brain_mask.*")
"""Names that the BIDS validator does not know, for ``.bidsignore``."""
