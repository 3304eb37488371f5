"""Compiled loops of total variation solvers: dual steps, lines, gaps."""
