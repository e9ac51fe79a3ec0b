"""Language packs: sentence patterns that expand, at random but by seed, into labelled text.

A pack is a TOML file with ``patterns``, ``plain`` (sentences without entities), ``lists`` and ``held_out`` (the lists
whose items are names). In a pattern ``{name}`` stands for an item of a list, ``{PER:name}`` for an item that is an
entity, ``[a|b]`` for one of its alternatives and ``{#1-31}`` for a number. Items may hold slots themselves.
"""

import hashlib
import random
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from build_models.errors import BuildError

Split = Literal["train", "dev", "test"]
LABELS = ("PER", "LOC", "ORG", "DATE")
PACKS = Path(__file__).parent / "languages"
WORLD = "_world"
BLEND_SHARE = 0.3
PARTS = ("given", "family", "world_given", "world_family")
"""Lists of name parts, shared by all splits; full names combine them, so a full name can still be new."""


class PackError(BuildError):
    """A language pack that cannot be used; the message names the pack and the place."""


@dataclass(frozen=True)
class Slot:
    list_name: str
    label: str | None


@dataclass(frozen=True)
class Number:
    low: int
    high: int


@dataclass(frozen=True)
class Choice:
    alternatives: tuple["Pattern", ...]


Pattern = tuple["str | Slot | Number | Choice", ...]


@dataclass(frozen=True)
class Span:
    """An entity in generated text: code points, end exclusive."""

    start: int
    end: int
    label: str


_SLOT = re.compile(r"(?:(?P<label>[A-Z]+):)?(?P<list>[a-z0-9_]+)|#(?P<low>\d+)-(?P<high>\d+)")


def parse(source: str) -> Pattern:
    """Parse one pattern. Raises ``PackError`` on unbalanced brackets, a bad slot or an unknown label."""
    pattern, position = _parse_until(source, 0, "")
    if position != len(source):
        raise PackError(f"unbalanced {source[position]!r} in {source!r}")
    return pattern


def _parse_until(source: str, position: int, stops: str) -> tuple[Pattern, int]:
    parts: list[str | Slot | Number | Choice] = []
    while position < len(source) and source[position] not in stops:
        character = source[position]
        if character == "{":
            end = source.find("}", position)
            match = _SLOT.fullmatch(source[position + 1 : end]) if end > 0 else None
            if match is None:
                raise PackError(f"bad slot in {source!r} at {position}")
            parts.append(_slot(match, source))
            position = end + 1
        elif character == "[":
            alternatives = []
            while source[position] != "]":
                alternative, position = _parse_until(source, position + 1, "|]")
                if position >= len(source):
                    raise PackError(f"unbalanced '[' in {source!r}")
                if source[position] == "}":
                    raise PackError(f"unbalanced '}}' in {source!r}")
                alternatives.append(alternative)
            parts.append(Choice(tuple(alternatives)))
            position += 1
        elif character in "}]|":
            return tuple(parts), position
        else:
            end = position + 1
            while end < len(source) and source[end] not in "{}[]|":
                end += 1
            parts.append(source[position:end])
            position = end
    return tuple(parts), position


def _slot(match: re.Match[str], source: str) -> Slot | Number:
    if match["list"] is None:
        low, high = int(match["low"]), int(match["high"])
        if low > high:
            raise PackError(f"empty range in {source!r}")
        return Number(low, high)
    if match["label"] is not None and match["label"] not in LABELS:
        raise PackError(f"unknown label {match['label']!r} in {source!r}: use one of {', '.join(LABELS)}")
    return Slot(match["list"], match["label"])


def references(pattern: Pattern) -> Iterator[Slot]:
    """Yield every slot of a pattern, those inside alternatives too."""
    for part in pattern:
        if isinstance(part, Slot):
            yield part
        elif isinstance(part, Choice):
            for alternative in part.alternatives:
                yield from references(alternative)


def split_of(list_name: str, items: list[str]) -> dict[str, Split]:
    """Distribute the items of a list of whole names over the splits.

    The first half, the best-known names, goes to train. The rest is shuffled by hash and split 70:10:20, with at least
    one item each for dev and test.
    """
    unique = list(dict.fromkeys(items))
    known, rest = unique[: len(unique) // 2], unique[len(unique) // 2 :]
    rest.sort(key=lambda item: hashlib.sha256(f"{list_name}/{item}".encode()).digest())
    dev, test = max(1, len(rest) // 10), max(1, len(rest) // 5)
    splits: dict[str, Split] = dict.fromkeys(known, "train")
    splits.update(dict.fromkeys(rest[:dev], "dev"))
    splits.update(dict.fromkeys(rest[dev : dev + test], "test"))
    splits.update(dict.fromkeys(rest[dev + test :], "train"))
    return splits


def blend(first: Pattern, second: Pattern) -> Pattern:
    """Join the first half of one name and the second half of another: by words, or by characters for single words."""
    match first, second:
        case (str(one),), (str(other),):
            words, others = one.split(" "), other.split(" ")
            if len(words) > 1 and len(others) > 1:
                return (" ".join([*words[: (len(words) + 1) // 2], *others[(len(others) + 1) // 2 :]]),)
            if len(words) == len(others) == 1 and min(len(one), len(other)) > 3:
                return (one[: len(one) // 2] + other[len(other) // 2 :],)
    return first


@dataclass
class Pack:
    """One language: its patterns, plain sentences and lists, parsed."""

    language: str
    name: str
    patterns: list[Pattern]
    plain: list[Pattern]
    lists: dict[str, list[str]]
    held_out: list[str]
    _parsed: dict[tuple[str, Split], list[Pattern]] = field(default_factory=dict, repr=False)

    @cached_property
    def _splits(self) -> dict[str, dict[str, Split]]:
        return {name: split_of(name, self.lists[name]) for name in self.held_out if not name.startswith(PARTS)}

    def items(self, list_name: str, split: Split) -> list[Pattern]:
        """The items of a list that ``split`` may use. Raises ``PackError`` for an unknown or exhausted list."""
        key = (list_name, split)
        if key not in self._parsed:
            if list_name not in self.lists:
                raise PackError(f"{self.language}: no list named {list_name!r}")
            items = self.lists[list_name]
            if list_name in self._splits:
                items = [item for item in items if self._splits[list_name][item] == split]
            if not items:
                raise PackError(f"{self.language}: list {list_name!r} has no item left for {split}")
            self._parsed[key] = [parse(item) for item in items]
        return self._parsed[key]

    def _item(self, list_name: str, split: Split, random_state: random.Random) -> Pattern:
        """A random item. In training it is sometimes blended from two names, so that lists cannot be memorized."""
        items = self.items(list_name, split)
        item = random_state.choice(items)
        if split == "train" and list_name in self.held_out and random_state.random() < BLEND_SHARE:
            return blend(item, random_state.choice(items))
        return item

    def expand(self, pattern: Pattern, split: Split, random_state: random.Random) -> tuple[str, list[Span]]:
        """Expand a pattern to text and the spans of its entities."""
        text: list[str] = []
        spans: list[Span] = []
        self._expand(pattern, split, random_state, text, spans)
        return "".join(text), spans

    def _expand(
        self, pattern: Pattern, split: Split, random_state: random.Random, text: list[str], spans: list[Span]
    ) -> None:
        for part in pattern:
            if isinstance(part, str):
                text.append(part)
            elif isinstance(part, Number):
                text.append(str(random_state.randint(part.low, part.high)))
            elif isinstance(part, Choice):
                self._expand(random_state.choice(part.alternatives), split, random_state, text, spans)
            else:
                start = sum(map(len, text))
                self._expand(self._item(part.list_name, split, random_state), split, random_state, text, spans)
                if part.label is not None:
                    spans.append(Span(start, sum(map(len, text)), part.label))


def languages() -> list[str]:
    """The ISO 639-3 codes of all packs, sorted."""
    return sorted(path.stem for path in PACKS.glob("*.toml") if path.stem != WORLD)


def load_pack(language: str, folder: Path = PACKS) -> Pack:
    """Read a pack and the shared lists. Raises ``PackError`` naming file and place."""
    path = folder / f"{language}.toml"
    try:
        world = tomllib.loads((folder / f"{WORLD}.toml").read_text(encoding="utf-8"))
        own = tomllib.loads(path.read_text(encoding="utf-8"))
        pack = Pack(
            language=own["language"],
            name=own["name"],
            patterns=[parse(source) for source in own["patterns"]],
            plain=[parse(source) for source in own["plain"]],
            lists={**world["lists"], **own["lists"]},
            held_out=[*world["held_out"], *own["held_out"]],
        )
        check_references(pack)
    except (OSError, KeyError, ValueError, PackError) as error:
        raise PackError(f"{path}: {error}") from error
    return pack


def check_references(pack: Pack) -> None:
    """Raise ``PackError`` for an unknown list, a cycle, or an entity inside an entity."""
    for name in pack.held_out:
        if name not in pack.lists:
            raise PackError(f"{pack.language}: held_out names the unknown list {name!r}")
    labelled: dict[str, bool] = {}

    def holds_label(name: str, path: tuple[str, ...]) -> bool:
        if name in path:
            raise PackError(f"{pack.language}: lists refer to each other in a cycle: {' -> '.join((*path, name))}")
        if name not in pack.lists:
            raise PackError(f"{pack.language}: no list named {name!r} (used in {path[-1]!r})")
        if name not in labelled:
            # A list, not a generator: every item must be visited to be checked.
            labels = [visit(slot, (*path, name)) for item in pack.lists[name] for slot in references(parse(item))]
            labelled[name] = any(labels)
        return labelled[name]

    def visit(slot: Slot, path: tuple[str, ...]) -> bool:
        inside = holds_label(slot.list_name, path)
        if inside and slot.label is not None:
            raise PackError(f"{pack.language}: an entity inside an entity at {slot.label}:{slot.list_name}")
        return inside or slot.label is not None

    for pattern in (*pack.patterns, *pack.plain):
        for slot in references(pattern):
            visit(slot, ("a pattern",))
    for name in pack.lists:
        holds_label(name, ())
