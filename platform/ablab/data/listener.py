"""The simulated listener: a speech-like envelope and the EEG that a head would show while hearing it.

Every number is made up within what is physiologically sensible; ``docs/data.md`` says what is modelled.
Pure functions of a random generator; knows no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablab.data.corpus import SFREQ

Signal = NDArray[np.float64]

_N_NOISE_SOURCES = 40
_RESPONSE_SECONDS = 0.4
_RESPONSE_GAIN = 0.128
"""RMS of a source's response over that of its ongoing activity, before the listener's own factor. Tuned so
that a ridge decoder reaches a mean r of 0.12 to 0.18 (`docs/data.md` has the measurement)."""
_GAIN_SD = 0.2
"""SD over listeners of the log of their response gain."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What stays the same in all recordings of one listener."""

    envelope_response: Signal
    """``(n_sources, n_lags)``: impulse response of each auditory source to the envelope."""
    onset_response: Signal
    """``(n_sources, n_lags)``: the same to acoustic onsets."""
    auditory: Signal
    """``(n_sources, n_chans)``: scalp patterns."""
    background: Signal
    """``(n_noise, n_chans)``."""
    alpha: Signal
    """``(2, n_chans)``."""
    gain: float
    alpha_hertz: float
    sensor_noise: float


def speech_envelope(n_times: int, rng: np.random.Generator) -> Signal:
    """Syllables at 2 to 8 Hz in phrases with pauses between them, compressed: ``(n_times,)``, >= 0."""
    duration = n_times / SFREQ
    n_syllables = int(duration * 8) + 16
    interval = np.clip(rng.gamma(14.0, 0.21 / 14.0, n_syllables), 0.1, 0.5)
    # A phrase ends after about nine syllables; the pause is mostly short, now and then a breath.
    ends = rng.random(n_syllables) < 1 / 9
    interval += np.where(ends, rng.gamma(4.0, 0.11, n_syllables), 0.0)
    onset = np.cumsum(interval)
    loudness = rng.lognormal(0.0, 0.45, n_syllables)
    declination = 1.0 - 0.05 * np.minimum(_since(ends), 8)
    grid = np.zeros(n_times)
    inside = onset < duration
    np.add.at(grid, (onset[inside] * SFREQ).astype(np.int64), (loudness * declination)[inside])
    lag = np.arange(int(0.4 * SFREQ)) / SFREQ
    syllable = (lag / 0.03) ** 1.5 * np.exp(-lag / 0.03)
    envelope = np.convolve(grid, syllable)[:n_times]
    envelope += 0.004 * np.abs(rng.standard_normal(n_times))
    return np.asarray(envelope**0.6, dtype=np.float64)


def listener(n_chans: int, rng: np.random.Generator) -> Listener:
    """Draw a listener: places, latencies and strengths scatter around what is common to all."""
    positions = _electrodes(n_chans)
    # Four auditory sources, two in each temporal lobe, at nearly the same place in every head.
    places = np.array([[-0.8, 0.1, 0.3], [0.8, 0.1, 0.3], [-0.6, -0.2, 0.5], [0.6, -0.2, 0.5]])
    places = places + 0.06 * rng.standard_normal(places.shape)
    tilt = np.array([[-0.3, 0.6, 1.0], [0.3, 0.6, 1.0], [0.2, 0.3, 1.0], [-0.2, 0.3, 1.0]])
    tilt = tilt + 0.15 * rng.standard_normal(tilt.shape)
    noise_places = rng.standard_normal((_N_NOISE_SOURCES, 3)) * np.array([0.6, 0.6, 0.4])
    occipital = np.array([[-0.3, -0.8, 0.3], [0.3, -0.8, 0.3]]) + 0.1 * rng.standard_normal((2, 3))
    return Listener(
        envelope_response=_responses(((0.07, 0.025, 0.7), (0.13, 0.035, -1.0), (0.22, 0.05, 0.8)), rng),
        onset_response=_responses(((0.055, 0.02, 0.8), (0.10, 0.025, -1.2), (0.18, 0.04, 0.9)), rng),
        auditory=_pattern(positions, places, tilt),
        background=_pattern(positions, noise_places, rng.standard_normal((_N_NOISE_SOURCES, 3))),
        alpha=_pattern(positions, occipital, np.tile([0.0, -0.5, 1.0], (2, 1))),
        gain=_RESPONSE_GAIN * float(np.exp(_GAIN_SD * rng.standard_normal())),
        alpha_hertz=float(rng.normal(10.0, 0.6)),
        sensor_noise=float(rng.uniform(1.2, 1.6)),
    )


def eeg(envelope: Signal, who: Listener, rng: np.random.Generator) -> NDArray[np.float32]:
    """What the electrodes record while ``who`` hears ``envelope``: ``(n_times, n_chans)``."""
    n_times = len(envelope)
    response = _cortical_response(envelope, who)
    # Auditory cortex has activity of its own, which no choice of electrodes can separate from the response.
    response = who.gain * response + _pink(n_times, len(response.T), rng)
    background = _pink(n_times, len(who.background), rng)
    alpha = _narrow_band(n_times, who.alpha_hertz, 1.5, 2, rng)
    sources = np.concatenate(
        [0.4 * response / np.sqrt(len(response.T)), background / np.sqrt(len(who.background)), 0.5 * alpha],
        axis=1,
    )
    patterns = np.concatenate([who.auditory, who.background, who.alpha])
    recorded = sources.astype(np.float32) @ patterns.astype(np.float32)
    recorded += np.float32(who.sensor_noise) * rng.standard_normal(recorded.shape, dtype=np.float32)
    for start, length, pattern in _bursts(n_times, patterns.shape[1], rng):
        window = np.hanning(length)[:, None] * rng.standard_normal((length, 1))
        recorded[start : start + length] += (window * pattern).astype(np.float32)
    return recorded


def _cortical_response(envelope: Signal, who: Listener) -> Signal:
    """Adapted, saturated drive through each source's impulse responses: ``(n_times, n_sources)``, RMS 1."""
    scaled = envelope / envelope.mean()
    rise = np.maximum(np.diff(scaled, prepend=scaled[0]), 0.0)
    # What was loud within the last second divides the response (adaptation); what is left saturates.
    decay = np.exp(-np.arange(SFREQ) / (0.35 * SFREQ))
    recent = np.convolve(scaled, decay / decay.sum())[: len(scaled)]
    sustained = np.tanh(2.0 * scaled / (0.3 + recent))
    transient = np.tanh(6.0 * rise / (0.25 + recent))
    sustained, transient = (drive - drive.mean() for drive in (sustained, transient))
    sustained, transient = (drive / max(drive.std(), 1e-12) for drive in (sustained, transient))
    response = np.stack(
        [
            np.convolve(sustained, slow)[: len(scaled)] + np.convolve(transient, fast)[: len(scaled)]
            for slow, fast in zip(who.envelope_response, who.onset_response, strict=True)
        ],
        axis=1,
    )
    return np.asarray(response / max(np.sqrt(np.mean(response**2)), 1e-12))


def _responses(peaks: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> Signal:
    """Impulse responses of four sources from (latency s, width s, amplitude) peaks."""
    lag = np.arange(int(_RESPONSE_SECONDS * SFREQ)) / SFREQ
    kernels = np.zeros((4, len(lag)))
    for latency, width, amplitude in peaks:
        late = latency * (1 + 0.08 * rng.standard_normal((4, 1)))
        high = amplitude * (1 + 0.2 * rng.standard_normal((4, 1)))
        kernels += high * np.exp(-0.5 * ((lag - late) / width) ** 2)
    return kernels


def _electrodes(n_chans: int) -> Signal:
    """Evenly spread positions on the upper part of a unit sphere: ``(n_chans, 3)``."""
    index = np.arange(n_chans) + 0.5
    height = 1 - 1.2 * index / n_chans
    angle = np.pi * (1 + np.sqrt(5)) * index
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)


def _pattern(electrodes: Signal, places: Signal, moments: Signal) -> Signal:
    """Potential of dipoles in a homogeneous medium, average reference, RMS 1: ``(n, n_chans)``."""
    depth = 0.75 / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 0.75)
    away = electrodes[None] - (places * depth)[:, None]
    potential = np.einsum("ncd,nd->nc", away, moments) / np.linalg.norm(away, axis=2) ** 3
    if potential.shape[1] > 1:
        potential = potential - potential.mean(axis=1, keepdims=True)
    return np.asarray(potential / np.maximum(np.sqrt(np.mean(potential**2, axis=1, keepdims=True)), 1e-12))


def _pink(n_times: int, n_sources: int, rng: np.random.Generator) -> Signal:
    """1/f noise, RMS 1: ``(n_times, n_sources)``."""
    frequency = np.fft.rfftfreq(n_times, 1 / SFREQ)
    # Power falls as 1/f from 0.5 Hz on; slower drifts are what a high-pass filter has taken out.
    amplitude = np.where(frequency >= 0.5, 1 / np.sqrt(np.maximum(frequency, 0.5)), 0.0)
    spectrum = np.fft.rfft(rng.standard_normal((n_sources, n_times)), axis=1) * amplitude
    noise = np.fft.irfft(spectrum, n=n_times, axis=1).T
    return np.asarray(noise / np.sqrt(np.mean(noise**2, axis=0)))


def _narrow_band(n_times: int, hertz: float, width: float, n: int, rng: np.random.Generator) -> Signal:
    """Waxing and waning oscillations, RMS 1: ``(n_times, n)``."""
    frequency = np.fft.rfftfreq(n_times, 1 / SFREQ)
    amplitude = np.exp(-0.5 * ((frequency - hertz) / width) ** 2)
    wave = np.fft.irfft(
        np.fft.rfft(rng.standard_normal((n, n_times)), axis=1) * amplitude, n=n_times, axis=1
    ).T
    return np.asarray(wave / np.sqrt(np.mean(wave**2, axis=0)))


def _bursts(n_times: int, n_chans: int, rng: np.random.Generator) -> list[tuple[int, int, Signal]]:
    """Muscle and movement: (first sample, samples, scalp pattern), about eight a minute."""
    bursts = []
    for start in np.sort(rng.integers(0, n_times, rng.poisson(8 * n_times / SFREQ / 60))):
        length = min(int(rng.uniform(0.2, 1.0) * SFREQ), n_times - int(start))
        near = np.abs(np.arange(n_chans) - rng.integers(n_chans)) < max(1, n_chans // 4)
        bursts.append((int(start), length, near * rng.lognormal(2.2, 0.5)))
    return bursts


def _since(flags: NDArray[np.bool_]) -> Signal:
    """Position since the last set flag, 0 right after one."""
    index = np.arange(len(flags))
    last = np.maximum.accumulate(np.where(np.concatenate([[True], flags[:-1]]), index, 0))
    return np.asarray(index - last, dtype=np.float64)
