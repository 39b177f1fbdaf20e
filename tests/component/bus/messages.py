"""The messages these tests speak."""

from libs.contracts.messages import Event, Reply, Request


class Question(Request, frozen=True):
    number: int
    text: str = ""


class Answer(Reply, frozen=True):
    number: int
    text: str = ""


class Happened(Event, frozen=True):
    number: int
    text: str = ""
