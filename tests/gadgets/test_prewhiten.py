import numpy as np
import pytest

from aslive.gadgets.prewhiten import MissingNoise, Prewhiten
from aslive.streaming.errors import DataError
from aslive.streaming.flow import KSpace, Place, Reference
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry, Kind, Readout
from aslive.streaming.scan import Noise, Scan


def correlated(coils, samples, seed, scale=1.0):
    mixing = np.random.default_rng(99)
    matrix = mixing.standard_normal((coils, coils)) + 1j * mixing.standard_normal((coils, coils))
    rng = np.random.default_rng(seed)
    return scale * matrix @ (rng.standard_normal((coils, samples)) + 1j * rng.standard_normal((coils, samples)))


def split(out):
    return [m for m in out if isinstance(m, Readout)], [m for m in out if isinstance(m, Notice)]


def test_noise_of_another_dwell_becomes_unit_variance_in_each_part(run, make_readout, make_scan):
    # white receiver noise: its variance goes with the bandwidth, 1 / dwell
    noise = [make_readout(correlated(8, 4000, i), kind=Kind.NOISE, dwell=5e-6) for i in range(4)]
    data = make_readout(correlated(8, 8000, 50, scale=np.sqrt(5.0 / 2.5)), dwell=2.5e-6)
    (line,), notices = split(run([Prewhiten(noise_bandwidth=1.0)], [*noise, data], make_scan()))
    covariance = line.data @ line.data.conj().T / 8000
    np.testing.assert_allclose(covariance, 2 * np.eye(8), atol=0.1)
    assert line.data.real.std() == pytest.approx(1, abs=0.02)
    assert notices[0].level is Level.INFO


@pytest.mark.parametrize(("parameter", "header", "used"), [(None, None, 0.793), (None, 0.9, 0.9), (0.5, 0.9, 0.5)])
def test_the_bandwidth_comes_from_parameter_header_or_default(run, make_readout, make_scan, parameter, header, used):
    noise = make_readout(correlated(2, 20_000, 0), kind=Kind.NOISE)
    data = make_readout(correlated(2, 20_000, 1))
    scan = make_scan(relative_noise_bandwidth=header)
    (line,), _ = split(run([Prewhiten(noise_bandwidth=parameter)], [noise, data], scan))
    assert line.data.real.var() == pytest.approx(used, rel=0.05)


def test_the_scale_is_one_for_the_whole_run(run, make_readout, make_scan):
    noise = make_readout(correlated(2, 500, 0), kind=Kind.NOISE, dwell=5e-6)
    data = correlated(2, 16, 1)
    messages = [noise, make_readout(data, dwell=2e-6), noise, make_readout(data, dwell=4e-6)]
    (first, second), _ = split(run([Prewhiten()], messages, make_scan()))
    np.testing.assert_array_equal(first.data, second.data)


def test_without_noise_lines_pass_and_that_is_said_once(run, make_readout, make_scan):
    line = make_readout(np.ones((2, 8)))
    lines, notices = split(run([Prewhiten()], [line, line], make_scan()))
    assert lines == [line, line]
    assert [notice.level for notice in notices] == [Level.INFO]


@pytest.mark.parametrize(("samples", "word"), [(12, "steadied"), (3, "Far too little")])
def test_too_little_noise_is_said_aloud(run, make_readout, make_scan, samples, word):
    noise = make_readout(correlated(4, samples, 0), kind=Kind.NOISE)
    _, notices = split(run([Prewhiten()], [noise, make_readout(np.ones((4, 8)))], make_scan()))
    assert any(word in notice.text and notice.level is Level.WARNING for notice in notices)


def test_another_number_of_coils_is_not_whitened(run, make_readout, make_scan):
    noise = make_readout(correlated(4, 500, 0), kind=Kind.NOISE)
    line = make_readout(np.ones((3, 8)))
    lines, notices = split(run([Prewhiten()], [noise, line], make_scan()))
    assert lines == [line]
    assert "4 coils" in notices[0].text


def test_a_noise_readout_with_nan_does_not_spoil_the_rest(run, make_readout, make_scan):
    broken = correlated(4, 100, 5)
    broken[1, 3] = np.nan
    messages = [make_readout(n, kind=Kind.NOISE) for n in (correlated(4, 500, 0), broken)]
    lines, _ = split(run([Prewhiten()], [*messages, make_readout(np.ones((4, 8)))], make_scan()))
    assert np.isfinite(lines[0].data).all()


def place(dwell=2e-6):
    return Place(0, Counters(), 0.0, Geometry(), dwell=dwell)


def plane(data, dwell=2e-6, **more):
    return KSpace(np.asarray(data, np.complex64)[:, None], place(dwell), 0, True, 1.5, **more)


def covariance_of(data):
    flat = data.reshape(len(data), -1)
    return flat @ flat.conj().T / flat.shape[1]


def earlier(coils=4, names=("A", "B", "C", "D"), dwell=5e-6):
    data = correlated(coils, 20_000, 7)
    return Noise(covariance_of(data), 20_000, dwell, names)


def needing(noise=None, **more):
    return Scan(dependencies={"NOISE": "45098_17"}, noise=noise, **more)


def only(out, kind):
    return [m for m in out if isinstance(m, kind)]


def test_planes_keep_all_that_is_not_data(run, make_readout, make_scan):
    trajectory = np.zeros((16, 16, 2), np.float32)
    given = plane(correlated(2, 256, 1).reshape(2, 16, 16), trajectory=trajectory)
    noise = make_readout(correlated(2, 500, 0), kind=Kind.NOISE, dwell=5e-6)
    (made,) = only(run([Prewhiten()], [noise, given], make_scan()), KSpace)
    assert (made.place, made.index, made.last, made.time) == (given.place, 0, True, 1.5)
    assert made.trajectory is trajectory


def test_a_reference_of_another_dwell_is_white_too_and_does_not_set_the_scale_of_the_images(run, make_readout):
    # white receiver noise: its variance goes with 1 / dwell
    noise = make_readout(correlated(4, 20_000, 0), kind=Kind.NOISE, dwell=5e-6)
    block = correlated(4, 4096, 1).reshape(4, 1, 64, 64).astype(np.complex64)
    reference = Reference(block, place(5e-6), 0, (0, 32))
    image = plane(correlated(4, 4096, 2, np.sqrt(5 / 2)).reshape(4, 64, 64), 2e-6)
    out = run([Prewhiten(noise_bandwidth=1.0)], [noise, reference, image], Scan())
    for made in [*only(out, Reference), *only(out, KSpace)]:
        np.testing.assert_allclose(covariance_of(made.data), 2 * np.eye(4), atol=0.15)
    assert only(out, Reference)[0].center == (0, 32)


def test_what_the_noise_readouts_told_goes_out_ahead_of_the_first_line(run, make_readout):
    data = correlated(3, 500, 0)
    out = run(
        [Prewhiten()],
        [make_readout(data, kind=Kind.NOISE, dwell=5e-6), make_readout(data)],
        Scan(coil_names=("A", "B", "C")),
    )
    told = out[0]
    assert isinstance(told, Noise)
    np.testing.assert_allclose(told.covariance, covariance_of(data) * 500 / 499, rtol=1e-5)
    assert (told.samples, told.dwell, told.coil_names) == (500, 5e-6, ("A", "B", "C"))
    assert len(only(out, Noise)) == 1


@pytest.mark.parametrize(("measurement", "said"), [("45098_17", 0), ("", 1)])
def test_a_measurement_of_nothing_but_noise_gives_it_at_its_end(run, make_readout, measurement, said):
    noise = [make_readout(correlated(3, 500, n), kind=Kind.NOISE) for n in range(4)]
    out = run([Prewhiten()], noise, Scan(measurement_id=measurement))
    assert [told.samples for told in only(out, Noise)] == [2000]
    assert sum("measurementID" in notice.text for notice in only(out, Notice)) == said


def test_the_noise_of_an_earlier_measurement_is_as_good_as_its_own(run, make_readout):
    data = correlated(4, 8192, 3, np.sqrt(5 / 2))
    out = run([Prewhiten(noise_bandwidth=1.0)], [make_readout(data, dwell=2e-6)], needing(earlier()))
    np.testing.assert_allclose(covariance_of(only(out, Readout)[0].data), 2 * np.eye(4), atol=0.1)
    assert not only(out, Noise)
    assert "earlier measurement" in only(out, Notice)[0].text


def test_its_own_noise_goes_before_that_of_an_earlier_measurement(run, make_readout):
    noise = make_readout(10 * correlated(4, 20_000, 0), kind=Kind.NOISE)
    out = run([Prewhiten(noise_bandwidth=1.0)], [noise, make_readout(10 * correlated(4, 8192, 3))], needing(earlier()))
    np.testing.assert_allclose(covariance_of(only(out, Readout)[0].data), 2 * np.eye(4), atol=0.1)


@pytest.mark.parametrize("names", [("C", "A", "D", "B"), ("D", "A")])
def test_coils_are_matched_by_name_in_any_order_and_number(run, make_readout, names):
    data = correlated(4, 8192, 3)[["ABCD".index(name) for name in names]]
    out = run([Prewhiten(noise_bandwidth=1.0)], [make_readout(data, dwell=5e-6)], needing(earlier(), coil_names=names))
    np.testing.assert_allclose(covariance_of(only(out, Readout)[0].data), 2 * np.eye(len(names)), atol=0.1)


@pytest.mark.parametrize(
    ("names", "known", "word"),
    [(("A", "X"), ("A", "B", "C", "D"), "X are missing"), (("A", "B"), (), "2"), ((), ("A", "B", "C", "D"), "2")],
)
def test_coils_that_cannot_be_matched_are_not_whitened_and_that_is_said(run, make_readout, names, known, word):
    line = make_readout(np.ones((2, 8)))
    out = run([Prewhiten()], [line], needing(earlier(names=known), coil_names=names))
    assert only(out, Readout) == [line]
    assert word in only(out, Notice)[0].text


def test_noise_that_the_server_does_not_have_is_named(run, make_readout):
    line = make_readout(np.ones((2, 8)))
    out = run([Prewhiten()], [line], needing())
    assert only(out, Readout) == [line]
    (said,) = only(out, Notice)
    assert said.level is Level.WARNING
    assert "45098_17" in said.text


@pytest.mark.parametrize("scan", [needing(), Scan()])
def test_a_scan_without_noise_can_be_refused(run, make_readout, scan):
    with pytest.raises(DataError, match="refused"):
        run([Prewhiten(missing_noise=MissingNoise.REFUSE)], [make_readout(np.ones((2, 8)))], scan)


@pytest.mark.parametrize("gain", [0.0, 1e-6])
def test_a_silent_coil_spoils_nothing(run, make_readout, gain):
    noise, data = correlated(4, 20_000, 0), correlated(4, 8192, 1)
    noise[2] *= gain
    data[2] = 1e3
    out = run(
        [Prewhiten(noise_bandwidth=1.0)],
        [make_readout(noise, kind=Kind.NOISE), make_readout(data)],
        Scan(coil_names=("A", "B", "C", "D")),
    )
    (made,) = only(out, Readout)
    assert not made.data[2].any()
    np.testing.assert_allclose(covariance_of(made.data[[0, 1, 3]]), 2 * np.eye(3), atol=0.1)
    assert any("C" in notice.text and "Silent" in notice.text for notice in only(out, Notice))


@pytest.mark.parametrize(("dwell", "level"), [(5e-6, None), (0.5e-6, Level.INFO), (50e-6, Level.WARNING)])
def test_noise_of_a_wrong_dwell_is_noticed_in_the_first_plane(run, make_readout, dwell, level):
    noise = make_readout(correlated(4, 20_000, 0), kind=Kind.NOISE, dwell=5e-6)
    # both were really measured with one dwell; the data's is stated wrongly
    scale = 5e-6 / dwell
    image = plane(correlated(4, 4096, 2).reshape(4, 64, 64), 5e-6 * scale)
    out = run([Prewhiten(noise_bandwidth=1.0)], [noise, image], Scan())
    assert [n.level for n in only(out, Notice) if "foretell" in n.text or "readouts tell" in n.text] == (
        [] if level is None else [level]
    )
