"""The holder's note, and how long it has been silent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cryptoproxy.producer.lease.note import Note, NoteWatch, decode

NOTE = Note(process="x", name="host:1", term=3, since=1_763_632_800_000, beat=5)
SILENCE = 6.0


def watch() -> NoteWatch:
    return NoteWatch(gap=4.0)


def free(watch: NoteWatch, process: str = "me") -> bool:
    return watch.free(process, silence=SILENCE)


def test_a_note_survives_its_encoding() -> None:
    assert decode(NOTE.encode()) == NOTE


@pytest.mark.parametrize("text", [None, ""])
def test_no_note_is_none(text: str | None) -> None:
    assert decode(text) is None


@pytest.mark.parametrize("text", ["hello", "{}", "[]", "null", '{"process": "x"}'])
def test_a_note_of_another_version_is_somebodys(text: str) -> None:
    note = decode(text)
    assert note is not None
    assert note.process != NOTE.process
    assert note == decode(text) != decode(text + " ")


def test_nothing_is_free_before_the_first_look() -> None:
    assert not free(watch())


@pytest.mark.parametrize("note", [None, replace(NOTE, released=True), replace(NOTE, process="me")])
def test_it_is_free_at_once_when_nobody_can_come_back_to_it(note: Note | None) -> None:
    looked = watch()
    looked.saw(note, 100.0)
    assert free(looked)


def test_it_is_free_when_the_note_was_silent_long_enough_under_our_eyes() -> None:
    looked = watch()
    for now in (100.0, 102.0, 104.0):
        looked.saw(NOTE, now)
        assert not free(looked)
    looked.saw(NOTE, 106.0)
    assert free(looked)
    assert looked.silent_for() == 6.0


def test_a_new_beat_begins_the_silence_anew() -> None:
    looked = watch()
    for beat, now in enumerate((100.0, 103.0, 106.0, 109.0)):
        looked.saw(replace(NOTE, beat=beat), now)
    assert looked.silent_for() == 0.0


def test_time_without_kafka_is_no_silence() -> None:
    looked = watch()
    looked.saw(NOTE, 100.0)
    looked.blind()
    assert not looked.sees
    looked.saw(NOTE, 200.0)
    assert looked.silent_for() == 0.0
    assert not free(looked)


def test_time_nobody_looked_is_no_silence() -> None:
    looked = watch()
    looked.saw(NOTE, 100.0)
    looked.saw(NOTE, 104.5)
    assert looked.silent_for() == 0.0
