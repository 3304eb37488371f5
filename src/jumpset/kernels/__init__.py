"""Fast loops. Nothing outside this folder imports numba; each kernel stands beside its plain formula."""
