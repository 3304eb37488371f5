"""Compiled loops of local filters."""
