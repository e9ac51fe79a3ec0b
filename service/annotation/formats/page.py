"""A self-contained HTML page that highlights entities, without scripts."""

from html import escape

from service.annotation.documents import Answer

HEADER = b"""<!DOCTYPE html>
<html lang="mul">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Named entities</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/2 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
section { border-bottom: 1px solid #8888; padding: 1rem 0; white-space: pre-wrap; overflow-wrap: anywhere }
h2 { font-size: .8rem; margin: 0; opacity: .7 }
p { margin: 0 }
mark { background: #ddd; color: #111; border-radius: .3em; padding: .15em .3em }
mark b { font-size: .7em; margin-inline-start: .4em }
.PER { background: #ffd0a8 } .LOC { background: #b7e3b0 } .ORG { background: #b5d4ff } .DATE { background: #e6c8f5 }
</style>
<main>
"""
FOOTER = b"</main>\n</html>\n"

SHOWN = 3
"""Fields in a caption."""


def section(answer: Answer, model: str) -> bytes:
    """One document: a caption from its fields, and its text with marks."""
    text, place, parts = answer.text, 0, []
    for entity, start, end in answer.spans:
        label = escape(entity.label)
        parts += [
            escape(text[place:start]),
            f'<mark class="{label}" title="{label} {entity.score:.2f}">{escape(text[start:end])}<b>{label}</b></mark>',
        ]
        place = end
    parts.append(escape(text[place:]))
    caption = escape(" · ".join(_caption(answer)))
    return f'<section>\n<h2>{caption}</h2>\n<p dir="auto">{"".join(parts)}</p>\n</section>\n'.encode()


def _caption(answer: Answer) -> list[str]:
    fields = [
        f"{name} {value}"[:100]
        for name, value in answer.fields.items()
        if isinstance(value, str | int) and value != answer.content
    ]
    return fields[:SHOWN]
