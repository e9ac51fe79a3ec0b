"""Inputs as they are found: every kind, and what is wrong with them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from service.annotation.errors import AnnotationError, InputError
from service.annotation.inputs import columns, records
from service.annotation.inputs.records import Reading, read_file
from service.annotation.inputs.sources import Source, find_sources


def read(path: Path, **how: Any) -> list[dict[str, Any] | str]:
    """The fields of each record, or its place and problem."""
    return [
        json.loads(record.payload) if record.problem is None else f"{record.place}: {record.problem}"
        for record in read_file(path, path.name, Reading(**how))
    ]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_a_text_file_is_a_document_or_its_lines_are(write: Any) -> None:
    path = write("a.txt", "\ufeffKano\n\n  Jos \r\nLagos")
    assert read(path) == [{"file": "a.txt", "text": "Kano\n\n  Jos \r\nLagos"}]
    assert read(path, lines=True) == [
        {"line": 1, "text": "Kano"},
        {"line": 3, "text": "  Jos "},
        {"line": 4, "text": "Lagos"},
    ]
    assert read(write("empty.txt", "")) == [{"file": "empty.txt", "text": ""}]
    assert read(write("empty.txt", ""), lines=True) == []


def test_json_lines_are_sent_as_they_are_and_sizes_add_up(write: Any) -> None:
    content = b'\xef\xbb\xbf{"text": "Kano", "id": 1}\n\n{"text": \r\n'
    found = list(read_file(write("a.jsonl", content), "a", Reading()))
    assert [(record.place, record.field, record.payload) for record in found] == [
        ("a, line 1", "text", b'{"text": "Kano", "id": 1}'),
        ("a, line 3", "text", b'{"text": '),
    ]
    assert sum(record.size for record in found) == len(content) - 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv(write: Any, delimiter: str) -> None:
    rows = 'id,text\r\n1,"Kano ""Jos""\nLagos"\r\n\r\n2,\r\n3,x,y\r\n4,z\r\n'.replace(",", delimiter)
    assert read(write("a.csv", "\ufeff" + rows)) == [
        {"id": "1", "text": 'Kano "Jos"\nLagos'},
        {"id": "2", "text": ""},
        "a.csv, line 6: 3 fields where the header has 2",
        {"id": "4", "text": "z"},
    ]


def test_what_is_wrong_with_a_csv_file_is_said(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no column 'text'; its columns are 'id', 'body': choose one with --column"):
        read(write("a.csv", "id;body\n1;Kano\n"))
    with pytest.raises(InputError, match="no column 'text'; its columns are none"):
        read(write("a.csv", ""))
    with pytest.raises(InputError, match="two columns are called 'id': rename one"):
        read(write("a.csv", "id,id,text\n"))
    rows = 'text,id\nKano,1\n"Jos"s,2\nAba,3\n"Lagos,4\nIbadan,5\n'
    assert read(write("a.csv", rows)) == [
        {"text": "Kano", "id": "1"},
        "a.csv, line 3: not CSV: ',' expected after '\"'",
        {"text": "Aba", "id": "3"},
        "a.csv, line 5: not CSV: unexpected end of data; a quotation mark is not closed",
    ]
    problem = "a.csv, line 2: not UTF-8 at byte 4 (0xe9); it looks like ISO-8859-1: convert it with iconv"
    latin, kano = read(write("a.csv", "text\nCafé\nKano\n".encode("latin-1")))
    assert str(latin).startswith(problem)
    assert kano == {"text": "Kano"}
    monkeypatch.setattr(records, "MOST_BYTES", 50)
    with pytest.raises(InputError, match=r"line 3: .*is a quotation mark not closed"):
        read(write("a.csv", 'text\nKano\n"Jos\n' + "Lagos\n" * 20))


def test_conll_is_read_by_the_project_s_reader(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [{"tokens": ["Kano", "na"]}, {"tokens": ["Jos"]}]
    text = "-DOCSTART- O\n\nKano B-LOC\nna O\n\n# text = Jos\nJos B-LOC\n"
    assert read(write("a.conll", text)) == sentences
    assert read(write("a.txt", text), conll=True) == sentences
    assert read(write("a.tsv", "1\tKano\tB-LOC\n2\tna\tO\n\n1\tJos\tI-WHATEVER\n")) == sentences
    assert read(write("a.bio", "Kano\nna\n\nJos\n")) == sentences, "words without labels"
    assert read(write("a.bio", "sw:Kano\tO\nsw:na\tO\n\nsw:Jos\tO\n")) == sentences
    with pytest.raises(InputError, match=r"^line 3: 'Jos x O' has 3 columns where the others have 2"):
        read(write("a.conll", "Kano O\n\nJos x O\nna O\nna O\n"))
    monkeypatch.setattr(columns, "BLOCK_BYTES", 8)
    assert read(write("a.conll", text)) == sentences
    with pytest.raises(InputError, match=r"^line 5: 'na' has one column"):
        read(write("a.conll", "Kano B-LOC\nna O\n\nJos O\nna\nJos O\n"))
    monkeypatch.setattr(records, "MOST_BYTES", 20)
    with pytest.raises(InputError, match="line 1: no blank line"):
        read(write("a.conll", "Kano O\n" * 9))


def test_a_text_file_with_columns_is_not_taken_for_a_text(write: Any) -> None:
    path = write("train.txt", "Kano B-LOC\nna O\n\nJos B-LOC\n")
    with pytest.raises(InputError, match="read it with --conll, or each line as a document with --lines"):
        read(path)
    assert len(read(path, lines=True)) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Kano".encode("utf-16"), "encoded in UTF-16LE, not UTF-8: convert it with iconv -f UTF-16LE -t UTF-8"),
        ("\ufeffKano".encode("utf-16-be"), "encoded in UTF-16BE"),
        ("Kano".encode("utf-32"), "encoded in UTF-32LE"),
        ("Kano".encode("utf-16-le"), "looks like UTF-16LE"),
        ("Kano".encode("utf-16-be"), "looks like UTF-16BE"),
        ("Café".encode("latin-1"), "not UTF-8 at byte 4 .0xe9.; it looks like ISO-8859-1"),
        ("“Café”".encode("cp1252"), "not UTF-8 at byte 1 .0x93.; it looks like Windows-1252"),
        (b"Kano\xe1\xbb", "not UTF-8 at byte 5"),
        (b"\x1f\x8b\x08\x00", "not text: it is compressed with gzip"),
        (b"PK\x03\x04", "not text: it is a ZIP archive, as are .docx"),
        (b"%PDF-1.7", "not text: it is a PDF document"),
        (bytes(range(256)) * 4, "not text: it holds zero bytes"),
    ],
)
def test_what_is_not_utf_8_is_named(write: Any, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(write("a.txt", content))


def test_a_line_in_another_encoding_does_not_stop_the_others(write: Any) -> None:
    found = read(write("a.txt", b"Kano\nCaf\xe9\nJos\n"), lines=True)
    assert [entry if isinstance(entry, str) else entry["text"] for entry in found] == [
        "Kano",
        "a.txt, line 2: not UTF-8 at byte 4 (0xe9); it looks like ISO-8859-1:"
        " convert it with iconv -f ISO-8859-1 -t UTF-8",
        "Jos",
    ]


def test_no_document_is_larger_than_what_a_worker_holds(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="--lines reads each line as a document"):
        read(write("a.txt", "Kano\n" * 3))
    content = f"{'x' * 10}\n{'x' * 11}\n{'x' * 35}\nKano"
    found = list(read_file(write("a.txt", content), "a", Reading(lines=True)))
    assert [record.problem is None for record in found] == [False, False, False, True]
    assert sum(record.size for record in found) == len(content)
    assert found[-1].place == "a, line 4"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels|there is no such file"),
        (lambda path: path.symlink_to("elsewhere"), "there is no such file"),
    ],
)
def test_what_is_not_a_file_is_named(tmp_path: Path, make: Any, said: str) -> None:
    make(tmp_path / "a.txt")
    with pytest.raises(InputError, match=said):
        read(tmp_path / "a.txt")


def test_an_unknown_ending_is_refused_with_those_that_are_known(write: Any) -> None:
    with pytest.raises(InputError, match=r"unknown ending '.docx'; choose from .txt, .jsonl"):
        read(write("a.docx", "Kano"))
    assert read(write("A.TXT", "Kano")) == [{"file": "A.TXT", "text": "Kano"}]


def test_a_folder_s_files_are_read_in_order_and_the_outputs_in_it_are_not(write: Any, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", ".hidden.txt", "c.jpg", "d.txt"):
        write(name, name)
    write("b.txt", b"Caf\xe9")
    (tmp_path / "out").mkdir()
    write("out/a.txt", "an output")
    (tmp_path / "e.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    [source] = find_sources([tmp_path], ".jsonl", tmp_path / "out")
    found = list(source.records(Reading(), tmp_path / "out"))
    assert [(record.place.removeprefix(f"{tmp_path}/"), record.problem is None) for record in found] == [
        ("a.txt", True),
        ("b.txt", False),
        ("d.txt", True),
        ("e.txt", True),
    ]
    assert source == Source(tmp_path, f"{tmp_path.name}.jsonl")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="no file in this folder ends in"):
        list(Source(tmp_path / "nothing", "x").records(Reading(), tmp_path / "out"))


def test_a_name_that_is_not_utf_8_is_written_with_what_can_be_shown(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text("Kano")
    assert read(path) == [{"file": "caf?.txt", "text": "Kano"}]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    source = Source(tmp_path / "in", "in.jsonl")
    denied = PermissionError(13, "Permission denied", str(tmp_path / "in"))

    def scandir(path: object) -> None:
        raise denied

    # Tests may run as root, who may read everything.
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="in cannot be read: Permission denied"):
        list(source.records(Reading(), tmp_path))
    assert source.size(tmp_path) == 0


def test_two_inputs_of_one_name_are_refused(write: Any, tmp_path: Path) -> None:
    first, second = write("a.txt", ""), write("a.csv", "")
    with pytest.raises(AnnotationError, match=r"a.txt and .*a.csv would both be written to out/a.jsonl"):
        find_sources([first, second], ".jsonl", Path("out"))
    with pytest.raises(AnnotationError, match=r"a.jsonl would be written over: give another --out"):
        find_sources([write("a.jsonl", "")], ".jsonl", tmp_path)


def test_a_csv_file_without_ends_of_lines_is_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="line 1: not CSV: new-line character"):
        read(write("a.csv", b"id,text\r1,Rais\r"))
    monkeypatch.setattr(records, "MOST_BYTES", 20)
    with pytest.raises(InputError, match="line 3: more than the"):
        read(write("b.csv", b"id,text\n1,Rais\n2," + 30 * b"a" + b"\n"))
