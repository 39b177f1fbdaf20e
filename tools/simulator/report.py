"""What came of a run: the judgement of what is stored, and the final table; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tools.simulator.ledger import Account, Ledger

Stored = Sequence[Mapping[int, int]]
"""For each tree: how often each number was found."""

_LOST_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of comparing what was promised with what is there.

    Attributes:
        stored: Different samples found.
        doubled: Copies beyond the first.
        lost: Acknowledged and not found, as tree (from 0) and number.
    """

    stored: int
    doubled: int
    lost: tuple[tuple[int, int], ...]


def missing(accounts: Sequence[Account], stored: Stored) -> list[int]:
    """Return the trees of which something promised was not found."""
    pairs = zip(accounts, stored, strict=True)
    return [tree for tree, (account, found) in enumerate(pairs) if not account.promised <= found.keys()]


def judge(accounts: Sequence[Account], stored: Stored) -> Verdict:
    """Compare sample by sample."""
    lost = [
        (tree, n)
        for tree, (account, found) in enumerate(zip(accounts, stored, strict=True))
        for n in sorted(account.promised - found.keys())
    ]
    copies = sum(sum(found.values()) for found in stored)
    different = sum(len(found) for found in stored)
    return Verdict(stored=different, doubled=copies - different, lost=tuple(lost))


def table(ledger: Ledger, verdict: Verdict | None) -> str:
    """Return the final table; without a verdict what is stored is not known."""
    taken = ledger.percentiles_ms()
    rows = [
        ("sent", f"{ledger.sent:,}"),
        ("acknowledged", f"{ledger.acknowledged:,}"),
        ("stored", "not known" if verdict is None else f"{verdict.stored:,}"),
        ("lost", "not known" if verdict is None else f"{len(verdict.lost):,}"),
        ("stored twice", "not known" if verdict is None else f"{verdict.doubled:,}"),
        ("not acknowledged", f"{ledger.waiting:,}"),
        ("refused", f"{ledger.refused:,}"),
        ("sent again", f"{ledger.sent_again:,}"),
        ("reconnects", f"{ledger.reconnects:,}"),
        ("p50 ms", "-" if taken is None else f"{taken[0]:.1f}"),
        ("p99 ms", "-" if taken is None else f"{taken[1]:.1f}"),
    ]
    width = max(len(value) for _, value in rows)
    return "\n".join(f"  {name:<17}{value:>{width}}" for name, value in rows)


def exit_code(ledger: Ledger, verdict: Verdict) -> int:
    """1 = a promise was broken; 2 = something was never promised."""
    if verdict.lost:
        return 1
    return 2 if ledger.refused or ledger.waiting else 0


def conclusion(ledger: Ledger, verdict: Verdict, names: Sequence[str]) -> str:
    """Say in one line what the table means."""
    if verdict.lost:
        shown = ", ".join(f"{names[tree]} n={n}" for tree, n in verdict.lost[:_LOST_SHOWN])
        more = ", ..." if len(verdict.lost) > _LOST_SHOWN else ""
        return f"LOST: {len(verdict.lost):,} acknowledged samples are not stored: {shown}{more}"
    if ledger.refused:
        return f"{ledger.refused:,} samples were refused: {ledger.trouble}"
    if ledger.waiting:
        return f"{ledger.waiting:,} samples were not acknowledged in time: {ledger.trouble or 'no answer'}"
    if not ledger.sent:
        return "nothing was sent: a longer --duration or a higher --rate would"
    return "everything that was acknowledged is stored"
