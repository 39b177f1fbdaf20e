"""Lists that no single message can hold."""

from datetime import UTC, datetime

from libs.contracts import applications as tekton
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.application import Application, AppVersion, Described
from tests.component.endpoint_register.conftest import Client, Replica

START = datetime(2026, 11, 21, tzinfo=UTC)


async def test_applications_too_large_for_a_message_are_listed_in_several(
    client: Client, replica: Replica
) -> None:
    shown = Described(display_name="d", description="x" * 1024, created_at=START, updated_at=START)
    for number in range(12):
        name = ApplicationName(f"a{number:02}")
        versions = {
            f"v{each}": AppVersion(name=AppVersionName(f"{name}-v{each}"), shown=shown, attempt="a")
            for each in range(100)
        }
        large = Application(name=name, shown=shown, attempt="a", versions=versions)
        assert await replica.parts.applications.add(large)

    first = await client.ask(tekton.LIST_APPLICATIONS, tekton.ListApplications())
    rest = []
    reply = first
    while reply.next:
        reply = await client.ask(tekton.LIST_APPLICATIONS, tekton.ListApplications(after=reply.next))
        rest += reply.body

    assert [each.name for each in first.body + rest] == [f"a{number:02}" for number in range(12)]
