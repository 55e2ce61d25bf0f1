"""Memory stays the same, however many mails of mixed sizes went through the service."""

from __future__ import annotations

import pytest

from tests.gates.figures import figure
from tests.gates.steady import grown, steady

pytestmark = [pytest.mark.gate, pytest.mark.timeout(3000)]

MAILS = figure(10_000, 100_000)
SAMPLES, SPARE = 24, 5
ALLOWED = figure(1000, 100)
"""Octets a mail: what is kept of each delivery by mistake is more."""


def test_no_mail_leaves_anything_in_memory(tmp_path):
    with steady(tmp_path) as service:
        samples = list(service.samples(MAILS, MAILS // SAMPLES))

    assert grown(samples) <= ALLOWED
    assert samples[-1].threads <= samples[0].threads + SPARE
    assert samples[-1].files <= samples[0].files + SPARE
