"""The decoder: its modules, each in a file of its own, and the one builder (``build.py``)."""
