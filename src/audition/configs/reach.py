"""What the value of a binding depends on."""

from collections.abc import Iterator
from typing import Any

import gin

from audition import configs

IN_FULL = "torch."  # everything else goes by its last name in our .gin files


def reachable(name: str) -> str:
    """Text of everything the value bound to `name` depends on: references, their bindings, macros.

    Two configs with the same text here give that argument the same value. "" if `name` isn't bound.
    """
    bound = configs.raw_binding(name)
    waiting, seen = [bound], {}
    while waiting:
        for reference in gin.config.iterate_references({("", ""): {"": waiting.pop()}}):
            selector = reference.configurable.selector
            for key, parameters in gin.config._CONFIG.items():
                # a macro's scope is its name; anything else may be called in any scope
                fits = key[1] == selector and (
                    selector != "gin.macro" or key == reference.config_key
                )
                if fits and key not in seen:
                    seen[key] = parameters
                    waiting += parameters.values()
    return "" if bound is None else repr((bound, sorted(seen.items(), key=repr)))


def bindings_below(value: Any, scope: str = "") -> dict[str, str]:
    """Binding → its value as text, of all that a value depends on by its references; macros are
    bindings, too. Bindings of other scopes than those in which gin would call them are left out.

    Args:
        value: as gin parsed it, such as `configs.raw_binding("train.features")`.
        scope: in which it stands.
    """
    found = {}
    for reference in gin.config.iterate_references([value]):
        key = reference.config_key
        is_macro = key[1] == "gin.macro"
        inner = scope if is_macro else key[0] or scope
        for called in dict.fromkeys([key] if is_macro else [("", key[1]), (inner, key[1])]):
            for parameter, bound in gin.config._CONFIG.get(called, {}).items():
                found |= {spelled(called, parameter): repr(bound), **bindings_below(bound, inner)}
    return found


def spelled(key: tuple[str, str], parameter: str) -> str:
    """A binding as our .gin files write it: without modules, as nouns may move, but for torch's."""
    scope, selector = key
    if selector == "gin.macro":
        return scope
    name = selector if selector.startswith(IN_FULL) else selector.rpartition(".")[2]
    return f"{scope}/{name}.{parameter}".lstrip("/")


def listed(value: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """`(name, bindings below it)` of each function or class that a value refers to, by a macro or
    not."""
    for reference in gin.config.iterate_references([value]):
        if reference.config_key[1] == "gin.macro":
            yield from listed(gin.config._CONFIG[reference.config_key])
        else:
            yield reference.configurable.name, bindings_below(reference)
