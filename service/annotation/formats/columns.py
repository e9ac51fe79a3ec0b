"""CoNLL: one word and its IOB2 label per line, a blank line after each sentence."""

from service.annotation.documents import Answer
from service.annotation.errors import Problem
from service.ner.words import split_words


def conll(answer: Answer, model: str) -> bytes:
    """Each line of a text is a sentence, unless an entity spans lines."""
    labels = answer.result.labels
    if isinstance(answer.content, str):
        text = answer.content
        spans = split_words(text)
        words = [text[span.start : span.end] for span in spans]
        breaks = {
            place
            for place in range(1, len(spans))
            if "\n" in text[spans[place - 1].end : spans[place].start] and not labels[place].startswith("I-")
        }
    else:
        words, breaks = answer.content, set()
        for place, word in enumerate(words):
            if word.split() != [word]:
                raise Problem(f"word {place} is {word[:40]!r}, which CoNLL columns cannot hold")
    lines = [
        f"{chr(10) if place in breaks else ''}{word} {label}\n"
        for place, (word, label) in enumerate(zip(words, labels, strict=True))
    ]
    return "".join([*lines, "\n"] if lines else []).encode()
