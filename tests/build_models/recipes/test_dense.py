from service.evaluation.conll import Sentence
from service.ner.pipeline import Pipeline, label_sentences, log_softmax, run_to_end
from tests.build_models.conftest import Built
from tests.build_models.readings import checkpoint_logits, largest_difference


def test_onnx_gives_the_checkpoint_s_logits(built: Built, pipelines: dict[str, Pipeline]) -> None:
    assert largest_difference(pipelines["dense"], built.checkpoint("dense")) < 1e-4


def test_real_sentences_get_the_checkpoint_s_labels(
    built: Built, pipelines: dict[str, Pipeline], sentences: list[Sentence]
) -> None:
    pipeline, some = pipelines["dense"], [sentence for sentence in sentences[::40] if len(sentence.words) < 20]
    windows = [
        window
        for sentence in some
        for _, window in pipeline.encoder.windows(pipeline.encoder.encode_all(sentence.words))
    ]
    assert len(windows) == len(some) > 2, "short sentences fit one window each"
    logits = checkpoint_logits(built.checkpoint("dense"), [window.input_ids for window in windows])
    paths = [
        run_to_end(pipeline.scheme.best_path(log_softmax(logit[window.heads])))
        for logit, window in zip(logits, windows, strict=True)
    ]
    for labels, path in zip(label_sentences(pipeline, (sentence.words for sentence in some)), paths, strict=True):
        assert labels == [pipeline.scheme.labels[choice] for choice in path]
