"""The name that gin knows a class by, and the classes that it knows by a name."""

import inspect

import gin


def gin_name(cls: type) -> str | None:
    """The shortest name by which a .gin file may call `cls`; None if it isn't registered."""
    known = gin.config._INVERSE_REGISTRY.get(cls)
    return known and gin.config._REGISTRY.minimal_selector(known.selector)


def classes_named(name: str) -> list[type]:
    """The registered classes that a .gin file may call `name`, without their bindings."""
    selectors = gin.config._REGISTRY.matching_selectors(name)
    found = [gin.config._REGISTRY[selector].wrapped for selector in selectors]
    return [one for one in found if inspect.isclass(one)]
