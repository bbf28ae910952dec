"""The door for headers: ISMRMRD XML, as scanners and converters write it, to a Scan in SI units."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import isfinite
from xml.etree.ElementTree import Element, tostring

from . import bids
from .errors import HeaderError
from .labeling import read_labeling, read_repetition_time
from .labeling_faults import contradictions
from .per_volume import LONGEST_DELAY, miscounted
from .repetition import from_label_to_label
from .requirements import missing
from .scan import Encoding, Limits, Scan, Trapezoid
from .statements import Statements, plain
from .xmltree import children, descend, local_name, read_tree, words

LARGEST_MATRIX = 4096
"""Along any axis."""
LARGEST_FIELD_OF_VIEW = 10.0
"""m; larger than any magnet."""
MOST_COILS = 1024
"""As many as the MRD channel mask has bits."""

_NAMESPACE = "http://www.ismrm.org/ISMRMRD"
_TRAJECTORIES = ("cartesian", "epi", "radial", "goldenangle", "spiral", "other")
_IN_SPACE = frozenset(("kspace_encode_step_1", "kspace_encode_step_2", "slice"))
"""Counters whose limits span a matrix."""
_TRAPEZOID = ("rampuptime", "flattoptime", "rampdowntime", "dwelltime", "echospacing")
_ABOUT_THE_PATIENT = ("patientname", "patientid", "patientbirth", "birthdate")
_PROTON_HZ_PER_T = 42.577478518e6
"""Gyromagnetic ratio of the proton / 2 pi, CODATA 2018."""


def read_header(text: str, settings: Mapping[str, object] = {}, sidecar: Mapping[str, object] = {}) -> Scan:
    """Read what the header, the site's settings and a BIDS sidecar say about a scan.

    ``settings`` are the config's JSON and ``sidecar`` a BIDS ``*_asl.json``; ``docs/reference/asl-contract.md`` lists
    their keys. Tolerant: what is missing or odd is noted in ``Scan.notes`` with what is assumed instead. Raises
    ``HeaderError`` for what is no MRD header, and for sizes that no scanner has. Patients' names are not kept.
    """
    root = _find_header(read_tree(text))
    text = _without_the_patient(root, text)
    notes: list[str] = []
    encodings = tuple(_read_encoding(part, n, notes) for n, part in enumerate(children(root, "encoding")))
    if not encodings:
        notes.append("The header has no encoding: matrix and field of view are unknown until lines come.")
    system = descend(root, "acquisitionSystemInformation")
    measurement = descend(root, "measurementInformation")
    for name in ("acquisitionSystemInformation", "measurementInformation", "experimentalConditions"):
        if descend(root, name) is None:
            notes.append(f"The header has no {name}; what it would say is taken as unknown.")
    parameters = _read_parameters(root)
    statements = Statements(_read_physics(root, notes) | parameters, settings, sidecar)
    limits = encodings[0].limits if encodings else {}
    inversion_times = _read_milliseconds(root, "TI", notes)
    labeling = read_labeling(statements, inversion_times, limits)
    repetition_time = read_repetition_time(statements, labeling.context)
    if repetition_time is None:
        notes.append("The header has no usable TR: the repetition time is unknown.")
    labeling, repetition_time = from_label_to_label(labeling, repetition_time, statements.notes)
    statements.notes.extend(contradictions(labeling, inversion_times, repetition_time))
    if different := miscounted(labeling.context, limits):
        statements.notes.append(different)
    echo_time = statements.ask("EchoTime", partial(bids.one_time, longest=LONGEST_DELAY))
    field_strength = statements.ask("MagneticFieldStrength", bids.positive, "field_strength")
    if field_strength is None:
        notes.append("The header has no usable field strength: T1 of blood cannot be chosen by it.")
    for key in statements.unasked():
        statements.notes.append(f"The config's override has the key '{key}', which is not understood and not used.")
    scan = Scan(
        encodings=encodings,
        labeling=labeling,
        repetition_time=repetition_time,
        echo_time=echo_time,
        field_strength=field_strength,
        coils=_read_coils(system, notes),
        coil_names=_read_coil_names(system),
        relative_noise_bandwidth=_read_noise_bandwidth(system, notes),
        vendor=words(system, "systemVendor").upper(),
        measurement_id=words(measurement, "measurementID"),
        protocol_name=words(measurement, "protocolName"),
        patient_position=words(measurement, "patientPosition").upper(),
        dependencies={
            words(part, "dependencyType"): words(part, "measurementID")
            for part in children(measurement, "measurementDependency")
        },
        parameters=parameters,
        text=text,
    )
    if labeling.stated and (lacking := missing(scan)):
        statements.notes.append(
            f"For absolute CBF these are missing: {', '.join(lacking)}. Without them the maps stay relative."
        )
    return replace(scan, notes=(*notes, *statements.notes))


def _find_header(root: Element) -> Element:
    if local_name(root).lower() != "ismrmrdheader" and descend(root, "encoding") is None:
        raise HeaderError(f"the header is XML with the root <{local_name(root)[:40]}>; expected <ismrmrdHeader>")
    return root


def _without_the_patient(root: Element, text: str) -> str:
    """Take the patient out of the tree; give the text as it came if nobody was in it, else written anew."""
    found = [(parent, part) for parent in root.iter() for part in parent if _tells_of_the_patient(part)]
    if not found:
        return text
    for parent, part in found:
        parent.remove(part)
    for element in root.iter():
        element.tag = local_name(element)  # a prefix before every name would stop readers that look for plain ones
    root.set("xmlns", _NAMESPACE)
    return tostring(root, encoding="unicode")


def _tells_of_the_patient(part: Element) -> bool:
    if local_name(part).lower() == "subjectinformation":
        return True
    name = plain(words(part, "name"))
    return any(word in name for word in _ABOUT_THE_PATIENT)


def _read_encoding(encoding: Element, number: int, notes: list[str]) -> Encoding:
    where = f"encoding {number}"
    trajectory = words(encoding, "trajectory").lower()
    if trajectory not in _TRAJECTORIES:
        was = (
            f"the unknown trajectory '{trajectory[:40]}', which is kept"
            if trajectory
            else "no trajectory; it is taken as cartesian"
        )
        notes.append(f"{where} has {was}.")
    description = descend(encoding, "trajectoryDescription")
    identifier = words(description, "identifier")
    parameters = _read_trajectory_parameters(description, where, notes)
    return Encoding(
        encoded_matrix=_read_matrix(encoding, where, "encodedSpace", notes),
        encoded_field_of_view=_read_field_of_view(encoding, where, "encodedSpace", notes),
        recon_matrix=_read_matrix(encoding, where, "reconSpace", notes),
        recon_field_of_view=_read_field_of_view(encoding, where, "reconSpace", notes),
        limits=_read_limits(encoding, where, notes),
        trajectory=trajectory or "cartesian",
        acceleration=_read_acceleration(encoding, where, notes),
        trajectory_identifier=identifier,
        trajectory_parameters=parameters,
        trapezoid=_read_trapezoid(identifier, parameters, where, notes),
    )


def _read_matrix(encoding: Element, where: str, space: str, notes: list[str]) -> tuple[int, int, int]:
    sizes = []
    for axis in "xyz":
        size = _number(words(encoding, space, "matrixSize", axis)) or 0.0
        if not 0 <= size <= LARGEST_MATRIX:
            raise HeaderError(
                f"{where}: {space}.matrixSize.{axis} is {size:g}; expected a whole number up to {LARGEST_MATRIX}"
            )
        sizes.append(int(size) if size == int(size) else 0)
    if 0 in sizes:
        notes.append(
            f"{where}: {space}.matrixSize is {' x '.join(map(str, sizes))}; where it is 0, missing or no whole number, "
            "the lines that come decide."
        )
    return sizes[0], sizes[1], sizes[2]


def _read_field_of_view(encoding: Element, where: str, space: str, notes: list[str]) -> tuple[float, float, float]:
    lengths = []
    for axis in "xyz":
        length = (_number(words(encoding, space, "fieldOfView_mm", axis)) or 0.0) * 1e-3
        if not 0 <= length <= LARGEST_FIELD_OF_VIEW:
            raise HeaderError(
                f"{where}: {space}.fieldOfView_mm.{axis} is {length * 1e3:g}; expected mm, "
                f"up to {LARGEST_FIELD_OF_VIEW * 1e3:g}"
            )
        lengths.append(length)
    if 0 in lengths:
        axes = ", ".join(axis for axis, length in zip("xyz", lengths, strict=True) if length == 0)
        notes.append(f"{where}: {space}.fieldOfView_mm is 0 or missing along {axes}; it is unknown there.")
    return lengths[0], lengths[1], lengths[2]


def _read_limits(encoding: Element, where: str, notes: list[str]) -> dict[str, Limits]:
    limits = {}
    group = descend(encoding, "encodingLimits")
    if group is None:
        notes.append(f"{where} has no encodingLimits; lines are counted as they come.")
        return limits
    for part in group:
        # The XML says kspace_encoding_step_1 where the acquisition header says kspace_encode_step_1.
        name = local_name(part).lower().replace("kspace_encoding", "kspace_encode")
        numbers = [_number(words(part, key)) for key in ("minimum", "maximum", "center")]
        low, high, center = (int(n) if n is not None and 0 <= n < 1 << 16 else None for n in numbers)
        if low is None or high is None or high < low or (name in _IN_SPACE and high - low >= LARGEST_MATRIX):
            notes.append(f"{where}: the encodingLimits of {name} are not usable and are left out.")
        else:
            limits[name] = Limits(low, high, (low + high + 1) // 2 if center is None else center)
    return limits


def _read_acceleration(encoding: Element, where: str, notes: list[str]) -> tuple[int, int]:
    factors = [1, 1]
    group = descend(encoding, "parallelImaging", "accelerationFactor")
    if group is None:
        notes.append(f"{where} has no accelerationFactor; it is taken as 1.")
        return 1, 1
    for n, name in enumerate(("kspace_encoding_step_1", "kspace_encoding_step_2")):
        factor = _number(words(group, name))
        if factor is not None and 1 <= factor <= LARGEST_MATRIX and factor == int(factor):
            factors[n] = int(factor)
        else:
            notes.append(f"{where}: the accelerationFactor of {name} is no whole number from 1; it is taken as 1.")
    return factors[0], factors[1]


def _read_trajectory_parameters(description: Element | None, where: str, notes: list[str]) -> dict[str, float]:
    parameters = {}
    for part in description if description is not None else ():
        name, value = words(part, "name"), _number(words(part, "value"))
        if name and value is not None and isfinite(value):
            parameters[name] = value
        elif name and local_name(part).lower() != "userparameterstring":
            notes.append(f"{where}: {name[:40]} of the trajectoryDescription is no number and is left out.")
    return parameters


def _read_trapezoid(identifier: str, parameters: Mapping[str, float], where: str, notes: list[str]) -> Trapezoid | None:
    """Read the readout gradient of an EPI; ``acqDelayTime`` is not needed, because the samples lie in its middle."""
    if plain(identifier) != "conventionalepi":
        return None
    microseconds = {plain(name): value * 1e-6 for name, value in parameters.items()}
    counts = {plain(name): value for name, value in parameters.items()}
    times = [round(microseconds.get(name, 0.0), 12) for name in _TRAPEZOID]
    samples, navigators = counts.get("numsamples", 0.0), counts.get("numberofnavigators", 0.0)
    if not all(0 <= time < 1 for time in times) or not 0 < samples < 1 << 16 or not 0 <= navigators < 1 << 16:
        notes.append(
            f"{where}: the trajectoryDescription of the EPI is not usable; its samples are taken as evenly spaced."
        )
        return None
    ramp_up, flat_top, ramp_down, dwell, echo_spacing = times
    return Trapezoid(ramp_up, flat_top, ramp_down, dwell, int(samples), int(navigators), echo_spacing)


def _read_parameters(root: Element) -> dict[str, str]:
    """Read all userParameters as text; one that is repeated becomes a list with commas."""
    found: dict[str, list[str]] = {}
    for group in children(root, "userParameters"):
        for part in group:
            if name := words(part, "name"):
                found.setdefault(name, []).append(words(part, "value"))
    return {name: values[0] if len(set(values)) == 1 else ",".join(values) for name, values in found.items()}


def _read_physics(root: Element, notes: list[str]) -> dict[str, str]:
    """Put what MRD has elements for into BIDS's words, so that one rule of precedence holds for all."""
    physics: dict[str, str] = {}
    if repetition := _read_milliseconds(root, "TR", notes):
        physics["RepetitionTimePreparation"] = str(repetition[0])
    if echo := _read_milliseconds(root, "TE", notes):
        physics["EchoTime"] = str(echo[0])
    angle = _number(words(root, "sequenceParameters", "flipAngle_deg"))
    if angle is not None and 0 < angle <= 360:
        physics["FlipAngle"] = str(angle)
    resonance = _number(words(root, "experimentalConditions", "H1resonanceFrequency_Hz")) or 0.0
    if strength := words(root, "acquisitionSystemInformation", "systemFieldStrength_T"):
        physics["MagneticFieldStrength"] = strength
    elif 0 < resonance < 1e10:
        physics["MagneticFieldStrength"] = str(resonance / _PROTON_HZ_PER_T)
        notes.append("The header has no field strength; it is taken from the proton's resonance frequency.")
    return physics


def _read_milliseconds(root: Element, name: str, notes: list[str]) -> tuple[float, ...]:
    """Read the times of that name in sequenceParameters, s; those that are 0 are as good as absent."""
    times = []
    for part in children(descend(root, "sequenceParameters"), name):
        number = _number(words(part))
        if number is None or not 0 <= number < 1e6:
            notes.append(f"{name} in sequenceParameters is no time in ms; it is left out.")
        elif number > 0:
            times.append(round(number * 1e-3, 12))  # 4.1 ms shall be 0.0041 s, not 0.0040999999999999995
    return tuple(times)


def _read_coils(system: Element | None, notes: list[str]) -> int:
    number = _number(words(system, "receiverChannels"))
    if number is not None and 1 <= number <= MOST_COILS and number == int(number):
        return int(number)
    notes.append(f"receiverChannels is missing or not from 1 to {MOST_COILS}: the first line tells the coils.")
    return 0


def _read_coil_names(system: Element | None) -> tuple[str, ...]:
    """Read the coils' names in channel order.

    That is the order of the labels, as Gadgetron takes it too: ``coilNumber`` is the scanner's connector, 1 to 54 for
    32 channels in real headers. Only if the numbers are exactly 0 to n-1 do they give the order.
    """
    labels = list(children(system, "coilLabel"))
    numbers = [words(label, "coilNumber") for label in labels]
    if sorted(numbers) == sorted(str(n) for n in range(len(labels))):
        labels.sort(key=lambda label: int(words(label, "coilNumber")))
    return tuple(words(label, "coilName") for label in labels)


def _read_noise_bandwidth(system: Element | None, notes: list[str]) -> float | None:
    said = words(system, "relativeReceiverNoiseBandwidth")
    number = _number(said)
    if number is not None and 0 < number <= 1:
        return number
    if said:
        notes.append("relativeReceiverNoiseBandwidth is not above 0 and up to 1; it is taken as unknown.")
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
