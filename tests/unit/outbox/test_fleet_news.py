"""The words that processes of a fleet say to each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postroom_server.outbox.postgres import news as news_module
from postroom_server.outbox.postgres.news import (
    LOOK,
    News,
    news_of,
    wish_for_events,
    wish_for_news,
)
from postroom_server.outbox.postgres.node import batched
from postroom_server.outbox.work import Work

CHANGED = Work({"change_delivery": [("d1", 1)], "add_event": [()]})


class Ears:
    """Keeps what it was told."""

    def __init__(self):
        self.told = []

    def hear(self, delivery_id):
        self.told.append(delivery_id)

    def look(self):
        self.told.append("look")

    def read_on(self):
        self.told.append("read on")


@pytest.fixture
def news():
    made = News()
    made.listener = Ears()
    return made


def test_nobody_is_told_what_nobody_wants_to_hear(news):
    assert list(news.of([CHANGED])) == []


def test_who_wants_to_hear_of_a_delivery_is_told(news):
    news.take(wish_for_news("d1", 5.0))
    news.take(wish_for_news("d2", 5.0))

    assert list(news.of([CHANGED])) == [news_of("d1")]


def test_who_wants_to_hear_of_events_is_told(news):
    news.take(wish_for_events(5.0))

    assert list(news.of([CHANGED])) == ["events"]


def test_a_wish_ends(news):
    news.take(wish_for_news("d1", 0.0))
    news.take(wish_for_events(0.0))

    assert list(news.of([CHANGED])) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [(news_of("d1"), "d1"), (LOOK, "look"), ("events", "read on")],
)
def test_what_is_told_is_heard(news, words, told):
    news.take(words)

    assert news.listener.told == [told]


def test_words_of_a_newer_version_are_passed_by(news):
    news.take("sing a song")

    assert news.listener.told == []


def test_wishes_are_bounded(news, monkeypatch):
    monkeypatch.setattr(news_module, "MOST_WANTED", 3)
    for number in range(10):
        news.take(wish_for_news(f"d{number}", 60.0))

    assert len(news._wanted) == 3


def test_a_wish_that_has_ended_makes_room(news, monkeypatch):
    monkeypatch.setattr(news_module, "MOST_WANTED", 1)
    news.take(wish_for_news("d0", 0.0))
    news.take(wish_for_news("d1", 60.0))

    assert list(news.of([CHANGED])) == [news_of("d1")]


WORDS = st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=200)


@given(st.lists(WORDS.filter(bool), max_size=200))
def test_no_notice_is_longer_than_the_database_takes(words):
    texts = list(batched(words))

    assert all(len(text) < 7500 for text in texts)
    assert [line for text in texts for line in text.split("\n")] == words
