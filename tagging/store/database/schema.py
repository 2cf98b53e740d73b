"""The tables; migrations/ leads there. Each is read and written by the module of its name alone; but old answers are
removed in one statement that sees whether there is feedback (taggings.py).
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
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
    """A moment, to the microsecond: aware of its zone in Python, UTC in SQLite, which knows no zones."""

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


NUMBER = BigInteger().with_variant(Integer, "sqlite")  # the only key that SQLite keeps no index for
# JSON and not JSONB, which refuses strings with a zero or half a surrogate; titles come with both.

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
    Column("last_edit", BigInteger, nullable=False),  # number of the last tag edit that it knew
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("video_id", "content_hash", "asked", "bundle_version", "role"),
    Index(None, "bundle_version", "role", "number"),
)

log_ends = Table(
    "log_ends",
    metadata,
    Column("log", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),  # number of the log's last row, 0 for none
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
