import wave
from pathlib import Path

import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.media.decode import decode
from tagging.media.limits import Deadline
from tagging.media.sound import decode_sound
from tests.support.media_files import Film, make

CONFIG = MediaConfig(frames=2)


@pytest.mark.parametrize(
    ("suffix", "codec", "channels"),
    [
        ("mp4", "aac", "mono"),
        ("mp4", "aac", "stereo"),
        ("wav", "pcm_s16le", "mono"),
        ("wav", "pcm_s16le", "stereo"),
        ("wav", "pcm_s16le", "5.1"),
    ],
)
def test_a_tone_is_decoded_as_the_same_tone_at_16_khz(tmp_path: Path, suffix: str, codec: str, channels: str) -> None:
    film = Film(tone_s=2.0, tone=0.9, tone_codec=codec, channels=channels)
    path = make(tmp_path / f"film.{suffix}", film)
    sound = decode(path, CONFIG).sound
    assert sound is not None
    assert sound.duration_s == pytest.approx(2.0, abs=0.05)
    middle = sound.samples[8000:24000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() == 440  # one bin a Hz
    # A sine of amplitude 0.9 in every channel keeps its loudness when the channels are averaged.
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.9 / np.sqrt(2), rel=0.03)
    assert np.abs(sound.samples).max() <= 1.0


def test_resampling_agrees_with_sampling_the_sine_itself(tmp_path: Path) -> None:
    sound = decode(make(tmp_path / "film.wav", Film(tone_s=1.0, tone_codec="pcm_s16le")), CONFIG).sound
    assert sound is not None
    want = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(sound.samples[100:15900], want[100:15900], atol=2e-3)


def test_sound_over_the_limit_is_cut_with_a_warning(tmp_path: Path) -> None:
    path = make(tmp_path / "film.wav", Film(tone_s=5.0, tone_codec="pcm_s16le"))
    sample = decode(path, CONFIG.model_copy(update={"sound_max_s": 2.0}))
    assert sample.sound is not None
    assert len(sample.sound.samples) == 32000
    assert "sound cut at 2 s of 5 s" in sample.warnings
    assert sample.duration_s == pytest.approx(5.0)


def test_a_silent_track_counts_as_no_sound_with_a_warning(tmp_path: Path) -> None:
    sample = decode(make(tmp_path / "film.mp4", Film(frames=10, tone_s=1.0, tone=0.0)), CONFIG)
    assert sample.sound is None
    assert sample.warnings == ("sound track is silent",)


def test_sound_shorter_than_one_vggish_example_is_still_returned(tmp_path: Path) -> None:
    sample = decode(make(tmp_path / "film.wav", Film(tone_s=0.3, tone_codec="pcm_s16le")), CONFIG)
    assert sample.sound is not None
    assert sample.sound.duration_s == pytest.approx(0.3, abs=0.01)


def test_sound_whose_rate_changes_within_the_file_is_read_to_the_end(tmp_path: Path) -> None:
    # AAC frames carry their own header in ADTS, so files can be joined.
    parts = [
        make(tmp_path / "mono.aac", Film(tone_s=1.0)),
        make(tmp_path / "stereo.aac", Film(tone_s=1.0, channels="stereo")),
    ]
    path = tmp_path / "both.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    sound = decode(path, CONFIG).sound
    assert sound is not None
    assert sound.duration_s == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("channels", [12, 35])
def test_channels_of_an_unknown_layout_are_averaged_whatever_their_number(tmp_path: Path, channels: int) -> None:
    # Channel c holds the constant (c + 1) * 500; a damaged header of a real clip once claimed 35 channels.
    path = tmp_path / "sound.wav"
    levels = (np.arange(channels, dtype=np.int16) + 1) * np.int16(500)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.tile(levels, 16000).astype("<i2").tobytes())
    sound = decode(path, CONFIG).sound
    assert sound is not None
    assert sound.samples.shape == (16000,)
    np.testing.assert_allclose(sound.samples, levels.mean() / 32768, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [0x7FFFFFFF, 121_780_461])  # for the second, ffmpeg would allocate a gigabyte
def test_an_unsupported_sample_rate_is_a_damaged_track(tmp_path: Path, rate_hz: int) -> None:
    path = make(tmp_path / "sound.wav", Film(tone_s=0.5, tone_codec="pcm_s16le"))
    data = bytearray(path.read_bytes())
    data[24:28] = rate_hz.to_bytes(4, "little")  # in the header
    path.write_bytes(data)
    samples, damaged = decode_sound(path, 0, MediaConfig(), Deadline(60.0))
    assert not len(samples)
    assert damaged
