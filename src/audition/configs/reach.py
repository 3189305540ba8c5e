"""What the value of a binding depends on."""

import gin

from audition import configs


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
