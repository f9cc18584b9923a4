"""Draw a QR code as SVG (ISO/IEC 18004: byte mode, error correction M, versions 1 to 10)."""

from __future__ import annotations

from collections.abc import Iterator

# For versions 1 to 10 at level M: error correction bytes per block, number of blocks, data bytes in all.
_EC_BYTES = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26)
_BLOCKS = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5)
_DATA_BYTES = (16, 28, 44, 64, 86, 108, 124, 154, 182, 216)
_ALIGNMENT = ((), (18,), (22,), (26,), (30,), (34,), (22, 38), (24, 42), (26, 46), (28, 50))
_LEVEL_M = 0b00
_QUIET = 4  # white modules around, as the standard asks

Grid = list[list[int]]  # 0 white, 1 black


class TooLong(ValueError):
    """The text needs a version above 10."""


def qr_svg(text: str) -> str:
    """Return the code as an SVG element that scales to whatever size its container gives it."""
    grid = qr_modules(text)
    size = len(grid) + 2 * _QUIET
    path = "".join(
        f"M{x + _QUIET} {y + _QUIET}h1v1h-1z" for y, row in enumerate(grid) for x, black in enumerate(row) if black
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path d="{path}"/></svg>'
    )


def qr_modules(text: str) -> Grid:
    """Return the modules row by row. Raises TooLong for more than 213 bytes."""
    content = text.encode()
    version = next((v for v in range(1, 11) if len(content) <= _capacity(v)), None)
    if version is None:
        raise TooLong(f"{len(content)} bytes")
    size = 17 + 4 * version
    grid: Grid = [[0] * size for _ in range(size)]
    fixed: Grid = [[0] * size for _ in range(size)]
    _draw_patterns(grid, fixed, version)
    _draw_bytes(grid, fixed, _with_correction(_data(content, version), version))
    return min((_masked(grid, fixed, mask) for mask in range(8)), key=_penalty)


def _capacity(version: int) -> int:
    return _DATA_BYTES[version - 1] - (2 if version < 10 else 3)


def _data(content: bytes, version: int) -> bytes:
    """Mode, length and content, padded to the version's size."""
    count_bits = 8 if version < 10 else 16
    bits = f"{0b0100:04b}{len(content):0{count_bits}b}" + "".join(f"{byte:08b}" for byte in content)
    room = _DATA_BYTES[version - 1] * 8
    bits += "0" * min(4, room - len(bits))
    bits += "0" * (-len(bits) % 8)
    made = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    pad = bytes([0xEC, 0x11]) * room
    return made + pad[: room // 8 - len(made)]


def _with_correction(data: bytes, version: int) -> bytes:
    """Split into blocks, add Reed-Solomon bytes to each, interleave."""
    blocks, ec = _BLOCKS[version - 1], _EC_BYTES[version - 1]
    short, longer = divmod(len(data), blocks)
    parts, at = [], 0
    for number in range(blocks):
        length = short + (number >= blocks - longer)
        parts.append(data[at : at + length])
        at += length
    corrections = [_remainder(part, ec) for part in parts]
    woven = [part[i] for i in range(short + 1) for part in parts if i < len(part)]
    woven += [correction[i] for i in range(ec) for correction in corrections]
    return bytes(woven)


def _remainder(data: bytes, degree: int) -> bytes:
    divisor = [0] * (degree - 1) + [1]
    root = 1
    for _ in range(degree):
        for i in range(degree):
            divisor[i] = _multiply(divisor[i], root) ^ (divisor[i + 1] if i + 1 < degree else 0)
        root = _multiply(root, 2)
    rest = [0] * degree
    for byte in data:
        factor = byte ^ rest.pop(0)
        rest.append(0)
        rest = [each ^ _multiply(coefficient, factor) for each, coefficient in zip(rest, divisor, strict=True)]
    return bytes(rest)


def _multiply(x: int, y: int) -> int:
    product = 0
    for i in range(7, -1, -1):
        product = (product << 1) ^ ((product >> 7) * 0x11D)
        product ^= ((y >> i) & 1) * x
    return product


def _draw_patterns(grid: Grid, fixed: Grid, version: int) -> None:
    size = len(grid)

    def put(x: int, y: int, black: bool) -> None:
        if 0 <= x < size and 0 <= y < size:
            grid[y][x], fixed[y][x] = int(black), 1

    for i in range(size):
        put(6, i, i % 2 == 0)
        put(i, 6, i % 2 == 0)
    for centre_x, centre_y in ((3, 3), (size - 4, 3), (3, size - 4)):
        for dy in range(-4, 5):
            for dx in range(-4, 5):
                put(centre_x + dx, centre_y + dy, max(abs(dx), abs(dy)) not in (2, 4))
    places = (6, *_ALIGNMENT[version - 1]) if version > 1 else ()
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    for x, y in ((x, y) for x in places for y in places if (x, y) not in corners):
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                put(x + dx, y + dy, max(abs(dx), abs(dy)) != 1)
    _draw_format(grid, fixed, 0)
    if version >= 7:
        bits = _version_bits(version)
        for i in range(18):
            black = bool(bits >> i & 1)
            put(size - 11 + i % 3, i // 3, black)
            put(i // 3, size - 11 + i % 3, black)


def _version_bits(version: int) -> int:
    rest = version
    for _ in range(12):
        rest = (rest << 1) ^ ((rest >> 11) * 0x1F25)
    return version << 12 | rest


def _draw_format(grid: Grid, fixed: Grid, mask: int) -> None:
    size, data = len(grid), _LEVEL_M << 3 | mask
    rest = data
    for _ in range(10):
        rest = (rest << 1) ^ ((rest >> 9) * 0x537)
    bits = (data << 10 | rest) ^ 0x5412
    first = [(8, i) for i in range(6)] + [(8, 7), (8, 8), (7, 8)] + [(14 - i, 8) for i in range(9, 15)]
    second = [(size - 1 - i, 8) for i in range(8)] + [(8, size - 15 + i) for i in range(8, 15)]
    for places in (first, second):
        for i, (x, y) in enumerate(places):
            grid[y][x], fixed[y][x] = bits >> i & 1, 1
    grid[size - 8][8], fixed[size - 8][8] = 1, 1


def _free_places(fixed: Grid) -> Iterator[tuple[int, int]]:
    """Two columns at a time from the right, upwards and downwards in turn, past the timing column."""
    size = len(fixed)
    for right in (x if x > 6 else x - 1 for x in range(size - 1, 0, -2)):
        upward = (right + 1) & 2 == 0
        for step in range(size):
            y = size - 1 - step if upward else step
            for x in (right, right - 1):
                if not fixed[y][x]:
                    yield x, y


def _draw_bytes(grid: Grid, fixed: Grid, content: bytes) -> None:
    bits = (byte >> shift & 1 for byte in content for shift in range(7, -1, -1))
    for (x, y), bit in zip(_free_places(fixed), bits, strict=False):
        grid[y][x] = bit


def _masked(grid: Grid, fixed: Grid, mask: int) -> Grid:
    made = [row[:] for row in grid]
    for y, row in enumerate(made):
        for x in range(len(row)):
            if not fixed[y][x]:
                row[x] ^= _inverts(mask, x, y)
    _draw_format(made, [row[:] for row in fixed], mask)
    return made


def _inverts(mask: int, x: int, y: int) -> int:
    product = x * y
    rules = (
        (x + y) % 2,
        y % 2,
        x % 3,
        (x + y) % 3,
        (x // 3 + y // 2) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((x + y) % 2 + product % 3) % 2,
    )
    return int(rules[mask] == 0)


def _penalty(grid: Grid) -> int:
    """The standard's four measures of how hard a code is to read."""
    size, total = len(grid), 0
    for lines in (grid, [list(column) for column in zip(*grid, strict=True)]):
        for line in lines:
            text = "".join(map(str, line))
            total += sum(len(run) - 2 for run in text.replace("01", "0 1").replace("10", "1 0").split() if len(run) > 4)
            total += 40 * sum(text.count(finder) for finder in ("10111010000", "00001011101"))
    for y in range(size - 1):
        for x in range(size - 1):
            total += 3 * (grid[y][x] == grid[y][x + 1] == grid[y + 1][x] == grid[y + 1][x + 1])
    black = sum(map(sum, grid))
    return total + 10 * (abs(20 * black - 10 * size * size) // (size * size))
