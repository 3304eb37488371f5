"""Solvers of proximal operators without a closed form: total variation, TGV, overlapping and latent groups."""
