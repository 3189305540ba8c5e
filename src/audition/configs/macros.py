"""Which macros a configuration reads."""

import gin


def read_macros() -> set[str]:
    """Names of the macros that a binding reads, by itself or by way of other macros."""
    bindings = gin.config._CONFIG.items()
    waiting = [parameters for (_, selector), parameters in bindings if selector != "gin.macro"]
    found = set()
    while waiting:
        for reference in gin.config.iterate_references(waiting.pop()):
            name, selector = reference.config_key
            if selector == "gin.macro" and name not in found:
                found.add(name)
                waiting.append(gin.config._CONFIG.get(reference.config_key, {}))
    return found
