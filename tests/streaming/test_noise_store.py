import os

import numpy as np
import pytest

from aslive.streaming.noise_store import SUFFIX, NoiseStore
from aslive.streaming.scan import Noise


def noise(coils=3, names=("A", "B", "C"), scale=1.0):
    return Noise(scale * (np.eye(coils) + 0.1j * np.ones((coils, coils))), 4096, 5e-6, names)


@pytest.fixture
def store(tmp_path):
    return NoiseStore(tmp_path / "noise")


def same(one, other):
    np.testing.assert_array_equal(one.covariance, other.covariance)
    return (one.samples, one.dwell, one.coil_names) == (other.samples, other.dwell, other.coil_names)


@pytest.mark.parametrize("measurement", ["45098_1_2_3", "../../etc/passwd", "a/b\\c\0", "é" * 5000, " "])
def test_noise_comes_back_under_any_id_and_from_another_process_s_store(store, measurement):
    store.keep(measurement, noise())
    found = NoiseStore(store.folder).find(measurement)
    assert found is not None and same(found, noise())
    assert [path.parent for path in store.folder.rglob("*")] == [store.folder]


def test_noise_without_names_comes_back(store):
    store.keep("1", noise(names=()))
    assert store.find("1").coil_names == ()


def test_what_was_never_kept_is_not_found(store):
    assert store.find("1") is None


def test_the_same_measurement_again_takes_the_place_of_the_first(store):
    store.keep("1", noise())
    store.keep("1", noise(scale=2))
    assert same(store.find("1"), noise(scale=2))
    assert len(list(store.folder.iterdir())) == 1


def test_only_the_latest_are_kept(store):
    small = NoiseStore(store.folder, most=3)
    for n in range(5):
        small.keep(str(n), noise())
        for age, path in enumerate(sorted(store.folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(path, (1e9 + 10 * n + age, 1e9 + 10 * n + age))
    assert [small.find(str(n)) is not None for n in range(5)] == [False, False, True, True, True]


def broken_files():
    yield "empty", lambda path: path.write_bytes(b"")
    yield "cut", lambda path: path.write_bytes(path.read_bytes()[:-30])
    yield "no archive", lambda path: path.write_bytes(b"\x93NUMPY" + bytes(200))
    yield "pickle", lambda path: _save(path, covariance=np.array([None], object))
    yield "another shape", lambda path: _save(path, covariance=np.ones((2, 3)))
    yield "not finite", lambda path: _save(path, covariance=np.full((2, 2), np.nan))
    yield "too large", lambda path: _save(path, more=np.zeros(3 << 20))
    yield "lacks an array", lambda path: _save(path, leave="dwell")


def _save(path, leave="", **arrays):
    known = {"covariance": np.eye(2), "samples": 10, "dwell": 0.0, "coil_names": np.array([], str)} | arrays
    with path.open("wb") as file:
        np.savez_compressed(file, **{name: array for name, array in known.items() if name != leave})


@pytest.mark.parametrize("breaks", [pytest.param(do, id=name) for name, do in broken_files()])
def test_a_broken_file_is_as_good_as_none_and_logged(store, breaks, caplog):
    store.keep("1", noise())
    (path,) = store.folder.glob("*" + SUFFIX)
    breaks(path)
    assert store.find("1") is None
    assert "cannot be read" in caplog.text
    store.keep("1", noise())
    assert same(store.find("1"), noise())


def test_a_folder_that_cannot_be_made_is_an_alarm_in_the_log_and_no_end(tmp_path, caplog):
    (tmp_path / "file").touch()
    NoiseStore(tmp_path / "file" / "noise").keep("1", noise())
    assert "alarm" in caplog.text


def test_a_folder_of_journals_that_has_gone_is_not_made_again(tmp_path, caplog):
    NoiseStore(tmp_path / "gone" / "noise").keep("1", noise())
    assert not (tmp_path / "gone").exists()
    assert "alarm" in caplog.text


def test_no_flipped_bit_and_no_cut_raises(store):
    store.keep("1", noise())
    (path,) = store.folder.glob("*" + SUFFIX)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        store.find("1")
    for end in range(0, len(whole), 16):
        path.write_bytes(whole[:end])
        assert store.find("1") is None
