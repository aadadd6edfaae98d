"""Slices in HU on the page: exact in a browser without any request, labelled by the input's rank, each stored once."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import zlib
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.records.store import HU_STEP
from bench.report.figures import viewer
from bench.report.render import pixels

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=800,900",
]  # fmt: skip
HOSTILE = "p1/</script><script>alert(1)</script>&\"'"
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

Stored = tuple[list[str], dict[str, np.ndarray]]


def stored(
    names: list[str], *, noise: float, error: float = 0.0, rows: int = 24, columns: int = 20
) -> Stored:
    """Slices whose reference hangs on their name, with values at the ends of what a file can hold."""
    pictures = []
    for name in names:
        rng = np.random.default_rng(sum(map(ord, name)))
        picture = rng.normal(0, 400, (rows, columns))
        picture[0, :4] = -3276.8, 3276.7, -1024.4, 3071.0
        pictures.append(picture)
    reference = np.array(pictures)
    degraded = reference + np.random.default_rng(7).normal(0, noise, reference.shape)
    return names, {"input": degraded, "output": degraded + error, "reference": reference}


def fill(bench: Any, scores: Any, names: list[str]) -> Any:
    """Four test slices p1/a, p1/b, p2/c, p2/d; the input is best in p1/b and worst in p2/c."""
    for condition, noise in (("sv60", 30.0), ("ldct", 60.0)):
        bench.add("input", condition, scores([26.0, 29.0, 24.0, 25.0]), samples=stored(names, noise=noise))
        for model, error in (("unet", 4.0), ("ddnet", -9.0)):
            sample = stored(names, noise=noise, error=error)
            bench.add(model, condition, scores([30.0, 31.0, 32.0, 33.0]), samples=sample)
    return bench


def page(bench: Any, folder: Path) -> str:
    report.publish(bench.save(), folder)
    return (folder / "results.html").read_text(encoding="utf-8")


def index(text: str) -> dict[str, Any]:
    found = re.search(r'class="index">(.*?)</script>', text)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


def blobs(text: str) -> list[str]:
    return re.findall(r'<script type="text/plain" class="hu"[^>]*>([^<]*)</script>', text)


def run_in_browser(text: str, script: str, folder: Path) -> Any:
    """Return what ``script``, the body of an async function of the ``viewer``, returns as JSON in the page."""
    assert CHROMIUM is not None
    watch = (
        "window.refused = []; addEventListener('securitypolicyviolation', (e) => refused.push(e.blockedURI));"
    )
    ask = (
        "const held = document.body.appendChild(document.createElement('iframe'));"
        "held.contentDocument.open();"  # holds the load event until it is closed
        "(async () => { const viewer = document.querySelector('.gallery').viewer; let answer;"
        f"try {{ answer = await (async () => {{ {script} }})(); }} catch (error) {{ answer = String(error); }}"
        "const out = document.createElement('pre'); out.id = 'answer';"
        "out.textContent = JSON.stringify({answer, refused, requests: performance.getEntriesByType('resource')"
        ".map((entry) => entry.name).filter((name) => !name.startsWith('data:'))}); document.body.append(out);"
        " held.contentDocument.close(); })();"
    )
    head, body = text.split("<style>", 1)
    file = folder / "page.html"
    file.write_text(
        f"{head}<script>{watch}</script><style>{body}".replace("</body>", f"<script>{ask}</script></body>"),
        "utf-8",
    )
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    found = re.search(r'<pre id="answer">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None, shown[-2000:]
    read = json.loads(unescape(found[1]))
    assert read["refused"] == [] and read["requests"] == []
    return read["answer"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (13, 8)])
def test_every_value_comes_back_from_the_text(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(3).choice(np.array([-8192, -1024, 0, 1, 8191], np.int16), shape)
    text = pixels.encode(image)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text.data)), np.uint8).reshape(2, -1).astype(int)
    words, read = planes[0] + 256 * planes[1], np.zeros((shape[0] + 1, shape[1] + 1), int)
    for at, word in enumerate(words):  # JPEG-LS' predictor by its three cases, not by the clip of the encoder
        row, column = divmod(at, shape[1])
        left, up, corner = read[row + 1, column], read[row, column + 1], read[row, column]
        if corner >= max(left, up):
            guess = min(left, up)
        elif corner <= min(left, up):
            guess = max(left, up)
        else:
            guess = left + up - corner
        read[row + 1, column + 1] = guess + (word // 2 if word % 2 == 0 else -(word + 1) // 2)
    assert np.array_equal(read[1:, 1:], image)
    assert (text.rows, text.columns) == shape


@needs_browser
def test_pixels_in_the_browser_are_the_hu_of_the_file(bench: Any, scores: Any, tmp_path: Path) -> None:
    text = page(fill(bench, scores, ["p1/a", "p1/b", "p2/c"]), tmp_path)
    script = (
        "return Promise.all([...viewer.holders].map((_, at) => viewer.image(at).then((one) => [...one.hu])))"
    )
    decoded = run_in_browser(text, script, tmp_path)
    places = index(text)["conditions"]
    seen = 0
    for condition, samples in zip(("sv60", "ldct"), places, strict=True):
        for model, panel in (("input", 0), ("unet", 2), ("ddnet", 3)):
            with np.load(bench.run.cell(f"{model}-{condition}-s1-0").folder / "samples.npz") as file:
                for sample in samples:
                    at = list(file["names"]).index(sample["name"])
                    for key, place in (("output", panel), ("reference", 1)):
                        whole = np.rint(file[key][at].astype(np.float32) * np.float32(HU_STEP))
                        assert decoded[sample["panels"][place]["image"]] == whole.ravel().tolist()
                        seen += 1
    assert seen == 2 * 3 * 3 * 2


@needs_browser
def test_keys_presets_and_readings_in_the_browser(bench: Any, scores: Any, tmp_path: Path) -> None:
    text = page(fill(bench, scores, ["p1/a", "p1/b", "p2/c"]), tmp_path)
    script = """
      const frame = () => new Promise(requestAnimationFrame), said = {};
      const wait = async () => { await viewer.build(); await frame(); await frame(); };
      const press = async (key) => {
        viewer.tiles.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await wait();
      };
      const colours = (at) => {
        const canvas = viewer.shown[at].canvas, middle = canvas.width / 20 / 2;
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [1, 2].map((column) => Math.round(canvas.width / 20 * column + middle))
          .map((x) => [...data.slice(4 * (x + Math.round(middle) * canvas.width)).slice(0, 3)]);
      };
      await wait();
      said.start = viewer.parts.status.textContent;
      said.previews = getComputedStyle(document.querySelector(".previews")).display;
      said.reference = colours(1);
      await press("ArrowRight"); said.right = viewer.parts.status.textContent;
      await press("2"); said.soft = [viewer.state.centre, viewer.state.width];
      await press("d"); said.difference = colours(2);
      viewer.read([1, 0]); said.read = viewer.shown.map((tile) => tile.readout.textContent);
      const point = (type, x, y, more) => {
        const { canvas } = viewer.shown[0], box = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};  // there is no real pointer
        const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true, ...more };
        canvas.dispatchEvent(type === "wheel" ? new WheelEvent(type, at) : new PointerEvent(type, at));
        return box;
      };
      const drag = (from, to, more) => {
        point("pointerdown", ...from, more); point("pointermove", ...to, more); return point("pointerup", ...to, more);
      };
      const wider = drag([0.2, 0.5], [0.6, 0.5]).width;
      said.scaled = viewer.state.scale / Math.exp(wider * 0.4 / 200);
      await press("d");
      const box = drag([0.2, 0.5], [0.6, 0.5]);
      said.wide = viewer.state.width / Math.exp(box.width * 0.4 / 200);
      point("wheel", 0.25, 0.5, { deltaY: -300 * Math.log(2) }); said.wheel = [viewer.state.zoom, viewer.state.x];
      drag([0.5, 0.5], [0.3, 0.5], { shiftKey: true }); said.moved = viewer.state.x;
      await press("0");
      await press("s"); said.swipe = viewer.shown.length;
      drag([0.5, 0.5], [0.8, 0.5]); said.split = viewer.state.split;
      await press("+"); said.zoom = viewer.state.zoom;
      await press("0"); said.reset = viewer.state.zoom;
      return said;
    """
    said = run_in_browser(text, script, tmp_path)
    assert said["start"] == "60 views: slice p1/a, median of 4."
    assert said["right"] == "60 views: slice p2/c, worst of 4."
    assert said["previews"] == "none"
    # the lung window runs from -1350 to 150 HU: 3276.7 HU is white, -1024.4 HU is 21.7 % grey
    assert said["reference"] == [[255, 255, 255], [55, 55, 55]]
    assert (said["soft"], said["swipe"], said["zoom"], said["reset"]) == ([40, 400], 1, 1.5, 1)
    # dragged by 0.4 of the image: scale and width before; twice as large about x = 0.25, then moved by a fifth
    assert (said["scaled"], said["wide"]) == (pytest.approx(100), pytest.approx(400))
    places = [*said["wheel"], said["moved"], said["split"]]
    assert places == pytest.approx(
        [2, 0.375, 0.375 + 0.2 / 2, 0.8], abs=0.01
    )  # a pointer stands on whole pixels
    hu = [
        np.rint(stored(["p1/a", "p1/b", "p2/c"], noise=30.0, error=e)[1]["output"][2, 0, 1])
        for e in (0, 4, -9)
    ]
    for value, shown in zip(np.clip(hu, None, 3277), [said["read"][at] for at in (0, 2, 3)], strict=True):
        assert re.fullmatch(rf"{int(value)} HU \([+−]\d+\) at 1, 0", shown)  # noqa: RUF001
    assert said["read"][1] == "3277 HU at 1, 0"
    # 3rd pixel of the first row: output minus reference in whole HU, of +-100 at full colour
    output, reference = (
        np.rint(np.rint(values * 10).astype(int) * np.float32(0.1))[2, 0, 2]
        for values in (
            stored(["p1/a", "p1/b", "p2/c"], noise=30.0, error=4.0)[1][k] for k in ("output", "reference")
        )
    )
    share = min(1.0, abs(output - reference) / 100) ** 0.8
    full = (88, 176, 255) if output < reference else (255, 158, 66)
    assert said["difference"][1] == pytest.approx([share * part for part in full], abs=1)


@needs_browser
def test_a_browser_that_cannot_unpack_shows_the_previews(bench: Any, scores: Any, tmp_path: Path) -> None:
    text = page(fill(bench, scores, ["p1/a"]), tmp_path)
    text = text.replace("<style>", "<script>delete window.DecompressionStream</script><style>", 1)
    script = """
      await new Promise((done) => setTimeout(done, 200));
      const pictures = [...document.querySelectorAll(".previews img")];
      return [getComputedStyle(document.querySelector(".previews")).display,
        getComputedStyle(document.querySelector(".viewer")).display,
        pictures.filter((one) => one.complete && one.naturalWidth > 0).length, pictures.length];
    """
    assert run_in_browser(text, script, tmp_path) == ["block", "none", 2 * 7, 2 * 7]


def test_slices_are_labelled_by_the_rank_of_the_input(bench: Any, scores: Any, tmp_path: Path) -> None:
    text = page(fill(bench, scores, ["p1/a", "p2/c", "p1/b", "p2/d"]), tmp_path)
    samples = index(text)["conditions"][0]
    assert [(sample["name"], sample["label"]) for sample in samples] == [
        ("p1/b", "best of 4"), ("p1/a", "median of 4"), ("p2/d", "rank 3 of 4"), ("p2/c", "worst of 4"),
    ]  # fmt: skip
    assert [panel["name"] for panel in samples[0]["panels"]] == ["Input", "Reference", "UNet", "DD-Net"]
    assert samples[0]["panels"][0]["text"] == "29.00 / .9000"


def test_an_image_is_in_the_page_once(bench: Any, scores: Any, tmp_path: Path) -> None:
    texts = blobs(page(fill(bench, scores, ["p1/a", "p2/c"]), tmp_path))
    # two conditions of two slices: input and two networks each, but the references are the same
    assert len(texts) == len(set(texts)) == 2 * 2 * 3 + 2


def test_cells_that_kept_other_slices_show_theirs_beside(bench: Any, scores: Any, tmp_path: Path) -> None:
    psnr = scores([26.0, 29.0, 24.0, 25.0])
    bench.add("input", "sv60", psnr, samples=stored(["p1/a", "p2/c"], noise=30.0))
    bench.add("unet", "sv60", psnr, samples=stored(["p2/d", "p1/a"], noise=30.0, error=4.0))
    bench.add("ddnet", "sv60", status="diverged", epoch=7)
    bench.conditions = {"sv60": "60 views"}
    samples = index(page(bench, tmp_path))["conditions"][0]
    assert [sample["name"] for sample in samples] == ["p1/a", "p2/d", "p2/c"]
    texts = [[panel["text"] if panel["image"] is None else "" for panel in s["panels"]] for s in samples]
    assert texts == [
        ["", "", "", "diverged (epoch 7)"], ["", "", "", "diverged (epoch 7)"],
        ["", "", "no sample", "diverged (epoch 7)"],
    ]  # fmt: skip


def test_images_that_do_not_fit_are_left_out_the_least_important_first(
    bench: Any, scores: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench, scores, ["p1/a", "p2/c", "p1/b"])
    whole = page(bench, tmp_path / "whole")
    assert "left out" not in whole
    monkeypatch.setattr(viewer, "MOST_BYTES", sum(map(len, blobs(whole))) - 1)
    text = page(bench, tmp_path / "cut")
    assert "2 slices left out to keep the page small." in text
    assert [[s["name"] for s in samples] for samples in index(text)["conditions"]] == [["p1/a", "p2/c"]] * 2
    monkeypatch.setattr(viewer, "MOST_BYTES", 1)  # one slice of each condition stays
    assert [len(samples) for samples in index(page(bench, tmp_path / "one"))["conditions"]] == [1, 1]


def test_known_lesions_are_marked_and_named(bench: Any, scores: Any, tmp_path: Path) -> None:
    names, images = stored(["p1/a", "p2/d"], noise=30.0)
    lesion = {
        "kind": "solid",
        "x_px": 3.5,
        "y_px": 6.0,
        "radius_px": 2.0,
        "diameter_mm": 7.04,
        "contrast_hu": 860.2,
    }
    unknown = lesion | {"radius_px": float("nan")}  # the source does not say how wide a pixel is
    samples = (names, images, [[], [lesion, unknown]])
    bench.add("input", "sv60", scores([26.0, 29.0, 24.0, 25.0]), samples=samples)
    bench.conditions = {"sv60": "60 views"}
    shown = index(page(bench, tmp_path))["conditions"][0]
    assert [sample["label"] for sample in shown] == ["median of 4", "rank 3 of 4, 1 lesion"]
    marks = [{"column": 3.5, "row": 6.0, "radius": 2.0, "text": "solid, 7.0 mm, +860 HU"}]
    assert [sample["lesions"] for sample in shown] == [[], marks]


def test_a_hostile_slice_name_does_not_leave_its_place(bench: Any, scores: Any, tmp_path: Path) -> None:
    rows = scores([26.0], slices=[("p1", HOSTILE[3:])])
    bench.add("input", "sv60", rows, samples=stored([HOSTILE], noise=30.0))
    bench.conditions = {"sv60": "60 views"}
    text = page(bench, tmp_path)
    assert "<script>alert" not in text
    assert index(text)["conditions"][0][0]["name"] == HOSTILE
    assert index(text)["conditions"][0][0]["label"] == "the only slice"
