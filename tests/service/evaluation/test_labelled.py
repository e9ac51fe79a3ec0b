from service.evaluation.labelled import spread_evenly


def test_some_of_many_are_from_all_parts() -> None:
    assert spread_evenly(range(19), 10) == [0, 1, 3, 5, 7, 9, 11, 13, 15, 17]
    assert spread_evenly(range(3), 10) == [0, 1, 2]
    assert spread_evenly(range(3), 0) == []
