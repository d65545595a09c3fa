"""Saved alerts: rules, their evaluation, what they fired."""
