from dataclasses import replace

from build_models.settings import FinetuneSettings


def test_models_without_a_base_are_regularized_and_others_where_asked() -> None:
    given = FinetuneSettings.defaults(base_given=True, data_given=True)
    assert given != given.regularized() == given.regularized().regularized()
    assert replace(given.regularized(), epochs=9).regularized().epochs == 9
    for data_given in (True, False):
        own = FinetuneSettings.defaults(base_given=False, data_given=data_given)
        assert own == own.regularized()
