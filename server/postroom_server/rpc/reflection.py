"""grpc.reflection v1 and v1alpha: the API with its comments, for grpcurl and the like.

Tools keep their stream open while they call other methods, so its threads are its own,
and a stream that is idle or old is ended.  An unknown name is an answer of the stream,
not its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc
from google.protobuf.message import Message

from postroom_server.domain.clock import Clock
from postroom_server.rpc import wire
from postroom_server.rpc.context import CallContext
from postroom_server.rpc.decode import decode
from postroom_server.rpc.descriptors import DescriptorIndex
from postroom_server.rpc.reading import Reader

MAX_AGE = 600.0
"""Seconds after which a stream is ended at its next question."""

_NOT_FOUND, _UNIMPLEMENTED = (
    code.value[0] for code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED)
)


class Reflection:
    """ServerReflectionInfo over *index*."""

    def __init__(self, index: DescriptorIndex, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    def __call__(self, reader: Reader, _call: CallContext) -> Iterator[Message]:
        """One answer to each question."""
        while (raw := reader.following()) is not None:
            yield self.answer(decode(wire.ReflectionRequest, raw, strict=False))
            if self._clock.monotonic() - reader.arrived > MAX_AGE:
                return

    def answer(self, question: wire.Dynamic) -> wire.Dynamic:
        """What the index knows about *question*, or an error inside the answer."""
        answer = wire.ReflectionResponse(
            valid_host=question.host, original_request=question
        )
        match question.WhichOneof("message_request"):
            case "list_services":
                for service in self._index.services:
                    answer.list_services_response.service.add(name=service)
            case "file_by_filename":
                self._add_files(
                    answer, self._index.by_filename(question.file_by_filename)
                )
            case "file_containing_symbol":
                self._add_files(
                    answer, self._index.by_symbol(question.file_containing_symbol)
                )
            case "file_containing_extension":
                _add_error(answer, _NOT_FOUND, "there are no extensions")
            case "all_extension_numbers_of_type":
                self._add_extensions(answer, question.all_extension_numbers_of_type)
            case _:
                _add_error(answer, _UNIMPLEMENTED, "no such question")
        return answer

    def _add_files(self, answer: wire.Dynamic, files: Sequence[bytes] | None) -> None:
        if files is None:
            _add_error(answer, _NOT_FOUND, "no such file or symbol")
        else:
            answer.file_descriptor_response.file_descriptor_proto.extend(files)

    def _add_extensions(self, answer: wire.Dynamic, message: str) -> None:
        if self._index.declares(message):
            answer.all_extension_numbers_response.base_type_name = message
        else:
            _add_error(answer, _NOT_FOUND, "no such type")


def _add_error(answer: wire.Dynamic, code: int, text: str) -> None:
    answer.error_response.error_code = code
    answer.error_response.error_message = text
