"""The page is well-formed, complete without scripts, and loads nothing from elsewhere."""

import shlex
from html.parser import HTMLParser

import pytest

from services.api_gateway.curl import curl
from services.api_gateway.documentation import documentation
from services.api_gateway.markup import Markup, element, inline, prose
from services.api_gateway.openapi import openapi
from services.api_gateway.routes import ROUTES, Route
from tests.support.api_gateway import route_id

DOCUMENT = openapi(ROUTES)
PAGE = documentation(DOCUMENT)
VOID = {"meta", "link", "img", "wbr", "input", "br"}


class Reader(HTMLParser):
    """Checks nesting and gathers ids, references and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name in {"href", "src"}:
                self.references.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


READ = read(PAGE)


def test_elements_are_nested_and_ids_are_unique() -> None:
    assert not READ.open
    assert len(set(READ.ids)) == len(READ.ids)


def test_every_link_stays_on_this_server_and_leads_somewhere() -> None:
    assert all(reference[0] in "#/" and not reference.startswith("//") for reference in READ.references)
    assert {each[1:] for each in READ.references if each[0] == "#"} <= set(READ.ids)


def test_the_policy_that_forbids_inline_code_is_kept() -> None:
    assert not {name for name in READ.attributes if name.startswith("on") or name == "style"}


@pytest.mark.parametrize("route", ROUTES, ids=route_id)
def test_every_route_is_on_the_page(route: Route) -> None:
    assert route.operation_id in READ.ids
    assert route.summary in READ.text
    assert route.path in READ.text
    assert all(parameter.name in READ.text for parameter in route.parameters)


@pytest.mark.parametrize("route", ROUTES, ids=route_id)
def test_the_command_of_a_route_is_one_a_shell_understands(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]

    words = shlex.split(curl(route.method, route.path, operation))

    assert words[0] == "curl"
    assert "Authorization: Bearer $KEY" in words
    assert bool({"-d", "--data-binary"} & {*words}) == route.has_body


def test_quotes_in_an_example_survive_the_shell() -> None:
    body = {"content": {"application/json": {"example": "it's"}}}

    assert shlex.split(curl("PUT", "/x", {"requestBody": body}))[-1] == '"it\'s"'


def test_text_is_escaped_and_markup_is_not() -> None:
    made = element(
        "p", "<script>", Markup("<wbr>"), ["&", element("b", "x")], title='"><', hidden=True, lang=None
    )

    assert made == '<p title="&quot;&gt;&lt;" hidden>&lt;script&gt;<wbr>&amp;<b>x</b></p>'


def test_code_and_strong_are_shown_as_such() -> None:
    assert inline("a `<b>` **c** d") == "a <code>&lt;b&gt;</code> <strong>c</strong> d"
    assert prose("a\n\nb") == "<p>a</p><p>b</p>"
