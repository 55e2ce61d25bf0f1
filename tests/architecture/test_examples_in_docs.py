"""Code that a page quotes stands in the examples, word for word."""

from __future__ import annotations

import json
import re
import textwrap

import pytest

from tests.support.sources import ROOT

PAGE = ROOT / "docs/howto/other-languages.md"
FENCE = re.compile(r"^```(go|ts|java|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACES = {
    "go": "examples/go/*.go",
    "ts": "examples/node/src/*.ts",
    "java": "examples/java/src/**/*.java",
    "json": "protos/*.json",
}
QUOTED = FENCE.findall(PAGE.read_text(encoding="utf-8"))


def without_indent(text: str) -> str:
    """*text* with its lines moved to the left as far as they go together."""
    return textwrap.dedent(text.replace("\t", "    "))


def stands_in(quoted: str, text: str) -> bool:
    """Whether lines of *text* that follow each other are *quoted*."""
    wanted = without_indent(quoted).splitlines()
    lines = text.replace("\t", "    ").splitlines()
    return any(
        without_indent("\n".join(lines[start : start + len(wanted)])).splitlines()
        == wanted
        for start in range(len(lines))
    )


@pytest.mark.parametrize(("language", "quoted"), QUOTED)
def test_a_quotation_stands_in_the_example(language, quoted):
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob(PLACES[language])]

    assert any(stands_in(quoted, text) for text in texts), quoted


def test_all_three_languages_are_quoted():
    assert {"go", "ts", "java", "json"} == {language for language, _ in QUOTED}


def test_the_page_s_retry_policy_for_python_is_the_one_file_s():
    page = PAGE.read_text(encoding="utf-8")
    literal = page.partition("retries = ")[2].partition("\noptions")[0]
    config = json.loads((ROOT / "protos/service_config.json").read_text())

    assert [json.loads(re.sub(r",(\s*[}\]])", r"\1", literal))] == config[
        "methodConfig"
    ]


def test_unavailable_alone_is_repeated():
    (method,) = json.loads((ROOT / "protos/service_config.json").read_text())[
        "methodConfig"
    ]

    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    # A time-out of the channel's own never reaches the service.
    assert "timeout" not in method
