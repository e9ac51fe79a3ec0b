"""A share of the training sentences gets noise."""

import pytest

from build_models.settings import ALL_NOISE, NO_NOISE, FinetuneSettings, NoiseShares
from build_models.training.noise import add_noise, with_noise
from service.evaluation.conll import Sentence


def test_noise_keeps_labels_and_leaves_most_sentences_alone() -> None:
    sentences = [Sentence("yor", ["Ọbáfẹ́mi", "lọ"], ["B-PER", "O"])] * 400
    noisy = add_noise(sentences, NoiseShares(), seed=3)

    assert all(len(one.words) == 2 and one.labels == ["B-PER", "O"] and all(one.words) for one in noisy)
    assert 200 < noisy.count(sentences[0]) < 320
    assert {"ọbáfẹ́mi", "ỌBÁFẸ́MI", "Obafemi"} <= {one.words[0] for one in noisy}
    assert add_noise(sentences, NO_NOISE, seed=3) == sentences
    assert add_noise(sentences, NoiseShares(), seed=3) == noisy


def test_every_sentence_has_a_form_with_noise_that_takes_its_place_in_a_share_of_the_epochs() -> None:
    sentences = [Sentence("yor", ["Ọbáfẹ́mi", "lọ", "Èkó"], ["B-PER", "O", "B-LOC"])] * 200
    shown, shares = with_noise(sentences, 0.25, seed=3)

    assert shown[:200] == sentences
    assert all(noisy.labels == clean.labels for clean, noisy in zip(sentences, shown[200:], strict=True))
    assert shown[200:].count(sentences[0]) < 60
    assert shares == [0.75] * 200 + [0.25] * 200
    assert with_noise(sentences, 0.0, seed=3) == (sentences, [1.0] * 200)
    assert sum(vars(ALL_NOISE).values()) == pytest.approx(1)


def test_the_users_own_data_gets_noise() -> None:
    assert (
        FinetuneSettings.defaults(True, True).noise_share == FinetuneSettings.defaults(False, True).noise_share == 0.3
    )
    assert FinetuneSettings.defaults(False, False).noise_share == 0
