"""The extension: one object for any number of applications, and results in `jsonify`.

Settings are the application's POSTROOM_..., read with each mail.  The client behind it
belongs to the process, not to the application context: it is made with the first mail,
after any fork.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Unpack

from flask import Flask, current_app, has_app_context
from flask.json.provider import DefaultJSONProvider

from postroom._plain import Plain
from postroom._service import Service, options_from
from postroom.arguments import SendArguments
from postroom.client import Client
from postroom.flask._recording import Recorder
from postroom.flask.message import Message
from postroom.results import DeliveryResult

_NAME = "postroom"


@dataclass(frozen=True, slots=True)
class _State:
    """What an application has of its own."""

    app: Flask
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def service(self) -> Service:
        return Service.of(options_from(self.app.config.get))


class Postroom:
    """Sends mail for the current application, or for the one it was made with.

    ::

        mail = Postroom()

        def create_app():
            app = Flask(__name__)
            app.config["POSTROOM_TARGET"] = "localhost:50051"
            mail.init_app(app)
            return app
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._app = app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make *app* able to send, and its `jsonify` to take results."""
        app.extensions[_NAME] = _State(app)
        if isinstance(app.json, DefaultJSONProvider):
            _teach_results(app.json)

    @property
    def client(self) -> Client:
        """The client of the application's service, to look at what was sent."""
        return self._state.service.client

    def send(
        self, message: Message | None = None, **mail: Unpack[SendArguments]
    ) -> DeliveryResult:
        """Send *message*, or the mail that the arguments describe, or both in one.

        The arguments are those of `Client.send`, which come first; it raises as that
        does.  Raises `RuntimeError` where there is no application.
        """
        whole: SendArguments = message.arguments() if message else {}
        whole.update(mail)
        state = self._state
        completed = state.service.completed(whole)
        recorded = state.recorder.take(completed)
        return recorded or state.service.client.send(**completed)

    @contextmanager
    def record_messages(self) -> Iterator[list[SendArguments]]:
        """Send nothing meanwhile: mails go to the list that this gives.

        It holds for the application, in all threads.
        """
        with self._state.recorder.recording() as record:
            yield record

    @property
    def _state(self) -> _State:
        app = current_app if has_app_context() else self._app
        if app is None:
            raise RuntimeError(
                "no application: push an application context, or make Postroom(app)"
            )
        try:
            state: _State = app.extensions[_NAME]
        except KeyError:
            raise RuntimeError(
                "the application has no Postroom: call init_app(app)"
            ) from None
        return state


def _teach_results(provider: DefaultJSONProvider) -> None:
    # Flask would take results apart as dataclasses: bytes fail, times turn local.
    usual: Callable[[Any], Any] = provider.default

    def default(value: object) -> object:
        return value.to_dict() if isinstance(value, Plain) else usual(value)

    provider.default = default
