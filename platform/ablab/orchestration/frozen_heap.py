"""Imported last by the forkserver, and by nothing else: hides all that is loaded from the garbage collector.

A worker's first full collection would otherwise walk every object of torch and MLflow, and with that copy the
pages that it shares with the server: 0.4 s per trial.
"""

import gc

gc.freeze()
gc.enable()
