"""What is typed and what is shown."""

import subprocess

import pytest

from tools.grove.commands import COMMANDS
from tools.grove.completion import SHELLS, script
from tools.grove.metadata import assignments, unset_keys
from tools.grove.options import children, parse, parser
from tools.grove.output import Output, table_lines
from tools.grove.problem import CommandError
from tools.grove.rest import path


def test_assignments_are_text_or_json() -> None:
    assert assignments(["a=1", "b:=1", "c=x=y", "d:={}", "e="]) == {
        "a": "1",
        "b": 1,
        "c": "x=y",
        "d": {},
        "e": "",
    }


@pytest.mark.parametrize("text", ["a", "=b", "a b=c", "a:=x"])
def test_what_is_no_assignment_is_told(text: str) -> None:
    with pytest.raises(CommandError, match="is not"):
        assignments([text])


def test_what_is_no_key_is_told() -> None:
    with pytest.raises(CommandError, match="is no metadata key"):
        unset_keys(["a", "a/b"])


def test_a_table_is_laid_out_and_harmless() -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "note": "\x1b[31mred\n"},
        {"id": "long", "note": None},
        {"id": "b", "note": [1]},
    ]

    assert table_lines(rows) == ["ID    NOTE", "a     \ufffd[31mred\ufffd", "long", "b     [1]"]
    assert table_lines([]) == ["(none)"]


def test_json_is_the_answer_as_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).table({"content": []}, [{"id": "a"}])
    Output(as_json=True).done("deleted")

    assert capsys.readouterr().out == '{\n  "content": []\n}\n'


def test_ids_are_quoted_in_paths() -> None:
    assert path("/epr/api/v1/endpoints", "a/b", "~.x") == "/epr/api/v1/endpoints/a%2Fb/~.x"


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["apps"], ["import", "x.csv"], ["apps", "list", "x"]]
)
def test_a_wrong_command_ends_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)

    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_command_is_known_to_the_completion() -> None:
    made = script(parser(), "bash", children=children)

    for command in COMMANDS:
        assert f'" {" ".join(filter(None, [command.group, command.name]))}") words=' in made


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("''", {"apps", "endpoints", "import", "--help"}, id="first word"),
        pytest.param("endpoints ''", {"list", "show", "set"}, id="second word"),
        pytest.param("endpoints list --so", {"--sort"}, id="option"),
        pytest.param("keys create x --json ''", {"--scope", "--expires"}, id="behind arguments"),
        pytest.param("completion b", {"bash"}, id="choices"),
    ],
)
def test_the_script_completes_in_bash(typed: str, offered: set[str]) -> None:
    made = script(parser(), "bash", children=children)
    test = f"COMP_WORDS=(grove {typed}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); _grove"
    shell = ["bash", "-c", f'{made}\n{test}; printf "%s\\n" "${{COMPREPLY[@]}}"']

    said = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=10)

    assert offered <= set(said.stdout.split())


def test_zsh_uses_the_same_script() -> None:
    assert SHELLS == ("bash", "zsh")
    assert script(parser(), "zsh", children=children).startswith("autoload")
