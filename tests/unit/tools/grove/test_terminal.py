"""What is typed and what is shown."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.stack import REPOSITORY
from tests.support.waiting import eventually
from tools.grove.commands import COMMANDS
from tools.grove.completion import SHELLS, script
from tools.grove.metadata import assignments, unset_keys
from tools.grove.options import children, parse, parser
from tools.grove.output import Harmless, Output, escaped, fitting, note, table_lines
from tools.grove.problem import INTERRUPTED, CommandError
from tools.grove.rest import path

SHOWN = """
from tools.grove.output import Output
for as_json in (True, False):
    Output(as_json=as_json).fields({"a": "\u00d6"})
"""


def is_asleep(pid: int) -> bool:
    """Tell whether a process waits: a signal that comes just before it reads is seen after that."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_assignments_are_text_or_json() -> None:
    assert assignments(["a=1", "b:=1", "c=x=y", "d:={}", "e="]) == {
        "a": "1",
        "b": 1,
        "c": "x=y",
        "d": {},
        "e": "",
    }


@pytest.mark.parametrize("text", ["a", "=b", "a b=c"])
def test_what_is_no_assignment_is_told(text: str) -> None:
    with pytest.raises(CommandError, match="is not"):
        assignments([text])


def test_a_key_is_given_once() -> None:
    with pytest.raises(CommandError, match="a is given twice"):
        assignments(["a=1", "b=1", "a:=2"])


@pytest.mark.parametrize(
    "text", ["x", "NaN", "-Infinity", "1e999", '{"b":1,"b":2}', '"\\ud800"', "1\udcff", "9" * 30, "[" * 40]
)
def test_json_that_would_not_come_back_as_it_was_is_refused(text: str) -> None:
    with pytest.raises(CommandError) as refused:
        assignments([f"a:={text}"])

    assert str(refused.value).isprintable()


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


@pytest.mark.parametrize(
    ("unicode", "shown"),
    [(True, '"Öl\\u009b31m\\u007f\\u202e🫒"'), (False, '"\\u00d6l\\u009b31m\\u007f\\u202e\\ud83e\\uded2"')],
)
def test_json_is_harmless_too_and_says_the_same(shown: str, *, unicode: bool) -> None:
    text = '"Öl\x9b31m\x7f\u202e🫒"'

    assert escaped(text, unicode=unicode) == shown
    assert json.loads(shown) == json.loads(text)


def test_what_the_platform_says_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    note("\x1b[2J\nsecond")

    assert capsys.readouterr().err == "\ufffd[2J\nsecond\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ["-m", "tools.grove", "endpoints", "show", "tree\udcff"], "no text in UTF-8", id="argument"
        ),
        pytest.param(["-m", "tools.grove", "login", "--url", "http://127.0.0.1:1"], "no API key", id="key"),
        pytest.param(["-c", SHOWN], '"\\u00d6"', id="output"),
    ],
)
def test_what_is_no_text_here_is_no_traceback(arguments: list[str], said: str) -> None:
    environ = {"GROVE_API_URL": "http://127.0.0.1:1", "GROVE_API_KEY": "k", "PYTHONIOENCODING": "ascii"}

    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=environ,
        input=b"k\xe9y\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=20,
    )

    assert said in ended.stdout.decode()
    assert "Traceback" not in ended.stdout.decode()


ON_A_TERMINAL = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tools.grove", run_name="__main__", alter_sys=True)
"""
"""What a shell starts in the background ignores Ctrl-C, and so does all that starts there: perhaps tests."""


async def interrupted(process: asyncio.subprocess.Process) -> int:
    """Press Ctrl-C as people do: again, where Python was about to read and heard it only behind that."""
    while True:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                return await process.wait()


async def test_ctrl_c_ends_a_question() -> None:
    here, there = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ON_A_TERMINAL, "login"),
        cwd=REPOSITORY,
        stdin=there,
        stdout=there,
        stderr=there,
    )

    async def waits() -> bool:
        return is_asleep(process.pid)

    try:
        said = b""
        while b"Address" not in said:
            said += await asyncio.to_thread(os.read, here, 1024)
        await eventually(waits, what="it waits for an answer")
        async with asyncio.timeout(20):
            ended = await interrupted(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(here)
        os.close(there)

    assert ended == INTERRUPTED


def test_an_export_to_a_terminal_is_harmless() -> None:
    here, there = os.openpty()
    with os.fdopen(there, "w") as terminal:
        out = Harmless(terminal)
        for piece in (b"a,\x1b[2J\xc3", b"\x96l,\xff\r\n"):
            out.write(piece)
        out.flush()
        said = os.read(here, 1024).decode()
    os.close(here)

    assert said == "a,\ufffd[2JÖl,\ufffd\r\n"


@pytest.mark.parametrize(
    ("columns", "line"),
    [(20, "[##..]  7 rows"), (15, "[##..]  7 rows"), (14, "7 rows"), (4, "7 r"), (0, "[##..]  7 rows")],
)
def test_progress_stays_on_one_line(columns: int, line: str) -> None:
    assert fitting("[##..]  ", "7 rows", columns=columns) == line


def test_what_may_be_wrong_with_the_order_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["endpoints", "set", "tree-17", "--unset", "a", "b=2"])

    assert "b=2 (options stand behind everything else)" in capsys.readouterr().err


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
        assert f'" {" ".join(filter(None, [command.group, command.name]))}") offered=' in made


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        pytest.param("''", {"apps", "endpoints", "import", "--help"}, id="first word"),
        pytest.param("endpoints ''", {"list", "show", "set"}, id="second word"),
        pytest.param("endpoints list --so", {"--sort"}, id="option"),
        pytest.param("keys create x --json ''", {"--scope", "--expires"}, id="behind arguments"),
        pytest.param("completion b", {"bash"}, id="choices"),
        pytest.param("keys create x --scope ''", {"read", "write", "admin"}, id="choices of an option"),
        pytest.param("keys create x --scope r", {"read"}, id="one choice"),
        pytest.param("import trees.csv --results ''", set(), id="a file, by the shell"),
        pytest.param("import 'my tr'", set(), id="a file with a space, by the shell"),
    ],
)
def test_the_script_completes_in_bash(typed: str, offered: set[str]) -> None:
    made = script(parser(), "bash", children=children)
    test = f"COMP_WORDS=(grove {typed}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); _grove"
    shell = ["bash", "-euc", f'{made}\n{test}; printf "%s\\n" "${{COMPREPLY[@]}}"']

    said = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=10)

    assert offered <= set(said.stdout.split())
    assert offered or not said.stdout.strip()


def test_zsh_uses_the_same_script_without_what_it_takes_otherwise() -> None:
    made = script(parser(), "zsh", children=children)

    assert SHELLS == ("bash", "zsh")
    assert made.startswith("(( $+functions[compdef] )) ||")  # nothing has loaded it in a new shell
    assert made.endswith(script(parser(), "bash", children=children))
    assert " path=" not in made  # there it is PATH
    assert ":1:$((COMP_CWORD - 1))}" in made  # there a bare expression is a modifier
