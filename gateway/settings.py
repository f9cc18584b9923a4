"""Settings: the only reader of the environment."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

VERSION = "0.1.0"


class Settings(BaseSettings):
    """`FOREWARN_…` variables; with both URLs set nothing is embedded."""

    model_config = SettingsConfigDict(env_prefix="FOREWARN_", extra="ignore")

    database_url: str | None = None
    broker_url: str | None = None
    data: Path = Field(default_factory=lambda: default_data_folder())
    http: str = "127.0.0.1:8080"
    https: str | None = None  # host:port to listen on with TLS too; `up --lan` sets 0.0.0.0:8443
    tls_certificate: Path | None = None  # both, or neither: then `up` makes one of its own authority
    tls_key: Path | None = None
    trusted_proxies: str = "127.0.0.1,::1"  # addresses and networks whose X-Forwarded-For and -Proto are believed
    public_url: str | None = None
    public_broker: str | None = None
    public_broker_tls: str | None = None  # mqtts://HOST:PORT; with it devices get certificates
    ca_certificate: Path | None = None  # both, or neither: then the authority is made in the data folder
    ca_key: Path | None = None
    device_passwords: bool = True  # whether a device may be claimed without a key of its own
    device_certificate_days: float = Field(default=365, gt=0, le=3650)
    identity_overlap_hours: float = Field(default=7 * 24, ge=0, le=90 * 24)
    sparkplug_host_id: str = Field(default="forewarn", min_length=1, max_length=120, pattern=r"^[^/+#\s]+$")
    sparkplug_reorder_s: float = Field(default=2.0, gt=0, le=60)  # how long a message may be overtaken by others
    smtp_url: str | None = None
    webhook_networks: str = ""  # private addresses and networks, by commas, that webhooks may be sent to
    map_tiles: str | None = None  # https://HOST/{z}/{x}/{y}.png; without it maps show the bundled outlines alone
    map_attribution: str = Field(default="", max_length=200)  # what the tiles' makers want to be said on the map
    map_datum: Literal["wgs84", "gcj02"] = "wgs84"  # Chinese tiles are shifted by law
    files_s3_bucket: str | None = None  # with it documents lie in a bucket instead of the data folder
    files_s3_endpoint: str | None = None  # https://HOST[:PORT] of a store of one's own; without it Amazon's
    files_s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]{1,40}$")
    files_s3_access_key: str | None = None
    files_s3_secret_key: str | None = Field(default=None, repr=False)
    files_s3_path_style: bool = True  # HOST/BUCKET/…; false: BUCKET.HOST/…
    ready_file: Path | None = None  # written by a role when it can do its work; `up` waits for it

    @field_validator("http", "https")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        port = (value or "").rpartition(":")[2]
        if value is not None and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("must be HOST:PORT, for example 127.0.0.1:8080")
        return value

    @field_validator("trusted_proxies", "webhook_networks")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        named = [each.strip() for each in value.split(",") if each.strip()]
        try:
            return ",".join(str(ip_network(each) if "/" in each else ip_address(each)) for each in named)
        except ValueError as wrong:
            raise ValueError(f"must be addresses or networks such as 10.0.0.0/8, by commas: {wrong}") from None

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, value: str | None) -> str | None:
        if value and not value.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
            raise ValueError("must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        return value or None

    @field_validator("map_tiles")
    @classmethod
    def _is_tiles(cls, value: str | None) -> str | None:
        if not value:
            return None
        place = urlsplit(value)
        # The host goes into a header and must be one address: a wildcard or a blank there would open more than it.
        named = place.scheme in ("https", "http") and re.fullmatch(r"[A-Za-z0-9.\-\[\]:]+", place.netloc)
        if not named or not all(each in value for each in ("{z}", "{x}", "{y}")) or not value.isprintable():
            raise ValueError("must be such as https://tiles.example.com/{z}/{x}/{y}.png")
        return value

    @field_validator("files_s3_bucket", "files_s3_endpoint", "files_s3_access_key", "files_s3_secret_key")
    @classmethod
    def _is_not_blank(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @field_validator("files_s3_bucket")
    @classmethod
    def _is_bucket(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
            raise ValueError("must be a bucket's name: 3 to 63 small letters, digits, dots and dashes")
        return value

    @field_validator("files_s3_endpoint")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        place = urlsplit(value or "https://example.com")
        if place.scheme not in ("https", "http") or not place.hostname or place.path.strip("/") or place.query:
            raise ValueError("must be https://HOST or https://HOST:PORT, without the bucket's name")
        return value.rstrip("/") if value else None

    @model_validator(mode="after")
    def _has_all_of_the_bucket(self) -> Self:
        if self.files_s3_bucket:
            for name in ("files_s3_access_key", "files_s3_secret_key"):
                if getattr(self, name) is None:
                    raise ValueError(f"FOREWARN_{name.upper()} is needed with FOREWARN_FILES_S3_BUCKET")
        elif self.files_s3_endpoint:
            raise ValueError("FOREWARN_FILES_S3_BUCKET is needed with FOREWARN_FILES_S3_ENDPOINT")
        return self

    @property
    def webhook_allowed(self) -> list[IPv4Network | IPv6Network]:
        """Networks that are not out in the world and may be sent to all the same."""
        return [ip_network(each, strict=False) for each in self.webhook_networks.split(",") if each]

    @property
    def map_origin(self) -> str | None:
        """Where map tiles come from; pages may load pictures from there."""
        place = urlsplit(self.map_tiles or "")
        return f"{place.scheme}://{place.netloc}" if self.map_tiles else None

    @property
    def http_host(self) -> str:
        """Address to listen on."""
        return self.http.rpartition(":")[0] or "127.0.0.1"

    @property
    def http_port(self) -> int:
        """Port to listen on."""
        return int(self.http.rpartition(":")[2])

    @property
    def https_host(self) -> str:
        """Address to listen on with TLS."""
        return (self.https or "").rpartition(":")[0] or "127.0.0.1"

    @property
    def https_port(self) -> int:
        """Port to listen on with TLS."""
        return int((self.https or ":8443").rpartition(":")[2])

    @property
    def https_host_name(self) -> str:
        """Name or address by which others reach the TLS listener."""
        if self.public_url and (named := urlsplit(self.public_url).hostname):
            return named
        return self.http_host if self.https_host in ("0.0.0.0", "[::]") else self.https_host.strip("[]")

    @property
    def https_url(self) -> str | None:
        """The secure address, None without one."""
        if self.https is None:
            return None
        if self.base_url.startswith("https://"):
            return self.base_url
        host = self.https_host_name
        shown = f"[{host}]" if ":" in host else host
        return f"https://{shown}" + (f":{self.https_port}" if self.https_port != 443 else "")

    @property
    def base_url(self) -> str:
        """Address that people and devices use to reach this server."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")


def default_data_folder() -> Path:
    """Everything that Forewarn keeps on this machine stands below this folder."""
    return Path("/var/lib/forewarn") if os.geteuid() == 0 else Path.home() / ".local/share/forewarn"
