"""What a perfect reconstruction would find: the true maps, laid beside the raw data."""

import csv
import json
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from ..streaming.scan import Bolus, Role
from .anatomy import Anatomy
from .blood import slice_delays
from .course import Course
from .effects import off_resonance
from .faults import volume_times
from .header import bids_parameters
from .kinetics import PER_SECOND
from .magnetization import signal
from .patient import Patient
from .pose import Pose
from .preparation import Preparation
from .protocol import Protocol
from .references import reference_shots
from .tissue import FIELD_STRENGTH, PARTITION_COEFFICIENT, T1_BLOOD

_MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
"""Columns of ``motion.tsv``: mm to the left, the back and the top, and degrees about these axes."""
_LONG_REPETITION_TIME = 5.0
"""From which M0 counts as fully recovered, s; Alsop et al., MRM 73:102 (2015)."""


def expected_cbf(
    anatomy: Anatomy, protocol: Protocol, delay: float | None = None, t1_tissue: float = 1.3
) -> NDArray[np.float32]:
    """Give the CBF map that the white-paper formula makes of noise-free images, shape ``(z, y, x)``, mL/100 g/min.

    It is not the true CBF: the formula lets label decay with the T1 of blood until the readout, the kinetic model with
    that of tissue after arrival. With PLD of each slice, and M0 divided by 1 - exp(-TR/T1) where TR is below 5 s:

        (P)CASL  CBF = 6000 lambda deltam exp(PLD/T1b) / (2 alpha T1b (1 - exp(-LD/T1b)) M0)
        PASL     CBF = 6000 lambda deltam exp(TI/T1b) / (2 alpha TI1 M0)

    Alsop et al., MRM 73:102 (2015), eq. 1 and 2. Without an m0scan the control takes its place; that is NaN under
    background suppression, as it is where there is no M0. By default for the first delay; in time encoding that is
    the sub-bolus that is played first.
    """
    bolus = protocol.boluses[0]
    if delay is not None:
        bolus = next((one for one in protocol.boluses if one.post_labeling_delay == delay), Bolus(delay, bolus[1]))
    control = signal(anatomy, protocol, Preparation(Role.CONTROL)).astype(np.float64)
    difference = control - signal(anatomy, protocol, Preparation(Role.LABEL, (bolus,), protocol.efficiency))
    m0 = signal(anatomy, protocol, Preparation(Role.M0SCAN)).astype(np.float64) if protocol.m0scan else control
    if not protocol.m0scan and protocol.suppressed:
        return np.full(anatomy.grid.shape, np.nan, np.float32)
    repetition_time = protocol.m0_repetition_time if protocol.m0scan else protocol.repetition_time
    if repetition_time < _LONG_REPETITION_TIME:
        m0 /= -np.expm1(-repetition_time / t1_tissue)
    scale = _scale(protocol, bolus)[:, None, None]
    cbf = np.divide(scale * difference, m0, out=np.full_like(m0, np.nan), where=m0 > 0)
    return cbf.astype(np.float32)


def _scale(protocol: Protocol, bolus: Bolus) -> NDArray[np.float64]:
    """Give CBF over deltam/M0 for each slice."""
    delays = slice_delays(protocol, bolus.post_labeling_delay)
    if protocol.pulsed:
        length = protocol.bolus_cut_off_delay_time
    else:
        length = -T1_BLOOD * np.expm1(-bolus.labeling_duration / T1_BLOOD)
    return PER_SECOND * PARTITION_COEFFICIENT * np.exp(delays / T1_BLOOD) / (2 * protocol.efficiency * length)


def write_truth(folder: Path, anatomy: Anatomy, protocol: Protocol, patient: Patient | None = None) -> tuple[Path, ...]:
    """Write the true maps as NIfTI, the protocol as JSON, and what the patient did; gives the files.

    ``cbf``, ``att`` (NaN where no blood flows), ``m0``, ``pGM``, ``pWM``, ``seg`` (1 gray, 2 white, 3 fluid),
    ``territory`` (1 to 6, in the order of ``Territory``); ``abv`` (share of a voxel) and ``abat`` (NaN where there are
    no arteries) if anybody looks at them; ``expected_cbf``, which is what the white-paper formula should give, if
    there is one delay; ``fieldmap`` (Hz) if there is one. Times in s, CBF in mL/100 g/min. Maps show the head as it
    lies at the begin of the scan, and the flow there is, however badly it is labeled. The faults of the patient, and
    which volumes and pairs they spoil, stand in the JSON; ``motion.tsv`` tells how the head lies in each volume, if it
    moves.
    """
    patient = Patient() if patient is None else patient
    maps = {
        "cbf": anatomy.cbf,
        "att": anatomy.att,
        "m0": anatomy.m0,
        "pGM": anatomy.gray_matter,
        "pWM": anatomy.white_matter,
        "seg": anatomy.segmentation,
        "territory": anatomy.territories,
    }
    if anatomy.arterial_blood_volume is not None:
        maps |= {"abv": anatomy.abv, "abat": anatomy.abat}
    if len(protocol.boluses) == 1:
        maps["expected_cbf"] = expected_cbf(anatomy, protocol)
    if protocol.effects.off_resonance:
        maps["fieldmap"] = off_resonance(anatomy.grid, protocol.effects.off_resonance)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, volume in maps.items():
        image = nibabel.Nifti1Image(volume.transpose(), anatomy.grid.affine)
        image.header.set_xyzt_units("mm", "sec")
        written.append(folder / f"{name}.nii.gz")
        nibabel.save(image, written[-1])
    written.append(folder / "protocol.json")
    sidecar = _sidecar(anatomy, protocol) | ({"SimulatedPatient": _faults(patient, protocol)} if patient.faults else {})
    written[-1].write_text(json.dumps(sidecar, indent=2) + "\n")
    if patient.moves:
        written.append(folder / "motion.tsv")
        _write_motion(written[-1], patient, protocol)
    return tuple(written)


def _faults(patient: Patient, protocol: Protocol) -> dict[str, object]:
    """Say what is wrong with the patient: ``Patient.read`` makes the same one of it; what is beside is its truth."""
    return {
        **patient.record(),
        "affected": {
            name: {"volumes": volumes, "pairs": patient.affected_pairs(protocol)[name]}
            for name, volumes in patient.affected(protocol).items()
        },
        "moved_within": {
            volume: {"line": twitch.line, **twitch.pose._asdict()}
            for volume, twitch in Course(patient, protocol).twitches.items()
        },
    }


def _write_motion(path: Path, patient: Patient, protocol: Protocol) -> None:
    """Write one line per volume that is read: when its first line is read, s, and the pose then."""
    begin = reference_shots(protocol)[1]
    end = Course(patient, protocol, begin).end
    with path.open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(("volume", "role", "time", *_MOTION))
        rows = zip(protocol.context, volume_times(protocol, begin), patient.poses(protocol), strict=True)
        for volume, (role, time, pose) in enumerate(islice(rows, end)):
            table.writerow((volume, role.value, f"{time:.6f}", *_in_mm_and_degrees(pose)))


def _in_mm_and_degrees(pose: Pose) -> list[str]:
    numbers = (*np.multiply(pose.translation, 1e3), *np.degrees(pose.rotation))
    return [f"{number:.6f}" for number in numbers]


def _sidecar(anatomy: Anatomy, protocol: Protocol) -> dict[str, object]:
    change = protocol.efficiency_change
    return {
        **bids_parameters(protocol),
        "RepetitionTimePreparation": protocol.repetition_time,
        "EchoTime": protocol.echo_time,
        "MagneticFieldStrength": FIELD_STRENGTH,
        "AcquisitionVoxelSize": [length * 1e3 for length in protocol.grid.voxel],
        "TotalAcquiredPairs": protocol.pairs,
        "SimulatedReadout": protocol.readout.value,
        "SimulatedEffects": asdict(protocol.effects)
        | {"gradient_delay": protocol.echo_planar.delay, "ghost_phase": protocol.echo_planar.phase},
        "SimulatedBlood": {
            "efficiency_change": None if change is None else change._asdict(),
            "late": [asdict(late) for late in anatomy.late],
            "dispersion": None if anatomy.dispersion is None else anatomy.dispersion._asdict(),
        },
    }
