"""Designs: which cells of a grid are trained. Pure functions from factors to combinations of levels."""
