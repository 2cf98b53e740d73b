"""Tables of the database, as the migrations create them.

Each table is read and written only by the module of its name, except that taggings.py checks for feedback in the
statement that prunes old answers. The videos of topics hold copies of their counts, which video_counts.py writes, and
topic_queues.py reads them in order; loaded_models has no module of its own, as topic_videos.py fills it. log_ends
belongs to log.py.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcTime(TypeDecorator[datetime]):
    """A time to the microsecond: with a time zone in Python, UTC in SQLite, which has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite keeps no separate index for this key only
# JSON and not JSONB, which rejects strings with a zero character or a lone surrogate; titles contain both.

taggings = Table(
    "taggings",
    metadata,
    Column("number", NUMBER, primary_key=True),  # as they were stored, about
    Column("video_id", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("bundle_version", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("video", JSON, nullable=False),  # the request's title, description and so on
    Column("answer", JSON, nullable=False),
    Column("last_edit", BigInteger, nullable=False),  # number of the last tag edit that it takes into account
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("video_id", "content_hash", "asked", "bundle_version", "role"),
    Index(None, "bundle_version", "role", "number"),
)

log_ends = Table(
    "log_ends",
    metadata,
    Column("log", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),  # number of the last row of the log, 0 if empty
)

feedback = Table(
    "feedback",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("request_id", Text, nullable=False, unique=True),
    Column("video_id", Text, nullable=False),
    Column("bundle_version", Text, nullable=False),
    Column("accepted", JSON, nullable=False),
    Column("rejected", JSON, nullable=False),
    Column("added", JSON, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "video_id"),
)

tag_edits = Table(
    "tag_edits",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("request_id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("tag_id", Text, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Column("undoes", NUMBER, ForeignKey("tag_edits.number"), unique=True),
    Column("who", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

labelled_videos = Table(
    "labelled_videos",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("request_id", Text, nullable=False, unique=True),
    Column("video_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("who", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)

topic_videos = Table(
    "topic_videos",
    metadata,
    Column("topic_id", BigInteger, primary_key=True, autoincrement=False),
    Column("video_id", Text, primary_key=True),
    Column("similarity", Double, nullable=False),
    Column("added_at", UtcTime, nullable=False),  # when the video was first assigned to any topic
    Column("draw", BigInteger, nullable=False),  # 31 bits of a hash of video_id
    # Copied from video_engagement, and what they are ordered by.
    Column("exposures", Double, nullable=False),
    Column("clicks", Double, nullable=False),
    Column("counted_s", Double, nullable=False),  # their time, in seconds of Unix time
    Column("click_rate", Double, nullable=False),
    Column("log2_exposures", Double, nullable=False),  # −∞ of none
    Index(None, "video_id", "added_at"),
    Index(None, "topic_id", "click_rate", "log2_exposures", "counted_s"),
    sqlite_with_rowid=False,  # the rows of a topic are next to each other
)

loaded_models = Table(
    "loaded_models",
    metadata,
    Column("version", Text, primary_key=True),  # of a topic model whose pool is in topic_videos
    Column("at", UtcTime, nullable=False),  # when its first load began, which is added_at of the videos that it added
    Column("loaded_at", UtcTime),  # when its complete load began; NULL before, and once another load begins
)

engagement_events = Table(
    "engagement_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("video_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),  # empty if unknown
    Column("kind", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "user_id", "kind", "at"),
    Index(None, "at"),
)

video_engagement = Table(
    "video_engagement",
    metadata,
    Column("video_id", Text, primary_key=True),
    Column("exposures", Double, nullable=False),  # decayed to `at`
    Column("clicks", Double, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index(None, "at"),
)

video_vectors = Table(
    "video_vectors",
    metadata,
    Column("model_version", Text, primary_key=True),  # of the recommendation model
    Column("video_id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),  # of the last write, in the order of commits
    Column("vector", LargeBinary, nullable=False),  # float32, little-endian; zeros: nothing is known of the video
    Column("added_at", UtcTime, nullable=False),  # when the video was first added
    Index(None, "model_version", "number"),
    Index(None, "added_at"),
)
