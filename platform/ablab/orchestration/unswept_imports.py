"""Imported first by the forkserver, and by nothing else: no garbage is collected while it imports the rest.

A third of the imports' CPU goes into collections that find nothing; `frozen_heap` turns them on again.
"""

import gc

gc.disable()
