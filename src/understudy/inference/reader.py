"""Reader: the lines that the server sends, passed on as requests."""

import queue
from typing import Any, TextIO

from understudy.inference.channel import Channel, ChannelClosed
from understudy.inference.request import RequestFailed, Shutdown, parse_request

__all__ = ["read_lines"]


def read_lines(stream: TextIO, inbox: "queue.SimpleQueue[Any]", channel: Channel) -> None:
    """Pass lines on; a broken one is answered and forgotten. The end of input is a shutdown."""
    for line in stream:
        if not line.strip():
            continue
        try:
            inbox.put(parse_request(line))
        except RequestFailed as failure:
            try:
                channel.send(
                    id=failure.request_id,
                    event="error",
                    code=failure.code,
                    message=str(failure),
                    param=failure.param,
                )
            except ChannelClosed:
                break
    inbox.put(Shutdown())
