import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import jumpset as js
from jumpset.cli.app import app
from jumpset.datasets import add_noise, shapes

LONG = ["--set", "levels=1000000000"]  # ends only by a signal


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def lines(text):
    return text.strip().splitlines()


@pytest.fixture
def picture():
    return np.rint(255 * add_noise(shapes(24, 31, seed=1), 0.05, seed=2).clip(0, 1)).astype(np.uint8)


@pytest.fixture
def source(tmp_path, picture):
    path = tmp_path / "in & <1>.png"
    js.io.write_picture(path, picture)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three pairs, two of them of one truth size."""
    for name in ("input", "truth"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for k in range(3):
        truth = shapes(20 + k, 26, seed=k)
        for name, values in (("input", add_noise(truth, 0.08, seed=k)), ("truth", truth)):
            pixels = np.rint(255 * values.clip(0, 1)).astype(np.uint8)
            js.io.write_picture(tmp_path / "data" / name / f"p{k + 9}.png", pixels)
    return tmp_path / "data"


def refused(result, *absent):
    """Exit code 2, one line on stderr, nothing on stdout, no file."""
    assert result.exit_code == 2, result.output
    assert len(lines(result.stderr)) == 1
    assert result.stderr.startswith("jumpset: ")
    assert result.stdout == ""
    assert not any(path.exists() for path in absent)
    return result.stderr


# smooth


def test_smooth_is_js_smooth(source, tmp_path, picture):
    result = call("smooth", source, tmp_path / "out.png", "-w", "0.1", "--set", "levels=7")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert len(lines(result.stderr)) == 1
    assert "out.png: region-fusion, 8 steps" in result.stderr
    written = js.io.read_picture(tmp_path / "out.png")
    np.testing.assert_array_equal(written.pixels, js.smooth(picture, weight=0.1, levels=7))


@pytest.mark.parametrize("command", ["smooth", "compare", "tree"])
def test_missing_pixels_of_a_float_file(tmp_path, command):
    image = np.random.default_rng(0).random((20, 22, 3))
    image[3:6, 4:9, 1] = np.nan
    path, out = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(path, image, photometric="rgb")
    report = tmp_path / "r.html"
    more = {
        "smooth": [out, "-m", "tv", "--report", report],
        "compare": ["--methods", "tv,wls", "--report", report],
        "tree": ["-o", tmp_path, "--regions", "5"],
    }[command]
    message = refused(call(command, path, *more), out, report)
    assert "--missing nan" in message
    result = call(command, path, *more, "--missing", "nan", "-q")
    assert (result.exit_code, result.output) == (0, "")
    if command == "smooth":
        np.testing.assert_array_equal(js.io.read_picture(out).pixels, js.smooth(image, "tv", missing="nan"))
    elif command == "tree":
        expected = js.RegionTree(image, missing="nan").smooth(n_regions=5)
        np.testing.assert_array_equal(js.io.read_picture(tmp_path / "a-regions-5.tif").pixels, expected)
    else:
        assert "FAILED" not in report.read_text()


def test_missing_pixels_are_refused_where_they_cannot_be(tmp_path, source):
    holes = np.full((6, 7), 0.5)
    holes[2, 3] = np.nan
    np.save(tmp_path / "a.npy", holes)
    out = tmp_path / "b.npy"
    assert "with a mask" in refused(call("smooth", tmp_path / "a.npy", out, "-m", "l0", "--missing", "nan"))
    assert "use one of: nan" in refused(call("smooth", tmp_path / "a.npy", out, "--missing", "inf"))
    assert "NaN is a float" in refused(call("smooth", source, tmp_path / "b.png", "--missing", "nan"))
    holes[2, 3] = np.inf
    np.save(tmp_path / "a.npy", holes)
    assert "non-finite" in refused(call("smooth", tmp_path / "a.npy", out, "--missing", "nan"), out)


def test_transparent_pixels_of_a_mask_file_are_not_valid(tmp_path, picture, source):
    mask = np.random.default_rng(0).random(picture.shape[:2]) > 0.3
    white, alpha = np.full(picture.shape[:2], 255, np.uint8), mask.astype(np.uint8) * 255
    js.io.write_picture(tmp_path / "mask.png", js.io.Picture(white, alpha=alpha))
    assert call("smooth", source, tmp_path / "a.png", "--mask", tmp_path / "mask.png").exit_code == 0
    written = js.io.read_picture(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(written, js.smooth(picture, mask=mask))


@pytest.mark.filterwarnings("default")
def test_messages_name_options_not_arguments_of_python(tmp_path, source):
    """What an error or a warning says to do can be typed as it is shown."""
    arrays = {
        "wide": np.arange(42).reshape(6, 7),
        "little": np.arange(42, dtype=np.uint16).reshape(6, 7),
        "large": np.arange(42.0).reshape(6, 7),
        "holes": np.where(np.eye(6, 7) > 0, np.nan, 0.5),
        "noise": np.random.default_rng(0).random((6, 7)),
    }
    for name, values in arrays.items():
        np.save(tmp_path / f"{name}.npy", values)
    says = {
        ("wide",): "--value-range 0,255",
        ("little",): "--value-range data",
        ("large",): "--value-range data",
        ("holes",): "--missing nan",
        ("noise", "-m", "tv", "-w", "100"): "--value-range data",
    }
    for (name, *more), words in says.items():
        for command in (["smooth", tmp_path / "out.npy"], ["tree", "-o", tmp_path, "--regions", "2"]):
            if command[0] == "tree" and more:
                continue
            result = call(command[0], tmp_path / f"{name}.npy", *command[1:], *more)
            assert words in result.stderr, (name, command)
            assert not re.search(r"\b(value_range|missing|mask|page|channel_axis)=", result.stderr)


def test_files_and_names_are_checked_before_torch_is_loaded(tmp_path, source):
    code = (
        "import sys\nfrom jumpset.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    nothing, page, tree = tmp_path / "nothing.png", tmp_path / "r.html", tmp_path / "t.safetensors"
    unknown = (
        ["smooth", source, tmp_path / "out.png", "-m", "regionfusion"],
        ["compare", source, "-m", "tv,tvv:weight=3", "--report", page],
        ["bench", "synthetic", "-m", "tvv", "--json", tmp_path / "b.json"],
        ["methods", "tvv"],
        ["restore", source, tmp_path / "out.png", "--prior", "tvv"],
        ["train", "resnat", "-o", tree],
        ["export", "resnat", tmp_path / "o.onnx"],
    )
    for arguments in (
        *unknown,
        ["restore", nothing, tmp_path / "out.png"],
        ["restore", source, tmp_path / "out.png", "--mask", nothing],
        ["vectorize", nothing, tmp_path / "out.svg"],
        ["smooth", nothing, tmp_path / "out.png"],
        ["smooth", source, tmp_path / "no" / "out.png"],
        ["smooth", source, tmp_path / "out.png", "--mask", nothing],
        ["compare", nothing, "-m", "tv", "--report", tmp_path / "r.html"],
        ["tree", nothing, "-o", tmp_path, "--regions", "2"],
    ):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ("did you mean" if arguments in unknown else "does not exist") in done.stderr
        assert done.stdout.strip() == "2 False"


def test_smooth_replaces_its_input_quietly(source, picture):
    result = call("smooth", source, source, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    np.testing.assert_array_equal(js.io.read_picture(source).pixels, js.smooth(picture))


def test_alpha_and_profile_pass_through(tmp_path, picture):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    alpha = np.arange(picture[..., 0].size, dtype=np.uint8).reshape(picture.shape[:2])
    js.io.write_picture(tmp_path / "a.png", js.io.Picture(picture, alpha=alpha, icc_profile=profile))
    assert (
        call("smooth", tmp_path / "a.png", tmp_path / "b.png", "--report", tmp_path / "b.html").exit_code == 0
    )
    written = js.io.read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(written.alpha, alpha)
    np.testing.assert_array_equal(written.pixels, js.smooth(picture))
    assert written.icc_profile == profile
    assert "transparency of the image is kept" in (tmp_path / "b.html").read_text()


def test_sixteen_bits_and_value_range(tmp_path, picture):
    deep = picture.astype(np.uint16) * 16  # 12 bits
    np.save(tmp_path / "a.npy", deep)
    assert call("smooth", tmp_path / "a.npy", tmp_path / "b.npy", "--value-range", "0,4095").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), js.smooth(deep, value_range=(0, 4095)))
    assert call("smooth", tmp_path / "a.npy", tmp_path / "b.npy", "--value-range", "data").exit_code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), js.smooth(deep, value_range="data"))


@pytest.mark.filterwarnings("default")
def test_a_warning_is_one_sentence(tmp_path, picture):
    np.save(tmp_path / "a.npy", picture.astype(np.uint16))
    result = call("smooth", tmp_path / "a.npy", tmp_path / "b.npy", "-q")
    assert result.exit_code == 0
    assert lines(result.stderr)[0].startswith("jumpset: warning: the image uses 0.4% of the range")
    assert "--value-range data" in lines(result.stderr)[0]
    assert ".py" not in result.stderr


def test_a_mask_file(tmp_path, picture, source):
    image = picture
    mask = np.random.default_rng(0).random(image.shape[:2]) > 0.3
    js.io.write_picture(tmp_path / "mask.png", js.io.Picture(mask.astype(np.uint8) * 255))
    out = tmp_path / "out.png"
    assert call("smooth", source, out, "-m", "fgs", "--mask", tmp_path / "mask.png").exit_code == 0
    np.testing.assert_array_equal(js.io.read_picture(out).pixels, js.smooth(image, "fgs", mask=mask))
    assert (
        call("tree", source, "-o", tmp_path / "t", "--regions", 5, "--mask", tmp_path / "mask.png").exit_code
        == 0
    )
    expected = js.RegionTree(image, mask=mask).smooth(n_regions=5)
    cut = next((tmp_path / "t").glob("*-regions-5.png"))
    np.testing.assert_array_equal(js.io.read_picture(cut).pixels, expected)
    page = tmp_path / "c.html"
    options = "--methods", "fgs,wls", "--report", page, "--value-range", "data", "--mask"
    assert call("compare", source, *options, tmp_path / "mask.png").exit_code == 0
    js.io.write_picture(tmp_path / "mask.jpg", js.io.Picture(mask.astype(np.uint8) * 255))
    refused(call("compare", source, *options, tmp_path / "mask.jpg"))
    failed = call("smooth", source, out, "-m", "rtv", "--mask", tmp_path / "mask.png")
    assert failed.exit_code == 2
    assert "mask" in failed.stderr


def test_further_formats_and_pages(tmp_path, picture):
    from PIL import Image

    Image.fromarray(picture).save(tmp_path / "in.bmp")
    frames = [Image.fromarray(picture[..., k]) for k in range(3)]
    frames[0].save(tmp_path / "in.tif", save_all=True, append_images=frames[1:])
    assert call("smooth", tmp_path / "in.bmp", tmp_path / "out.png").exit_code == 0
    np.testing.assert_array_equal(js.io.read_picture(tmp_path / "out.png").pixels, js.smooth(picture))
    assert "page" in refused(call("smooth", tmp_path / "in.tif", tmp_path / "o.png"), tmp_path / "o.png")
    assert call("smooth", tmp_path / "in.tif", tmp_path / "out.png", "--page", 3).exit_code == 0
    np.testing.assert_array_equal(js.io.read_picture(tmp_path / "out.png").pixels, js.smooth(picture[..., 2]))
    assert call("tree", tmp_path / "in.bmp", "-o", tmp_path / "tree", "--regions", "5").exit_code == 0
    assert [p.name for p in (tmp_path / "tree").iterdir()] == ["in-regions-5.png"]
    assert ".png" in refused(call("smooth", tmp_path / "in.bmp", tmp_path / "out.bmp"), tmp_path / "out.bmp")


def test_seed_is_passed_to_methods_that_have_one(source, tmp_path):
    def pixels(name, seed, *more):
        assert call("smooth", source, tmp_path / name, "--seed", seed, *more).exit_code == 0
        return js.io.read_picture(tmp_path / name).pixels

    np.testing.assert_array_equal(pixels("a.png", 1), pixels("b.png", 2))  # deterministic: accepted
    dip = ("-m", "dip", "--max-steps", 1, "--set", "network=jpeg")
    assert (pixels("c.png", 1, *dip) != pixels("d.png", 2, *dip)).any()
    np.testing.assert_array_equal(pixels("e.png", 1, *dip), js.io.read_picture(tmp_path / "c.png").pixels)


def test_checkpoint_resumes_the_run(source, tmp_path):
    file = tmp_path / "run.pt"
    settings = ("-m", "dip", "--set", "n_steps=6", "--checkpoint", file)
    assert call("smooth", source, tmp_path / "cut.png", *settings, "--max-steps", "3").exit_code == 0
    result = call("smooth", source, tmp_path / "out.png", *settings, "--checkpoint-every", "2")
    assert result.exit_code == 0
    assert "6 steps" in result.stderr
    assert call("smooth", source, tmp_path / "whole.png", "-m", "dip", "--set", "n_steps=6").exit_code == 0
    written, whole = (js.io.read_picture(tmp_path / name).pixels for name in ("out.png", "whole.png"))
    np.testing.assert_array_equal(written, whole)
    out = tmp_path / "other.png"
    assert "another n_steps" in refused(
        call("smooth", source, out, "-m", "dip", "--set", "n_steps=7", "--checkpoint", file), out
    )
    for wrong in (("--checkpoint", source), ("--checkpoint", out), ("--checkpoint-every", "2")):
        refused(call("smooth", source, out, *wrong), out)
    refused(call("smooth", source, out, "--checkpoint", tmp_path / "none" / "run.pt"), out)


def test_json_lines(source, tmp_path, picture):
    result = call(
        "smooth", source, tmp_path / "out.png", "--json", "-m", "l0", "--report", tmp_path / "r.html"
    )
    assert result.exit_code == 0
    assert result.stderr == ""
    events = [json.loads(line) for line in lines(result.stdout)]
    assert [e["event"] for e in events[:2]] == ["start", "step"]
    last = events[-1]
    assert last["event"] == "result"
    assert (last["status"], last["method"]) == ("CONVERGED", "l0")
    assert last["output"] == str(tmp_path / "out.png")
    assert last["n_steps"] > 0
    assert last["elapsed"] > 0
    out = js.io.read_picture(tmp_path / "out.png").pixels
    weight = js.methods()["l0"].defaults["weight"]
    assert last["energies"]["output"]["e_pix"] == pytest.approx(js.metrics.energy_pix(out, picture, weight))
    assert last["energies"]["input"]["e_edge"] == pytest.approx(
        js.metrics.energy_edge(picture, picture, weight)
    )
    assert (tmp_path / "r.html").is_file()


def test_a_step_limit_is_reported(source, tmp_path):
    result = call("smooth", source, tmp_path / "out.png", "--max-steps", 3)
    assert result.exit_code == 0
    assert js.Status.MAX_STEPS.value in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--method", "l00"], "did you mean 'l0'"),
        (["--preset", "nope"], "no preset"),
        (["--weight", "-1"], "at least 0"),
        (["--weight", "nan"], "finite"),
        (["-w", "1", "--set", "weight=2"], "twice"),
        (["--set", "levels"], "name=value"),
        (["--set", "level=3"], "did you mean 'levels'"),
        (["--set", "levels=many"], "whole number"),
        (["--device", "cuda:99"], "not available"),
        (["--device", "meta"], "not available"),
        (["--device", "nonsense"], "not available"),
        (["--max-seconds", "0"], "above 0"),
        (["--max-seconds", "nan"], "finite"),
        (["--max-steps", "-1"], "at least 0"),
        (["--seed", "-1"], "at least 0"),
        (["--value-range", "5,5"], "low < high"),
        (["--value-range", "all"], "two numbers, or data"),
        (["--mask", "none.png"], "none.png"),
        (["--report", "report.png"], ".html"),
        (["--report", "no/such/folder/report.html"], "does not exist"),
        (["--method", "dip", "--weight", "1"], "no parameter"),
    ],
)
def test_wrong_options(source, tmp_path, arguments, says):
    assert says in refused(call("smooth", source, tmp_path / "out.png", *arguments), tmp_path / "out.png")


def test_wrong_inputs(source, tmp_path):
    out = tmp_path / "out.png"
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no picture")
    whole = source.read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "nan.npy", np.full((3, 4), np.nan))
    np.save(tmp_path / "range.npy", np.full((3, 4), 1000.0))
    np.save(tmp_path / "line.npy", np.zeros(4))
    for name in ("missing.png", ".", "empty.png", "text.png", "cut.png", "nan.npy", "line.npy"):
        refused(call("smooth", tmp_path / name, out), out)
    refused(call("smooth", tmp_path / "range.npy", tmp_path / "o.npy"), tmp_path / "o.npy")


def test_wrong_outputs(source, tmp_path):
    assert "suffix" in refused(call("smooth", source, tmp_path / "out.xyz"), tmp_path / "out.xyz")
    refused(call("smooth", source, tmp_path / "no" / "out.png"), tmp_path / "no")
    (tmp_path / "folder.png").mkdir()
    refused(call("smooth", source, tmp_path / "folder.png"))
    js.io.write_picture(tmp_path / "deep.png", np.zeros((4, 5), dtype=np.uint16))
    assert "8 bits" in refused(call("smooth", tmp_path / "deep.png", tmp_path / "o.jpg"), tmp_path / "o.jpg")
    assert list(tmp_path.glob(".*")) == []  # no temporary file is left


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="permissions do not bind this user")
def test_folder_without_permission(source, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(call("smooth", source, tmp_path / "locked" / "out.png"))
    refused(call("smooth", source, tmp_path / "out.png", "--report", tmp_path / "locked" / "r.html"))


def test_usage_errors_exit_2(source):
    assert call("smooth", source).exit_code == 2
    assert call("smooth", source, "o.png", "--no-such-option").exit_code == 2
    assert call("no-such-command").exit_code == 2


def test_failure_keeps_the_old_output(source, tmp_path, monkeypatch):
    out = tmp_path / "out.png"
    out.write_bytes(b"old")
    refused(call("smooth", source, out, "-w", "-1"))

    def disk_full(path, *_):
        Path(path).write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(js.io._read_write, "_write", disk_full)
    refused(call("smooth", source, out))
    assert out.read_bytes() == b"old"


def test_divergence_writes_nothing(source, tmp_path, monkeypatch):
    sound = js.run(np.zeros((24, 31, 3), dtype=np.uint8), js.method("region-fusion"))
    monkeypatch.setattr(
        sys.modules["jumpset.running.run"], "run", lambda *_, **__: replace(sound, status=js.Status.DIVERGED)
    )
    result = call("smooth", source, tmp_path / "out.png")
    assert result.exit_code == 1
    assert len(lines(result.stderr)) == 1
    assert js.Status.DIVERGED.value in result.stderr
    assert not (tmp_path / "out.png").exists()


def test_not_enough_memory(source, tmp_path, monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")

    monkeypatch.setattr(sys.modules["jumpset.running.run"], "run", exhausted)
    result = call("smooth", source, tmp_path / "out.png")
    assert result.exit_code == 1
    assert "not enough memory" in result.stderr


# interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_before_a_result(source, tmp_path, monkeypatch, number):
    monkeypatch.setattr(js.smoothers.RegionFusion, "init", lambda *_: signal.raise_signal(number))
    result = call("smooth", source, tmp_path / "out.png")
    assert result.exit_code == 128 + number
    assert lines(result.stderr) == ["jumpset: interrupted before there was a result; nothing was written"]
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("report", [False, True])
def test_interrupt_while_writing_is_deferred(source, tmp_path, monkeypatch, picture, report):
    write = js.io._read_write._write

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        write(*arguments)

    monkeypatch.setattr(js.io._read_write, "_write", interrupted)
    more = ["--report", tmp_path / "r.html"] if report else []
    result = call("smooth", source, tmp_path / "out.png", *more)
    assert result.exit_code == 130
    assert len(lines(result.stderr)) == 1
    np.testing.assert_array_equal(js.io.read_picture(tmp_path / "out.png").pixels, js.smooth(picture))
    assert not (tmp_path / "r.html").exists()


def until_step(process):
    for line in process.stdout:
        if json.loads(line)["event"] == "step" and json.loads(line)["n_steps"] > 0:
            return
    pytest.fail(f"the run ended early: {process.stderr.read()}")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_in_a_long_run_writes_the_image_so_far(source, tmp_path, number):
    out, report = tmp_path / "out.png", tmp_path / "out.html"
    out.write_bytes(b"old")
    command = [sys.executable, "-m", "jumpset", "smooth", source, out, *LONG, "--json", "--report", report]
    with subprocess.Popen(
        [str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until_step(process)
        assert out.read_bytes() == b"old"
        process.send_signal(number)
        process.send_signal(number)  # as a shell and a wrapper do
        events, errors = process.communicate(timeout=60)
    assert (errors, process.returncode) == ("", 128 + number)
    last = json.loads(lines(events)[-1])
    assert (last["event"], last["status"]) == ("result", "INTERRUPTED")
    assert js.io.read_picture(out).pixels.shape == (24, 31, 3)
    assert js.Status.INTERRUPTED.value in report.read_text()
    assert list(tmp_path.glob(".*")) == []


def test_interrupt_in_the_first_step_writes_the_start(source, tmp_path, monkeypatch, picture):
    monkeypatch.setattr(js.dip.DIPl0, "step", lambda *_: signal.raise_signal(signal.SIGINT))
    out = tmp_path / "out.png"
    result = call("smooth", source, out, "-m", "dip-l0")
    assert result.exit_code == 130
    start = js.io.read_picture(out).pixels  # the answer of region fusion
    assert len(np.unique(start.reshape(-1, 3), axis=0)) < len(np.unique(picture.reshape(-1, 3), axis=0))


# compare


def test_compare(source, tmp_path, picture):
    truth = tmp_path / "truth.png"
    js.io.write_picture(truth, np.rint(255 * shapes(24, 31, seed=1)).astype(np.uint8))
    report = tmp_path / "r.html"
    methods = "region-fusion,l0:sharp, region-fusion:dip-l0"
    result = call(
        "compare", source, "--methods", methods, "--truth", truth, "--report", report, "--set", "weight=0.1"
    )
    assert result.exit_code == 0, result.output
    for label in ("input", "region-fusion", "l0:sharp", "region-fusion:dip-l0", "PSNR"):
        assert label in result.stdout
    flat = js.smooth(picture, weight=0.1)
    assert f"{js.metrics.psnr(flat, js.io.read_picture(truth).pixels):.2f}" in result.stdout
    assert 'data-name="l0:sharp"' in report.read_text()


def test_compare_with_settings_of_each_method(source, tmp_path, picture):
    truth, report = tmp_path / "truth.png", tmp_path / "r.html"
    js.io.write_picture(truth, picture)
    methods = "tv:weight=0.02,tv:weight=.3:isotropic=False,l0:sharp:weight=0.05,region-fusion"
    result = call("compare", source, "-m", methods, "-w", "0.1", "--truth", truth, "--report", report)
    assert result.exit_code == 0, result.output
    for answer in (
        js.smooth(picture, "tv", weight=0.02),
        js.smooth(picture, "tv", weight=0.3, isotropic=False),
        js.smooth(picture, "l0", preset="sharp", weight=0.05),
        js.smooth(picture, "region-fusion", weight=0.1),
    ):
        assert f"{js.metrics.psnr(answer, picture):.2f}" in result.stdout
    assert 'data-name="tv:weight=0.02"' in report.read_text()
    report.unlink()

    def refusal(methods):
        return refused(call("compare", source, "-m", methods, "--report", report), report)

    assert "no parameter" in refusal("tv:wieght=0.1")
    assert "weight must be" in refusal("tv:weight=-1")
    assert "one preset" in refusal("l0:sharp:paper")


def test_compare_refuses(source, tmp_path):
    report, wrong = tmp_path / "r.html", tmp_path / "wrong.png"
    js.io.write_picture(wrong, np.zeros((24, 30, 3), dtype=np.uint8))
    deep = tmp_path / "deep.png"
    js.io.write_picture(deep, np.zeros((24, 31, 3), dtype=np.uint16))

    def refusal(methods, *more):
        return refused(call("compare", source, "--methods", methods, "--report", report, *more), report)

    assert "size" in refusal("l0", "--truth", wrong)
    assert "dtype" in refusal("l0", "--truth", deep)
    assert "none of the methods" in refusal("l0,region-fusion", "--set", "nothing=1")
    assert "none of the methods" in refusal("l0", "--preset", "nothing")
    assert "twice" in refusal("l0,l0")
    assert "no method" in refusal(",")
    assert "unknown method" in refusal("l0,nothing")
    assert "no preset" in refusal("l0:nothing")


def test_compare_with_transparent_truth_on_gray(tmp_path):
    gray = np.zeros((9, 8, 3), dtype=np.uint8)
    js.io.write_picture(tmp_path / "in.png", gray)
    white = np.full((9, 8), 255, dtype=np.uint8)
    js.io.write_picture(tmp_path / "truth.png", js.io.Picture(white, alpha=np.zeros_like(white)))
    result = call(
        "compare", tmp_path / "in.png", "--methods", "l0", "--truth", tmp_path / "truth.png",
        "--report", tmp_path / "r.html",
    )  # fmt: skip
    assert result.exit_code == 0
    assert "inf" in result.stdout  # black on black


def test_compare_shows_the_others_when_a_method_fails(source, tmp_path, picture, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(js.smoothers.L0Smoothing, "init", fail)
    report = tmp_path / "r.html"
    result = call("compare", source, "--methods", "l0,region-fusion,bilateral", "--report", report)
    assert result.exit_code == 1
    assert lines(result.stderr) == [
        "jumpset: l0: ZeroDivisionError: division by zero",
        f"{report}: 2 of 3 methods",
    ]
    assert "FAILED" in result.stdout
    page = report.read_text()
    assert 'data-name="region-fusion"' in page
    assert 'data-name="bilateral"' in page
    assert "l0 failed: ZeroDivisionError" in page
    report.unlink()
    result = call("compare", source, "--methods", "l0", "--report", report)
    assert result.exit_code == 1
    assert "there is no report" in result.stderr
    assert not report.exists()


# bench


def test_bench_records(folder, tmp_path):
    out = tmp_path / "out.json"
    result = call(
        "bench", "folder", "--data", folder, "--methods", "region-fusion,l0", "--json", out, "-w", 0.05
    )
    assert result.exit_code == 0, result.output
    records = json.loads(out.read_text())
    assert [(r["image"], r["method"]) for r in records] == [
        (image, method) for image in ("p9", "p10", "p11") for method in ("region-fusion", "l0")
    ]
    for record in records:
        keys = ["image", "method", "psnr", "ssim", "ssim_volume", "seconds", "n_steps", "status"]
        assert list(record)[: len(keys)] == keys
        assert record["settings"]["weight"] == 0.05
        assert 0 <= record["edges"] <= 1
        assert record["status"] == "CONVERGED"
    picture, truth = js.datasets.pairs(folder)[0].load()
    flat = js.smooth(picture, weight=0.05)
    assert records[0]["psnr"] == js.metrics.psnr(flat, truth)
    assert records[0]["ssim_volume"] == js.metrics.ssim_volume(flat, truth)
    assert "input" in result.stdout
    assert f"{np.mean([r['psnr'] for r in records if r['method'] == 'l0']):.3f}" in result.stdout


@pytest.mark.slow
def test_bench_in_two_processes_is_the_same(folder, tmp_path):
    def records(jobs):
        out = tmp_path / f"{jobs}.json"
        arguments = (
            "bench",
            "folder",
            "--data",
            folder,
            "-m",
            "region-fusion,l0:sharp",
            "--json",
            out,
            "-j",
            jobs,
        )
        assert call(*arguments, "--limit", 2, "--quiet").exit_code == 0
        costs = ("seconds", "peak_mib")
        return [{k: v for k, v in r.items() if k not in costs} for r in json.loads(out.read_text())]

    assert records(2) == records(1)


def test_bench_continues_after_a_failure(folder, tmp_path):
    path = folder / "input" / "p10.png"
    path.write_bytes(path.read_bytes()[:200])  # the header is whole
    out = tmp_path / "out.json"
    result = call("bench", "folder", "--data", folder, "--methods", "region-fusion", "--json", out)
    assert result.exit_code == 1
    assert "p10" in lines(result.stderr)[0]
    records = json.loads(out.read_text())
    assert [r["status"].partition(":")[0] for r in records] == ["CONVERGED", "FAILED", "CONVERGED"]
    assert records[1]["psnr"] is None
    assert "2 CONVERGED, 1 FAILED" in result.stdout


def test_bench_table_with_outputs_when_pictures_are_damaged(folder, tmp_path):
    path = folder / "input" / "p10.png"
    path.write_bytes(path.read_bytes()[:200])  # the header is whole
    (folder / "truth" / "p11.png").write_bytes(b"")  # and here there is none
    out, page = tmp_path / "out.json", tmp_path / "t.html"
    result = call(
        "bench", "folder", "--data", folder, "--methods", "region-fusion,l0", "--json", out,
        "--outputs", tmp_path / "kept", "--table", page,
    )  # fmt: skip
    assert result.exit_code == 1
    statuses = [r["status"].partition(":")[0] for r in json.loads(out.read_text())]
    assert statuses == ["CONVERGED"] * 2 + ["FAILED"] * 4
    assert (
        page.read_text().count("data:image/png") == 4
    )  # input, truth and both outputs of the one sound pair


def test_bench_interrupt_at_the_table_says_what_is_kept(folder, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("jumpset.cli._bench_files.comparison_page", interrupted)
    out = tmp_path / "out.json"
    result = call(
        "bench", "folder", "--data", folder, "--methods", "l0", "--json", out, "--table", tmp_path / "t.html"
    )
    assert result.exit_code == 130
    assert lines(result.stderr) == [f"jumpset: interrupted; {out} has 3 of 3 runs"]


def test_bench_interrupt_keeps_finished_runs(folder, tmp_path, monkeypatch):
    from jumpset.bench import _run

    def once(pair, *rest):
        if pair.name == "p10":
            signal.raise_signal(signal.SIGINT)
        return run_one(pair, *rest)

    run_one = _run.run_one
    monkeypatch.setattr(_run, "run_one", once)
    out = tmp_path / "out.json"
    result = call("bench", "folder", "--data", folder, "--methods", "region-fusion", "--json", out)
    assert result.exit_code == 130
    assert [r["image"] for r in json.loads(out.read_text())] == ["p9"]
    assert "1 of 3 runs" in result.stderr
    monkeypatch.setattr(_run, "run_one", run_one)
    more = ("bench", "folder", "--data", folder, "--json", out, "--resume")
    seconds = json.loads(out.read_text())[0]["seconds"]
    assert call(*more, "--methods", "region-fusion").exit_code == 0
    records = json.loads(out.read_text())
    assert [r["image"] for r in records] == ["p9", "p10", "p11"]
    assert records[0]["seconds"] == seconds  # not run again
    assert call(*more, "--methods", "l0", "--limit", 1).exit_code == 0
    methods = [r["method"] for r in json.loads(out.read_text())]
    assert sorted(methods) == ["l0", *["region-fusion"] * 3]
    result = call(*more, "--methods", "region-fusion", "-w", 0.5)
    assert result.exit_code == 2
    assert "--weight 0.5 instead of 0.025" in result.stderr
    out.write_text("{")
    assert "--resume" in call(*more, "--methods", "l0").stderr


def test_bench_tables_and_outputs(folder, tmp_path):
    tables = [tmp_path / f"table.{suffix}" for suffix in ("md", "tex", "html")]
    arguments = [x for table in tables for x in ("--table", table)]
    lines_file = tmp_path / "out.jsonl"
    result = call(
        "bench", "nks", "--data", folder, "--methods", "region-fusion,tv", "--json", lines_file,
        "--outputs", tmp_path / "kept", *arguments,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    records = [json.loads(line) for line in lines_file.read_text().splitlines()]
    assert len(records) == 6
    markdown, latex, page = (table.read_text() for table in tables)
    mean = np.mean([r["psnr"] for r in records if r["method"] == "tv"])
    for text in (markdown, latex, page):
        assert f"{mean:.2f}" in text
        assert "+5.15" in text  # 33.19 - 28.04, published
    assert latex.count("\\\\") == 4
    assert page.count("data:image/png") == 3 * 4
    output = js.io.read_picture(tmp_path / "kept" / "tv" / "p9.png").pixels
    truth = js.io.read_picture(folder / "truth" / "p9.png").pixels
    assert records[1]["psnr"] == js.metrics.psnr(output, truth)


def test_bench_on_synthetic_images(tmp_path):
    out = tmp_path / "out.json"
    result = call("bench", "synthetic", "--methods", "region-fusion", "--limit", 3, "--json", out)
    assert result.exit_code == 0, result.output
    records = json.loads(out.read_text())
    assert [r["image"] for r in records] == ["textured3", "textured10", "sparse0"]
    assert "drawn" in call("bench", "synthetic", "--data", tmp_path, "-m", "l0", "--json", out).stderr
    assert "--data" in call("bench", "nks", "-m", "l0", "--json", out).stderr


def test_bench_refuses(folder, tmp_path):
    out = tmp_path / "out.json"

    def refusal(*more, data=folder, methods="l0", json=out):
        return refused(call("bench", "folder", "--data", data, "-m", methods, "--json", json, *more), json)

    assert "folder is missing" in refusal(data=tmp_path / "nothing")
    assert "unknown method" in refusal(methods="nothing")
    assert ".json" in refusal(json=tmp_path / "out.txt")
    assert "limit" in refusal("--limit", 0)
    assert "jobs" in refusal("--jobs", 0)
    assert "none of the methods" in refusal("--set", "nothing=1")
    (folder / "truth" / "p9.png").unlink()
    assert "no truth" in refusal()
    assert call("bench", "nothing", "--data", folder, "-m", "l0", "--json", out).exit_code == 2


# methods, version, presets


def test_methods():
    result = call("methods")
    assert result.exit_code == 0
    assert "region-fusion" in result.stdout
    rows = json.loads(call("methods", "--json").stdout)
    assert [row["name"] for row in rows] == list(js.methods())
    assert all({"name", "summary", "paper", "defaults", "presets"} == set(row) for row in rows)


@pytest.mark.parametrize("name", list(js.methods()))
def test_the_page_of_a_method(name):
    result = call("methods", name)
    assert result.exit_code == 0
    info = js.methods()[name]
    for words in (info.paper, info.summary, *info.presets, *(f"{key}=" for key in info.defaults)):
        assert words in result.stdout
    (row,) = json.loads(call("methods", name, "--json").stdout)
    assert row["name"] == name


def test_the_page_of_no_method():
    assert "did you mean 'bilateral'" in refused(call("methods", "bilatral"))


def test_version_and_help_load_no_torch():
    code = (
        "import sys\nfrom jumpset.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    for option, says in (("--version", f"jumpset {js.__version__}"), ("--help", "compare")):
        done = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True, check=True
        )
        assert says in done.stdout
        assert lines(done.stdout)[-1] == "0 False"


def test_a_preset_without_a_method_selects_its_method(source, tmp_path):
    def method_of(*more):
        result = call("smooth", source, tmp_path / "out.png", "--json", *more)
        assert result.exit_code == 0, result.output
        return json.loads(lines(result.stdout)[-1])["method"]

    assert method_of() == "region-fusion"
    assert method_of("--preset", "clip-art") == "gsf"
    assert method_of("--preset", "clip-art", "-m", "l0") == "l0"
    assert method_of("--preset", "sharp") == "l0"
    assert "preset" in refused(
        call("smooth", source, tmp_path / "no.png", "--preset", "nothing"), tmp_path / "no.png"
    )
