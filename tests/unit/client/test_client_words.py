from __future__ import annotations

import pytest
from postroom import words
from postroom._convert import number_of, prefix_of
from postroom.v1 import (
    attempt_pb2,
    connection_pb2,
    delivery_pb2,
    delivery_requests_pb2,
    send_pb2,
    stats_pb2,
)

PAIRS = [
    (words.Status, delivery_pb2.DeliveryStatus),
    (words.RecipientStatus, delivery_pb2.RecipientStatus),
    (words.FailureReason, attempt_pb2.FailureReason),
    (words.Phase, attempt_pb2.Phase),
    (words.AttemptOutcome, attempt_pb2.AttemptOutcome),
    (words.Completion, send_pb2.Completion),
    (words.OnUncertain, send_pb2.OnUncertain),
    (words.DsnNotify, send_pb2.DsnNotify),
    (words.DsnReturn, send_pb2.DsnReturn),
    (words.Settlement, delivery_requests_pb2.Settlement),
    (words.CancelOutcome, delivery_requests_pb2.CancelOutcome),
    (words.DeliveryView, delivery_requests_pb2.DeliveryView),
    (words.StageResult, connection_pb2.StageResult),
    (words.StatsWindow, stats_pb2.StatsWindow),
    (words.LatencyKind, stats_pb2.LatencyKind),
    (words.CloseReason, stats_pb2.CloseReason),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[w.__name__ for w, _ in PAIRS])
def test_every_word_of_the_contract_has_one_here(ours, theirs):
    prefix = prefix_of(theirs.DESCRIPTOR)
    numbers = {word: number_of(word, theirs.DESCRIPTOR) for word in ours}

    assert {prefix + word: number for word, number in numbers.items()} == dict(
        theirs.items()
    )


@pytest.mark.parametrize(
    "spelling", ["RELAYED_OR_QUEUED", "relayed_or_queued", "relayed-or-queued"]
)
def test_a_word_is_made_from_any_spelling(spelling):
    assert words.Completion(spelling) is words.Completion.RELAYED_OR_QUEUED


@pytest.mark.parametrize("wrong", ["", "soon", 3, None])
def test_what_is_no_word_is_an_error(wrong):
    with pytest.raises(ValueError, match="Completion"):
        words.Completion(wrong)


def test_a_word_equals_its_text():
    assert f"{words.Status.SUCCESS}" == words.Status.SUCCESS == "SUCCESS"
