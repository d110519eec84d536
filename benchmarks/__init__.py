"""The benchmark suite: asynczarr against its peers, in one run, on one machine, with results that are checked.

``python -m benchmarks`` runs it all and writes ``docs/performance.md``; ``python -m benchmarks --help`` tells the rest.

How a number comes about: ``units.py`` says what is measured, ``runner.py`` has every peer do it in turn, each in its
own process (``worker.py``) through its adapter (``peers/``) by the same code (``works/``); ``meter.py`` reads clock,
CPU time and memory; ``result.py`` keeps it and ``report/`` makes tables, plots and verdicts of it.
"""
