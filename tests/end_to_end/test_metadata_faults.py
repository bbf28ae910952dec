"""Headers that say something wrong, as bytes: the map is relative, a sentence tells what would be right, all go on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import NamedTuple
from xml.etree.ElementTree import SubElement, fromstring, tostring

import numpy as np
import pytest
from pure_brain import GRAY, pure_brain
from through_session import maps, reconstruct, texts

from aslive.sim.protocol import Protocol
from aslive.sim.scanner import Scanner
from aslive.streaming.messages import ConfigFile, Header, Message
from aslive.streaming.scan import LabelingType
from aslive.streaming.wire import encode

SETTINGS: dict[str, object] = {"reply.maps": "cbf,cbf_stderr,att,deltam", "physiology.t1_tissue": 1.33}
SINGLE = Protocol(matrix=(12, 12, 4), coils=2, pairs=4, three_dimensional=True)
PULSED = replace(SINGLE, labeling_type=LabelingType.PASL)
SEVERAL = replace(SINGLE, post_labeling_delay=(0.25, 0.75, 1.5, 2.5), repetition_time=5.5)
INVERSION = tuple(1.8 + delay for delay in SEVERAL.post_labeling_delay)
"""The times from the beginning of labeling on, s."""
_NAMESPACE = "{http://www.ismrm.org/ISMRMRD}"


class Fault(NamedTuple):
    """What is changed in the header of a scan, a sentence that helps, and whether transit times can still be told."""

    protocol: Protocol
    changes: Mapping[str, object]
    sentence: str
    transit_times: bool = False


def listed(values: Iterable[float], ahead: str = "0") -> str:
    """Write one value for each volume: that of the m0scan, then each twice."""
    return ",".join([ahead, *(f"{value:g}" for value in values for _ in range(2))])


NO_M0 = {"aslcontext": "n/a" + ",control,label" * 4, "M0Type": "Absent", "BackgroundSuppression": "true"}
NO_BOLUS = {"BolusCutOffFlag": None, "BolusCutOffDelayTime": None}
FAULTS = {
    "TI as delay": Fault(SINGLE, {"PostLabelingDelay": 3.6}, "counts from the END of labeling"),
    "TI as delays": Fault(SEVERAL, {"PostLabelingDelay": listed(INVERSION[::-1])}, "it should be 2.5 s"),
    "TI and no delay": Fault(SINGLE, {"PostLabelingDelay": None, "TI": 3600}, "unless the config says"),
    "delay in ms": Fault(SINGLE, {"PostLabelingDelay": 1800}, "is 1800, which looks like ms; expected s"),
    "delay behind the bolus of PASL": Fault(PULSED, {"PostLabelingDelay": 0.7}, "the bolus ends after the readout"),
    "no M0": Fault(SINGLE, NO_M0, "An m0scan in this measurement, or M0Estimate, gives absolute flow"),
    "no M0, several delays": Fault(SEVERAL, NO_M0, "only transit times (att) and the difference (deltam)", True),
    "no bolus cut-off": Fault(PULSED, NO_BOLUS, "without them the bolus of PASL is unknown"),
    "bolus not cut off": Fault(PULSED, {"BolusCutOffFlag": "false"}, "without them the bolus of PASL is unknown"),
    "labeling of 0 s": Fault(SINGLE, {"LabelingDuration": 0}, "so that no blood would be labeled"),
    "labeling of 0 s, several delays": Fault(SEVERAL, {"LabelingDuration": 0}, "so that no blood would be labeled"),
    "unknown labeling": Fault(SINGLE, {"ArterialSpinLabelingType": "VSASL"}, "expected one of CASL, PCASL, PASL"),
    "unknown labeling, several delays": Fault(
        SEVERAL, {"ArterialSpinLabelingType": "VSASL"}, "expected one of CASL, PCASL, PASL"
    ),
    "context too short": Fault(
        SEVERAL, {"aslcontext": "m0scan" + ",control,label" * 3}, "has 9 values for 7 volumes of aslcontext"
    ),
    "context too long": Fault(
        SEVERAL, {"aslcontext": "m0scan" + ",control,label" * 5}, "has 9 values for 11 volumes of aslcontext"
    ),
    "too few delays": Fault(
        SEVERAL, {"PostLabelingDelay": "0,0.25,0.25,0.75,0.75"}, "expected 1 or 9 (0 for an m0scan)"
    ),
    "delays without a context": Fault(
        replace(SEVERAL, m0scan=False), {"aslcontext": None, "PostLabelingDelay": "0.25,0.75"}, "expected 1, 8 (one for"
    ),
}


@cache
def scan(protocol: Protocol) -> tuple[Message, ...]:
    return tuple(Scanner(protocol, snr=None, anatomy=pure_brain(protocol.grid)).messages())


def stating(protocol: Protocol, changes: Mapping[str, object]) -> Iterator[Message]:
    """Play a scan whose header says something else; ``None`` leaves a key out."""
    for message in scan(protocol):
        yield Header(restated(message.text, changes)) if isinstance(message, Header) else message


def restated(header: str, changes: Mapping[str, object]) -> str:
    """Change ``userParameters`` by name, and ``TR`` and ``TI`` (ms) of ``sequenceParameters``."""
    root = fromstring(header)  # noqa: S314 (our own)
    for name, value in changes.items():
        sequence = name in ("TR", "TI")
        parent = root.find(f"{_NAMESPACE}{'sequenceParameters' if sequence else 'userParameters'}")
        assert parent is not None
        for entry in list(parent):
            if name == (entry.tag.removeprefix(_NAMESPACE) if sequence else entry[0].text):
                parent.remove(entry)
        if value is None:
            continue
        if sequence:
            SubElement(parent, f"{_NAMESPACE}{name}").text = f"{value}"
        else:
            entry = SubElement(parent, f"{_NAMESPACE}userParameterString")
            SubElement(entry, f"{_NAMESPACE}name").text = name
            SubElement(entry, f"{_NAMESPACE}value").text = f"{value}"
    return tostring(root, encoding="unicode")


@pytest.mark.parametrize(("protocol", "cbf"), [(SINGLE, 45.8), (PULSED, 54.6), (SEVERAL, 60)])
def test_the_same_scan_with_a_right_header_is_absolute(protocol, cbf):
    replies = reconstruct(stating(protocol, {}), SETTINGS)
    gray = pure_brain(protocol.grid).segmentation == GRAY
    np.testing.assert_allclose(maps(replies, "cbf")[-1][gray], cbf, rtol=0.005)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_header_makes_the_map_relative_and_says_what_helps(fault):
    replies = reconstruct(stating(fault.protocol, fault.changes), SETTINGS)
    assert not maps(replies, "cbf")
    assert not maps(replies, "cbf_stderr")
    gray = pure_brain(fault.protocol.grid).segmentation == GRAY
    assert np.all(maps(replies, "deltam")[-1][gray] > 0)
    assert fault.sentence in texts(replies)
    assert "No absolute CBF" in texts(replies)
    assert bool(maps(replies, "att")) == fault.transit_times
    if fault.transit_times:
        np.testing.assert_allclose(maps(replies, "att")[-1][gray], 0.8, atol=0.05)


@pytest.mark.parametrize("changes", [{"TR": 0}, {"TR": None}, {"TR": 0, "RepetitionTimePreparation": 0}])
def test_an_unknown_repetition_time_is_said_and_m0_taken_as_it_is(changes):
    replies = reconstruct(stating(SINGLE, {"M0RepetitionTime": 0, **changes}), SETTINGS)
    gray = pure_brain(SINGLE.grid).segmentation == GRAY
    np.testing.assert_allclose(maps(replies, "cbf")[-1][gray], 45.8, rtol=0.005)
    assert "no usable TR" in texts(replies)
    assert "M0 is taken as fully recovered; with a TR of 2 s CBF would read 40 % high" in texts(replies)


def test_delays_that_are_as_long_as_inversion_times_are_doubted_aloud():
    changes = {"PostLabelingDelay": listed(INVERSION), "TR": 8000}
    said = texts(reconstruct(stating(SEVERAL, changes), SETTINGS))
    assert "It may have to be 0.25, 0.75, 1.5, 2.5 s" in said


def test_after_every_fault_the_next_scan_is_served(server):
    for fault in FAULTS.values():
        assert server.talk(
            b"".join(map(encode, (ConfigFile("default"), *stating(fault.protocol, fault.changes))))
        ).closed
    right = server.talk(b"".join(map(encode, (ConfigFile("default"), *scan(SEVERAL)))))
    assert len(right.maps("cbf")) == SEVERAL.pairs
