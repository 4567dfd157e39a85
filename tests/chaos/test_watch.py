"""What counts as a pause: no progress of a partition number that has something to do."""

from tests.chaos.watch import Pause, Pauses


def test_nothing_to_do_is_no_pause() -> None:
    pauses = Pauses(1)
    pauses.taken(0, {"a": 0}, 1.0)
    pauses.taken(0, {"a": 5}, 100.0)
    assert (pauses.found, pauses.behind) == ([], [])


def test_it_begins_with_what_there_is_to_do_and_ends_with_progress() -> None:
    pauses = Pauses(2)
    pauses.due({("a", 1): 5}, 1.0)
    pauses.due({("a", 1): 9}, 2.0)
    assert pauses.behind == [1]
    pauses.taken(1, {"a": 5}, 4.0)
    assert pauses.found == [Pause(1, 1.0, 4.0)]
    assert pauses.behind == [1]
    pauses.taken(1, {"a": 9}, 4.5)
    assert pauses.found[1:] == [Pause(1, 4.0, 4.5)]
    assert pauses.behind == []
    assert [pause.seconds for pause in pauses.found] == [3.0, 0.5]


def test_a_mark_that_comes_again_is_no_progress() -> None:
    pauses = Pauses(1)
    pauses.taken(0, {"a": 2, "b": 1}, 0.0)
    pauses.due({("a", 0): 5, ("b", 0): 1}, 1.0)
    pauses.taken(0, {"a": 2, "b": 1}, 2.0)
    assert pauses.found == []
    pauses.taken(0, {"a": 7, "b": 1}, 3.0)
    assert pauses.found == [Pause(0, 1.0, 3.0)]
    assert pauses.behind == []


def test_progress_of_one_topic_leaves_another_behind() -> None:
    pauses = Pauses(1)
    pauses.due({("a", 0): 5, ("b", 0): 5}, 1.0)
    pauses.taken(0, {"a": 5}, 2.0)
    assert pauses.behind == [0]
