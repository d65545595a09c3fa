"""`python -m monitor.cli`: the same as `dropline`."""

from monitor.cli import main

main()
