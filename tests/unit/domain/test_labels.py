"""Tags and pairs: every limit, one below, at it and one above."""

from __future__ import annotations

import pytest
from postroom_server.domain.labels import NAME_FORM, pair_problems, tag_problems

TWENTY = tuple((f"n{place:02d}", "v") for place in range(20))
TEN = tuple(f"t{place}" for place in range(10))


@pytest.mark.parametrize(
    ("pairs", "paths"),
    [
        ((), []),
        (TWENTY[:19], []),
        (TWENTY, []),
        ((*TWENTY, ("x", "v")), ["metadata"]),
        ((("a", ""),), []),
        ((("a" * 63, "v"),), []),
        ((("a" * 64, "v"),), []),
        ((("a" * 65, "v"),), ["metadata"]),
        ((("", "v"),), ["metadata"]),
        ((("az09_.-", "v"),), []),
        ((("a", "v" * 255),), []),
        ((("a", "\U0001f600" * 256),), []),
        ((("a", "v" * 257),), ["metadata[a]"]),
        ((("a", "any\r\ntext\0"),), []),
        (
            (("A", "v"), ("b", "v" * 257), ("c d", "")),
            ["metadata", "metadata[b]", "metadata"],
        ),
    ],
    ids=range(15),
)
def test_pairs_within_the_limits_are_fine(pairs, paths):
    assert [problem.field for problem in pair_problems("metadata", pairs)] == paths


@pytest.mark.parametrize("name", ["Order", "a b", "a=b", "ä", "a\n", "a\0", "a/b", "٣"])
def test_a_name_is_of_few_characters_and_never_repeated_in_an_error(name):
    (problem,) = pair_problems("metadata", ((name, "v"),))

    assert problem.field == "metadata"
    assert problem.description == NAME_FORM


@pytest.mark.parametrize(
    ("tags", "paths"),
    [
        ((), []),
        (TEN[:9], []),
        (TEN, []),
        ((*TEN, "x"), ["tags"]),
        (("a" * 63,), []),
        (("a" * 64,), []),
        (("a" * 65,), ["tags[0]"]),
        (("",), ["tags[0]"]),
        (("AZaz09_.-",), []),
        (("a", "b", "a"), ["tags[2]"]),
        (("a", "A"), []),
        (("a b", "c", "ä", "c\n"), ["tags[0]", "tags[2]", "tags[3]"]),
    ],
    ids=str,
)
def test_tags_within_the_limits_are_fine(tags, paths):
    assert [problem.field for problem in tag_problems("tags", tags)] == paths


def test_a_flood_of_labels_gives_few_problems():
    many = tuple(("?" * 9, str(place)) for place in range(10_000))

    assert len([*pair_problems("metadata", many)]) == 21
    assert len([*tag_problems("tags", ("?",) * 10_000)]) == 20
