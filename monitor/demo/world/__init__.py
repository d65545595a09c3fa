"""A seeded synthetic world of two markets that knows its own truth: see docs/demo-world.md.

`World(seed, days)` is the model, `WorldServer(seed, days)` serves its pages on 127.0.0.1.
"""

from __future__ import annotations

from monitor.demo.world.model import START, World
from monitor.demo.world.server import WorldServer

__all__ = ["START", "World", "WorldServer"]
