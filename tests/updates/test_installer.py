"""Test how an installation ends: what is stored, what remains in the journal and on disk, and the answer."""

from dataclasses import replace

import pytest

from appliance.errors import BundleError, LabelOptionError, SourceError
from appliance.settings.schema import UpdateSettings
from appliance.updates.candidate import CandidateContext, ShutdownError
from appliance.updates.installer import Installer
from appliance.updates.journal import Journal
from appliance.updates.known_candidate import KnownCandidate
from appliance.updates.policy import UpdatePolicy
from appliance.updates.probation_monitor import ProbationMonitor
from appliance.updates.resolution import Resolution
from appliance.updates.sources.source import Offer
from appliance.updates.steps import UpdateState
from support import made_models
from support.bundles import bundle_folder
from support.rig import FPS, Rig, probe_here

OFFER = Offer("second", version="2.0")


class FolderSource:
    """A source that creates the offered bundle in the download folder."""

    origin = "a folder"

    def __init__(self, **bundle):
        self.bundle = {"version": "2.0", "model": made_models.good(2)} | bundle
        self.error = None

    def fetch(self, offer, folder, progress):
        if self.error:
            (folder / "part").write_bytes(b"half of it")
            raise self.error
        return bundle_folder(folder / "bundle", **self.bundle)


class Device(Rig):
    """A device that runs `colours 1.0`, and its installer; no updater runs."""

    def __init__(self, folder):
        super().__init__(folder / "device", None, installed=bundle_folder(folder / "v1", version="1.0"))
        self.stopping = False
        self.journal = Journal(self.state)
        resolution = Resolution(self.journal, self.store, self)
        monitor = ProbationMonitor(UpdateSettings(), FPS, self.store, self.journal, resolution, self, lambda: 0.0)
        self.downloads = self.state / "downloads"
        context = CandidateContext(
            self.store, self.journal, self, probe_here, UpdatePolicy(10_000_000), self.downloads,
            lambda: 5.0, lambda: self.stopping,
        )  # fmt: skip
        self.installer = Installer(context, resolution, monitor)

    def install_from(self, source, offer=OFFER, requested=False):
        """Install an offer and return the answer."""
        return self.installer.install(offer, requested, source)

    @property
    def downloaded(self):
        return list(self.downloads.rglob("*")) if self.downloads.exists() else []


@pytest.fixture
def device(tmp_path):
    return Device(tmp_path)


def test_installed_model_is_on_probation(device):
    assert device.install_from(FolderSource()) is None
    assert device.installer.monitor.is_active
    state = device.store.read_state()
    assert (state.current.version, state.current.offer, state.probation) == ("2.0", "second", True)
    assert device.runs == "colours 2.0"
    assert device.journal.entry.step is UpdateState.PROBATION
    assert device.downloaded == []
    assert device.states == ["downloading", "verifying", "probing", "swapped", "probation"]


def test_active_model_is_only_linked_to_the_offer(device):
    assert device.install_from(FolderSource(version="1.0", model=made_models.good())) is None
    state = device.store.read_state()
    assert (state.current.version, state.current.offer, state.probation) == ("1.0", "second", False)
    assert not device.installer.monitor.is_active
    assert device.states[-1] == "committed"
    assert device.journal.entry is None
    assert device.downloaded == []


def test_faulty_bundle_is_refused_and_removed(device):
    answer = device.install_from(FolderSource(model=made_models.not_numbers()))
    assert "2.0 was refused" in answer
    assert "not numbers" in answer
    assert "not numbers" in device.store.rejection("second").reason
    assert device.runs == "colours 1.0"
    assert (device.states[-1], device.journal.entry) == ("refused", None)
    assert device.downloaded == []


def test_download_that_is_no_model_is_refused(device):
    source = FolderSource()
    source.error = BundleError("it is a web page")
    assert "web page" in device.install_from(source)
    assert "web page" in device.store.rejection("second").reason
    assert device.downloaded == []


def test_older_version_is_not_taken_and_not_refused(device):
    answer = device.install_from(FolderSource(version="0.9"), Offer("second"))
    assert "0.9" in answer
    assert device.store.read_state().rejections == ()
    assert device.installer.known == KnownCandidate("second", "0.9", "colours")
    assert (device.states[-1], device.journal.entry) == ("failed", None)
    assert device.downloaded == []


def test_unsuited_model_stays_staged(device):
    def refuse():
        raise LabelOptionError("it lacks violet")

    device.warming = refuse
    assert "violet" in device.install_from(FolderSource())
    assert device.installer.known == KnownCandidate("second", "2.0", "colours", "it lacks violet")
    state = device.store.read_state()
    assert (state.current.version, state.staged.version, state.rejections) == ("1.0", "2.0", ())
    device.warming = lambda: None
    source = FolderSource()
    source.error = AssertionError("it was fetched again")
    assert device.install_from(source) is None
    assert device.runs == "colours 2.0"


def test_failed_attempt_is_noted_and_keeps_what_it_fetched(device):
    source = FolderSource()
    source.error = SourceError("no route")
    with pytest.raises(SourceError, match="no route"):
        device.install_from(source, requested=True)
    entry = device.journal.entry
    assert (entry.step, entry.hash, entry.requested) == (UpdateState.AVAILABLE, "second", True)
    assert [path.name for path in device.downloaded if path.is_file()] == ["part"]
    assert device.store.read_state().rejections == ()


def test_stop_leaves_the_journal_for_the_next_start(device):
    device.warming = lambda: setattr(device, "stopping", True)
    with pytest.raises(ShutdownError):
        device.install_from(FolderSource())
    assert device.journal.entry.step is UpdateState.WARMING
    assert Journal(device.state).entry == device.journal.entry
    assert device.runs == "colours 1.0"


def test_other_offer_removes_the_download_of_the_last(device):
    source = FolderSource()
    source.error = SourceError("no route")
    for offer in (OFFER, replace(OFFER, hash="third")):
        with pytest.raises(SourceError):
            device.install_from(source, offer)
    assert [path.name for path in device.downloaded if path.is_file()] == ["part"]
