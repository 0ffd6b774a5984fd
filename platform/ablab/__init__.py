"""ablab: the ablation laboratory for EEG speech decoding."""

__version__ = "0.1.0"
