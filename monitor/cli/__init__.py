"""The `dropline` command. `main` is what the shell starts."""

from __future__ import annotations

from monitor.cli.app import main

__all__ = ["main"]
