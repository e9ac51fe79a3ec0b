"""The model card of an artefact, with the hub's metadata."""

from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from build_models.bases.checkpoints import CARD
from build_models.bases.source import Source
from service.artifacts.manifest import Manifest, Scores
from service.ner.schemes import iob2_labels

TAGS = ["kidogo", "named-entity-recognition"]
QUANTIZED = ("llm_int8", "dynamic")
"""Recipes and runtimes whose result the hub calls a quantized form of its base."""

OTHER_TERMS = "terms-of-base-and-data"

CARD_TEXT = """---
{metadata}
---

# {title}

{technique} of {base}. It finds {types} in text{languages}: a token classifier with {scheme} labels, made with
Kidogo (variant `{variant}`).

## Scores

{scores}

## Size

{size:.1f} MB of weights, {parameters:,} parameters, of which {nonzero:,} are not zero.

## Use

{use}

Texts are read in windows of {max_length} pieces, and the first piece of a word gives its label.{transitions}

## Made from

| | |
|---|---|
| base | {base} |
| data | {data} |
| made from the variant or base | {parent} |
| recipe | {recipe}, seed {seed} |

`manifest.json` has all parameters, library versions and the SHA-256 of every file as the build wrote it.

## Limits

- The scores hold for text like the data above. Other text, languages and letter case are harder.
- Names that look like common words and names that the model has never seen are found least reliably.
- Scores of single entities are not calibrated. Do not decide about people by them.

## Licence

{licence}
"""

ONNX_USE = """```python
from optimum.onnxruntime import ORTModelForTokenClassification
from transformers import AutoTokenizer, pipeline

model = ORTModelForTokenClassification.from_pretrained("REPOSITORY_OR_FOLDER")
tokenizer = AutoTokenizer.from_pretrained("REPOSITORY_OR_FOLDER")
ner = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
```"""

TORCH_USE = """```python
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

model = AutoModelForTokenClassification.from_pretrained("REPOSITORY_OR_FOLDER", device_map="cpu")
tokenizer = AutoTokenizer.from_pretrained("REPOSITORY_OR_FOLDER")
ner = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")
```"""


def write_card(folder: Path, manifest: Manifest, source: Source) -> None:
    """Write ``README.md``. ``manifest`` need not know the files yet."""
    (folder / CARD).write_text(card(folder, manifest, source), encoding="utf-8")


def card(folder: Path, manifest: Manifest, source: Source) -> str:
    weights = [path for path in folder.rglob("*") if ".onnx" in path.name or path.suffix == ".safetensors"]
    revision = f" ({manifest.base_revision})" if manifest.base_revision else ""
    types = sorted({label[2:] for label in iob2_labels(manifest.labels, manifest.scheme)} - {""})
    return CARD_TEXT.format(
        metadata=metadata(manifest, source),
        title=f"{manifest.base_model}: {manifest.variant}",
        technique=manifest.technique[0].upper() + manifest.technique[1:],
        base=f"{manifest.base_model}{revision}",
        types=", ".join(types),
        languages=f" in {', '.join(manifest.languages)}" if manifest.languages else "",
        scheme=manifest.scheme,
        variant=manifest.variant,
        scores=scores_text(manifest),
        size=sum(path.stat().st_size for path in weights) / 1e6,
        parameters=manifest.parameters,
        nonzero=manifest.nonzero_parameters,
        use=ONNX_USE if manifest.runtime == "onnx" else TORCH_USE,
        max_length=manifest.max_length,
        transitions=(
            " Kidogo also weighs the label transitions in `transitions.json`, which other programs leave out: their"
            " labels may differ where the model is unsure."
            if (folder / "transitions.json").exists()
            else ""
        ),
        data=_data(manifest) or "none",
        parent=manifest.parent,
        recipe=f"`{manifest.recipe.name}`",
        seed=manifest.recipe.seed,
        licence=licence_text(manifest, source),
    )


def scores_text(manifest: Manifest) -> str:
    """The scores as what they are: F1 against people's labels, or agreement with dense."""
    if manifest.metrics:
        return f"Strict IOB2 micro F1 against the labels of {_data(manifest)}.\n\n{_table(manifest.metrics, 'F1')}"
    if manifest.agreement:
        return (
            f"Agreement with the uncompressed variant `dense` on {_data(manifest)}, which has no labels: strict entity"
            " F1 against the answers of `dense`. It says what compression changed, not how right the model is.\n\n"
            f"{_table(manifest.agreement, 'agreement')}"
        )
    return "Nothing was measured: it was made without data."


def _data(manifest: Manifest) -> str | None:
    if manifest.data is None:
        return None
    return manifest.data.name + (f", commit {manifest.data.revision}" if manifest.data.revision else "")


def _table(scores: dict[str, Scores], figure: str) -> str:
    rows = [
        f"| split | language | {figure} | precision | recall | sentences | entities |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for split, found in scores.items():
        rows.append(
            f"| {split} | all | {found.f1:.4f} | {found.precision:.4f} | {found.recall:.4f} | {found.sentences:,} |"
            f" {found.entities:,} |"
        )
        rows += [f"| {split} | {language} | {f1:.4f} | | | | |" for language, f1 in found.languages.items() if language]
    return "\n".join(rows)


def licence_text(manifest: Manifest, source: Source) -> str:
    """What is known of the terms, and what is not."""
    if source.made_here:
        data = manifest.data.name if manifest.data is not None else "the bundled sample"
        return f"Trained from random weights: subject to the terms of the data ({data}). Add your own to share it."
    said = f"`{source.licence}` by its model card" if source.licence else "a licence that it does not state"
    data = f" and of the data ({manifest.data.name})" if manifest.data is not None else ""
    return f"Subject to the terms of the base ({manifest.base_model}: {said}){data}. Add your own to share it."


def metadata(manifest: Manifest, source: Source) -> str:
    data = manifest.data
    data_id = data.name.partition(" ")[0] if data is not None and data.revision else None
    results = [
        EvalResult(
            task_type="token-classification",
            task_name="Named-entity recognition",
            dataset_type=data_id or "labelled-data",
            dataset_name=data.name,
            dataset_split={"dev": "validation"}.get(split, split),
            dataset_revision=data.revision,
            metric_type="f1",
            metric_name="F1 (strict IOB2, micro)",
            metric_value=round(found.f1, 4),
        )
        for split, found in manifest.metrics.items()
        if data is not None
    ]
    known = source.licence if data is None else None
    onnx = manifest.runtime == "onnx"
    quantized = {manifest.recipe.name, manifest.runtime} & set(QUANTIZED) or manifest.variant.endswith("dynamic")
    found = ModelCardData(
        language=manifest.languages or None,
        license=known or "other",
        license_name=None if known else OTHER_TERMS,
        license_link=None if known else CARD,
        library_name="onnx" if onnx else "transformers",
        pipeline_tag="token-classification",
        tags=[*TAGS, manifest.variant, *(["onnx", "transformers.js"] if onnx else [])],
        base_model=manifest.base_model if source.on_hub else None,
        base_model_relation=("quantized" if quantized else "finetune") if source.on_hub else None,
        datasets=[data_id] if data_id else None,
        metrics=["f1"] if results else None,
        model_name=manifest.variant if results else None,
        eval_results=results or None,
    )
    return found.to_yaml().strip()
