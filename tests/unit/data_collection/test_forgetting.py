"""Documents of configuration whose application or version is gone."""

from typing import Any

import pytest

from libs.contracts.applications import PutAppConfig
from libs.contracts.errors import NotFoundError, UnavailableError
from services.data_collection.usecases.configuring import ConfigurationParts, put_configuration
from services.data_collection.usecases.forgetting import forget_all_gone, forget_gone
from tests.support.time_series import InMemoryConfigurationRepository, KnownApplications


class Told:
    """Remembers where everybody was told to forget."""

    def __init__(self) -> None:
        self.places: list[tuple[str, str | None, str]] = []
        self.away = False

    async def changed(self, *, application: str, version: str | None, instance: str) -> None:
        if self.away:
            raise UnavailableError
        self.places.append((application, version, instance))


class Grove:
    """Documents, the register, and who is told."""

    def __init__(self) -> None:
        self.documents = InMemoryConfigurationRepository()
        self.applications = KnownApplications("olives", "figs", "oaks", "elms")
        self.told = Told()

    @property
    def parts(self) -> ConfigurationParts:
        return ConfigurationParts(
            documents=self.documents, applications=self.applications, announcements=self.told
        )

    async def configure(self, application: str, version: str | None = None) -> None:
        own: dict[str, Any] = {"time-series": {"auto-extract": False}}
        own = own if version is None else {"versions": {version: own}}
        await put_configuration(
            PutAppConfig(
                application_name=application,
                service_instance_name="epts",
                version_name=version,
                body={"epts": {"kaa": {"applications": {application: own}}}},
            ),
            parts=self.parts,
        )

    @property
    def left(self) -> set[tuple[str, str | None]]:
        return {(application, version) for _, application, version in self.documents.documents}


@pytest.fixture
def grove() -> Grove:
    return Grove()


async def test_what_was_configured_for_an_application_that_is_gone_goes(grove: Grove) -> None:
    await grove.configure("olives")
    await grove.configure("olives", "olives-v1")
    await grove.configure("figs")
    grove.applications.names.remove("olives")
    grove.told.places.clear()

    gone = [await forget_gone("olives", parts=grove.parts) for _ in range(2)]

    assert gone == [2, 0]
    assert grove.left == {("figs", None)}
    assert sorted(grove.told.places, key=str) == [
        ("olives", "olives-v1", "epts"),
        ("olives", None, "epts"),
    ]


async def test_what_was_configured_for_a_version_that_is_gone_goes_alone(grove: Grove) -> None:
    await grove.configure("olives")
    await grove.documents.put(
        {}, instance="dcx", application="olives", version="olives-v2", incarnation=grove.applications.life
    )

    assert await forget_gone("olives", parts=grove.parts) == 1
    assert grove.left == {("olives", None)}


async def test_an_event_that_comes_late_touches_nothing_of_who_was_given_the_name_since(
    grove: Grove,
) -> None:
    await grove.configure("olives", "olives-v1")
    grove.applications.life = "2"
    await grove.configure("olives")

    gone = await forget_gone("olives", parts=grove.parts)

    assert gone == 1
    assert grove.left == {("olives", None)}


async def test_a_document_put_while_the_register_is_asked_stays(grove: Grove) -> None:
    class Overtaken(KnownApplications):
        async def incarnations(self, application: str) -> dict[str | None, str]:
            self.names.add(application)
            self.life = "2"
            await grove.documents.put(
                {"new": 1}, instance="epts", application=application, version=None, incarnation="2"
            )
            return {}

    await grove.configure("olives")
    grove.applications = Overtaken()

    assert await forget_gone("olives", parts=grove.parts) == 0
    assert grove.left == {("olives", None)}


async def test_a_document_of_an_older_release_stays_as_long_as_there_is_its_application(
    grove: Grove,
) -> None:
    await grove.documents.put({}, instance="dcx", application="olives", version=None, incarnation="")

    kept = await forget_gone("olives", parts=grove.parts)
    grove.applications.names.remove("olives")

    assert (kept, await forget_gone("olives", parts=grove.parts)) == (0, 1)


async def test_nothing_goes_while_nobody_knows(grove: Grove) -> None:
    await grove.configure("olives")
    grove.applications.away = True

    with pytest.raises(UnavailableError):
        await forget_gone("olives", parts=grove.parts)

    assert grove.left == {("olives", None)}


async def test_documents_go_whether_or_not_others_can_be_told(grove: Grove) -> None:
    await grove.configure("olives")
    grove.applications.names.remove("olives")
    grove.told.away = True

    assert await forget_gone("olives", parts=grove.parts) == 1


async def test_what_no_event_told_of_is_found_by_looking_at_all(grove: Grove) -> None:
    for application in ("olives", "figs", "oaks", "elms"):
        await grove.configure(application)
        await grove.configure(application, f"{application}-v1")
    grove.applications.names -= {"figs", "olives"}

    assert await forget_all_gone(parts=grove.parts) == 4
    assert {application for application, _ in grove.left} == {"oaks", "elms"}


async def test_an_application_that_went_since_it_was_looked_up_cannot_be_configured(grove: Grove) -> None:
    class Remembered(KnownApplications):
        async def check(self, application: str, version: str | None) -> None: ...

    grove.applications = Remembered()

    with pytest.raises(NotFoundError):
        await grove.configure("olives")

    assert grove.left == set()
