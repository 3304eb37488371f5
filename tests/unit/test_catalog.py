"""The names of methods and what can be said of them before any is loaded."""

import subprocess
import sys

import jumpset as js
from jumpset._core.catalog import CLASSES, LEARNED, declared
from jumpset.learned.architectures import NETWORKS
from jumpset.restoration import PRIORS


def test_the_source_declares_what_the_registry_has():
    for name, info in js.methods().items():
        found = declared(name)
        assert set(found.parameters) == {*info.defaults, *info.cls.aliases}, name
        assert len(found.parameters) == len(set(found.parameters)), name
        assert list(found.presets) == [*info.presets], name


def test_a_method_of_another_package_declares_nothing(monkeypatch):
    monkeypatch.setitem(CLASSES, "other", "somewhere.module:Class")
    monkeypatch.setitem(CLASSES, "gone", "jumpset.smoothers.tv:Nothing")
    assert declared("other") == declared("gone")
    assert declared("other").parameters == ()


def test_trained_networks_and_priors_are_known_by_name():
    from jumpset.cli._restore import _PENALTIES

    assert set(LEARNED) == set(NETWORKS)
    assert {*_PENALTIES, *CLASSES} == {*PRIORS, *CLASSES}


def test_names_are_known_without_torch():
    code = (
        "import sys\nfrom jumpset._core.catalog import CLASSES, declared\n"
        "assert all(declared(name).parameters for name in CLASSES)\n"
        "print([m for m in ('torch', 'numpy', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
