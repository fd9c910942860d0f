"""The door to Pillow: headers without decoding, metadata gone, limits held, decoders that die."""

import contextlib
import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat
from PIL.PngImagePlugin import PngInfo

from mitrarr_runner import images
from mitrarr_runner.images import child

FACES = {kind: images.draw_face(7, 120, 160, kind) for kind in ("jpeg", "png", "jp2")}
SECRET = b"Rua das Flores 12"


def picture(width: int = 60, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Four quarters of different brightness, so that a turned picture is told from an upright."""
    image = Image.new("L", (width, height), 20)
    image.paste(120, (width // 2, 0, width, height // 2))
    image.paste(250, (0, height // 2, width // 2, height))
    return image.convert(mode)


def saved(image: Image.Image, name: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(one.convert("L"), other.convert("L"))).mean)


def with_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    return saved(picture(), "JPEG", exif=exif, comment=SECRET, quality=95)


def codestream(width: int, height: int) -> bytes:
    """The JPEG 2000 main header that promises this many pixels, and nothing behind it."""
    size = struct.pack(">HHIIIIIIIIH", 47, 0, width, height, 0, 0, width, height, 0, 0, 3)
    cod = b"\xff\x52\x00\x0c\x00\x00\x00\x01\x01\x05\x04\x04\x00\x00"
    qcd = b"\xff\x5c\x00\x13\x40" + bytes(range(0x40, 0x50))
    start = b"\xff\x4f\xff\x51" + size + b"\x07\x01\x01" * 3
    return start + cod + qcd + b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x01\xff\x93\xff\xd9"


def failure(action, *arguments, **options) -> str:
    with pytest.raises(images.ImageError) as caught:
        action(*arguments, **options)
    assert str(caught.value)
    return caught.value.code


def test_kinds_by_their_first_bytes():
    assert {kind: images.kind(data) for kind, data in FACES.items()} == {k: k for k in FACES}
    assert images.kind(memoryview(FACES["jpeg"])) == "jpeg"
    assert images.kind(saved(picture(), "WEBP")) == "webp"
    assert images.kind(b"\xff\xa0\xff\xa4") == "wsq"
    assert images.kind(codestream(1, 1)) == "jpc"
    assert images.kind(b"") == images.kind(b"GIF89a") == "unknown"


@pytest.mark.parametrize("kind", FACES)
def test_size_and_end_without_decoding(kind):
    data = FACES[kind]
    assert images.size(data) == images.size(memoryview(data)) == (120, 160)
    assert images.complete(data)
    for cut in (1, 2, len(data) // 2):
        assert not images.complete(data[:-cut])


def test_size_of_a_progressive_jpeg_and_of_a_bare_codestream():
    assert images.size(saved(picture(33, 44), "JPEG", progressive=True)) == (33, 44)
    assert images.size(codestream(7, 9)) == (7, 9)


def test_jp2_whose_two_headers_disagree_is_refused():
    at = FACES["jp2"].index(b"ihdr") + 4
    lying = FACES["jp2"][:at] + struct.pack(">II", 10, 10) + FACES["jp2"][at + 8 :]
    assert failure(images.size, lying) == "image_damaged"


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(FACES)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(0, 800),
)
def test_damaged_headers_raise_nothing_else(kind, changes, cut):
    data = bytearray(FACES[kind])
    for at, value in changes:
        data[at] = value
    for damaged in (bytes(data), bytes(data[:cut])):
        images.complete(damaged)
        with contextlib.suppress(images.ImageError):
            images.size(damaged)


def test_jpeg_and_png_without_metadata_are_not_touched():
    for kind in ("jpeg", "png"):
        prepared = images.prepare(FACES[kind])
        assert prepared.data == FACES[kind]
        assert (prepared.content_type, prepared.converted) == (f"image/{kind}", None)
        assert (prepared.width, prepared.height) == (120, 160)


def test_jpeg_loses_its_metadata_and_no_pixel():
    profile = b"\x00" * 128 + b"icc"
    source = saved(picture(), "JPEG", exif=SECRET, comment=SECRET, icc_profile=profile)
    app13 = b"\xff\xed" + struct.pack(">H", 2 + len(SECRET)) + SECRET
    source = source[:2] + app13 + source[2:] + b"behind the end" + SECRET
    prepared = images.prepare(source)
    assert SECRET not in prepared.data
    assert prepared.data.endswith(b"\xff\xd9")
    assert prepared.converted is None
    assert opened(prepared.data).tobytes() == opened(source).tobytes()
    assert opened(prepared.data).info["icc_profile"] == profile


def test_comments_between_progressive_scans_go_too():
    source = saved(picture(200, 200), "JPEG", progressive=True)
    at = source.rindex(b"\xff\xda")
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(SECRET)) + SECRET
    prepared = images.prepare(source[:at] + comment + source[at:])
    assert prepared.data == source


def test_an_adobe_marker_stays_because_it_decides_the_colours():
    source = saved(picture(mode="CMYK"), "JPEG")
    assert b"Adobe" in source
    assert opened(images.prepare(source).data).tobytes() == opened(source).tobytes()


def test_png_loses_its_metadata_and_no_pixel():
    notes = PngInfo()
    notes.add_text("Author", SECRET.decode())
    notes.add_itxt("Title", SECRET.decode())
    notes.add_text("Long", SECRET.decode(), zip=True)
    private = struct.pack(">I", len(SECRET)) + b"prVt" + SECRET
    private += struct.pack(">I", zlib.crc32(private[4:]))
    source = saved(picture(mode="P"), "PNG", pnginfo=notes, dpi=(300, 300))
    source = source[:33] + private + source[33:] + SECRET
    prepared = images.prepare(source)
    for name in (SECRET, b"tEXt", b"iTXt", b"zTXt", b"prVt"):
        assert name not in prepared.data
    assert opened(prepared.data).tobytes() == opened(source).tobytes()
    assert opened(prepared.data).info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_sent_upright(orientation):
    source = with_exif(orientation)
    prepared = images.prepare(source)
    assert prepared.converted == (None if orientation == 1 else "upright")
    assert SECRET not in prepared.data
    assert (prepared.width, prepared.height) == ((60, 40) if orientation < 5 else (40, 60))
    wanted = ImageOps.exif_transpose(opened(source))
    assert difference(opened(prepared.data), wanted) < 3


def test_orientation_of_a_png():
    exif = Image.Exif()
    exif[0x0112] = 6
    prepared = images.prepare(saved(picture(), "PNG", exif=exif))
    assert (prepared.width, prepared.height, prepared.converted) == (40, 60, "upright")


def test_a_damaged_exif_is_no_reason_to_refuse():
    for junk in (b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00MMMMMMMM"):
        source = FACES["jpeg"]
        segment = b"\xff\xe1" + struct.pack(">H", 2 + len(junk)) + junk
        prepared = images.prepare(source[:2] + segment + source[2:])
        assert prepared.data == source


def test_jpeg_2000_becomes_jpeg():
    prepared = images.prepare(memoryview(FACES["jp2"]))
    assert (prepared.content_type, prepared.converted) == ("image/jpeg", "jp2")
    assert difference(opened(prepared.data), opened(FACES["jp2"])) < 2
    bare = saved(picture(), "JPEG2000", no_jp2=True)
    assert images.kind(bare) == "jpc"
    assert images.prepare(bare).converted == "jpc"


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "I;16"])
def test_every_colour_of_jpeg_2000_is_flattened(mode):
    if mode == "I;16":
        image = Image.new("I;16", (60, 40), 51 * 257)
    else:
        image = picture(mode=mode)
    prepared = images.prepare(saved(image, "JPEG2000"))
    result = opened(prepared.data)
    assert result.mode in ("L", "RGB")
    if mode == "I;16":
        assert ImageStat.Stat(result).mean[0] == pytest.approx(51, abs=2)
    else:
        assert difference(result, picture()) < 2


def test_raw_pixels_become_jpeg():
    for mode, depth in (("L", 8), ("RGB", 24)):
        prepared = images.prepare_raw(60, 40, depth, picture(mode=mode).tobytes())
        assert prepared.converted == "raw"
        assert difference(opened(prepared.data), picture()) < 2
    ycc = picture().convert("YCbCr").tobytes()
    prepared = images.prepare_raw(60, 40, 24, ycc, space="YCC")
    assert difference(opened(prepared.data), picture()) < 2


def test_raw_pixels_that_do_not_fit_are_refused():
    assert failure(images.prepare_raw, 60, 40, 24, bytes(60 * 40)) == "image_damaged"
    assert failure(images.prepare_raw, 60, 40, 16, bytes(60 * 40 * 2)) == "image_damaged"
    assert failure(images.prepare_raw, 0, 0, 8, b"") == "image_damaged"
    assert failure(images.prepare_raw, 60, 40, 8, bytes(2400), max_pixels=2399) == "image_pixels"


def test_too_many_pixels_for_the_server_are_scaled():
    prepared = images.prepare(FACES["jpeg"], max_side=80)
    assert (prepared.width, prepared.height, prepared.converted) == (60, 80, "scaled")
    assert images.size(prepared.data) == (60, 80)


def test_too_many_bytes_for_the_server_are_scaled():
    noise = Image.effect_noise((400, 400), 90).convert("RGB")
    source = saved(noise, "PNG")
    limit = len(source) // 10
    prepared = images.prepare(source, max_bytes=limit)
    assert len(prepared.data) <= limit
    assert prepared.converted == "scaled"
    assert prepared.width == prepared.height > 60


def test_no_metadata_survives_a_conversion():
    source = saved(picture(), "JPEG", comment=SECRET, exif=SECRET)
    assert SECRET not in images.prepare(source, max_side=20).data
    jp2 = saved(picture(), "JPEG2000", comment=SECRET)
    assert SECRET in jp2
    assert SECRET not in images.prepare(jp2).data


def test_the_pixel_cap_comes_before_the_decoder():
    bomb = codestream(8000, 8000)
    assert len(bomb) < 829
    started = time.perf_counter()
    assert failure(images.prepare, bomb) == "image_pixels"
    assert time.perf_counter() - started < 0.1
    png = saved(Image.new("1", (9000, 9000)), "PNG")
    assert failure(images.prepare, png) == "image_pixels"


def test_an_empty_promise_below_the_cap_is_one_error():
    assert failure(images.prepare, codestream(6000, 6000)) in ("image_damaged", "image_memory")


@pytest.mark.parametrize("kind", FACES)
def test_damaged_images_are_one_error(kind):
    for data in (FACES[kind][: len(FACES[kind]) // 3], FACES[kind][:40]):
        assert failure(images.prepare, data, max_side=50).startswith("image_")


def test_what_is_no_image_is_refused():
    for data in (b"", b"hello", saved(picture(), "GIF"), saved(picture(), "WEBP")):
        assert failure(images.prepare, data) == "image_kind"


def test_a_format_in_disguise_is_not_decoded():
    """A TIFF behind the first bytes of a JPEG reaches no TIFF decoder, and no error but ours."""
    assert failure(images.prepare, b"\xff\xd8\xff" + saved(picture(), "TIFF")) == "image_damaged"


def test_a_memory_bomb_dies_alone():
    assert failure(child.run, lambda: bytes(1 << 30), memory=1 << 26) == "image_memory"


def test_a_crash_of_a_decoder_dies_alone():
    def crash() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
        return b""

    assert failure(child.run, crash) == "image_decoder"


def test_a_decoder_that_does_not_end_is_ended():
    def spin() -> bytes:
        while True:
            pass

    started = time.perf_counter()
    assert failure(child.run, spin, seconds=1) == "image_decoder"
    assert time.perf_counter() - started < 5


def test_a_child_answers_more_than_a_pipe_holds_and_leaves_no_zombie():
    before = _zombies()
    assert child.run(lambda: b"x" * 3_000_000) == b"x" * 3_000_000
    assert _zombies() <= before


def _zombies() -> set[str]:
    """Our own dead children that nobody has collected."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) == os.getpid():
                found.add(stat.parent.name)
    return found


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_a_child_leaves_no_descriptor_behind():
    before = open_descriptors()
    failure(child.run, lambda: bytes(1 << 30), memory=1 << 26)
    child.run(lambda: b"")
    assert open_descriptors() == before


def test_drawn_pictures_are_the_same_again_and_different_by_seed():
    for kind in ("jpeg", "png", "jp2"):
        assert images.draw_face(7, 120, 160, kind) == FACES[kind]
    assert len({images.draw_face(seed, 120, 160) for seed in range(200)}) == 200
    assert len({images.draw_wall(seed, 120, 160) for seed in range(20)}) == 20
    assert images.draw_face(1) != images.draw_face(1 + 2**20)


def test_a_wall_is_flat_and_a_face_is_not():
    for seed in range(10):
        for kind in ("jpeg", "png", "jp2"):
            wall = ImageStat.Stat(opened(images.draw_wall(seed, kind=kind)).convert("L"))
            face = ImageStat.Stat(opened(images.draw_face(seed, kind=kind)).convert("L"))
            assert wall.stddev[0] < 3
            assert face.stddev[0] > 20


def test_importing_the_package_does_not_import_pillow():
    code = (
        "import sys; from mitrarr_runner import images; images.kind(b'');"
        "sys.exit(any(name.startswith('PIL') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
