"""One planted violation for each import contract of pyproject.toml, so that none can rot unnoticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))

# Two services and two libs that keep every rule; a test adds one import to one of these files.
SOUND = {
    "deploy/__init__.py": "",
    "tools/__init__.py": "",
    "tools/bench.py": "import nats\nimport pymongo\nimport services.pear.domain\n",
    "tools/grove/__init__.py": "",
    "tools/grove/rest.py": "import libs.contracts\n",
    "libs/__init__.py": "",
    "libs/contracts/__init__.py": "",
    "libs/bus/__init__.py": "",
    "libs/bus/connection.py": "import libs.contracts\nimport nats\n",
    "libs/store/__init__.py": "",
    "libs/store/client.py": "import libs.contracts\nimport pymongo\n",
    "services/__init__.py": "",
    "services/pear/__init__.py": "",
    "services/pear/__main__.py": "import services.pear.app\n",
    "services/pear/app.py": (
        "import libs.bus.connection\nimport libs.store.client\n"
        "import services.pear.bus_api\nimport services.pear.mongo\nimport services.pear.settings\n"
    ),
    "services/pear/settings.py": "",
    "services/pear/bus_api.py": "import libs.bus.connection\nimport services.pear.usecases\n",
    "services/pear/mongo.py": "import bson\nimport pymongo\nimport services.pear.domain\n",
    "services/pear/usecases.py": "import services.pear.ports\n",
    "services/pear/ports.py": "import services.pear.domain\n",
    "services/pear/domain.py": "import libs.contracts\n",
    "services/plum/__init__.py": "",
    "services/plum/domain.py": "",
}


def lint_imports(tree: Path) -> tuple[int, str]:
    for name, source in SOUND.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_text(source)
    shutil.copy(ROOT / "pyproject.toml", tree)

    done = subprocess.run(
        [sys.executable, LINT_IMPORTS, "--no-logo", "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )

    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_sound_tree_keeps_every_contract(tmp_path: Path) -> None:
    code, output = lint_imports(tmp_path)

    assert code == 0, output
    assert " 0 broken" in output


@pytest.mark.parametrize(
    ("file", "imported", "contract"),
    [
        pytest.param("libs/bus/connection.py", "services.plum.domain", "floors", id="a lib on a service"),
        pytest.param("services/plum/domain.py", "deploy", "floors", id="a service on the runner"),
        pytest.param(
            "services/plum/domain.py", "services.pear.domain", "services", id="a service on another"
        ),
        pytest.param("libs/bus/connection.py", "libs.store", "libs", id="a lib on its sibling"),
        pytest.param("libs/contracts/__init__.py", "libs.bus", "libs", id="the contracts on a lib"),
        pytest.param("services/pear/bus_api.py", "nats", "drivers", id="a service speaking NATS itself"),
        pytest.param("services/pear/usecases.py", "pymongo", "drivers", id="a use case speaking MongoDB"),
        pytest.param("services/pear/domain.py", "bson", "drivers", id="a domain that knows BSON"),
        pytest.param("libs/store/client.py", "nats", "drivers", id="the store speaking NATS"),
        pytest.param(
            "services/pear/domain.py", "services.pear.usecases", "rooms", id="a domain on a use case"
        ),
        pytest.param("services/pear/ports.py", "services.pear.mongo", "rooms", id="a port on its adapter"),
        pytest.param("services/pear/bus_api.py", "services.pear.mongo", "rooms", id="an edge on another"),
        pytest.param(
            "services/pear/usecases.py", "services.pear.settings", "rooms", id="settings read below app"
        ),
        pytest.param("services/pear/mongo.py", "services.pear.app", "rooms", id="an adapter on the root"),
        pytest.param("tools/grove/rest.py", "services.pear.domain", "people", id="people on a service"),
    ],
)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, file: str, imported: str, contract: str
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{SOUND[file]}import {imported}\n")

    code, output = lint_imports(tmp_path)

    assert code == 1, output
    assert f"{name_of(contract)} BROKEN" in output


def name_of(contract: str) -> str:
    text = (ROOT / "pyproject.toml").read_text()
    return text.split(f'id = "{contract}"\nname = "', 1)[1].split('"', 1)[0]
