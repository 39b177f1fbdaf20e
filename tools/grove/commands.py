"""The table of commands: what each is called, what it takes, and what it does."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from libs.contracts.api_keys import ApiKeyPage
from libs.contracts.applications import Application, AppVersion
from libs.contracts.credentials import TokenPage
from libs.contracts.endpoints import Endpoint, EndpointPage
from tools.grove import tables
from tools.grove.command import Arg, Call, Command
from tools.grove.metadata import assignments, unset_keys
from tools.grove.problem import WRONG, CommandError
from tools.grove.rest import path

_APPS: Final = "/tekton/api/v1/applications"
_ENDPOINTS: Final = "/epr/api/v1/endpoints"
_TOKENS: Final = "/cm/api/v1/endpoints"
_KEYS: Final = "/auth/api/v1/api-keys"
_SHOWN_WHOLE: Final = dict[str, Any]
"""An answer that is shown as it comes: nothing that may be missing is a reason to hide a secret."""


def _arg(*names: str, **options: Any) -> Arg:  # noqa: ANN401 - argparse's own
    return Arg(names, options)


async def _whoami(call: Call) -> None:
    call.out.fields((await call.rest.read(_SHOWN_WHOLE, "GET", "/auth/api/v1/me")).raw)


async def _list_apps(call: Call) -> None:
    answer = await call.rest.read(list[Application], "GET", _APPS)
    rows = [
        {
            "name": each.name,
            "display name": each.display_name,
            "versions": ", ".join(version.name.rpartition("-")[2] for version in each.versions),
            "created": each.created_date,
        }
        for each in answer.meant
    ]
    call.out.table(answer.raw, rows)


async def _create_app(call: Call) -> None:
    given = {"name": call.args.name, "displayName": call.args.display_name}
    body = {name: value for name, value in given.items() if value is not None}
    answer = await call.rest.read(Application, "POST", _APPS, body)
    call.out.fields(answer.raw, {"name": answer.meant.name, "displayName": answer.meant.display_name})


async def _delete_app(call: Call) -> None:
    if call.args.force and not call.args.yes:
        text = "--force deletes all its endpoints with their tokens and data; add --yes if that is meant"
        raise CommandError(text, code=WRONG)
    query = {"force": "true"} if call.args.force else None
    try:
        await call.rest.call("DELETE", path(_APPS, call.args.name), query=query)
    except CommandError as error:
        if query is None and "force=true" in str(error):
            raise CommandError(f"{error}\n  here that is --force --yes", code=error.code) from error
        raise
    call.out.done(f"deleted {call.args.name}")


async def _list_versions(call: Call) -> None:
    answer = await call.rest.read(list[AppVersion], "GET", path(_APPS, call.args.app, "app-versions"))
    rows = [
        {"name": each.name, "display name": each.display_name, "created": each.created_date}
        for each in answer.meant
    ]
    call.out.table(answer.raw, rows)


async def _create_version(call: Call) -> None:
    body = {"nameSuffix": call.args.suffix}
    answer = await call.rest.read(AppVersion, "POST", path(_APPS, call.args.app, "app-versions"), body)
    call.out.fields(answer.raw, {"name": answer.meant.name})


async def _delete_version(call: Call) -> None:
    application = call.args.version.rpartition("-")[0]
    if not application:
        raise CommandError(f"{call.args.version!a} is no application version, such as olives-v1", code=WRONG)
    await call.rest.call("DELETE", path(_APPS, application, "app-versions", call.args.version))
    call.out.done(f"deleted {call.args.version}")


async def _list_endpoints(call: Call) -> None:
    args = call.args
    keys = [key for key in (args.columns or "").split(",") if key]
    query = {
        "applicationName": args.app,
        "applicationVersionName": args.version,
        "include": "connectivity,metadata" if keys else "connectivity",
        "sort": args.sort,
        "limit": args.limit,
        "offset": args.offset,
    }
    answer = await call.rest.read(EndpointPage, "GET", _ENDPOINTS, query=query)
    rows = [_endpoint_row(each, keys) for each in answer.meant.content]
    call.out.table(answer.raw, rows, total=answer.meant.total_elements)


def _endpoint_row(endpoint: Endpoint, keys: list[str]) -> dict[str, object]:
    state, last_seen = "-", "never"
    if endpoint.connectivity:
        state = "connected" if endpoint.connectivity.connected else state
        state = "active" if endpoint.connectivity.active and state == "-" else state
        last_seen = endpoint.connectivity.last_seen or last_seen
    return {
        "id": endpoint.endpoint_id,
        "version": endpoint.app_version.name,
        "created": endpoint.created_date,
        "state": state,
        "last seen": last_seen,
        **{key: (endpoint.metadata or {}).get(key) for key in keys},
    }


async def _show_endpoint(call: Call) -> None:
    query = {"include": "connectivity,metadata"}
    answer = await call.rest.read(Endpoint, "GET", path(_ENDPOINTS, call.args.id), query=query)
    metadata = {f"metadata {key}": value for key, value in (answer.meant.metadata or {}).items()}
    call.out.fields(answer.raw, {**_endpoint_row(answer.meant, []), **metadata})


async def _create_endpoint(call: Call) -> None:
    given = {"endpointId": call.args.id, "endpointToken": call.args.token}
    body = {
        "appVersion": {"name": call.args.version},
        "metadata": assignments(call.args.set or []),
        **{name: value for name, value in given.items() if value is not None},
    }
    call.out.secret((await call.rest.read(_SHOWN_WHOLE, "POST", _ENDPOINTS, body)).raw, "token")


async def _delete_endpoints(call: Call) -> None:
    for endpoint_id in call.args.id:
        await call.rest.call("DELETE", path(_ENDPOINTS, endpoint_id))
        call.out.done(f"deleted {endpoint_id}")


async def _set_metadata(call: Call) -> None:
    changes = assignments(call.args.assignment)
    patch: list[dict[str, object]] = [
        {"op": "add", "path": f"/{key}", "value": value} for key, value in changes.items()
    ]
    patch += [{"op": "remove", "path": f"/{key}"} for key in unset_keys(call.args.unset or [])]
    if not patch:
        raise CommandError("nothing to set: name key=text, key:=json or --unset key", code=WRONG)
    where = path(_ENDPOINTS, call.args.id, "metadata")
    await call.rest.call("PATCH", where, patch, media_type="application/json-patch+json")
    call.out.done(f"set {call.args.id}")


async def _list_tokens(call: Call) -> None:
    answer = await call.rest.read(
        TokenPage,
        "GET",
        path(_TOKENS, call.args.endpoint, "tokens"),
        query={"limit": call.args.limit, "offset": call.args.offset},
    )
    rows = [
        {"token id": each.endpoint_token_id, "status": each.status.value, "created": each.created_date}
        for each in answer.meant.content
    ]
    call.out.table(answer.raw, rows, total=answer.meant.total_elements)


async def _create_token(call: Call) -> None:
    endpoint = (await call.rest.read(Endpoint, "GET", path(_ENDPOINTS, call.args.endpoint))).meant
    body = {"applicationName": endpoint.app_version.name.rpartition("-")[0]}
    if call.args.token is not None:
        body["token"] = call.args.token
    where = path(_TOKENS, call.args.endpoint, "tokens")
    call.out.secret((await call.rest.read(_SHOWN_WHOLE, "POST", where, body)).raw, "token")


def _move_token(status: str, word: str) -> Callable[[Call], Awaitable[None]]:
    async def move(call: Call) -> None:
        where = path(_TOKENS, call.args.endpoint, "tokens", call.args.token_id, "status")
        await call.rest.call("PUT", where, {"status": status})
        call.out.done(f"{word} {call.args.token_id}")

    return move


async def _delete_token(call: Call) -> None:
    await call.rest.call("DELETE", path(_TOKENS, call.args.endpoint, "tokens", call.args.token_id))
    call.out.done(f"deleted {call.args.token_id}")


async def _list_keys(call: Call) -> None:
    query = {"limit": call.args.limit, "offset": call.args.offset}
    answer = await call.rest.read(ApiKeyPage, "GET", _KEYS, query=query)
    rows = [
        {
            "key id": each.api_key_id,
            "name": each.name,
            "scope": each.scope.value,
            "applications": "all" if each.applications is None else ", ".join(each.applications),
            "expires": each.expiry_date or "never",
            "revoked": "yes" if each.revoked else "",
        }
        for each in answer.meant.content
    ]
    call.out.table(answer.raw, rows, total=answer.meant.total_elements)


async def _create_key(call: Call) -> None:
    applications = None if call.args.apps is None else [each for each in call.args.apps.split(",") if each]
    body = {
        "name": call.args.name,
        "scope": call.args.scope,
        "applications": applications,
        "expiryDate": call.args.expires,
    }
    call.out.secret((await call.rest.read(_SHOWN_WHOLE, "POST", _KEYS, body)).raw, "key")


async def _revoke_key(call: Call) -> None:
    await call.rest.call("DELETE", path(_KEYS, call.args.key_id))
    call.out.done(f"revoked {call.args.key_id}")


async def _import(call: Call) -> int:
    return await tables.import_file(
        call.rest,
        call.args.file,
        version=call.args.version,
        results=call.args.results,
        as_json=call.out.as_json,
    )


async def _export(call: Call) -> None:
    query = {
        "applicationName": call.args.app,
        "applicationVersionName": call.args.version,
        "columns": call.args.columns,
    }
    await tables.export_file(call.rest, query, output=call.args.output)


_PAGE = (
    _arg("--limit", type=int, default=20, metavar="N", help="how many to show, at most 1000 (default 20)"),
    _arg("--offset", type=int, default=0, metavar="N", help="how many to skip"),
)
_WITHIN = (
    _arg("--app", metavar="APP", help="only of this application"),
    _arg("--version", metavar="VERSION", help="only at this application version"),
    _arg("--columns", metavar="KEY,KEY", help="metadata keys to show as columns"),
)
_VERSION = _arg("--version", required=True, metavar="VERSION", help="application version, such as olives-v1")
_ENDPOINT = _arg("endpoint", metavar="ENDPOINT", help="id of the endpoint")
_TOKEN = _arg(
    "--token", metavar="TOKEN", help="generated when left out; - asks, or reads a line: unseen by others"
)
_TOKEN_ID = _arg("token_id", metavar="TOKEN_ID", help="id of the token, from `tokens list`; not its value")
_FORCE = _arg("--force", action="store_true", help="delete its endpoints as well")
_YES = _arg("--yes", action="store_true", help="say that --force is meant")

COMMANDS: Final[tuple[Command, ...]] = (
    Command("", "whoami", "show what the key may do", _whoami),
    Command("apps", "list", "list applications", _list_apps),
    Command(
        "apps",
        "create",
        "create an application",
        _create_app,
        (
            _arg("name", nargs="?", metavar="NAME", help="letters, digits, - and _; generated when left out"),
            _arg("--display-name", metavar="TEXT", help="what people see"),
        ),
    ),
    Command(
        "apps", "delete", "delete an application", _delete_app, (_arg("name", metavar="NAME"), _FORCE, _YES)
    ),
    Command(
        "versions", "list", "list versions of an application", _list_versions, (_arg("app", metavar="APP"),)
    ),
    Command(
        "versions",
        "create",
        "create a version of an application",
        _create_version,
        (_arg("app", metavar="APP"), _arg("suffix", metavar="SUFFIX", help="such as v1")),
    ),
    Command("versions", "delete", "delete a version", _delete_version, (_arg("version", metavar="VERSION"),)),
    Command(
        "endpoints",
        "list",
        "list endpoints",
        _list_endpoints,
        (
            *_WITHIN,
            _arg(
                "--sort",
                metavar="FIELD",
                help="endpointId, createdDate, appVersion, lastSeen or metadata.KEY; - in front: descending",
            ),
            *_PAGE,
        ),
    ),
    Command(
        "endpoints", "show", "show an endpoint with its metadata", _show_endpoint, (_arg("id", metavar="ID"),)
    ),
    Command(
        "endpoints",
        "create",
        "create an endpoint with its first token",
        _create_endpoint,
        (
            _VERSION,
            _arg("--id", metavar="ID", help="generated when left out"),
            _TOKEN,
            _arg("--set", action="append", metavar="KEY=TEXT", help="metadata; KEY:=JSON for other values"),
        ),
    ),
    Command(
        "endpoints", "delete", "delete endpoints", _delete_endpoints, (_arg("id", nargs="+", metavar="ID"),)
    ),
    Command(
        "endpoints",
        "set",
        "change metadata: all that is named, or nothing",
        _set_metadata,
        (
            _arg("id", metavar="ID"),
            _arg("assignment", nargs="*", metavar="KEY=TEXT", help="KEY:=JSON for other values"),
            _arg("--unset", action="append", metavar="KEY", help="remove a key"),
        ),
    ),
    Command("tokens", "list", "list tokens of an endpoint", _list_tokens, (_ENDPOINT, *_PAGE)),
    Command(
        "tokens",
        "create",
        "give an endpoint one more token",
        _create_token,
        (_ENDPOINT, _TOKEN),
    ),
    Command(
        "tokens", "suspend", "suspend a token", _move_token("Suspended", "suspended"), (_ENDPOINT, _TOKEN_ID)
    ),
    Command(
        "tokens",
        "reactivate",
        "end a suspension",
        _move_token("Active", "reactivated"),
        (_ENDPOINT, _TOKEN_ID),
    ),
    Command(
        "tokens",
        "revoke",
        "revoke a token for good",
        _move_token("Revoked", "revoked"),
        (_ENDPOINT, _TOKEN_ID),
    ),
    Command("tokens", "delete", "delete a token", _delete_token, (_ENDPOINT, _TOKEN_ID)),
    Command("keys", "list", "list API keys", _list_keys, _PAGE),
    Command(
        "keys",
        "create",
        "create an API key",
        _create_key,
        (
            _arg("name", metavar="NAME", help="what it is for"),
            _arg("--scope", choices=("read", "write", "admin"), default="read", help="default read"),
            _arg("--apps", metavar="APP,APP", help="the only applications it may touch (default: all)"),
            _arg("--expires", metavar="DATE", help="such as 2027-01-01T00:00:00Z (default: never)"),
        ),
    ),
    Command("keys", "revoke", "revoke an API key", _revoke_key, (_arg("key_id", metavar="KEY_ID"),)),
    Command(
        "",
        "import",
        "create endpoints from a CSV file, and say what became of each row",
        _import,
        (
            _arg("file", metavar="FILE", help="- reads standard input"),
            _VERSION,
            _arg(
                "--results",
                metavar="FILE",
                help="where to write what became of the rows (default: standard output)",
            ),
        ),
    ),
    Command(
        "",
        "export",
        "write endpoints as CSV",
        _export,
        (*_WITHIN, _arg("-o", "--output", metavar="FILE", help="default: standard output")),
        has_json=False,
    ),
)
