"""Time-encoded labeling: which matrix and which boluses are meant, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import hadamard

from aslive.streaming.labeling import read_labeling
from aslive.streaming.scan import Bolus, Labeling, Role, Source
from aslive.streaming.statements import Statements

# as ExploreASL writes them: rows are sub-boluses, the first row of 1 left out; -1 is label
EXPLORE_ASL = {
    ("Walsh", 4): [[1, -1, 1, -1], [1, -1, -1, 1], [1, 1, -1, -1]],
    ("Hadamard", 4): [[1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]],
    ("Walsh", 8): [
        [1, -1, 1, -1, 1, -1, 1, -1],
        [1, -1, 1, -1, -1, 1, -1, 1],
        [1, -1, -1, 1, -1, 1, 1, -1],
        [1, -1, -1, 1, 1, -1, -1, 1],
        [1, 1, -1, -1, 1, 1, -1, -1],
        [1, 1, -1, -1, -1, -1, 1, 1],
        [1, 1, 1, 1, -1, -1, -1, -1],
    ],
    ("Hadamard", 8): [
        [1, -1, -1, 1, -1, 1, 1, -1],
        [1, 1, -1, -1, -1, -1, 1, 1],
        [1, -1, 1, -1, -1, 1, -1, 1],
        [1, 1, 1, 1, -1, -1, -1, -1],
        [1, -1, -1, 1, 1, -1, -1, 1],
        [1, 1, -1, -1, 1, 1, -1, -1],
        [1, -1, 1, -1, 1, -1, 1, -1],
    ],
}


def read(**header: object) -> tuple[Labeling, list[str]]:
    usual = {"ArterialSpinLabelingType": "PCASL", "PostLabelingDelay": 0.3, "LabelingDuration": 3.5}
    statements = Statements({key: value for key, value in (usual | header).items() if value is not None})
    return read_labeling(statements), statements.notes


def matrix_of(labeling: Labeling) -> np.ndarray:
    assert labeling.time_encoding is not None
    return np.array(labeling.time_encoding.matrix)


def complaints(notes: list[str]) -> list[str]:
    return [note for note in notes if note.startswith("The time encoding") or "TimeEncoded" in note]


@pytest.mark.parametrize(("kind", "size"), EXPLORE_ASL)
def test_the_named_matrices_are_those_of_explore_asl(kind, size):
    labeling, notes = read(TimeEncodedMatrixType=kind, TimeEncodedMatrixSize=size)
    np.testing.assert_array_equal(matrix_of(labeling), np.array(EXPLORE_ASL[kind, size]) == -1)
    assert not complaints(notes)
    assert labeling.sources["time_encoding"] is Source.HEADER


@pytest.mark.parametrize("size", [4, 8])
def test_where_1_is_label_the_order_is_the_natural_one_as_in_oxasl(size):
    labeling, _ = read(TimeEncodedMatrixType="hadamard", TimeEncodedMatrixSize=str(size), TimeEncodedLabelSign="1")
    np.testing.assert_array_equal(matrix_of(labeling), hadamard(size)[:, 1:].T == 1)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("kind", ["Hadamard", "Walsh"])
@pytest.mark.parametrize("size", [4, 8, 12])
def test_the_rows_are_orthogonal_and_balanced(kind, size, sign):
    labeling, _ = read(TimeEncodedMatrixType=kind, TimeEncodedMatrixSize=size, TimeEncodedLabelSign=sign)
    if (kind, size) == ("Walsh", 12):
        assert labeling.time_encoding is None
        return
    rows = np.vstack([np.ones(size), 1 - 2 * matrix_of(labeling)])
    np.testing.assert_array_equal(rows @ rows.T, size * np.eye(size))


@pytest.mark.parametrize(
    "own",
    [
        "1 -1 1 -1; 1 -1 -1 1; 1 1 -1 -1",
        "+-+-;+--+;++--",
        "1,-1,1,-1;+1,-1,-1,+1;1,1,-1,-1;",
        "[[1, -1, 1, -1], [1, -1, -1, 1], [1, 1, -1, -1]]",
        [[1, -1, 1, -1], [1.0, -1.0, -1.0, 1.0], [1, 1, -1, -1]],
        ["1 -1 1 -1", "+ - - +", "++--"],
        "1 1 1 1; 1 -1 1 -1; 1 -1 -1 1; 1 1 -1 -1",
    ],
)
def test_a_matrix_of_one_s_own_may_be_written_in_many_ways(own):
    labeling, notes = read(TimeEncodedMatrix=own)
    np.testing.assert_array_equal(matrix_of(labeling), np.array(EXPLORE_ASL["Walsh", 4]) == -1)
    assert not complaints(notes)


def test_a_matrix_of_one_s_own_is_believed_before_a_named_one():
    labeling, notes = read(TimeEncodedMatrix="+-;", TimeEncodedMatrixType="Hadamard", TimeEncodedMatrixSize=8)
    np.testing.assert_array_equal(matrix_of(labeling), [[0, 1]])
    assert any("TimeEncodedMatrixSize is 8" in note for note in notes)


@given(st.lists(st.floats(0.05, 2), min_size=3, max_size=3), st.floats(0, 2))
def test_each_sub_bolus_waits_for_all_later_ones(durations, delay):
    labeling, _ = read(
        TimeEncodedMatrixType="Walsh",
        TimeEncodedMatrixSize=4,
        TimeEncodedLabelingDuration=durations,
        PostLabelingDelay=delay,
        LabelingDuration=None,
    )
    encoding = labeling.time_encoding
    assert encoding is not None
    end = delay + sum(durations)
    for bolus, duration in zip(encoding.boluses, durations, strict=True):
        end -= duration
        assert bolus == pytest.approx((end, duration), abs=1e-8)


def test_without_durations_of_their_own_the_sub_boluses_share_the_labeling_duration():
    labeling, notes = read(TimeEncodedMatrixType="Hadamard", TimeEncodedMatrixSize=8)
    assert labeling.time_encoding is not None
    assert labeling.time_encoding.boluses == tuple(Bolus(round(0.3 + 0.5 * n, 9), 0.5) for n in range(6, -1, -1))
    assert labeling.boluses == labeling.time_encoding.boluses[::-1]
    assert not complaints(notes)


def test_delays_per_volume_are_those_of_the_images():
    context = ",".join(["m0scan", "control", "label", "label", "label"])
    labeling, _ = read(
        aslcontext=context,
        TimeEncodedMatrixType="Walsh",
        TimeEncodedMatrixSize=4,
        PostLabelingDelay="0,0.3,0.3,0.3,0.3",
        LabelingDuration="0,1.5,1.5,1.5,1.5",
    )
    assert labeling.boluses[0] == Bolus(0.3, 0.5)


WALSH = {"TimeEncodedMatrixType": "Walsh", "TimeEncodedMatrixSize": 4}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"TimeEncodedMatrixType": "Hadamard"}, "TimeEncodedMatrixSize missing"),
        ({"TimeEncodedMatrixSize": 8}, "TimeEncodedMatrixType missing"),
        ({"TimeEncodedMatrixType": "Haar", "TimeEncodedMatrixSize": 8}, "expected one of Hadamard, Walsh"),
        ({"TimeEncodedMatrixType": "Hadamard", "TimeEncodedMatrixSize": 6}, "Hadamard and 4, 8 or 12"),
        ({"TimeEncodedMatrixType": "Walsh", "TimeEncodedMatrixSize": 12}, "Walsh and 4 or 8"),
        (WALSH | {"PostLabelingDelay": None}, "needs one PostLabelingDelay"),
        (WALSH | {"LabelingDuration": None}, "needs TimeEncodedLabelingDuration, or one LabelingDuration"),
        (WALSH | {"TimeEncodedLabelingDuration": "1,2"}, "2 values of TimeEncodedLabelingDuration for 3 sub-boluses"),
        (WALSH | {"TimeEncodedLabelingDuration": "1,0,1"}, "a sub-bolus of 0 s"),
        (WALSH | {"ArterialSpinLabelingType": "PASL"}, "ArterialSpinLabelingType is PASL"),
        ({"TimeEncodedMatrix": "1 -1 1; 1 1 -1; 1 -1 -1; -1 1 1"}, "4 rows of 3 entries"),
        ({"TimeEncodedMatrix": "1 -1 1 -1; 1 -1 -1 1; 1 1 -1"}, "rows of 4 and of 3 entries"),
        ({"TimeEncodedMatrix": "1 -1 1 -1; 1 -1 -1 1"}, "2 rows of 4 entries"),
        ({"TimeEncodedMatrix": "1 0 1 -1; 1 -1 -1 1; 1 1 -1 -1"}, "expected entries of 1 and -1"),
        ({"TimeEncodedMatrix": "1 2 1 -1; 1 -1 -1 1; 1 1 -1 -1"}, "expected entries of 1 and -1"),
        ({"TimeEncodedMatrix": "1 11 1 -1; 1 -1 -1 1; 1 1 -1 -1"}, "expected entries of 1 and -1"),
        ({"TimeEncodedMatrix": "1 -1 1 -1; 1 -1 1 -1; 1 1 -1 -1"}, "cannot be told apart"),
        ({"TimeEncodedMatrix": "1 -1 1 -1; -1 1 -1 1; 1 1 -1 -1"}, "cannot be told apart"),
        ({"TimeEncodedMatrix": "-1 -1 -1; 1 -1 1"}, "cannot be told apart"),
        ({"TimeEncodedMatrix": "+" * 100_000}, "characters"),
        ({"TimeEncodedMatrix": "+" + " " * 60_000 + "]" + " " * 5_000}, "0 rows of 1 entries"),
        ({"TimeEncodedMatrix": [[1, -1], 3]}, "expected"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_words(header, words):
    labeling, notes = read(**header)
    assert labeling.time_encoding is None
    assert any(words in note for note in notes)
    assert labeling.post_labeling_delay == ()  # no image shows blood of one delay: no absolute flow may come of it
    assert "time_encoding" not in labeling.sources


def test_a_label_sign_that_is_none_is_not_used():
    labeling, notes = read(**WALSH, TimeEncodedLabelSign="0")
    np.testing.assert_array_equal(matrix_of(labeling), np.array(EXPLORE_ASL["Walsh", 4]) == -1)
    assert any(note.startswith("TimeEncodedLabelSign in the header is 0; expected") for note in notes)


def test_a_scan_that_says_nothing_of_it_is_not_time_encoded():
    labeling, notes = read(TimeEncodedLabelSign=1, TimeEncodedLabelingDuration="1")
    assert labeling.time_encoding is None
    assert "time_encoding" not in labeling.sources
    assert labeling.post_labeling_delay == (0.3,)
    assert not complaints(notes)


@pytest.mark.parametrize(("volumes", "noted"), [(8, False), (6, True)])
def test_an_incomplete_last_cycle_is_noted(volumes, noted):
    context = ",".join((["control", "label", "label", "label"] * 2)[:volumes])
    _, notes = read(**WALSH, aslcontext=context)
    assert any("no multiple of the 4 images" in note for note in notes) == noted


@pytest.mark.parametrize(("sign", "noted"), [(-1, False), (1, True)])
def test_a_context_that_does_not_fit_the_label_sign_is_noted(sign, noted):
    labeling, notes = read(**WALSH, aslcontext="m0scan,control,label,label,label", TimeEncodedLabelSign=sign)
    assert any("TimeEncodedLabelSign may be wrong" in note for note in notes) == noted
    assert labeling.context[1] is Role.CONTROL
