"""What a photo is by its content: checked, measured, read for what the camera wrote, and shrunk."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from assets.base.errors import Invalid
from assets.documents.files import MAX_PIXELS
from ticketing.distances import metres_between

MAX_BYTES = 30 * 1024 * 1024  # a phone's largest photo is about 15 MB
KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
LARGE = (1600, 1600)
SMALL = (320, 320)
SAME_TIME = timedelta(minutes=10)
QUARTER = timedelta(minutes=15)  # all time zones differ by whole quarters of an hour
SAME_PLACE_M = 250.0  # what positions in halls and under roofs are off by


class NotAPhoto(Invalid):
    """The content is no photo, or a damaged one; params: `reason` (type, damaged, pixels) and `accepted`."""

    code = "not_a_photo"


@dataclass(frozen=True, slots=True)
class Told:
    """What the camera wrote into the file; its clock often has no zone."""

    captured_at: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that is one; `large` and `small` are JPEGs without anything but the picture."""

    media_type: str
    width: int
    height: int
    told: Told
    large: bytes
    small: bytes


def read_photo(content: bytes) -> Photo:
    """Return what a photo is. Raises NotAPhoto, also for one that unpacks to more than a picture may have."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # The header alone tells the size: nothing is unpacked before that is known to be small enough.
            with Image.open(io.BytesIO(content), formats=list(KINDS)) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise _no_photo("pixels")
                kind, size = KINDS[str(picture.format)], picture.size
                told = _told(picture)
                picture.load()
                upright = ImageOps.exif_transpose(picture)
                return Photo(kind, *size, told, _shrunk(upright, LARGE), _shrunk(upright, SMALL))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _no_photo("pixels") from None
    except UnidentifiedImageError:
        raise _no_photo("type") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, IndexError):
        raise _no_photo("damaged") from None


def differences(
    told: Told, captured_at: datetime, place: tuple[float, float] | None, accuracy_m: float | None
) -> list[str]:
    """Return in what the camera and the phone disagree: "time", "place".

    A camera's clock without a zone agrees when some zone makes it so.
    """
    found = []
    if told.captured_at is not None and not _same_time(told.captured_at, captured_at):
        found.append("time")
    if place is not None and told.latitude_deg is not None and told.longitude_deg is not None:
        apart = metres_between(place, (told.latitude_deg, told.longitude_deg))
        if apart > SAME_PLACE_M + (accuracy_m or 0):
            found.append("place")
    return found


def _same_time(said: str, captured_at: datetime) -> bool:
    try:
        camera = datetime.fromisoformat(said)
    except ValueError:
        return True
    if camera.tzinfo is not None:
        return abs(camera - captured_at) <= SAME_TIME
    apart = abs(camera - captured_at.replace(tzinfo=None))
    if apart > timedelta(hours=15):
        return False
    rest = apart % QUARTER
    return min(rest, QUARTER - rest) <= timedelta(minutes=2)


def _no_photo(reason: str) -> NotAPhoto:
    return NotAPhoto("the file is no photo", field="content", reason=reason, accepted=sorted(KINDS.values()))


def _shrunk(picture: Image.Image, most: tuple[int, int]) -> bytes:
    """Return a JPEG without time, place or anything else beside the picture."""
    flat = picture.convert("RGBA") if picture.mode in ("RGBA", "LA", "P", "PA") else picture.convert("RGB")
    if flat.mode == "RGBA":
        ground = Image.new("RGB", flat.size, "white")
        ground.paste(flat, mask=flat.getchannel("A"))
        flat = ground
    flat.thumbnail(most)
    clean = Image.new("RGB", flat.size)
    clean.paste(flat)
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=80, optimize=True)
    return out.getvalue()


def _told(picture: Image.Image) -> Told:
    """Return time and place from EXIF; what cannot be read was not told."""
    try:
        exif = picture.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        where = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError):
        return Told()
    at = _taken(inner.get(ExifTags.Base.DateTimeOriginal), inner.get(ExifTags.Base.OffsetTimeOriginal))
    latitude = _degrees(where.get(ExifTags.GPS.GPSLatitude), where.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    longitude = _degrees(where.get(ExifTags.GPS.GPSLongitude), where.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    if latitude is None or longitude is None:
        return Told(at)
    return Told(at, latitude, longitude)


def _taken(said: Any, offset: Any) -> str | None:
    words = str(said).strip("\0 ")
    try:
        at = datetime.fromisoformat(f"{words[:10].replace(':', '-')}T{words[11:19]}")
    except ValueError:
        return None
    zoned = f"{at.isoformat()}{str(offset).strip(chr(0) + ' ')}" if offset else at.isoformat()
    try:
        datetime.fromisoformat(zoned)
    except ValueError:
        return at.isoformat()
    return zoned


def _degrees(said: Any, side: Any, negative: str, most: int) -> float | None:
    try:
        degrees, minutes, seconds = (float(each) for each in said)
        value = degrees + minutes / 60 + seconds / 3600
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not isfinite(value) or not 0 <= value <= most:
        return None
    return round(-value if str(side).strip("\0 ").upper() == negative else value, 7)
