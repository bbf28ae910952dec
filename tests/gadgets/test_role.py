from dataclasses import replace

import numpy as np
import pytest

from aslive.gadgets.role import AssignRole
from aslive.streaming.flow import KSpace, Place
from aslive.streaming.notices import Level, Notice
from aslive.streaming.readouts import Counters, Geometry
from aslive.streaming.scan import Bolus, CounterRule, Labeling, LabelingType, Role, Scan, TimeEncoding

C, L, M, N = Role.CONTROL, Role.LABEL, Role.M0SCAN, Role.NOT_APPLICABLE


def planes(*counters, flags=()):
    flags = flags or (0,) * len(counters)
    places = [Place(n, c, 0.0, Geometry(), flags=f) for n, (c, f) in enumerate(zip(counters, flags, strict=True))]
    return [KSpace(np.zeros((1, 1, 2, 2), np.complex64), place, i, i == 1) for place in places for i in (0, 1)]


def roles(run, messages, labeling):
    out = run([AssignRole()], messages, Scan(labeling=labeling))
    return [m.place.role for m in out if isinstance(m, KSpace) and m.last]


def test_the_context_goes_by_repetition(run):
    order = planes(*(Counters(repetition=n) for n in (0, 1, 3, 4)))  # volume 2 was lost
    assert roles(run, order, Labeling(context=(M, L, C, L, C))) == [M, L, L, C]


def test_the_context_goes_by_order_where_repetitions_stand_still(run):
    assert roles(run, planes(*[Counters()] * 4), Labeling(context=(M, C, L, C))) == [M, C, L, C]


def test_a_volume_beyond_the_context_is_not_used_and_that_is_said_once(run):
    messages = planes(*(Counters(repetition=n) for n in range(4)))
    out = run([AssignRole()], messages, Scan(labeling=Labeling(context=(C, L))))
    assert [m.place.role for m in out if isinstance(m, KSpace)] == [C, C, L, L, N, N, N, N]
    assert sum(isinstance(m, Notice) for m in out) == 1


@pytest.mark.parametrize("counter", ["set", "average", "contrast", "phase", "segment", "user_3", "repetition"])
def test_the_rule_reads_its_counter(run, counter):
    order = planes(*(Counters(**{counter: n}) for n in (0, 1, 2, 3)))
    assert roles(run, order, Labeling(rule=CounterRule(counter))) == [C, L, C, L]
    assert roles(run, order, Labeling(rule=CounterRule(counter, label_value=0))) == [L, C, L, C]
    assert roles(run, order, Labeling(rule=CounterRule(counter, label_value=3, modulo=0))) == [C, C, C, L]


def test_the_rule_reads_a_flag(run):
    order = planes(*[Counters()] * 2, flags=(0, 1 << 56))
    assert roles(run, order, Labeling(rule=CounterRule("flag_57"))) == [C, L]


def test_leading_dummies_are_dropped_and_leading_m0scans_named(run):
    order = planes(*(Counters(repetition=n) for n in range(5)))
    rule = CounterRule("repetition", leading_dummies=1, leading_m0scan=2)
    assert roles(run, order, Labeling(rule=rule)) == [M, M, L, C]


def test_without_a_rule_roles_alternate(run):
    order = planes(*(Counters(repetition=n) for n in range(3)))
    assert roles(run, order, Labeling(arterial_spin_labeling_type=LabelingType.PCASL)) == [C, L, C]


def test_a_scan_that_is_no_asl_has_no_roles(run):
    assert roles(run, planes(Counters(), Counters(repetition=1)), Labeling()) == [N, N]


def test_all_planes_of_a_volume_have_its_role(run):
    out = run([AssignRole()], planes(Counters(), Counters()), Scan(labeling=Labeling(context=(L, C))))
    assert [m.place.role for m in out] == [L, L, C, C]
    assert replace(out[0].place, role=N, number=-1) == planes(Counters())[0].place


@pytest.mark.parametrize("interleaved", [True, False])
def test_of_several_echoes_the_first_has_the_role(run, make_scan, interleaved):
    limits = {"repetition": (0, 2, 0), "contrast": (0, 1, 0)}
    scan = make_scan(limits=limits, labeling=Labeling(context=(M, C, L)))
    order = [Counters(repetition=n, contrast=echo) for n in range(3) for echo in range(2)]
    if interleaved:
        order[0], order[1] = order[1], order[0]
    out = run([AssignRole()], planes(*order), scan)
    found = {m.place.counters[4:7:2]: m.place.role for m in out if isinstance(m, KSpace)}
    assert found == {(0, 0): M, (0, 1): C, (0, 2): L} | {(1, n): N for n in range(3)}
    assert [m.level for m in out if isinstance(m, Notice)] == [Level.INFO]


ENCODING = TimeEncoding(((0, 1, 1, 0), (0, 1, 0, 1), (0, 0, 1, 1)), (Bolus(2.5, 0.5), Bolus(2, 0.5), Bolus(1.5, 0.5)))


def test_of_a_time_encoded_scan_only_images_without_any_label_are_controls(run):
    order = planes(*(Counters(repetition=n, set=n % 2) for n in range(9)))
    assert roles(run, order, Labeling(time_encoding=ENCODING)) == [C, L, L, L, C, L, L, L, C]
    rule = CounterRule("set", leading_dummies=1, leading_m0scan=2)
    assert roles(run, order, Labeling(time_encoding=ENCODING, rule=rule)) == [M, M, C, L, L, L, C, L]
    context = (M, C, L, L, L, C, L, L, L)
    assert roles(run, order, Labeling(time_encoding=ENCODING, context=context)) == list(context)
