"""Compiled solvers of sparse linear systems on the pixel grid."""
