"""Citable packages of trends: what may be told of small groups, how a package is written, and how it is checked.

`question` asks the store, `crowd` counts who stands behind each figure, `suppress` and `earlier` decide what is
withheld, `package` writes, `verify` checks. docs/exporting.md says what it protects against, and what not.
"""
