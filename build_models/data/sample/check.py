"""Checks a language pack and prints sentences made from it: ``python -m build_models.data.sample.check hau``."""

import argparse
import random
import sys

from build_models.data.sample.grammar import PACKS, Pack, PackError, Span, load_pack, parse, references


def marked(text: str, spans: list[Span]) -> str:
    """The text with its entities in brackets."""
    for span in reversed(spans):
        text = f"{text[: span.start]}[{span.label} {text[span.start : span.end]}]{text[span.end :]}"
    return text


def problems(pack: Pack) -> list[str]:
    """Problems that can be found without knowing the language."""
    found = []
    own = {name for name in pack.lists if not name.startswith("world_")}
    used = {slot.list_name for pattern in (*pack.patterns, *pack.plain) for slot in references(pattern)}
    used |= {slot.list_name for items in pack.lists.values() for item in items for slot in references(parse(item))}
    found += [f"list {name!r} is never used" for name in sorted(own - used)]
    for name in sorted(own):
        items = pack.lists[name]
        if name in pack.held_out:
            double = {item for item in items if items.count(item) > 1}
            found += [f"list {name!r} has {item!r} twice" for item in sorted(double)]
            for split in ("train", "dev", "test"):
                try:
                    pack.items(name, split)
                except PackError as error:
                    found.append(str(error))
    return found


def main(language: str, count: int = 40) -> int:
    try:
        pack = load_pack(language)
    except PackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for problem in problems(pack):
        print(f"problem: {problem}")
    for name, items in pack.lists.items():
        if not name.startswith("world_"):
            print(f"{name}: {len(items)}", end="; ")
    print(f"\npatterns: {len(pack.patterns)}, plain: {len(pack.plain)}")
    random_state = random.Random()
    for pattern in random_state.choices(pack.patterns, k=count * 3 // 4) + random_state.choices(
        pack.plain, k=count // 4
    ):
        print(" ", marked(*pack.expand(pattern, "train", random_state)))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m build_models.data.sample.check",
        description="Check a language pack and print sentences generated from it.",
    )
    parser.add_argument("language", help=f"name of a pack in {PACKS.name}/, for example hau")
    parser.add_argument("count", nargs="?", type=int, default=40, help="number of sentences (default: 40)")
    sys.exit(main(**vars(parser.parse_args())))
