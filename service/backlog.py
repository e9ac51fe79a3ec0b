"""How long a new request would wait, from what the requests in flight will take.

What a document takes is learnt from those before it: seconds of the machine (see ``scheduler``) for each character, a
moving average for each variant.
The wait follows from how the scheduler shares the time: variants have equal shares while they have work, and so have
the requests of a variant, so no other request delays a new one by more than the new one needs itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from service.schemas import NerRequest

START_CHARACTERS = 50
"""What a document costs besides its length, in characters: the model's fixed cost of a run."""

NEWEST = 0.1
"""Weight of the newest request in the moving average."""


def size_of(request: NerRequest) -> int:
    """Characters of all documents, with what each costs besides."""
    if request.tokens is not None:
        return sum(START_CHARACTERS + len(words) + sum(map(len, words)) for words in request.tokens)
    return sum(START_CHARACTERS + len(text) for text in request.texts or [request.text or ""])


class Backlog:
    """The requests in flight by variant. Of one event loop, not for several threads."""

    def __init__(self) -> None:
        self._sizes: dict[str, list[int]] = {}
        self._rates: dict[str, float] = {}

    @contextmanager
    def holding(self, variant: str, size: int) -> Iterator[None]:
        """A request is in flight until the block ends."""
        sizes = self._sizes.setdefault(variant, [])
        sizes.append(size)
        try:
            yield
        finally:
            sizes.remove(size)

    def learn(self, variant: str, size: int, seconds: float) -> None:
        """Note what a request took of the machine."""
        rate = seconds / size
        known = self._rates.get(variant, rate)
        self._rates[variant] = known + NEWEST * (rate - known)

    def seconds(self, variant: str, size: int) -> float:
        """What a request is expected to take; 0 before the variant answered its first."""
        return self._rates.get(variant, 0.0) * size

    def wait(self, variant: str, size: int) -> float:
        """Seconds that a new request is expected to spend on others' turns."""
        rate = self._rates.get(variant, 0.0)
        own = rate * sum(min(other, size) for other in self._sizes.get(variant, ()))
        until_done = own + rate * size
        others = sum(
            min(self._rates.get(name, 0.0) * sum(sizes), until_done)
            for name, sizes in self._sizes.items()
            if name != variant
        )
        return own + others
