"""The same 64 trials that train nothing, run by ablab and by what else one could run them with."""
