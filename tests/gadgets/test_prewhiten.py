import numpy as np
import pytest

from aslive.gadgets.prewhiten import Prewhiten
from aslive.streaming.flow import Kind, Level, Notice, Readout


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
