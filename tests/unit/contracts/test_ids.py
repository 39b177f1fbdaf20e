"""Names and ids: reference/kaa1.md section 0."""

import pytest

from libs.contracts import ids
from libs.contracts.errors import BadRequestError


@pytest.mark.parametrize(
    ("version", "application"),
    [
        pytest.param("bsd9j82ikfmmfgrjagmg-v1", "bsd9j82ikfmmfgrjagmg", id="generated"),
        pytest.param("my-tree_farm-v1", "my-tree_farm", id="dashes in the application"),
        pytest.param("app", None, id="no dash"),
        pytest.param("app-", None, id="no suffix"),
        pytest.param("-v1", None, id="no application"),
        pytest.param("App-v1", None, id="upper case"),
        pytest.param("app-v_1", None, id="underscore in the suffix"),
        pytest.param("app-v1\n", None, id="line end"),
    ],
)
def test_application_is_everything_before_the_last_dash(version: str, application: str | None) -> None:
    assert ids.application_of(version) == application


@pytest.mark.parametrize("token", ["JTjdbENzHh", "123", "a b", "Olivenöl", "~", "x" * 256])
def test_token_may_be_any_text_without_separators(token: str) -> None:
    assert ids.check_token(token) == token


@pytest.mark.parametrize(
    "token",
    ["", "a/b", "a+b", "#", "a.b", "a\nb", "\x00", "x" * 257, "\ud800", "\u2028", "a\u00a0b"],
    ids=ascii,
)
def test_token_with_a_separator_or_control_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        ids.check_token(token)

    assert token == "" or token not in refused.value.reason_phrase.replace("+ # / .", "")


@pytest.mark.parametrize(
    "name", [".", "..", "", "a/b", "ä", "x" * 257, "a\n", "\ud800", "$", "a b"], ids=ascii
)
def test_hostile_names_are_refused_with_a_printable_phrase(name: str) -> None:
    checks = (ids.check_endpoint_id, ids.check_application_name, ids.check_suffix, ids.check_metadata_key)

    for check in checks:
        with pytest.raises(BadRequestError) as refused:
            check(name)
        assert refused.value.reason_phrase.isascii()
        assert refused.value.reason_phrase.isprintable()


def test_good_names_are_returned_as_they_are() -> None:
    assert ids.check_endpoint_id("urn.a_b~c-1") == "urn.a_b~c-1"
    assert ids.check_application_name("a-b_1") == "a-b_1"
    assert ids.check_suffix("v1") == "v1"
    assert ids.check_metadata_key("Mac_1") == "Mac_1"
    assert ids.version_name("a-b", "v1") == "a-b-v1"


@pytest.mark.parametrize("given", ["a", "c9k2v7", "0af7651916cd43dd-b7ad:1", "A/b=+~._", "x" * 128])
def test_a_sane_correlation_id_is_kept(given: str) -> None:
    assert ids.sane_correlation_id(given) == given


@pytest.mark.parametrize(
    "given", [None, "", " a", "-a", "a b", "a\nb", "x" * 129, "ö", '"a"', "{a}", "t\u00e9", "a\n", "\x7f"]
)
def test_any_other_correlation_id_is_not(given: str | None) -> None:
    assert ids.sane_correlation_id(given) is None
