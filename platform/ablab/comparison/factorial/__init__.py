"""Cells that are combinations of levels -> main effects, interactions, shares of the total gain. Pure."""
