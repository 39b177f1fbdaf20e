from pathlib import Path

import pytest

from tools.check_links import dead_links, links, main, slug


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text(
        '# Guide\n## Ports, and *why*\n## Ports, and *why*\n<a id="end"></a>\n'
    )
    return tmp_path / "README.md"


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("docs/guide.md", id="a file"),
        pytest.param("docs", id="a folder"),
        pytest.param("docs/guide.md#ports-and-why", id="a heading"),
        pytest.param("docs/guide.md#ports-and-why-1", id="a heading that repeats"),
        pytest.param("docs/guide.md#end", id="a named anchor"),
        pytest.param("#here", id="a heading of the same page"),
        pytest.param("https://example.org/nowhere", id="another host"),
        pytest.param("mailto:someone@example.org", id="an address"),
    ],
)
def test_a_link_that_leads_somewhere_passes(book: Path, link: str) -> None:
    book.write_text(f"# Here\n[text]({link})\n")

    assert list(dead_links(book)) == []


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("docs/missing.md", id="no file"),
        pytest.param("docs/guide.md#nowhere", id="no heading"),
        pytest.param("#nowhere", id="no heading of the same page"),
        pytest.param("/docs/guide.md", id="a path from the root of a site"),
    ],
)
def test_a_dead_link_is_named(book: Path, link: str) -> None:
    book.write_text(f"# Here\n[text]({link})\n")

    assert [sentence for sentence in dead_links(book) if link in sentence]


def test_links_in_code_are_not_links() -> None:
    assert links("```\n[a](b)\n```\n`[c](d)` [e](f.md)\n[g]: h.md\n") == ["f.md", "h.md"]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        pytest.param("Running it", "running-it", id="words"),
        pytest.param("What's `make run`?", "whats-make-run", id="punctuation and code"),
        pytest.param("A - B", "a---b", id="a dash between blanks"),
        pytest.param("See [here](x.md)", "see-here", id="a link"),
    ],
)
def test_anchors_are_made_as_the_forge_makes_them(heading: str, anchor: str) -> None:
    assert slug(heading) == anchor


def test_one_dead_link_fails_the_check(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book.write_text("[text](gone.md)\n")

    assert main([book]) == 1
    assert "gone.md" in capsys.readouterr().out
    assert main([book.parent / "docs" / "guide.md"]) == 0
