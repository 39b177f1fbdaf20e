import pytest

from libs.contracts.messages import Event, Reply, Request
from libs.contracts.subjects import EventType, Operation
from libs.process import Variable
from tools.generate import block, known_variables, service_names
from tools.tables import env_table, fill, subjects_table


class PickRequest(Request, frozen=True):
    """Pick one."""


class PickReply(Reply, frozen=True):
    """Picked."""


class Ripened(Event, frozen=True):
    """It is time."""


PICK = Operation("pear", "fruit", "PickRequest", PickRequest, PickReply, "Takes one | leaves the rest.")
RIPENED = EventType("pear", "tree", "fruit", "ripened", Ripened, "One may be picked.")


def variable(
    name: str, default: str = "", unit: str = "", *, secret: bool = False, required: bool = False
) -> Variable:
    return Variable(name=name, default=default, unit=unit, doc="Why.", secret=secret, required=required)


def test_only_what_stands_between_markers_is_replaced() -> None:
    page = (
        "before\n<!-- generated:env -->\nold\n<!-- /generated -->\nafter\n"
        "<!-- generated:subjects pear -->\n<!-- /generated -->\n"
    )

    filled = fill(page, lambda kind, owner: f"{kind} of {owner}")

    assert filled == (
        "before\n<!-- generated:env -->\nenv of None\n<!-- /generated -->\nafter\n"
        "<!-- generated:subjects pear -->\nsubjects of pear\n<!-- /generated -->\n"
    )
    assert fill(filled, lambda kind, owner: f"{kind} of {owner}") == filled


def test_a_setting_shows_its_default_with_unit_and_what_it_is_for() -> None:
    table = env_table(
        [
            variable("GROVE_A", "30", "s"),
            variable("GROVE_B", required=True, secret=True),
            variable("GROVE_C"),
        ]
    )

    assert table.splitlines()[2:] == [
        "| `GROVE_A` | `30` s | Why. |",
        "| `GROVE_B` | required | Why. Secret. |",
        "| `GROVE_C` | unset | Why. |",
    ]


def test_a_service_without_settings_says_so() -> None:
    assert env_table([]) == "None of its own."


def test_subjects_are_answered_said_or_heard() -> None:
    own = subjects_table([RIPENED, PICK], service="pear").splitlines()[2:]
    other = subjects_table([RIPENED], service="plum").splitlines()[2:]

    assert own == [
        (
            r"| answers | `grove.v1.service.pear.fruit.PickRequest` | `PickRequest` -> `PickReply` "
            r"| Takes one \| leaves the rest. |"
        ),
        "| says | `grove.v1.events.pear.tree.fruit.ripened` | `Ripened` | One may be picked. |",
    ]
    assert other[0].startswith("| hears | ")


@pytest.mark.parametrize(
    ("kind", "owner"),
    [
        pytest.param("env", "nobody", id="an unknown owner"),
        pytest.param("poems", "common", id="an unknown kind"),
    ],
)
def test_a_marker_that_asks_for_nothing_we_make_is_an_error(kind: str, owner: str) -> None:
    with pytest.raises(ValueError, match=rf"{owner}|{kind}"):
        block(kind, owner)


def test_every_service_can_be_described() -> None:
    for owner in ["common", "local", *service_names()]:
        assert block("env", owner)


def test_the_list_of_known_names_is_sorted_and_holds_the_common_ones() -> None:
    names = [line.strip(' ",') for line in known_variables().splitlines() if line.startswith('    "GROVE_')]

    assert names == sorted(set(names))
    assert {"GROVE_NATS_URL", "GROVE_LOG_LEVEL"} <= set(names)
