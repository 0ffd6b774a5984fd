"""Specs: what to run and what a finished run is, as frozen values; YAML in, located errors out."""
