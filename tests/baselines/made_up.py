"""Recordings whose EEG follows the envelope, and corpora of them."""

from __future__ import annotations

import numpy as np

from ablab.data.corpus import Corpus, Recording


def recording(seed: int, n_times: int, subject: str = "s", n_chans: int = 6, noise: float = 1.0) -> Recording:
    """EEG that follows the envelope by 5 samples, in noise."""
    rng = np.random.default_rng(seed)
    envelope = np.convolve(rng.standard_normal(n_times + 7), np.hanning(8), "valid")
    eeg = noise * rng.standard_normal((n_times, n_chans))
    eeg[5:, :3] += envelope[:-5, None]
    return Recording(subject, str(seed), eeg.astype(np.float32), envelope[:, None].astype(np.float32))


def corpus(parts: dict[str, list[Recording]]) -> Corpus:
    return Corpus(
        n_chans=6,
        sfreq=64,
        subjects=tuple(sorted({part.subject for part in parts["train"]})),
        train=tuple(parts["train"]),
        validation=tuple(parts["val"]),
        test=tuple(parts["test"]),
        fingerprint="0" * 32,
        notices=(),
        simulated=False,
    )
