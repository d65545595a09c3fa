"""`python -m monitor.demo.world SEED DAYS`: the serving process (orders on standard input, see `server`)."""

from __future__ import annotations

from monitor.demo.world.server import main

main()
