"""What a command's arguments mean and default to, read from its source without importing it."""

import ast
import re
import textwrap
from pathlib import Path

from audition.commands import COMMANDS, module_name

PACKAGE = Path(__file__).parents[1]
INDENT = " " * 4
WIDTH = 100


def manual(command: str) -> str:
    """Text of `main.py COMMAND --help`: its docstring, and each argument with its default."""
    path = Path(__file__).with_name(f"{module_name(command).rpartition('.')[2]}.py")
    node = configurable(ast.parse(path.read_text()), command)
    about, meanings = sections(ast.get_docstring(node) or "")
    defaults = {
        name: value for name, value in defaults_of(node, path).items() if name not in denied(node)
    }
    lines = [f"main.py {command}: {COMMANDS[command].text}", "", about, ""]
    if defaults:
        lines.append("Arguments are bindings, in a .gin file or after -b:\n")
    for name, default in defaults.items():
        lines.append(f"  {command}.{name} = {default}")
        lines += textwrap.wrap(
            meanings.get(name, ""), WIDTH, initial_indent="      ", subsequent_indent="      "
        )
    return "\n".join(lines).rstrip() + "\n"


def configurable(tree: ast.Module, function: str) -> ast.FunctionDef:
    """The function that gin knows by that name, from its decorator or its own name."""
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    named = [node for node in functions if f"gin.configurable('{function}'" in decorators(node)]
    return (named or [node for node in functions if node.name == function])[0]


def decorators(node: ast.FunctionDef) -> str:
    return " ".join(map(ast.unparse, node.decorator_list))


def denied(node: ast.FunctionDef) -> list[str]:
    """Arguments that main.py passes and no binding may set."""
    listed = re.search(r"denylist=\[([^]]*)\]", decorators(node))
    return re.findall(r"'(\w+)'", listed[1]) if listed else [arg.arg for arg in node.args.args]


def defaults_of(node: ast.FunctionDef, path: Path) -> dict[str, str]:
    """dict, argument → its default as written in the source, or `required`."""
    names = [argument.arg for argument in node.args.args]
    values = ["required"] * (len(names) - len(node.args.defaults))
    values += [constant(default, path) for default in node.args.defaults]
    return {n: "required" if v == "gin.REQUIRED" else v for n, v in zip(names, values, strict=True)}


def constant(default: ast.expr, path: Path) -> str:
    """A default as written in the source; for a constant of one of our modules, its value."""
    if not (isinstance(default, ast.Name) and default.id.isupper()):
        return ast.unparse(default)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and default.id in [name.name for name in node.names]:
            return constant(
                default, PACKAGE.parent.joinpath(*node.module.split(".")).with_suffix(".py")
            )
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == default.id:
            return ast.unparse(node.value)
    return default.id


def sections(docstring: str) -> tuple[str, dict[str, str]]:
    """`(what stands before Args and after it, dict, argument → its meaning)`."""
    about, _, rest = docstring.partition("\nArgs:\n")
    arguments, _, after = rest.partition("\n\n")
    meanings = {}
    for entry in re.split(rf"\n(?={INDENT}\w)", "\n" + arguments):
        names, _, text = " ".join(entry.split()).partition(": ")
        meanings |= dict.fromkeys(names.split(", "), text)
    return f"{about.rstrip()}\n\n{after.strip()}".strip(), meanings
