"""A share of the training sentences gets noise."""

from build_models.settings import NO_NOISE, NoiseShares
from build_models.training.noise import add_noise
from service.evaluation.conll import Sentence


def test_noise_keeps_labels_and_leaves_most_sentences_alone() -> None:
    sentences = [Sentence("yor", ["Ọbáfẹ́mi", "lọ"], ["B-PER", "O"])] * 400
    noisy = add_noise(sentences, NoiseShares(), seed=3)

    assert all(len(one.words) == 2 and one.labels == ["B-PER", "O"] and all(one.words) for one in noisy)
    assert 200 < noisy.count(sentences[0]) < 320
    assert {"ọbáfẹ́mi", "ỌBÁFẸ́MI", "Obafemi"} <= {one.words[0] for one in noisy}
    assert add_noise(sentences, NO_NOISE, seed=3) == sentences
    assert add_noise(sentences, NoiseShares(), seed=3) == noisy
