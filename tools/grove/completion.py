"""Scripts for shells, written from the parser: which words and options may come next."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Final

SHELLS: Final = ("bash", "zsh")
_ZSH: Final = "autoload -U +X bashcompinit && bashcompinit\n"
_SCRIPT: Final = """\
_grove() {{
    local word path="" current="${{COMP_WORDS[COMP_CWORD]}}"
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $word == -* ]] && continue
        case "$path $word" in {paths}) path="$path $word" ;; esac
    done
    local words=""
    case "$path" in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ ${{#COMPREPLY[@]}} -eq 0 && $current != -* ]] && COMPREPLY=($(compgen -f -- "$current"))
}}
complete -F _grove grove
"""

Children = Callable[[argparse.ArgumentParser], Mapping[str, argparse.ArgumentParser]]


def script(top: argparse.ArgumentParser, shell: str, *, children: Children) -> str:
    """Write the script that completes the command ``grove``."""
    known = dict(_words(top, "", children))
    cases = "\n".join(f'        "{path}") words="{" ".join(words)}" ;;' for path, words in known.items())
    paths = "|".join(f'"{path}"' for path in known if path)
    return (_ZSH if shell == "zsh" else "") + _SCRIPT.format(cases=cases, paths=paths)


def _words(one: argparse.ArgumentParser, path: str, children: Children) -> Iterator[tuple[str, list[str]]]:
    below = children(one)
    options = [name for action in one._actions for name in action.option_strings if name.startswith("--")]  # noqa: SLF001 - argparse tells its options in no other way
    choices = [
        str(choice)
        for action in one._actions  # noqa: SLF001 - the same
        if not action.option_strings and not below
        for choice in action.choices or ()
    ]
    yield path, [*below, *choices, *options]
    for word, child in below.items():
        yield from _words(child, f"{path} {word}", children)
