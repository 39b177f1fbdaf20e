from collections import Counter

from tools.simulator.ledger import Ledger
from tools.simulator.progress import line
from tools.simulator.report import conclusion, exit_code, judge, missing, table


def ledger_of(*, sent: int, acknowledged: int) -> Ledger:
    """Two trees that each sent and got so many."""
    ledger = Ledger(2)
    for tree in (0, 1):
        for n in range(1, sent + 1):
            assert ledger.next_number(tree) == n
            if n <= acknowledged:
                ledger.acknowledge(tree, n, took_s=0.0125)
    return ledger


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    ledger = ledger_of(sent=3, acknowledged=3)
    stored = [Counter((1, 2, 3)), Counter((1, 3))]

    verdict = judge(ledger.accounts, stored)

    assert (verdict.stored, verdict.doubled, verdict.lost) == (5, 0, ((1, 2),))
    assert missing(ledger.accounts, stored) == [1]
    assert exit_code(ledger, verdict) == 1
    assert conclusion(ledger, verdict, ["a", "b"]).endswith("not stored: b n=2")


def test_copies_are_counted_and_no_failure() -> None:
    ledger = ledger_of(sent=2, acknowledged=2)

    verdict = judge(ledger.accounts, [Counter((1, 1, 1, 2)), Counter((1, 2))])

    assert (verdict.stored, verdict.doubled, verdict.lost) == (4, 2, ())
    assert exit_code(ledger, verdict) == 0


def test_what_is_stored_without_acknowledgement_is_no_loss_but_not_well_either() -> None:
    ledger = ledger_of(sent=2, acknowledged=1)

    verdict = judge(ledger.accounts, [Counter((1, 2)), Counter((1,))])

    assert (verdict.stored, verdict.lost) == (3, ())
    assert exit_code(ledger, verdict) == 2
    assert "2 samples were not acknowledged" in conclusion(ledger, verdict, ["a", "b"])


def test_what_was_refused_is_not_missed_but_told() -> None:
    ledger = ledger_of(sent=1, acknowledged=1)
    ledger.refuse(1, 1, "403 token is suspended")

    verdict = judge(ledger.accounts, [Counter((1,)), Counter()])

    assert (verdict.lost, exit_code(ledger, verdict)) == ((), 2)
    assert conclusion(ledger, verdict, ["a", "b"]) == "1 samples were refused: 403 token is suspended"


def test_the_table_has_a_line_for_each_figure() -> None:
    ledger = ledger_of(sent=600, acknowledged=600)

    rows = dict(row.rsplit(maxsplit=1) for row in table(ledger, None).splitlines()[:2])
    timed = table(ledger, judge(ledger.accounts, [Counter(range(1, 601))] * 2)).splitlines()

    assert rows == {"  sent": "1,200", "  acknowledged": "1,200"}
    assert [row.split()[:1] for row in timed[2:4]] == [["stored"], ["lost"]]
    assert timed[-1].split() == ["p99", "ms", "12.5"]


def test_without_a_verdict_what_is_stored_is_not_known() -> None:
    assert "not known" in table(ledger_of(sent=1, acknowledged=1), None)


def test_progress_tells_of_lost_connections_only_when_there_are_some() -> None:
    ledger = ledger_of(sent=2, acknowledged=1)
    ledger.connected = 2

    calm = line(ledger, passed_s=75.2, connections=2)
    broken = line(ledger, passed_s=75.2, connections=3)

    assert calm == "01:15  sent 4  acknowledged 2  waiting 2  p50 12 ms, p99 12 ms"
    assert broken == f"{calm}  connected 2 of 3"
