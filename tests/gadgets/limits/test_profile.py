"""Profiles of limits."""

from dataclasses import replace
from pathlib import Path

import pytest

from aslive.gadgets.limits.profile import names, profile_of
from aslive.gadgets.limits.quantities import DISPLACEMENT
from aslive.streaming.errors import ConfigError
from aslive.streaming.notices import Level
from aslive.streaming.quality import Alarm


def test_every_alarm_has_a_rule_in_the_fullest_profile() -> None:
    told = {rule.alarm for rule in profile_of("research").rules}
    assert told == set(Alarm)


@pytest.mark.parametrize("name", ["research", "clinical", "paediatric"])
def test_our_profiles_can_be_read_and_say_what_to_do(name: str) -> None:
    profile = profile_of(name)
    assert name in names()
    for rule in profile.rules:
        assert rule.remedy and rule.text.endswith(".") and rule.limits
        assert rule.alarm not in rule.hides


def test_limits_are_in_si_units_and_told_in_their_own() -> None:
    (motion,) = (rule for rule in profile_of("research").rules if rule.alarm is Alarm.MOTION)
    (limit,) = (limit for limit in motion.limits if limit.quantity == DISPLACEMENT)
    assert limit.bound == pytest.approx(0.8e-3)
    assert limit.told(1.234e-3) == "1.23 mm"


def test_a_profile_inherits_all_that_it_does_not_change(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        'inherits = "research"\ncertainty = 2\n[motion]\nseverity = "error"\n[ghost]\nenabled = false\n',
    )
    ours = {rule.alarm: rule for rule in profile_of("research").rules}
    site = profile_of(str(path))
    assert site.certainty == 2
    assert {rule.alarm for rule in site.rules} == set(ours) - {Alarm.GHOST}
    for rule in site.rules:
        severity = Level.ERROR if rule.alarm is Alarm.MOTION else ours[rule.alarm].severity
        assert rule == replace(ours[rule.alarm], severity=severity)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[moton]\n", "there is no alarm 'moton'"),
        ("certanty = 3\n", "certanty means nothing"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'speed', above = 1 }]\n", "no quantity 'speed'"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'displacement' }]\n", "either above or below"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'dvars', above = 1, below = 0 }]\n", "either above or below"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'dvars', above = 1, clears = 2 }]\n", "cannot clear at 2"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'dvars', above = 1, unit = 'cm' }]\n", "no unit 'cm'"),
        ("[motion]\ntext = 'x.'\nlimits = [{ quantity = 'dvars', above = 1, aftr = 2 }]\n", "aftr means nothing"),
        ("[motion]\ntext = '{what}'\nlimits = []\n", "what"),
        ("[motion]\nlimits = []\n", "needs text"),
        ("[motion]\ntext = 'x.'\nlimits = []\nseverity = 'loud'\n", "loud"),
        ("[motion]\ntext = 'x.'\nlimits = []\nhides = ['noise']\n", "noise"),
        ("[motion]\ncolor = 'red'\n", "color means nothing"),
        ("[motion\n", "no TOML"),
        ("inherits = 'adult'\n", "there is no profile 'adult'; there are clinical, paediatric, research"),
    ],
)
def test_what_is_wrong_in_a_profile_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says.replace("{", r"\{")):
        profile_of(str(path))


def test_a_profile_that_inherits_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(f'inherits = "{path}"\n')
    with pytest.raises(ConfigError, match="inherits itself"):
        profile_of(str(path))


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read: No such file"):
        profile_of(str(tmp_path / "absent.toml"))
