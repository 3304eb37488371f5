"""Solvers behind the proximal operators without a closed form: total variation, TGV, overlapping groups."""
