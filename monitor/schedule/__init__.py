"""Periodic crawls and upkeep: the plan (`schedule.yml`), the ledger of runs, the service that starts them."""
