import pytest

from libs.contracts import app_config_rules
from libs.contracts.errors import NotFoundError
from libs.contracts.service_instances import GetServiceInstance, ListServiceInstances
from services.endpoint_register.usecases.service_instances import (
    get_service_instance,
    list_service_instances,
)


def test_all_are_listed_by_name_and_without_schemas_unless_asked() -> None:
    found = list_service_instances(ListServiceInstances())

    assert [each.name for each in found] == ["dcx", "epmx", "epts", "kpc"]
    assert all(each.app_configuration_schema_present for each in found)
    assert not any(each.app_configuration_schema for each in found)


def test_the_schema_asked_for_is_that_of_the_rule_a_put_is_held_to() -> None:
    cmd = GetServiceInstance(service_instance_name="epmx", include=("appVersionConfigurationSchema",))

    found = get_service_instance(cmd)

    assert found.app_version_configuration_schema == app_config_rules.EPMX.schema()
    assert not found.app_configuration_schema


@pytest.mark.parametrize("name", ["bcx", "", "epmx "])
def test_there_is_no_other(name: str) -> None:
    with pytest.raises(NotFoundError):
        get_service_instance(GetServiceInstance(service_instance_name=name))
