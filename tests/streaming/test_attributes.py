"""What an image says about itself comes back, also from and to other programs."""

import ismrmrd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslive.streaming.attributes import read_attributes, write_attributes
from aslive.streaming.errors import DataError

XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r<>&\"'"),
    max_size=20,
)
ATTRIBUTES = st.dictionaries(XML_TEXT, st.lists(XML_TEXT, min_size=1, max_size=3), max_size=4)


@given(ATTRIBUTES)
def test_what_is_written_is_read(attributes):
    assert read_attributes(write_attributes(attributes)) == attributes


@given(ATTRIBUTES)
def test_ismrmrd_reads_ours(attributes):
    meta = ismrmrd.Meta.deserialize(write_attributes(attributes))
    assert {(name or ""): values if isinstance(values, list) else [values] for name, values in meta.items()} == {
        name: [value or None for value in values] for name, values in attributes.items()
    }


@given(ATTRIBUTES)
def test_we_read_what_ismrmrd_writes(attributes):
    # its writer leaves carriage returns unescaped, so that XML makes new lines of them
    plain = {
        name: [value.replace("\r", " ") for value in values] for name, values in attributes.items() if "\r" not in name
    }
    assert read_attributes(ismrmrd.Meta(plain).serialize()) == plain


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_can_be_written(text):
    (value,) = read_attributes(write_attributes({"text": text}))["text"]
    assert len(value) == len(text)


def test_one_value_needs_no_list():
    assert read_attributes(write_attributes({"aslive_map": "cbf"})) == {"aslive_map": ["cbf"]}


@pytest.mark.parametrize("text", ["", "\0", " \n\0"])
def test_no_attributes_are_none(text):
    assert read_attributes(text) == {}


def test_a_trailing_nul_is_no_part_of_it():
    assert read_attributes(write_attributes({"a": "b"}) + "\0") == {"a": ["b"]}


def test_a_name_that_comes_twice_adds_its_values():
    once = "<meta><name>a</name><value>{}</value></meta>"
    assert read_attributes(f"<ismrmrdMeta>{once.format(1)}{once.format(2)}</ismrmrdMeta>") == {"a": ["1", "2"]}


@pytest.mark.parametrize(
    "text",
    [
        "no XML",
        "<other/>",
        "<ismrmrdMeta>",
        '<!DOCTYPE x [<!ENTITY e "e">]><ismrmrdMeta><meta><name>&e;</name></meta></ismrmrdMeta>',
    ],
)
def test_what_is_no_meta_xml_is_refused(text):
    with pytest.raises(DataError, match="the attributes of the image are"):
        read_attributes(text)
