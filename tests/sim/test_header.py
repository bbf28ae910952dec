import ismrmrd.xsd
import numpy as np
import pytest

from aslive.sim.choices import NoiseScan, Order, ReadoutType, ReferenceType
from aslive.sim.epi import EchoPlanar
from aslive.sim.header import NOISE_MEASUREMENT, header_text, noise_header_text
from aslive.sim.protocol import Protocol
from aslive.sim.sequence import excitation_times
from aslive.sim.time_encoding import TimeEncoded
from aslive.streaming.header import read_header
from aslive.streaming.scan import LabelingType
from aslive.streaming.time_encoding import MatrixType

PROTOCOLS = {
    "2-D": Protocol(pairs=2),
    "odd, interleaved": Protocol(matrix=(33, 31, 7), pairs=1, slice_order=Order.INTERLEAVED, m0scan=False),
    "3-D": Protocol(three_dimensional=True, partitions=28, partial_fourier_slice=0.75, partial_fourier=0.75),
    "delays": Protocol(pairs=3, post_labeling_delay=(0.5, 1.0, 1.5), labeling_duration=1.4, label_first=True),
    "PASL": Protocol(labeling_type=LabelingType.PASL),
    "EPI": Protocol(readout=ReadoutType.EPI, matrix=(32, 30, 4), segments=2, acceleration=(2, 1)),
    "GRASE": Protocol(readout=ReadoutType.GRASE, matrix=(32, 32, 8), segments=2, acceleration=(2, 1)),
    "spiral": Protocol(readout=ReadoutType.SPIRAL, matrix=(32, 32, 4)),
    "stack of spirals": Protocol(readout=ReadoutType.SPIRAL, matrix=(32, 32, 8), three_dimensional=True),
    "look-locker": Protocol(
        matrix=(16, 16, 4), post_labeling_delay=(0.3, 0.8, 1.3), look_locker=True, flip_angle=30.0, pairs=2
    ),
    "durations": Protocol(pairs=4, post_labeling_delay=(0.5, 1.0), labeling_duration=(1.0, 2.0), delay_order=(1, 0, 0)),
    "inversion times": Protocol(labeling_type=LabelingType.PASL, post_labeling_delay=(0.6, 1.2, 1.8), pairs=3),
    "crushed": Protocol(vascular_crushing=True),
    "suppressed": Protocol(background_suppression=0.1, averages=2, m0_repetition_time=4.0),
}
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


@every_protocol
def test_the_ismrmrd_package_reads_the_header(protocol):
    header = ismrmrd.xsd.CreateFromDocument(header_text(protocol))
    encoding = header.encoding[0]
    slices = protocol.matrix[2] if protocol.three_dimensional else 1
    limits = encoding.encodingLimits
    assert header.acquisitionSystemInformation is not None
    assert header.sequenceParameters is not None
    assert limits.kspace_encoding_step_1 is not None
    assert limits.repetition is not None
    assert header.version == 2
    assert header.acquisitionSystemInformation.receiverChannels == protocol.coils
    assert header.sequenceParameters.TR == [pytest.approx(protocol.repetition_time * 1e3)]
    space = encoding.reconSpace
    assert (space.matrixSize.x, space.matrixSize.y, space.matrixSize.z) == (*protocol.matrix[:2], slices)
    assert space.fieldOfView_mm.z / space.matrixSize.z == pytest.approx(protocol.grid.voxel[2] * 1e3)
    oversampling = 2 if protocol.readout == ReadoutType.CARTESIAN else 1
    assert encoding.encodedSpace.fieldOfView_mm.x == pytest.approx(oversampling * space.fieldOfView_mm.x)
    lines = protocol.spiral.interleaves if protocol.readout == ReadoutType.SPIRAL else protocol.line_count
    assert limits.kspace_encoding_step_1.maximum == lines - 1
    assert limits.repetition.maximum == len(protocol.context) - 1


@every_protocol
def test_the_door_understands_all_that_the_protocol_says(protocol):
    scan = read_header(header_text(protocol))
    labeling = scan.labeling
    assert scan.notes == ()
    assert labeling.context == protocol.context
    assert labeling.arterial_spin_labeling_type is protocol.labeling_type
    assert labeling.labeling_efficiency == pytest.approx(protocol.efficiency)
    assert labeling.background_suppression is (protocol.background_suppression < 1)
    assert scan.three_dimensional is protocol.three_dimensional
    assert scan.repetition_time == pytest.approx(protocol.repetition_time)
    assert scan.echo_time == pytest.approx(protocol.echo_time)
    volumes = range(len(protocol.context))
    first = int(protocol.m0scan)
    boluses = [volume.bolus for volume in protocol.volumes[first:]]
    assert [labeling.bolus(n) for n in volumes[first:]] == boluses
    assert labeling.boluses == tuple(sorted(set(boluses)))
    assert bool(labeling.look_locker) is protocol.look_locker
    assert bool(labeling.vascular_crushing) is protocol.vascular_crushing
    assert labeling.flip_angle in (None, protocol.flip_angle)
    if protocol.m0scan:
        assert labeling.m0_repetition_time == pytest.approx(protocol.m0_repetition_time)
    if not protocol.three_dimensional:
        assert labeling.slice_timing == pytest.approx(excitation_times(protocol))
    if protocol.labeling_type is LabelingType.PASL:
        assert labeling.bolus_cut_off_delay_time == (protocol.bolus_cut_off_delay_time,)


@pytest.mark.parametrize("readout", [ReadoutType.EPI, ReadoutType.GRASE])
def test_the_door_reads_the_trapezoid_of_an_echo_train(readout):
    train = EchoPlanar(ramp=150e-6, flat_top=400e-6, dwell=4.2e-6, samples=152)
    protocol = Protocol(readout=readout, matrix=(32, 32, 4), echo_spacing=0.7e-3, echo_planar=train, segments=4)
    encoding = read_header(header_text(protocol)).encodings[0]
    trapezoid = encoding.trapezoid
    assert trapezoid is not None
    assert encoding.trajectory == "epi"
    assert (trapezoid.ramp_up, trapezoid.flat_top, trapezoid.ramp_down) == (150e-6, 400e-6, 150e-6)
    assert (trapezoid.dwell, trapezoid.samples, trapezoid.navigators) == (4.2e-6, 152, 3)
    assert trapezoid.echo_spacing == 0.7e-3
    assert encoding.encoded_matrix[:2] == (32, 32)


@pytest.mark.parametrize("three_dimensional", [False, True])
def test_a_flash_reference_has_an_encoding_of_its_own(three_dimensional):
    protocol = Protocol(
        readout=ReadoutType.EPI,
        matrix=(32, 40, 6),
        three_dimensional=three_dimensional,
        acceleration=(2, 1),
        reference=ReferenceType.FLASH,
        reference_lines=16,
        reference_partitions=4,
    )
    scan = read_header(header_text(protocol))
    assert scan.notes == ()
    image, flash = scan.encodings
    assert image.acceleration == (2, 1)
    assert flash.acceleration == (1, 1)
    assert flash.trapezoid is None
    assert flash.encoded_matrix == (64, 16, 4 if three_dimensional else 1)
    assert flash.encoded_field_of_view[1:] == pytest.approx(image.encoded_field_of_view[1:])
    assert flash.limits["kspace_encode_step_1"].center == 8
    assert "<calibrationMode>other</calibrationMode>" in scan.text


def test_the_header_names_an_earlier_noise_scan():
    protocol = Protocol(noise_scan=NoiseScan.EARLIER)
    scan, noise = read_header(header_text(protocol)), read_header(noise_header_text(protocol))
    assert scan.dependencies == {"Noise": NOISE_MEASUREMENT}
    assert noise.measurement_id == NOISE_MEASUREMENT
    assert not noise.labeling.stated
    assert noise.dependencies == {}


ENCODINGS = [
    TimeEncoded(kind=kind, size=size, label_sign=sign, durations=durations)
    for kind, size in ((MatrixType.WALSH, 4), *((MatrixType.HADAMARD, size) for size in (4, 8, 12)))
    for sign in (-1, 1)
    for durations in ((), (0.2,), tuple(0.1 + 0.05 * row for row in range(size - 1)))
]


@pytest.mark.parametrize("encoding", [*ENCODINGS, TimeEncoded(own_matrix=((1, -1, 1), (1, 1, -1)))])
def test_the_door_labels_the_sub_boluses_that_were_played(encoding):
    protocol = Protocol(
        matrix=(16, 16, 4), pairs=2, time_encoding=encoding, post_labeling_delay=(0.3,), labeling_duration=2.1
    )
    scan = read_header(header_text(protocol))
    assert scan.notes == ()
    assert scan.labeling.context == protocol.context
    found = scan.labeling.time_encoding
    assert found is not None
    for image in range(encoding.images):
        assert tuple(n for n, row in enumerate(found.matrix) if row[image]) == encoding.labeled(image)
    np.testing.assert_allclose(found.boluses, protocol.boluses, atol=1e-8)
