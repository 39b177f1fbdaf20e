"""Scripts for shells, written from the parser: which words and options may come next."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

SHELLS: Final = ("bash", "zsh")
_ZSH: Final = """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
autoload -Uz bashcompinit && bashcompinit
"""
_SCRIPT: Final = """\
_grove() {{
    local word at="" offered="" current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case "$at $word" in {paths}) at="$at $word" ;; esac
    done
    case "$at $before" in
{values}
    *) case "$at" in
{cases}
    esac ;;
    esac
    COMPREPLY=()
    for word in $offered; do
        case "$word" in "$current"*) COMPREPLY+=("$word") ;; esac
    done
}}
complete -o default -F _grove grove
"""
"""Where it offers nothing, the shell offers files: it knows how to quote their names."""

Children = Callable[[argparse.ArgumentParser], Mapping[str, argparse.ArgumentParser]]


def script(top: argparse.ArgumentParser, shell: str, *, children: Children) -> str:
    """Write the script that completes the command ``grove``."""
    parsers = dict(_parsers(top, "", children))
    cases = {path: [*children(one), *_words(one, children)] for path, one in parsers.items()}
    values = {
        f"{path} {name}": [str(choice) for choice in action.choices or ()]
        for path, one in parsers.items()
        for action in _actions(one)
        for name in action.option_strings
        if action.nargs != 0
    }
    paths = "|".join(f'"{path}"' for path in cases if path)
    made = _SCRIPT.format(cases=_cases(cases), values=_cases(values), paths=paths)
    return (_ZSH if shell == "zsh" else "") + made


def _parsers(
    one: argparse.ArgumentParser, path: str, children: Children
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield path, one
    for word, child in children(one).items():
        yield from _parsers(child, f"{path} {word}", children)


def _words(one: argparse.ArgumentParser, children: Children) -> Iterator[str]:
    """Name what may stand there but for words that go on: choices, then options."""
    for action in _actions(one):
        if not action.option_strings and not children(one):
            yield from map(str, action.choices or ())
    for action in _actions(one):
        yield from (name for name in action.option_strings if name.startswith("--"))


def _actions(one: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    return one._actions  # noqa: SLF001 - argparse tells them in no other way


def _cases(words: Mapping[str, Sequence[str]]) -> str:
    return "\n".join(f'    "{at}") offered="{" ".join(each)}" ;;' for at, each in words.items())
