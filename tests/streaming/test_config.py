"""A chain can be asked for in every form that scanners use, and what does not fit is refused by name."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.chain import Chain
from aslive.streaming.config import (
    Recipe,
    Step,
    addressed,
    build,
    chain_name,
    convert,
    listed_recipe,
    merged,
    read_settings,
    xml_recipe,
)
from aslive.streaming.errors import ConfigError
from aslive.streaming.gadget import Gadget
from aslive.streaming.messages import Array
from aslive.streaming.notices import Notice
from aslive.streaming.registry import Registry


class Mode(StrEnum):
    SOFT = "soft"
    HARD = "hard"


@dataclass
class Show(Gadget):
    """Says what its parameters are."""

    size: int = 1
    factor: float = 1.0
    strict: bool = False
    mode: Mode = Mode.SOFT
    word: str = ""
    delays: tuple[float, ...] = ()
    limit: float | None = None

    def process(self, message: Array) -> Iterator[Array | Notice]:
        yield Notice(repr(self))
        yield message


class Gadgets(Registry):
    """A registry of these gadgets alone."""

    def __init__(self) -> None:
        super().__init__()
        self._known = {"show": Show}

    @property
    def gadgets(self) -> tuple[str, ...]:
        return tuple(self._known)

    def gadget(self, name: str) -> type[Gadget]:
        return self._known[name] if name in self._known else super().gadget(name)


def shown(chain: Chain) -> list[str]:
    return [out.text for out in chain.push(Array(np.zeros(1))) if isinstance(out, Notice)]


def built(*steps: Step, **settings) -> list[str]:
    return shown(build(Recipe("test", steps), Gadgets(), settings))


# XML

LEGACY = """<?xml version="1.0" encoding="utf-8"?>
<gadgetronStreamConfiguration xsi:schemaLocation="http://gadgetron.sf.net/gadgetron gadgetron.xsd"
        xmlns="http://gadgetron.sf.net/gadgetron" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <reader><slot>1008</slot><dll>gadgetron_mricore</dll><classname>GadgetIsmrmrdAcquisitionMessageReader</classname>
  </reader>
  <writer><slot>1022</slot><dll>gadgetron_mricore</dll><classname>MRIImageWriter</classname></writer>
  <gadget><name>First</name><dll>any</dll><classname>show</classname>
    <property><name>size</name><value> 3 </value></property>
    <property><name>word</name><value/></property>
  </gadget>
  <!-- a comment -->
  <gadget><name>Second</name><dll/><classname>show</classname></gadget>
</gadgetronStreamConfiguration>"""
SECOND = """<?xml version="1.0"?>
<configuration>
  <version>2</version>
  <readers><reader><classname>AcquisitionReader</classname></reader></readers>
  <writers><writer><classname>ImageWriter</classname></writer></writers>
  <stream>
    <!-- a comment -->
    <gadget><name>First</name><classname>show</classname><property name="size" value="3"/>
      <property name="word" value=""/></gadget>
    <gadget><name>Second</name><classname>show</classname></gadget>
  </stream>
</configuration>"""


def stream(*gadgets: str) -> str:
    return f"<configuration><stream>{''.join(gadgets)}</stream></configuration>"


def gadget(name: str, **properties: str) -> str:
    inner = "".join(f'<property name="{key}" value="{value}"/>' for key, value in properties.items())
    return f"<gadget><name>{name}</name><classname>show</classname>{inner}</gadget>"


@pytest.mark.parametrize("text", [LEGACY, SECOND])
def test_both_forms_of_gadgetron_xml_say_the_same(text):
    assert xml_recipe(text, "mine") == Recipe(
        "mine", (Step("show", "First", {"size": "3", "word": ""}), Step("show", "Second"))
    )


@pytest.mark.parametrize("before", ["", "\n  ", "\ufeff", "\ufeff\r\n"])
@pytest.mark.parametrize("after", ["", "\n", "\0", "\0\0"])
def test_what_stands_around_the_xml_does_no_harm(before, after):
    assert xml_recipe(before + SECOND + after) == xml_recipe(SECOND)


def test_a_gadget_without_a_name_is_called_by_its_class():
    (step,) = xml_recipe(stream("<gadget><classname>show</classname></gadget>")).steps
    assert step.name == step.gadget == "show"


def test_a_property_may_be_another_gadgets():
    text = stream(gadget("a", size="7"), gadget("b", size="size@a"), gadget("c", size="size@b"))
    assert [step.parameters["size"] for step in xml_recipe(text).steps] == ["7", "7", "7"]


def test_a_reference_may_come_before_what_it_names():
    text = stream(gadget("a", size="factor@b"), gadget("b", factor="2"))
    assert xml_recipe(text).steps[0].parameters == {"size": "2"}


def test_an_at_sign_that_names_no_gadget_is_a_plain_value():
    (step,) = xml_recipe(stream(gadget("a", word="radiology@example.org"))).steps
    assert step.parameters == {"word": "radiology@example.org"}


@pytest.mark.parametrize(
    "gadgets",
    [
        (gadget("a", size="size@a"),),
        (gadget("a", size="size@b"), gadget("b", size="size@a")),
        (gadget("a", size="size@b"), gadget("b", size="size@c"), gadget("c", size="size@b")),
    ],
)
def test_properties_that_refer_to_each_other_are_refused(gadgets):
    with pytest.raises(ConfigError, match=r"the properties size@.* -> size@.* refer to each other"):
        xml_recipe(stream(*gadgets))


def test_a_long_row_of_references_is_followed():
    row = [gadget(f"g{n}", size=f"size@g{n + 1}") for n in range(2000)]
    assert xml_recipe(stream(*row, gadget("g2000", size="5"))).steps[0].parameters == {"size": "5"}


def test_a_reference_to_a_property_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="property 'size@b' refers to gadget 'b', which has no property 'size' here"):
        xml_recipe(stream(gadget("a", size="size@b"), gadget("b")))


@pytest.mark.parametrize("node", ["external", "parallel", "distributed", "parallelprocess", "puredistributed"])
def test_nodes_that_are_no_gadgets_are_refused_by_name(node):
    with pytest.raises(ConfigError, match=f"the chain has a <{node}> node; aslive serves a line of <gadget> nodes"):
        xml_recipe(stream(gadget("a"), f"<{node}/>"))


BOMB = '<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the configuration is no XML"),
        ("<configuration>", "the configuration is no XML"),
        ("hello", "the configuration is no XML"),
        ("<a>\ud800</a>", "the configuration is no XML"),
        (BOMB + "<configuration>&b;</configuration>", "the configuration is no XML: EntitiesForbidden"),
        ('<!DOCTYPE c SYSTEM "file:///etc/passwd"><configuration/>', "the configuration has no <stream>"),
        ('<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><c>&x;</c>', "the configuration is no XML: Entities"),
        ("<ismrmrdHeader/>", "begins with <ismrmrdHeader>; served are <gadgetronStreamConfiguration> and <config"),
        ("<configuration><version>2</version></configuration>", "the configuration has no <stream> of gadgets"),
        (stream("<gadget><dll>x</dll></gadget>"), "a <gadget> has no <classname>"),
        (stream('<gadget><classname>show</classname><property value="1"/></gadget>'), "of gadget 'show' has no name"),
    ],
)
def test_what_is_no_chain_is_refused_in_words(text, words):
    with pytest.raises(ConfigError, match=words):
        xml_recipe(text)


@given(st.text(max_size=60))
def test_any_text_gives_a_recipe_or_a_config_error(text):
    for candidate in (text, f"<configuration>{text}</configuration>"):
        with pytest.raises(ConfigError):
            xml_recipe(candidate)


def test_an_empty_stream_is_no_chain():
    with pytest.raises(ConfigError, match="the chain has no gadgets"):
        build(xml_recipe(stream()), Gadgets())


# JSON


def test_a_list_may_hold_names_and_objects():
    assert listed_recipe(["show", {"gadget": "show", "name": "second", "size": 3}]).steps == (
        Step("show", "show"),
        Step("show", "second", {"size": 3}),
    )


@pytest.mark.parametrize("entry", [3, None, ["show"], {"name": "show"}, {"gadget": 3}])
def test_an_entry_that_names_no_gadget_is_refused(entry):
    with pytest.raises(ConfigError, match=r'a chain lists gadget names or \{"gadget": name'):
        listed_recipe(["show", entry])


def test_the_parameters_of_fire_are_the_inner_object():
    assert read_settings('{"version": "1.0", "parameters": {"config": "asl", "physiology.t1_blood": 1.6}}') == {
        "config": "asl",
        "physiology.t1_blood": 1.6,
    }


@pytest.mark.parametrize("text", ["", "hello", "3", "null", "[1]", '{"a":', "[" * 100_000, '{"a":' * 100_000, "<a/>"])
def test_what_is_no_json_object_is_none(text):
    assert read_settings(text) is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"config": "asl"}, "asl"),
        ({"config": "asl", "customconfig": "mine"}, "mine"),
        ({"config": "asl", "customconfig": ""}, "asl"),
        ({"config": "default", "customconfig": "default"}, None),
        ({"config": 3}, None),
        ({}, None),
    ],
)
def test_json_may_ask_for_a_chain_by_name(settings, name):
    assert chain_name(settings) == name


# Settings


def test_settings_reach_their_gadget_dotted_and_nested():
    steps = Step("show", "a", {"size": "1", "word": "kept"}), Step("show", "b")
    a, b = built(*steps, **{"a.size": 5, "b": {"size": "6"}, "b.factor": 2, "size": 9, "config": "x"})
    assert "size=5" in a
    assert "word='kept'" in a
    assert "size=6, factor=2.0" in b


def test_a_setting_for_another_part_is_not_taken():
    assert addressed("cbf", {"cbf2.t1_blood": 1, "cbf": 3, "t1_blood": 4}) == {}


def test_the_scanners_settings_go_over_the_sites():
    site = {"a.size": 1, "a": {"factor": 2.0}, "b": {"size": 3}, "c": 4}
    assert addressed("a", merged(site, {"a": {"size": 9}})) == {"size": 9, "factor": 2.0}
    assert addressed("a", merged(site, {"a.factor": 9})) == {"size": 1, "factor": 9}
    assert addressed("a", merged(site, {"a.word": "w", "a": {"size": 9}})) == {"size": 9, "factor": 2.0, "word": "w"}
    assert merged(site, {"c": 5})["b"] == {"size": 3}
    assert site == {"a.size": 1, "a": {"factor": 2.0}, "b": {"size": 3}, "c": 4}


def test_an_unknown_parameter_is_named_with_those_there_are():
    with pytest.raises(
        ConfigError, match="gadget 'a' has no parameter 'sizes'; it has: size, factor, strict, mode, word, delays, lim"
    ):
        built(Step("show", "a", {"sizes": "1"}))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("size", "3.5", "it is a whole number"),
        ("size", "many", "could not convert"),
        ("size", True, "does not fit"),
        ("size", None, ""),
        ("size", "inf", "infinity"),
        ("size", "nan", ""),
        ("factor", 10**400, "too large"),
        ("factor", [1], ""),
        ("factor", {"a": 1}, ""),
        ("strict", "perhaps", "it is true or false"),
        ("strict", 2, "it is true or false"),
        ("mode", "firm", "it is one of: soft, hard"),
        ("mode", ["soft"], "it is one of: soft, hard"),
        ("delays", "1, two", "could not convert"),
        ("delays", 1.8, ""),
        ("limit", "high", "could not convert"),
    ],
)
def test_a_value_that_does_not_fit_names_its_parameter(key, value, words):
    with pytest.raises(ConfigError, match=f"parameter '{key}' of gadget 'a' cannot be .*: .*{words}"):
        built(Step("show", "a", {key: value}))


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_comes_as_number_or_text(number):
    assert convert(number, int) == convert(str(number), int) == convert(f" {number} ", int) == number


@given(st.floats(allow_nan=False))
def test_a_number_comes_as_number_or_text(number):
    assert convert(number, float) == convert(repr(number), float) == convert(number, float | None) == number


@given(st.lists(st.floats(allow_nan=False)))
def test_a_list_comes_as_list_or_text(values):
    assert convert(values, tuple[float, ...]) == tuple(values)
    assert convert(", ".join(map(repr, values)), tuple[float, ...]) == tuple(values)


@pytest.mark.parametrize("value", [True, "true", "True", "1", "yes", "on", 1])
def test_a_claim_may_be_true_in_many_words(value):
    assert convert(value, bool) is True


@pytest.mark.parametrize("value", [False, "false", "FALSE", "0", "no", "off", 0])
def test_a_claim_may_be_false_in_many_words(value):
    assert convert(value, bool) is False


def test_words_of_a_list_of_choices_are_choices():
    assert convert("soft, hard", tuple[Mode, ...]) == (Mode.SOFT, Mode.HARD)
    assert convert(["hard"], tuple[Mode, ...]) == (Mode.HARD,)


@pytest.mark.parametrize("value", [None, "", "none"])
def test_nothing_may_be_none(value):
    assert convert(value, float | None) is None


def test_an_unknown_gadget_is_refused_when_the_chain_is_built():
    with pytest.raises(ConfigError, match="there is no gadget 'os'; there are: show"):
        build(listed_recipe(["os"]), Gadgets())
