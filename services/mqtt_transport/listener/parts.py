"""What every connection of this process is given."""

from dataclasses import dataclass

from libs.bus.tasks import TaskSet
from libs.mqtt import Limits
from services.mqtt_transport.listener.intake import Intake
from services.mqtt_transport.usecases.clients import Clients, Pace
from services.mqtt_transport.usecases.gathering import Gathering
from services.mqtt_transport.usecases.presence import Presence
from services.mqtt_transport.usecases.pushing import Pushing
from services.mqtt_transport.usecases.requests import Requests
from services.mqtt_transport.usecases.things import Things


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The use cases, and what bounds connections.

    Attributes:
        limits: Of what MQTT allows one connection.
        intake: Of the bytes held for all of them.
        pace: At which CONNECTs are accepted.
        tasks: In which messages are answered.
        max_in_flight: Messages of one connection that may be answered at the same time, QoS 0 included.
        repeat_after_s: About when a connection ends on which a message was left out.
    """

    requests: Requests
    gathering: Gathering
    things: Things
    presence: Presence
    pushing: Pushing
    clients: Clients
    limits: Limits
    intake: Intake
    pace: Pace
    tasks: TaskSet
    max_in_flight: int
    repeat_after_s: float
