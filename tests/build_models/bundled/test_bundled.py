"""The bundled model: text it may learn from, agreement of teachers, resumption, and the folder that is shipped."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import XLMRobertaTokenizer, XLMRobertaTokenizerFast

from build_models.artifacts.export import exported
from build_models.bundled import make as making
from build_models.bundled.annotations import LABELS, annotated, digest_of_words, read_annotations, read_excluded
from build_models.bundled.capitals import Capitals
from build_models.bundled.export import check_model, served, write_digests
from build_models.bundled.labelling import Agreement, Teachers, agreed_sentences, balanced
from build_models.bundled.licences import ALLOWED, check_corpus, licensed_lines
from build_models.bundled.make import ALL, make
from build_models.bundled.pieces import forms
from build_models.bundled.settings import LANGUAGES, STUDENTS, TEACHERS, BundledSettings
from build_models.bundled.teaching import LABEL_LIST
from build_models.errors import BuildError, DataError
from build_models.workspace.workspace import Workspace
from service.evaluation.conll import Sentence
from service.ner.encoder import Encoder
from service.ner.pipeline import Entity, Pipeline, run_to_end
from service.ner.timing import Timer
from tests.build_models.bundled.corpus import write_corpus, write_xz

MODEL = Path(making.__file__).parent / "model"


def read_text(pipeline: Pipeline, text: str) -> list[Entity]:
    return run_to_end(pipeline.read_text(text, Timer())).entities


def test_only_licensed_lines_are_read(tmp_path: Path) -> None:
    lines = [
        ("Kano", "masakhane-news"),
        ("Jos", "lafand-mt"),
        ("", "NTREX"),
        ("Abuja", "NTREX"),
        ("Aba", "yoruba-text"),
    ]
    corpus = write_corpus(tmp_path, {"hau": lines})

    assert [(line.text, line.source) for line in licensed_lines(corpus, "hau")] == [
        ("Kano", "masakhane-news"),
        ("Abuja", "NTREX"),
    ]


def test_no_source_without_an_open_licence_is_allowed() -> None:
    refused = {"lafand-mt", "lacuna_pos_ner", "menyo-20k", "PidginUNMT", "asp-source", "kinyabert RW_NEWS"}
    refused |= {"maneno-yetu", "yoruba-text", "masakhaner"}

    assert refused.isdisjoint(ALLOWED)
    assert not [licence for licence in ALLOWED.values() if "NC" in licence.split("-")]


def test_a_source_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, {"hau": [("Kano", "some new source")]})

    assert licensed_lines(corpus, "hau") == []


def test_sources_that_do_not_fit_the_text_are_refused(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, {"hau": [("Kano", "NTREX"), ("Jos", "NTREX")]})
    write_xz(corpus / "hau.sources.xz", ["NTREX"])

    with pytest.raises(DataError, match="hau has 2 lines and 1 sources"):
        licensed_lines(corpus, "hau")


def test_a_damaged_text_is_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, {"hau": [("Kano " * 500, "NTREX")]})
    path = corpus / "hau.txt.xz"
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(DataError, match=r"hau\.txt\.xz cannot be read"):
        licensed_lines(corpus, "hau")


def test_a_missing_corpus_is_named_with_what_to_do(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"hau": [("Kano", "NTREX")]})

    with pytest.raises(DataError, match=r"lacks yor\.txt\.xz, yor\.sources\.xz.*--corpus"):
        check_corpus(tmp_path, ["hau", "yor"])
    with pytest.raises(DataError, match="lacks"):
        make(BundledSettings(tmp_path / "nowhere", tmp_path, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_missing_open_data_is_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", {language: [("a", "NTREX")] for language in ALL})

    with pytest.raises(DataError, match=r"hau, yor/train\.txt.*--open"):
        make(BundledSettings(corpus, tmp_path, tmp_path / "out"))


class Fixed:
    """A runtime that is sure of a label for each piece, by the piece's number."""

    def __init__(self, labels: dict[int, str], logit: float = 9.0):
        self.labels = labels
        self.logit = logit

    def logits(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = np.zeros((len(input_ids), len(LABEL_LIST)), dtype=np.float32)
        for place, piece in enumerate(input_ids):
            logits[place, LABEL_LIST.index(self.labels.get(int(piece), "O"))] = self.logit
        return logits


WORDS = ["<s>", "<pad>", "</s>", "<unk>", "Kano", "Aisha", "yana", "zuwa"]


def pipeline(runtime: Fixed) -> Pipeline:
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return Pipeline(runtime, Encoder(tokenizer, 160, 40), LABEL_LIST)


def test_sentences_are_kept_where_teachers_agree() -> None:
    one = pipeline(Fixed({4: "B-LOC", 5: "B-PER"}))
    other = pipeline(Fixed({4: "B-LOC", 5: "B-LOC"}))
    sentences = [["yana", "Kano"], ["yana", "Aisha"], ["yana", "zuwa"]]

    kept, counts = agreed_sentences(Teachers([one, other]), "hau", sentences, Agreement(plain_share=1.0), seed=1)

    assert sorted(kept) == [
        Sentence("hau", ["yana", "Kano"], ["O", "B-LOC"]),
        Sentence("hau", ["yana", "zuwa"], ["O", "O"]),
    ]
    assert counts == {"read": 3, "sure": 2, "with": 1, "without": 1, "kept": 2}


def test_a_teacher_that_is_not_sure_does_not_outvote_one_that_is() -> None:
    sure, unsure = pipeline(Fixed({4: "B-LOC"})), pipeline(Fixed({4: "B-ORG"}, logit=0.5))

    labels, confidence = Teachers([sure, unsure]).label(["Kano"])

    assert labels == ["B-LOC"]
    assert confidence == pytest.approx(0.55, abs=0.05)


def test_a_sentence_with_an_overlooked_name_is_left_out() -> None:
    teachers = Teachers([pipeline(Fixed({4: "B-LOC"}))])
    sentences = [["yana", "Kano"], ["yana", "Aisha"], ["Yana", "zuwa"]]

    kept, counts = agreed_sentences(teachers, "hau", sentences, Agreement(plain_share=1.0), seed=1)

    assert sorted(sentence.words for sentence in kept) == [["Yana", "zuwa"], ["yana", "Kano"]]
    assert counts["sure"] == 2


def test_what_is_often_small_is_no_name() -> None:
    capitals = Capitals([["ya", "Zuwa", "kasuwa"], ["ya", "zuwa", "zuwa"], ["ya", "ce", ":", "Yana", "zuwa"]])

    assert not capitals.overlooked(["ya", "Zuwa"], ["O", "O"])
    assert not capitals.overlooked(["ya", ":", "Yana"], ["O", "O", "O"])
    assert Capitals([["ya", "Jos"]]).overlooked(["ya", "Jos"], ["O", "O"])
    assert not Capitals([["ya", "Jos"]]).overlooked(["ya", "Jos"], ["O", "B-LOC"])
    titled = Sentence("hau", ["ya", "Shugaba", "Buhari"], ["O", "O", "B-PER"])
    assert not Capitals([["ya", "Shugaba"]], [titled]).overlooked(["ya", "Shugaba"], ["O", "O"])


def test_no_more_sentences_are_read_than_are_wanted() -> None:
    teachers = Teachers([pipeline(Fixed({4: "B-LOC"}))])
    agreement = Agreement(most=2, plain_share=0.5)

    kept, counts = agreed_sentences(teachers, "hau", [["Kano"], ["yana"]] * 50, agreement, seed=1)

    assert len(kept) == 3
    assert counts["read"] < 100


def test_sentences_without_names_do_not_outnumber_the_others() -> None:
    named, plain = Sentence("hau", ["Kano"], ["B-LOC"]), Sentence("hau", ["yana"], ["O"])

    assert balanced([plain] * 9 + [named] * 4, 0.5).count(plain) == 2


def test_the_labels_that_are_shipped_are_well_formed() -> None:
    number = 0
    for language in ALL:
        for digest, entities in read_annotations(language).items():
            assert len(digest) == 16
            borders = [border for _, first, last in entities for border in (first, last)]
            assert borders == sorted(borders)
            assert {label for label, _, _ in entities} <= {"PER", "LOC", "ORG", "DATE"}
            number += 1
    assert number > 2000
    assert {path.stem for path in LABELS.glob("*.txt")} == set(ALL)


def test_lines_of_data_that_only_measures_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    excluded = tmp_path / "excluded"
    excluded.write_text(digest_of_words(["yana", "Kano"]) + "\n", encoding="utf-8")
    monkeypatch.setattr(making, "ALL", ("hau",))
    monkeypatch.setattr(making, "read_excluded", lambda: read_excluded(excluded))
    corpus = write_corpus(tmp_path / "corpus", {"hau": [("yana Kano", "NTREX"), ("yana Jos", "NTREX")]})

    making.keep_lines(BundledSettings(corpus, tmp_path, tmp_path), tmp_path)

    assert making.read_lines(tmp_path, "hau") == ["yana Jos"]


def test_no_labelled_sentence_is_excluded() -> None:
    excluded = read_excluded()

    assert len(excluded) > 1000
    assert all(excluded.isdisjoint(read_annotations(language)) for language in ALL)


def test_labels_find_their_sentence() -> None:
    words = ["Aisha", "Bello", "yana", "Kano"]
    entities = {digest_of_words(words): [("PER", 0, 1), ("LOC", 3, 3)]}

    assert annotated([["zuwa"], words, words], "hau", entities) == [
        Sentence("hau", words, ["B-PER", "I-PER", "O", "B-LOC"])
    ]


def test_bad_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "hau.txt").write_text("0123456789abcdef PER:0-1\n0123456789abcdee PER:0\n", encoding="utf-8")

    with pytest.raises(DataError, match=r"hau\.txt, line 2"):
        read_annotations("hau", tmp_path)


def test_pieces_get_their_forms_in_other_cases() -> None:
    assert dict(forms("▁kano")) == {"capitals": "▁KANO", "capitalised": "▁Kano"}
    assert dict(forms("Kano")) == {"lower": "kano", "capitals": "KANO"}
    assert list(forms("▁ከተማ")) == list(forms("▁")) == list(forms("▁7")) == []
    assert "ß".upper() not in [form for _, form in forms("▁ß")]


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    write_digests(tmp_path)
    check_model(tmp_path)

    (tmp_path / "config.json").write_text("{ }", encoding="utf-8")
    with pytest.raises(BuildError, match=r"config\.json is damaged"):
        check_model(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(BuildError, match=r"config\.json is missing"):
        check_model(tmp_path)
    (tmp_path / "sha256.txt").unlink()
    with pytest.raises(BuildError, match=r"sha256\.txt cannot be read"):
        check_model(tmp_path)


@pytest.mark.parametrize("line", ["kidogo-model 2", "sha512:00  config.json", f"{'0' * 64}  ../config.json", "", "�"])
def test_a_model_of_a_newer_format_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    write_digests(tmp_path)
    with (tmp_path / "sha256.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")

    with pytest.raises(BuildError, match=r"is not a list of SHA-256 digests.*newer Kidogo"):
        check_model(tmp_path)


def test_the_shipped_model_is_whole_small_and_reads_a_sentence(tmp_path: Path) -> None:
    check_model(MODEL)
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 10_000_000
    card = (MODEL / "README.md").read_text(encoding="utf-8")
    assert all(source in card for source in ("masakhane-news", "NTREX", "luo-news"))

    entities = {
        (entity.label, entity.text)
        for entity in read_text(
            served(exported(Workspace(tmp_path), "model", MODEL)), "Shugaba Buhari ya tafi Kano ranar Litinin."
        )
    }

    assert {("PER", "Buhari"), ("LOC", "Kano")} <= entities


def test_amharic_letters_of_one_sound_are_one_letter_in_every_tokenizer() -> None:
    fast = XLMRobertaTokenizerFast.from_pretrained(MODEL)
    slow = XLMRobertaTokenizer.from_pretrained(MODEL)
    encoder = Encoder.from_folder(MODEL, 160, 40)

    pieces = {
        tuple(encode)
        for text in ("ሐሰን ዐቢይ ፀሀይ", "ኀሠን አቢይ ጸሃይ")
        for encode in (
            fast(text, add_special_tokens=False)["input_ids"],
            slow(text, add_special_tokens=False)["input_ids"],
            encoder.encode_all(text.split()).pieces,
        )
    }
    assert len(pieces) == 1
    assert fast("ሀሰን")["input_ids"] != fast("ሰሀን")["input_ids"]


def test_the_recipe_is_for_the_ten_languages_of_the_sample() -> None:
    from build_models.data.sample.grammar import languages

    assert list(LANGUAGES) == languages()
    lessons = (*TEACHERS, *STUDENTS)
    assert len({lesson.seed for lesson in lessons}) == len(lessons)
    assert {lesson.shape for lesson in STUDENTS} == {TEACHERS[0].shape}
