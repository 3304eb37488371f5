"""The command line: ``jumpset smooth``, ``compare``, ``bench``, ``tree``, ``synth``, ``train``,
``export``, ``methods`` and ``warmup``.

Exit codes: 0 success; 1 a method diverged or ran out of memory, or a run of a bench failed; 2 invalid input,
with one line that says what to do; 130 Ctrl-C and 143 SIGTERM, after the results so far have been written.
"""

from jumpset._core.optional import needs

with needs("jumpset[cli]"):  # every module of this package imports them
    import rich as rich
    import typer as typer
