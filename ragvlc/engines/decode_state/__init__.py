"""Decode state: text that is drafted, verified and taken back token by token."""
