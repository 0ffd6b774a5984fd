"""The one door to Optuna: a grid's trials as an Optuna study, written by the orchestrating process alone."""
