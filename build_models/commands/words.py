"""``python -m build_models words``: whether text is split at serving as the labelled data is."""

from pathlib import Path
from typing import Annotated

import typer

from build_models.commands.command_line import report_errors, split_list

LOST = 5
"""Words shown of those that do not come back."""


def words(
    data: Annotated[Path, typer.Option(help="Labelled file or folder, as for the build.")],
    languages: Annotated[str | None, typer.Option(help="Some of the data's languages, as in swa,hau.")] = None,
) -> None:
    """Write labelled sentences as text, split them as the service does, and count the words that come back."""
    from rich.table import Table
    from rich.text import Text

    from build_models.data.folders import read_all, read_documents
    from build_models.data.joining import compare
    from build_models.progress import print_table

    table = Table(title="Words that come back when sentences are written as text and split again")
    for column in ("language", "words", "come back", "in entities", "come back", "most often lost"):
        table.add_column(column, justify="left" if column in ("language", "most often lost") else "right")
    with report_errors():
        for language, splits in sorted(read_documents(data, split_list(languages)).items()):
            returned = compare(read_all([document for files in splits.values() for document in files]))
            table.add_row(
                language,
                f"{returned.words:,}",
                f"{returned.share:.2%}",
                f"{returned.entity_words:,}",
                f"{returned.share_in_entities:.2%}",
                Text(" ".join(word for word, _ in returned.lost.most_common(LOST))),
            )
    print_table(table)
