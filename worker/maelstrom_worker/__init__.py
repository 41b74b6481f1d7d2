"""Slots: pre-forked members, shared-memory rings, the supervisor.

Imports `maelstrom_core` and `maelstrom_container`.
"""
