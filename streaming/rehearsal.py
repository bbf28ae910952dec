"""The dress rehearsal: a tiny scan through the whole chain, so that the first patient's is as fast as the tenth.

It imports every gadget, loads or compiles their kernels, and makes their first plans.
"""

from collections.abc import Iterator

import numpy as np

from .layouts import ACQUISITION_HEADER
from .messages import Acquisition, Close, Header, Message
from .registry import Registry
from .session import Session

_SIZE = 8
_COILS = 2
_VOLUMES = ("m0scan", "control", "label", "control", "label")
_HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions><H1resonanceFrequency_Hz>123200000
</H1resonanceFrequency_Hz></experimentalConditions><acquisitionSystemInformation><systemFieldStrength_T>3
</systemFieldStrength_T></acquisitionSystemInformation><encoding>{spaces}<encodingLimits>
<kspace_encoding_step_1><minimum>0</minimum><maximum>7</maximum><center>4</center></kspace_encoding_step_1>
<kspace_encoding_step_2><minimum>0</minimum><maximum>{partitions}</maximum><center>{center}</center>
</kspace_encoding_step_2></encodingLimits><trajectory>cartesian</trajectory></encoding><userParameters>{words}
</userParameters></ismrmrdHeader>"""
_SPACE = """<{name}><matrixSize><x>{x}</x><y>8</y><z>{z}</z></matrixSize><fieldOfView_mm><x>{width}</x><y>200</y>
<z>200</z></fieldOfView_mm></{name}>"""
_WORD = "<userParameterString><name>{}</name><value>{}</value></userParameterString>"


def rehearse() -> None:
    """Run the tiny scan, in 2-D and in 3-D; what it gives is thrown away."""
    registry = Registry()
    for partitions in (1, _SIZE):
        session = Session(registry)
        for message in _scan(partitions):
            for _ in session.receive(message):
                pass


def _scan(partitions: int) -> Iterator[Message]:
    spaces = _SPACE.format(name="encodedSpace", x=2 * _SIZE, z=partitions, width=400) + _SPACE.format(
        name="reconSpace", x=_SIZE, z=partitions, width=200
    )
    words = {
        "aslcontext": ",".join(_VOLUMES),
        "ArterialSpinLabelingType": "PCASL",
        "LabelingDuration": "1.8",
        "PostLabelingDelay": "1.8",
        "MRAcquisitionType": "3D" if partitions > 1 else "2D",
    }
    text = "".join(_WORD.format(*word) for word in words.items())
    yield Header(_HEADER.format(spaces=spaces, partitions=partitions - 1, center=partitions // 2, words=text))
    random = np.random.default_rng(0)
    for volume in range(-1, len(_VOLUMES)):  # the one before the first is the noise scan
        for partition in range(partitions):
            for line in range(_SIZE):
                yield _line(random, volume, partition, line)
    yield Close()


def _line(random: np.random.Generator, volume: int, partition: int, line: int) -> Acquisition:
    header = np.zeros((), ACQUISITION_HEADER)
    header["version"] = 1
    header["flags"] = 1 << 18 if volume < 0 else 0
    header["number_of_samples"] = 2 * _SIZE
    header["center_sample"] = _SIZE
    header["active_channels"] = header["available_channels"] = _COILS
    header["sample_time_us"] = 5.0
    header["idx"]["repetition"] = max(volume, 0)
    header["idx"]["kspace_encode_step_1"] = line
    header["idx"]["kspace_encode_step_2"] = partition
    for axis, name in enumerate(("read_dir", "phase_dir", "slice_dir")):
        header[name][axis] = 1
    data = random.standard_normal((_COILS, 2 * _SIZE, 2), np.float32).view(np.complex64)[..., 0]
    return Acquisition(header.tobytes(), np.empty((0, 0), np.float32), data * (1 if volume < 0 else 10))
