import random
import subprocess
import sys
from pathlib import Path

import pytest

from build_models.data.datasets import SPLITS, Dataset
from build_models.data.sample.check import problems
from build_models.data.sample.generate import DEV_SENTENCES, TEST_SENTENCES, generate_sample, to_sentence
from build_models.data.sample.grammar import (
    LABELS,
    PackError,
    Span,
    blend,
    languages,
    load_pack,
    parse,
    split_of,
)
from build_models.errors import BuildError
from service.evaluation.conll import Sentence
from tests import ROOT

TRAIN_SENTENCES = 1500
SIZES = {"train": TRAIN_SENTENCES, "dev": DEV_SENTENCES, "test": TEST_SENTENCES}
LANGUAGES = ["amh", "hau", "ibo", "kin", "lug", "luo", "pcm", "swa", "wol", "yor"]


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return generate_sample(sentences=TRAIN_SENTENCES)


def entities_of(sentence: Sentence) -> set[str]:
    """The entities' words joined and case-folded, found without the project's own decoding."""
    found, current = set(), []
    for word, label in [*zip(sentence.words, sentence.labels, strict=True), ("", "O")]:
        if current and not label.startswith("I-"):
            found.add(" ".join(current).casefold())
            current = []
        if label != "O":
            current.append(word)
    return found


def test_there_are_ten_languages() -> None:
    assert languages() == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_pack_has_no_problems_and_enough_patterns(language: str) -> None:
    pack = load_pack(language)
    assert problems(pack) == []
    assert pack.language == language
    assert len(pack.patterns) >= 100
    assert len(pack.plain) >= 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pattern_expands_in_every_split_with_entities_in_place(language: str) -> None:
    pack = load_pack(language)
    random_state = random.Random(0)
    for split in SPLITS:
        for pattern in pack.patterns:
            text, spans = pack.expand(pattern, split, random_state)
            for span in spans:
                entity = text[span.start : span.end]
                assert entity == entity.strip() != "", text
        for pattern in pack.plain:
            assert pack.expand(pattern, split, random_state)[1] == []


def test_the_same_seed_gives_the_same_sample_and_another_seed_another() -> None:
    first, again, other = (generate_sample(["wol"], seed, TRAIN_SENTENCES) for seed in (3, 3, 4))
    assert first == again
    assert first.digest == again.digest != other.digest
    assert all(getattr(first, split) != getattr(other, split) for split in SPLITS)


def test_a_language_is_the_same_alone_and_among_others(sample: Dataset) -> None:
    alone = generate_sample(["luo"], sentences=TRAIN_SENTENCES)
    for split in SPLITS:
        assert getattr(alone, split) == [s for s in getattr(sample, split) if s.language == "luo"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_entity_of_dev_or_test_stands_in_train(sample: Dataset, language: str) -> None:
    trained: set[str] = set()
    for sentence in sample.train:
        if sentence.language == language:
            trained |= entities_of(sentence)
    for sentence in (*sample.dev, *sample.test):
        if sentence.language == language:
            assert not entities_of(sentence) & trained


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_split_of_every_language_is_whole(sample: Dataset, language: str, split: str) -> None:
    sentences = [sentence for sentence in getattr(sample, split) if sentence.language == language]
    assert len(sentences) == SIZES[split]
    begun = {label for sentence in sentences for label in sentence.labels if label.startswith("B-")}
    assert begun == {f"B-{label}" for label in LABELS}
    without_entities = sum(set(sentence.labels) == {"O"} for sentence in sentences)
    assert len(sentences) // 10 <= without_entities <= len(sentences) // 2


def test_every_sentence_is_valid_iob2_without_empty_words(sample: Dataset) -> None:
    for split in SPLITS:
        for sentence in getattr(sample, split):
            assert len(sentence.words) == len(sentence.labels) > 0
            assert all(word and not any(map(str.isspace, word)) for word in sentence.words)
            for previous, label in zip(["O", *sentence.labels], sentence.labels, strict=False):
                assert not label.startswith("I-") or previous[2:] == label[2:], sentence


def test_no_sentence_of_dev_or_test_is_there_twice(sample: Dataset) -> None:
    for split in ("dev", "test"):
        texts = [(sentence.language, *sentence.words) for sentence in getattr(sample, split)]
        assert len(texts) == len(set(texts))


def test_a_word_that_an_entity_touches_is_labelled_as_a_whole() -> None:
    sentence = to_sentence("hau", "Shugaba Muhammadu Buhari'n Kano.", [Span(8, 24, "PER"), Span(27, 31, "LOC")])
    assert list(zip(sentence.words, sentence.labels, strict=True)) == [
        ("Shugaba", "O"),
        ("Muhammadu", "B-PER"),
        ("Buhari'n", "I-PER"),
        ("Kano", "B-LOC"),
        (".", "O"),
    ]


@pytest.mark.parametrize("size", [3, 4, 10, 57])
def test_lists_are_dealt_out_to_all_splits_and_the_best_known_train(size: int) -> None:
    items = [f"name {number}" for number in range(size)]
    splits = split_of("city", items)
    assert set(splits) == set(items)
    assert {splits[item] for item in items[: size // 2]} == {"train"}
    assert {"dev", "test"} <= set(splits.values())
    assert split_of("city", items) == splits


def test_blended_names() -> None:
    assert blend(parse("Nairobi"), parse("Mombasa")) == ("Naibasa",)
    assert blend(parse("New York"), parse("Mombasa")) == parse("New York")
    assert blend(parse("New York"), parse("Addis Ababa")) == ("New Ababa",)
    assert blend(parse("{city}"), parse("Mombasa")) == parse("{city}")
    assert blend(parse("Jos"), parse("Mombasa")) == parse("Jos")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[a|b", "unbalanced '\\['"),
        ("[a|[b]", "unbalanced '\\['"),
        ("a]", "unbalanced ']'"),
        ("a}b", "unbalanced '}'"),
        ("[a}b]", "unbalanced '}'"),
        ("a|b", "unbalanced '\\|'"),
        ("{city", "bad slot"),
        ("{}", "bad slot"),
        ("{City}", "bad slot"),
        ("{PER:}", "bad slot"),
        ("{#1}", "bad slot"),
        ("{#9-1}", "empty range"),
        ("{GPE:city}", "unknown label 'GPE'.*PER, LOC, ORG, DATE"),
    ],
)
def test_a_pattern_that_cannot_be_parsed_is_refused(source: str, message: str) -> None:
    with pytest.raises(PackError, match=message):
        parse(source)


WORLD = 'held_out = ["planet"]\n[lists]\nplanet = ["Mars", "Venus", "Pluto", "Ceres"]\n'


def pack_of(folder: Path, patterns: str = "['{LOC:city}']", lists: str = "city = ['Kano']", held_out: str = "[]"):
    (folder / "_world.toml").write_text(WORLD)
    (folder / "xyz.toml").write_text(
        f"language = 'xyz'\nname = 'Toy'\npatterns = {patterns}\nplain = ['it [rains|snows].']\n"
        f"held_out = {held_out}\n[lists]\n{lists}\n"
    )
    return load_pack("xyz", folder)


def test_a_small_pack(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, "['[In|At] {LOC:city}, {#7-7} {thing}']", "city = ['Kano']\nthing = ['{LOC:city} men']")
    text, spans = pack.expand(pack.patterns[0], "test", random.Random(1))
    assert text[2:] == " Kano, 7 Kano men"
    assert spans == [Span(3, 7, "LOC"), Span(11, 15, "LOC")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patterns": "['{LOC:town}']"}, "no list named 'town'"),
        ({"lists": "city = ['{town}']"}, "no list named 'town' \\(used in 'city'\\)"),
        ({"lists": "city = ['{town}']\ntown = ['{city}']"}, "cycle: .*city -> town -> city"),
        ({"lists": "city = ['{city}']"}, "cycle: .*city -> city"),
        ({"lists": "city = ['{PER:name}']\nname = ['A']"}, "an entity inside an entity at LOC:city"),
        ({"lists": "city = ['[x|{thing}]']\nthing = ['{PER:name}']\nname = ['A']"}, "an entity inside an entity"),
        ({"lists": "city = ['Kano', '{GPE:name}']"}, "unknown label 'GPE'"),
        ({"lists": "city = ['Kano', '{oops']"}, "bad slot"),
        ({"patterns": "['[a']"}, "unbalanced"),
        ({"held_out": "['town']"}, "held_out names the unknown list 'town'"),
        ({"patterns": "["}, "Invalid value|Unclosed|Invalid"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_a_pack_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(PackError, match=message) as caught:
        pack_of(tmp_path, **changes)
    assert str(tmp_path / "xyz.toml") in str(caught.value)


def test_the_command_line_prints_a_pack_that_cannot_be_used_as_one_line(tmp_path: Path) -> None:
    with pytest.raises(BuildError):
        pack_of(tmp_path, patterns="['{LOC:town}']")


def test_a_missing_pack_is_named(tmp_path: Path) -> None:
    (tmp_path / "_world.toml").write_text(WORLD)
    with pytest.raises(PackError, match=r"xyz\.toml"):
        load_pack("xyz", tmp_path)


def test_problems_are_found(tmp_path: Path) -> None:
    pack = pack_of(
        tmp_path, lists="city = ['Kano', 'Jos', 'Kano']\nnever = ['x']\nonly = ['y']", held_out="['city', 'only']"
    )
    found = " / ".join(problems(pack))
    assert "'never' is never used" in found
    assert "'city' has 'Kano' twice" in found
    assert "'only' has no item left for train" in found


def test_the_check_of_a_pack_has_help() -> None:
    command = [sys.executable, "-m", "build_models.data.sample.check", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "language" in shown
    assert "for example hau" in shown
