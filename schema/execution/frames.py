"""Room for Python's frames, so that a request does not ask the operating system for memory thousands of times.

CPython keeps the frames of a thread in chunks of 16 kB. Where one is full it asks the system for the next, and gives that back
as soon as the call that needed it returns (`_PyThreadState_PushFrame`, `_PyThreadState_PopFrame` in Python/pystate.c).
GraphQL's executor makes thousands of short calls at about the same depth. If that depth happens to be at the end of a chunk,
each of them is an mmap, a page fault and a munmap; which depth it is changes with every line of code above. A frame that is
larger than a chunk gets one that is larger still, and what is called from there has the rest of it. A feed of 20 stories took
half of the processor time with it.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")

SLOTS = 32_768
"""Of 8 bytes each. The chunk is the next power of two: what is left holds hundreds of frames. Only what is touched is memory."""


def with_room(call: Callable[ParametersT, ResultT], *args: ParametersT.args, **kwargs: ParametersT.kwargs) -> ResultT:
    """Call it, with room for the frames of all that it calls."""
    return call(*args, **kwargs)


with_room.__code__ = with_room.__code__.replace(co_stacksize=SLOTS)
