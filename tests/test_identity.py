"""Descriptions that make keys."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from audition.identity import describe, in_short


class Setting:
    def __init__(self, value):
        self.value = value


class Knowing(Setting):
    def passport(self):
        return "the same"


def test_objects_are_their_class_and_settings():
    assert describe(Setting({"a": (1, None)}))["settings"] == {"value": {"a": [1, None]}}
    assert describe(Setting(1)) == describe(pickle.loads(pickle.dumps(Setting(1))))
    assert describe(Setting(1)) != describe(Setting(2))
    assert describe(Knowing(1)) == describe(Knowing(2)) == "the same"


def test_arrays_are_their_content():
    assert describe(np.zeros(3)) != describe(np.ones(3))
    assert describe(np.zeros(3)) != describe(np.zeros((1, 3)))
    assert describe(np.zeros(3)) == describe(np.zeros(3))


@pytest.mark.parametrize("thing", [Setting, describe])
def test_classes_and_functions_are_their_names(thing):
    assert describe(thing) == thing.__qualname__


def test_in_short():
    text = in_short(describe(Setting([1, Setting("x")])))
    assert text == "Setting(value=[1, Setting(value=x)])"
    assert in_short({"mixer": describe(Setting(1))}) == "(mixer=Setting(value=1))"


def test_private_attributes_shape_nothing():
    bookkept = Setting(1)
    bookkept._seen = 3
    assert describe(bookkept) == describe(Setting(1))


def test_a_set_is_its_members_in_any_order():
    assert (
        describe({"drums", "bass"}) == describe(frozenset({"bass", "drums"})) != describe({"bass"})
    )
    assert describe({None, "a", 1}) == [1, None, "a"]


def test_two_paths_are_two_things():
    assert describe(Path("a")) == "a" != describe(Path("b"))
