"""The command line: ``jumpset smooth``, ``compare``, ``bench``, ``tree``, ``synth``, ``train``,
``export`` and ``methods``.

Exit codes: 0 done; 1 no sound picture, or a picture of a bench failed; 2 wrong input, with one line that says
what to do; 130 Ctrl-C and 143 SIGTERM, after what there was has been written.
"""

from jumpset._core.optional import needs

with needs("jumpset[cli]"):  # all modules of this package import them
    import rich as rich
    import typer as typer
