"""Features of a vibration waveform: how strong, how impulsive, and how much of it repeats at a bearing's own rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.detectors.protocol import Floats

G = 9.80665  # m/s2
VELOCITY_BAND_HZ = (10.0, 1000.0)  # of ISO 20816
BANDS_HZ = ((10, 100), (100, 1000), (1000, 5000), (5000, 20000))  # shaft, gears, impacts ringing, lack of grease
MIN_SAMPLES = 256
TINY = 1e-12  # below any sensor: what is left of a constant once its mean is gone
HARMONICS = 3
LINE_TOLERANCE = 0.02  # of the rate: rolling elements slip a little


@dataclass(frozen=True, slots=True)
class Bearing:
    """Geometry of a rolling bearing: elements, their and the pitch diameter (same unit), contact angle in radians."""

    elements: int
    element_diameter: float
    pitch_diameter: float
    contact_angle: float = 0.0

    def rates(self) -> dict[str, float]:
        """Passing rates in multiples of the shaft's speed, outer race standing: outer, inner, element spin, cage."""
        ratio = self.element_diameter / self.pitch_diameter * np.cos(self.contact_angle)
        return {
            "outer_race": float(self.elements / 2 * (1 - ratio)),
            "inner_race": float(self.elements / 2 * (1 + ratio)),
            "element": float(self.pitch_diameter / (2 * self.element_diameter) * (1 - ratio**2)),
            "cage": float((1 - ratio) / 2),
        }


def features(
    acceleration_g: Floats, sample_hz: float, speed_hz: float | None = None, bearing: Bearing | None = None
) -> dict[str, float]:
    """Named features of one recording [n] of acceleration in g.

    `rms_A_B_hz_g` are the energies of bands that rate and length cover, as root mean squares, `envelope_rms` that of
    the upper band's envelope; `defect_*` are how far its lines at a bearing's rates stand above their surroundings
    (1: not at all); they need `speed_hz` and `bearing`. Raise ValueError for less than MIN_SAMPLES finite samples.
    """
    x = _checked(acceleration_g, sample_hz)
    rms = float(np.sqrt((x**2).mean()))
    told = {"rms_g": rms, "peak_g": float(np.abs(x).max())}
    if _covers(len(x), sample_hz, VELOCITY_BAND_HZ):
        told["velocity_rms_mm_s"] = velocity_rms_mm_s(x, sample_hz)
    told |= {f"rms_{low}_{high}_hz_g": part for (low, high), part in band_rms(x, sample_hz).items()}
    return told | _shape(x, rms, sample_hz, speed_hz, bearing)


def features_of_any(
    values: Floats, sample_hz: float, speed_hz: float | None = None, bearing: Bearing | None = None
) -> dict[str, float]:
    """The features that need no unit of acceleration, for any other fast signal: `rms` and `peak` are in its unit."""
    x = _checked(values, sample_hz)
    rms = float(np.sqrt((x**2).mean()))
    return {"rms": rms, "peak": float(np.abs(x).max())} | _shape(x, rms, sample_hz, speed_hz, bearing)


def _checked(values: Floats, sample_hz: float) -> Floats:
    x = np.asarray(values, dtype=float)
    x = x[np.isfinite(x)]
    if len(x) < MIN_SAMPLES or sample_hz <= 0:
        raise ValueError(f"a recording needs {MIN_SAMPLES} samples and a rate, not {len(x)} at {sample_hz} Hz")
    return np.asarray(x - x.mean(), dtype=float)


def _shape(
    x: Floats, rms: float, sample_hz: float, speed_hz: float | None, bearing: Bearing | None
) -> dict[str, float]:
    """How impulsive, and how much of it repeats. A sensor that shows nothing has no shape: left out, not zero."""
    if rms <= TINY:
        return {}
    told = {"crest_factor": float(np.abs(x).max()) / rms, "kurtosis": float((x**4).mean() / rms**4)}
    lines, envelope = envelope_spectrum(x, sample_hz), envelope_of(x, sample_hz)
    told["envelope_rms"] = float(np.sqrt((envelope**2).mean()))
    if speed_hz and bearing is not None:
        told |= {f"defect_{name}": _line(lines, rate * speed_hz) for name, rate in bearing.rates().items()}
    return told


def band_rms(acceleration: Floats, sample_hz: float) -> dict[tuple[int, int], float]:
    """Root mean square within each of BANDS_HZ that rate and length cover, in the unit of the recording (Parseval)."""
    n = len(acceleration)
    hz = np.fft.rfftfreq(n, 1 / sample_hz)
    power = 2 * np.abs(np.fft.rfft(acceleration)) ** 2 / n**2
    known = [band for band in BANDS_HZ if _covers(n, sample_hz, band)]
    return {(low, high): float(np.sqrt(power[(hz >= low) & (hz < high)].sum())) for low, high in known}


def _covers(n: int, sample_hz: float, band_hz: tuple[float, float]) -> bool:
    return band_hz[1] <= sample_hz / 2 and band_hz[0] >= sample_hz / n


def velocity_rms_mm_s(acceleration_g: Floats, sample_hz: float) -> float:
    """Root mean square of the velocity within VELOCITY_BAND_HZ, integrated in the spectrum."""
    n = len(acceleration_g)
    hz = np.fft.rfftfreq(n, 1 / sample_hz)
    band = (hz >= VELOCITY_BAND_HZ[0]) & (hz <= VELOCITY_BAND_HZ[1])
    velocity = np.fft.rfft(acceleration_g * G)[band] / (2 * np.pi * hz[band])
    return float(1000 * np.sqrt(2 * (np.abs(velocity) ** 2).sum()) / n)


def envelope_spectrum(acceleration_g: Floats, sample_hz: float) -> tuple[Floats, Floats]:
    """Frequencies and amplitudes of the envelope (Randall, 2011)."""
    n = len(acceleration_g)
    envelope = envelope_of(acceleration_g, sample_hz)
    lines = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(n))) / n
    return np.asarray(np.fft.rfftfreq(n, 1 / sample_hz), dtype=float), np.asarray(lines, dtype=float)


def envelope_of(acceleration_g: Floats, sample_hz: float) -> Floats:
    """The envelope [n] above a quarter of the band, where impacts ring."""
    spectrum = np.fft.fft(acceleration_g)
    hz = np.fft.fftfreq(len(acceleration_g), 1 / sample_hz)
    analytic = np.fft.ifft(np.where(hz > sample_hz / 8, 2 * spectrum, 0.0))
    return np.asarray(np.abs(analytic), dtype=float)


def _line(spectrum: tuple[Floats, Floats], rate_hz: float) -> float:
    """The strongest of a rate's harmonics against the median of its surroundings."""
    hz, amplitude = spectrum
    best = 0.0
    for harmonic in range(1, HARMONICS + 1):
        centre = harmonic * rate_hz
        width = max(LINE_TOLERANCE * centre, 2 * hz[1])
        near = np.abs(hz - centre) <= width
        around = (np.abs(hz - centre) <= 6 * width) & ~near & (hz > 0)
        if near.any() and around.any():
            usual = float(np.median(amplitude[around]))
            best = max(best, float(amplitude[near].max()) / usual if usual > 0 else 0.0)
    return best
