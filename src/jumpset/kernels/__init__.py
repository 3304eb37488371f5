"""Compiled loops. No other package imports numba; each kernel has a plain definition, which tests compare."""
