"""A device that never stops sending numbered samples over MQTT, and knows which were acknowledged."""

import asyncio
from collections import Counter

from libs.contracts.payload import encode_json
from tests.support.mqtt_writer import MqttWriter
from tests.support.rest import Operator, Twin

_PAUSE_S = 0.02
"""Before each sample: at the pace of acknowledgements some dozens of devices outrun the embedded store."""
_ALL_TIME = "fromDate=2020-01-01T00:00:00Z&toDate=2100-01-01T00:00:00Z"


class TelemetryWriter(MqttWriter):
    """One twin; no number is ever sent twice, so one that is stored twice was doubled by us."""

    def __init__(self, twin: Twin, url: str) -> None:
        super().__init__(twin, url)
        self.numbers: set[int] = set()

    def message(self, key: str, number: int) -> tuple[str, bytes]:
        return f"kp1/{self.twin.app_version}/dcx/{self.twin.token}/json", encode_json({"n": number})

    async def update(self, key: str, number: int) -> int | str:
        await asyncio.sleep(_PAUSE_S)
        outcome = await super().update(key, number)
        if outcome == 200:
            self.numbers.add(number)
        return outcome


async def stored_numbers(rest: Operator, twin: Twin) -> Counter[int]:
    """Count the numbers of a twin that are in its time series."""
    path = f"/epts/api/v1/applications/{twin.application}/time-series/data"
    query = f"timeSeriesName=auto~n&endpointId={twin.endpoint_id}&{_ALL_TIME}"
    answer = await rest.done("GET", f"{path}?{query}")
    points = [point for part in answer for point in part.get(twin.endpoint_id, {}).get("auto~n", [])]
    return Counter(int(point["values"]["value"]) for point in points)
