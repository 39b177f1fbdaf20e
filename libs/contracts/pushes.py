"""Say something to a device that did not ask (protocol/delivery.md rule 20).

The owner of a command or a configuration sends a :class:`Push` to the replica that holds the endpoint, naming
the binding it means. ``taken`` says that it is on its way; that the device has it is told later and
separately, to the instance that the push names, because a slow device may take a minute.
"""

from libs.contracts.messages import Reply, Request
from libs.contracts.subjects import Operation, Subjects


class Push(Request, frozen=True, kw_only=True):
    """Publish to an endpoint, on ``kp1/<version>/<extension>/<token><resource>/status``.

    Attributes:
        endpoint_id: Whom.
        generation: Which binding; another one is ``not here``.
        extension: The extension that speaks.
        resource: With a leading slash and without request id (``/command/reboot``).
        payload: At most 256 KiB.
        qos: 0 or 1, lowered where the client asked for less.
        push_id: Names this push in the confirmation.
        confirm_to: Instance that is told when the device has acknowledged; empty = nobody.
    """

    endpoint_id: str
    generation: str
    extension: str
    resource: str
    payload: bytes = b""
    qos: int = 1
    push_id: str = ""
    confirm_to: str = ""


class PushReply(Reply, frozen=True, kw_only=True):
    """Whether this replica holds that binding and the message is on its way.

    Attributes:
        taken: False = not here, or the client takes no more now; the next binding pushes again.
    """

    taken: bool


class DeliveredReport(Request, frozen=True, kw_only=True):
    """The device acknowledged a push (QoS 1), or it left our socket (QoS 0)."""

    endpoint_id: str
    generation: str
    push_id: str


class DeliveredReply(Reply, frozen=True, kw_only=True):
    """Noted."""


CONFIRMED_BY = ("cex", "cmx")
"""Instances that may be named in :attr:`Push.confirm_to`."""


def push_subject(subjects: Subjects, run_id: str) -> str:
    """Where a replica takes pushes."""
    return subjects.push(run_id)


def delivered_operation(instance: str) -> Operation[DeliveredReport, DeliveredReply]:
    """Tell ``instance`` that a push of its own has arrived."""
    return Operation(
        instance=instance,
        protocol="push",
        name="delivered",
        request=DeliveredReport,
        reply=DeliveredReply,
        summary="A push reached the device.",
    )
