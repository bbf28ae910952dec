"""Before the first test: the kernels are compiled, once and for all processes."""

from importlib.metadata import entry_points

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Load every gadget in the process that leads the others, so that these find compiled kernels in the cache.

    Compiling takes a minute; several processes that do it side by side would run into the tests' time limits.
    """
    if not hasattr(config, "workerinput"):
        for gadget in entry_points(group="aslive.gadgets"):
            gadget.load()
