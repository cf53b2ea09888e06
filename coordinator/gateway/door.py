"""What agents send, made fit to be kept: the one place where it is cleaned."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

# Longer than any text VMM or Hyper-V gives: a Windows path has at most 32,767 characters.
LONGEST_TEXT = 32_768
# Messages of more bytes are cleaned beside the event loop.
AT_ONCE_BYTES = 16 * 1024
LONGEST_DURATION_SECONDS = 100 * 366 * 86_400
# What Python's datetime can hold, in seconds since 1970.
FIRST_SECOND = int(datetime.min.replace(tzinfo=UTC).timestamp())
LAST_SECOND = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())


async def let_in(message: Message) -> None:
    """Cleans a message, in place.

    Texts lose NUL characters, which PostgreSQL cannot keep, and what is too long of them; times
    and durations that are none become unset; fields this version does not know are dropped. That
    texts are UTF-8 was checked when the message was read.
    """
    if message.ByteSize() > AT_ONCE_BYTES:
        await asyncio.to_thread(clean, message)
    else:
        clean(message)


def clean(message: Message) -> None:
    """See `let_in`."""
    message.DiscardUnknownFields()
    _clean(message)


def _clean(message: Message) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            _clean_texts(message, field, value)
        elif field.message_type is not None:
            if field.is_repeated:
                for each in value:
                    _clean(each)
            elif isinstance(value, Timestamp | Duration):
                if not _is_time(value):
                    message.ClearField(field.name)
            else:
                _clean(value)


def _clean_texts(message: Message, field: FieldDescriptor, value: object) -> None:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or "\0" in value:
            setattr(message, field.name, _plain(value))
        return
    texts = getattr(message, field.name)
    for index, text in enumerate(texts):
        if len(text) > LONGEST_TEXT or "\0" in text:
            texts[index] = _plain(text)


def _plain(text: str) -> str:
    return text.replace("\0", "")[:LONGEST_TEXT]


def _is_time(value: Timestamp | Duration) -> bool:
    if isinstance(value, Duration):
        small = abs(value.seconds) <= LONGEST_DURATION_SECONDS and abs(value.nanos) < 10**9
        return small and value.seconds * value.nanos >= 0
    return FIRST_SECOND <= value.seconds <= LAST_SECOND and 0 <= value.nanos < 10**9
