"""Settings every test shares."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Machines are busy and slow at times: no test fails for taking long over one example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _signals_are_left_as_they_were() -> Iterator[None]:
    """A process that a later test forks inherits the handlers, and could not be ended."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
