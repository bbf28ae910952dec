from aslive.streaming.notices import Level, Notice
from aslive.streaming.remarks import Remarks


def test_a_text_is_said_once():
    remarks = Remarks()
    assert list(remarks.say("too dark", Level.ERROR)) == [Notice("too dark", Level.ERROR)]
    assert not list(remarks.say("too dark"))
    assert list(Remarks().say("too dark")) == [Notice("too dark")]


def test_of_one_subject_only_the_first_text_is_said():
    remarks = Remarks()
    said = [notice.text for count in range(3) for notice in remarks.say(f"{count} holes", subject="holes")]
    assert said == ["0 holes"]
    assert list(remarks.say("something else"))
