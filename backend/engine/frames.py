"""Preallocates memory for Python's call frames, so that a request does not cause thousands of mmap calls.

CPython keeps a thread's frames in chunks of 16 kB. When one is full it allocates the next, and frees it as soon as the call
that needed it returns (`_PyThreadState_PushFrame`, `_PyThreadState_PopFrame` in Python/pystate.c).
GraphQL's executor makes thousands of short calls at about the same depth. If that depth happens to be at the end of a chunk,
each call costs an mmap, a page fault and a munmap. A frame that is larger than a chunk gets a larger chunk, and calls from
there use the rest of it. This halved the processor time of a feed of 20 stories.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")

SLOTS = 32_768
"""Slots of 8 bytes. The chunk's size is the next power of two, so the rest holds hundreds of frames. Untouched pages take no
memory.
"""


def with_room(call: Callable[ParametersT, ResultT], *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ResultT:
    """Call it with preallocated frame memory."""
    return call(*args, **kwargs)


with_room.__code__ = with_room.__code__.replace(co_stacksize=SLOTS)
