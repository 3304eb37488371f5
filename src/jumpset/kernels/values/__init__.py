"""Fused kernels for the value and the gradient of penalties."""
