"""Settings every test shares."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# Machines are busy and slow at times: no test fails for taking long over one example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


# A shell's job in the background starts with interrupts ignored, and no loop gives that back.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_are_told_as_they_were() -> Iterator[None]:
    """A program that a test runs may set a level that keeps a later test's lines to itself."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def _signals_are_left_as_they_were() -> Iterator[None]:
    """A process that a later test forks inherits the handlers, and could not be ended."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
