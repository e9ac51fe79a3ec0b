"""Label schemes: recognized on the whole data set, converted, repaired or refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.evaluation.conll import LabelledDataError, Sentence, parse_conll, to_conll
from service.evaluation.reading import PLAIN, Reading, Rules, read

thorough = settings(max_examples=200, deadline=None)


def reading(*texts: str, rules: Rules = PLAIN) -> Reading:
    return read([parse_conll(f"{number}.txt", "swa", text) for number, text in enumerate(texts)], rules)


def labels(*texts: str, rules: Rules = PLAIN) -> list[list[str]]:
    return [sentence.labels for document in reading(*texts, rules=rules).sentences for sentence in document]


def refusal(*texts: str, rules: Rules = PLAIN) -> str:
    with pytest.raises(LabelledDataError) as caught:
        reading(*texts, rules=rules)
    return str(caught.value)


entities = st.lists(st.tuples(st.sampled_from(["PER", "LOC", "O"]), st.integers(1, 3)), min_size=1, max_size=6)
data_sets = st.lists(entities, min_size=1, max_size=6)


def encode(spans: list[tuple[str, int]], scheme: str) -> list[str]:
    """The labels of entities one after the other, written down without the project's code."""
    encoded: list[str] = []
    before = "O"
    for kind, length in spans:
        if kind == "O":
            encoded += ["O"] * length
        elif scheme == "iob2":
            encoded += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        elif scheme == "iob1":
            encoded += [f"{'B' if before == kind else 'I'}-{kind}"] + [f"I-{kind}"] * (length - 1)
        elif length == 1:
            encoded += [f"{'S' if scheme == 'iobes' else 'U'}-{kind}"]
        else:
            last = "E" if scheme == "iobes" else "L"
            encoded += [f"B-{kind}", *[f"I-{kind}"] * (length - 2), f"{last}-{kind}"]
        before = kind
    return encoded


def conll(data: list[list[str]]) -> str:
    return to_conll(Sentence("swa", [f"w{place}" for place in range(len(row))], row) for row in data)


@thorough
@given(data_sets, st.sampled_from(["iob2", "iob1", "iobes", "bilou"]), st.booleans(), st.booleans())
def test_every_scheme_becomes_iob2(
    data: list[list[tuple[str, int]]], scheme: str, type_first: bool, lower: bool
) -> None:
    encoded = [encode(spans, scheme) for spans in data]
    if type_first:
        encoded = [["-".join(reversed(label.split("-"))) for label in row] for row in encoded]
    if lower:
        encoded = [[label.lower() for label in row] for row in encoded]
    found = reading(conll(encoded))
    assert [sentence.labels for sentence in found.sentences[0]] == [encode(spans, "iob2") for spans in data]
    assert found.repaired == 0


@thorough
@given(data_sets)
def test_io_has_no_entities_side_by_side(data: list[list[tuple[str, int]]]) -> None:
    apart = [[span for spans_ in row for span in (spans_, ("O", 1))] for row in data]
    encoded = [[label.replace("B-", "I-") for label in encode(spans, "iob2")] for spans in apart]
    assert labels(conll(encoded)) == [encode(spans, "iob2") for spans in apart]


@thorough
@given(st.lists(st.lists(st.sampled_from(["O", *(f"{p}-{t}" for p in "BI" for t in ("PER", "LOC"))]), min_size=1)))
def test_named_iob2_with_any_faults_is_iob2(data: list[list[str]]) -> None:
    found = reading(conll(data), rules=Rules(scheme="iob2"))
    repaired = 0
    for before, after in zip(data, [sentence.labels for sentence in found.sentences[0]], strict=True):
        previous = "O"
        for label, result in zip(before, after, strict=True):
            if label.startswith("I-") and previous[2:] != label[2:]:
                repaired += 1
                assert result == f"B-{label[2:]}"
            else:
                assert result == label
            previous = label
    assert found.repaired == repaired


def test_the_conversion_is_said() -> None:
    assert reading("Ruto I-PER\n").notes == ["labels in IO converted to IOB2"]
    assert reading("Ruto I-PER\nKenyatta B-PER\n").notes == ["labels in IOB1 converted to IOB2"]
    assert reading("Ruto S-PER\n").notes == ["labels in IOBES converted to IOB2"]
    assert reading("Ruto U-PER\n").notes == ["labels in BILOU converted to IOB2"]
    assert reading("Ruto PER-B\n").notes == ["labels with the type first (PER-B) read as B-PER"]
    assert reading("Ruto b-per\n").notes == ["labels in lower case (b-per) read in upper case"]
    assert reading("Ruto B-person\n").notes == []
    assert labels("Ruto B-person\n") == [["B-person"]]


def test_a_stray_inside_begins_an_entity_and_is_counted() -> None:
    found = reading("Rais O\nWilliam B-PER\n\nRuto I-PER\nyuko O\n")
    assert [sentence.labels for sentence in found.sentences[0]] == [["O", "B-PER"], ["B-PER", "O"]]
    assert found.repaired == 1
    assert found.notes == ["repaired: 1 label that IOB2 does not allow (first: 0.txt, line 4)"]


def test_one_data_set_has_one_scheme() -> None:
    """The second file by itself would be IO."""
    found = reading("William B-PER\nRuto I-PER\n\nNairobi B-LOC\n", "Ruto I-PER\n")
    assert (found.repaired, found.notes[0]) == (1, "repaired: 1 label that IOB2 does not allow (first: 1.txt, line 1)")


def test_strict_reading_names_file_and_line() -> None:
    rules = Rules(strict=True)
    assert "0.txt, line 4: 'I-PER' begins a sentence, which IOB2 does not allow" in refusal(
        "Rais O\nWilliam B-PER\n\nRuto I-PER\nyuko O\n", rules=rules
    )
    assert "0.txt, line 2: 'I-LOC' follows 'B-PER'" in refusal("Ruto B-PER\nKano I-LOC\n", rules=rules)
    assert "0.txt, line 2: the token is empty" in refusal("Rais O\n O\n", rules=rules)
    assert labels("Ruto I-PER\n", rules=rules) == [["B-PER"]], "IO is a scheme and no fault"


def test_what_fits_no_scheme_is_refused_with_the_ways_out() -> None:
    said = refusal("a B-PER\nb I-LOC\n\nc I-PER\n")
    assert said.startswith("0.txt, line 2: 'I-LOC' follows 'B-PER': the labels fit no scheme, 2 of 3 entities")
    assert "--scheme (iob2, iob1, io, iobes, bilou" in said
    assert labels("a B-PER\nb I-LOC\n\nc I-PER\n", rules=Rules(scheme="iob2")) == [["B-PER", "B-LOC"], ["B-PER"]]


def test_one_label_of_another_scheme_is_the_one_that_is_named() -> None:
    said = refusal("a B-PER\nb I-PER\n\n" * 30 + "c E-PER\n")
    assert said.startswith("0.txt, line 91: 'E-PER' begins a sentence: the labels fit no scheme")
    assert "60 B-" not in said
    assert "30 B-, 30 I-, 1 E-" in said


def test_ends_of_two_schemes_are_refused() -> None:
    assert refusal("a B-PER\nb L-PER\nc S-LOC\nd S-LOC\n").startswith("0.txt, line 2: IOBES has no label 'L-PER'")


def test_a_named_scheme_is_held_to() -> None:
    assert refusal("a B-PER\n", rules=Rules(scheme="io")).startswith("0.txt, line 1: IO has no label 'B-PER'")
    assert labels("a PER\nb PER\nc O\n", rules=Rules(scheme="io")) == [["B-PER", "I-PER", "O"]]
    found = reading("a I-PER\nb B-LOC\nc O\nd I-PER\n", rules=Rules(scheme="iob1"))
    assert (found.repaired, found.sentences[0][0].labels) == (1, ["B-PER", "B-LOC", "O", "B-PER"])


def test_an_empty_token_is_left_out_and_its_entity_goes_on() -> None:
    found = reading("William B-PER\n I-PER\nRuto I-PER\n B-LOC\nKenya I-LOC\n O\n\n O\n\nleo O\n")
    assert [sentence[1:] for sentence in found.sentences[0]] == [
        (["William", "Ruto", "Kenya"], ["B-PER", "I-PER", "B-LOC"]),
        (["leo"], ["O"]),
    ]
    assert (found.left_out, found.repaired) == (4, 0)
    assert "left out: 4 empty tokens (first: 0.txt, line 2)" in found.notes


def test_white_space_in_a_word_splits_it_with_its_entity() -> None:
    found = reading("William Ruto\tB-PER\nna rafiki\tO\nWangari Maathai\tI-PER\n", rules=Rules(scheme="iob2"))
    (sentence,) = found.sentences[0]
    assert sentence.words == ["William", "Ruto", "na", "rafiki", "Wangari", "Maathai"]
    assert sentence.labels == ["B-PER", "I-PER", "O", "O", "B-PER", "I-PER"]
    assert "3 tokens with white space inside split into words (first: 0.txt, line 1)" in found.notes


def test_what_was_recognized_is_said_once_for_all_files() -> None:
    text = "1 Rais NN I-NP O\n2 William NNP I-NP B-PER\n"
    note = "words in column 2 of 5 (column 1 counts them), labels in column 5"
    assert reading(text, text, text).notes == [f"{note}: 0.txt and 2 more"]
    assert reading("sw:William B-PER\nsw:Ruto I-PER\n").notes == ["language prefixes taken off the words: sw:"]
    assert reading("sw:William B-PER\nRuto I-PER\n").sentences[0][0].words == ["sw:William", "Ruto"]
    assert reading("http://a O\nhttp://b O\n").sentences[0][0].words == ["http://a", "http://b"]


words = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=5).filter(
    lambda word: ":" not in word and not word.startswith("#")
)
sentences = st.lists(
    st.lists(st.tuples(words, st.sampled_from(["O", "B-PER"])), min_size=1, max_size=6), min_size=1, max_size=4
)


@thorough
@given(sentences)
def test_what_is_written_is_read_again(data: list[list[tuple[str, str]]]) -> None:
    written = [Sentence("swa", [word for word, _ in row], [label for _, label in row]) for row in data]
    assert reading(to_conll(written)).sentences[0] == written


pieces = st.sampled_from(
    [
        *("Rais", "O", "o", "B-PER", "I-PER", "E-PER", "S-LOC", "L-PER", "U-X", "PER-B", "b-per", "B-O", "B-", "-"),
        *("\n", "\n\n", "\r", "\r\n", "\t", " ", "  ", "\u00a0", "\u2028", "\ufeff", "\u200b", "\x00", "\x85"),
        *("#", "# ", "# a = O", "-DOCSTART-", "1", "2", "99999999999", "٣", "sw:", "sw:Ruto", "﷽", "𒐫", "\ud800"),
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join), st.sampled_from([None, "iob2", "io", "iobes"]), st.booleans())
def test_any_text_is_read_or_refused_in_words(text: str, scheme: str | None, strict: bool) -> None:
    try:
        found = reading(text, rules=Rules(scheme, strict))
    except LabelledDataError as error:
        said = str(error)
    else:
        said = ""
    if said:
        assert said.startswith("0.txt, line ")
        return
    assert not (strict and (found.repaired or found.left_out))
    for sentence in found.sentences[0]:
        assert sentence.words
        assert all(word.split() == [word] for word in sentence.words)
        assert len(sentence.words) == len(sentence.labels)
        previous = "O"
        for label in sentence.labels:
            assert label == "O" or label[:2] in ("B-", "I-")
            assert not label.startswith("I-") or previous[2:] == label[2:]
            previous = label
    assert {label[2:] for row in found.sentences[0] for label in row.labels if label != "O"} <= set(found.types)
