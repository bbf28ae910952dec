"""What is said at the console only once, however often there is reason to."""

from collections.abc import Iterator

from .notices import Level, Notice


class Remarks:
    """Remembers what was said of a scan, so that hundreds of volumes do not say it hundreds of times.

    >>> remarks = Remarks()
    >>> [len(list(remarks.say(text))) for text in ("too dark", "too dark", "too bright")]
    [1, 0, 1]
    """

    def __init__(self) -> None:
        self._said: set[str] = set()

    def say(self, text: str, level: Level = Level.WARNING, subject: str = "") -> Iterator[Notice]:
        """Give a notice unless its subject was spoken of before; by default each text is a subject of its own."""
        if (subject or text) not in self._said:
            self._said.add(subject or text)
            yield Notice(text, level)
