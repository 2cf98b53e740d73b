"""Results, feedback, tag edits and labelled videos."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
LOGS = ("feedback", "tag_edits", "labelled_videos")


def upgrade() -> None:
    op.create_table(
        "taggings",
        sa.Column("number", NUMBER, primary_key=True),
        sa.Column("video_id", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("asked", sa.Text, nullable=False),
        sa.Column("bundle_version", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("video", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("last_edit", sa.BigInteger, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.UniqueConstraint("video_id", "content_hash", "asked", "bundle_version", "role"),
    )
    op.create_index(None, "taggings", ["bundle_version", "role", "number"])

    ends = op.create_table(
        "log_ends",
        sa.Column("log", sa.Text, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(ends, [{"log": log, "last": 0} for log in LOGS])

    op.create_table(
        "feedback",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False, unique=True),
        sa.Column("video_id", sa.Text, nullable=False),
        sa.Column("bundle_version", sa.Text, nullable=False),
        sa.Column("accepted", sa.JSON, nullable=False),
        sa.Column("rejected", sa.JSON, nullable=False),
        sa.Column("added", sa.JSON, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "tag_edits",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tag_id", sa.Text, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
        sa.Column("undoes", NUMBER, sa.ForeignKey("tag_edits.number"), unique=True),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "labelled_videos",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.Text, nullable=False, unique=True),
        sa.Column("video_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )


def downgrade() -> None:
    for table in ("labelled_videos", "tag_edits", "feedback", "log_ends", "taggings"):
        op.drop_table(table)
