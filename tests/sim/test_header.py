import ismrmrd.xsd
import pytest

from aslive.sim.header import header_text
from aslive.sim.protocol import Order, Protocol
from aslive.sim.sequence import excitation_times
from aslive.streaming.header import read_header
from aslive.streaming.scan import LabelingType

PROTOCOLS = {
    "2-D": Protocol(pairs=2),
    "odd, interleaved": Protocol(matrix=(33, 31, 7), pairs=1, slice_order=Order.INTERLEAVED, m0scan=False),
    "3-D": Protocol(three_dimensional=True, partitions=28, partial_fourier_slice=0.75, partial_fourier=0.75),
    "delays": Protocol(pairs=3, post_labeling_delay=(0.5, 1.0, 1.5), labeling_duration=1.4, label_first=True),
    "PASL": Protocol(labeling_type=LabelingType.PASL),
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
    assert encoding.encodedSpace.fieldOfView_mm.x == pytest.approx(2 * space.fieldOfView_mm.x)
    assert limits.kspace_encoding_step_1.maximum == protocol.line_count - 1
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
    assert [labeling.delay(n) for n in volumes[first:]] == [protocol.delay(n) for n in volumes[first:]]
    if protocol.m0scan:
        assert labeling.m0_repetition_time == pytest.approx(protocol.m0_repetition_time)
    if not protocol.three_dimensional:
        assert labeling.slice_timing == pytest.approx(excitation_times(protocol))
    if protocol.labeling_type is LabelingType.PASL:
        assert labeling.bolus_cut_off_delay_time == (protocol.bolus_cut_off_delay_time,)
