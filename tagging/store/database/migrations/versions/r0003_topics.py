"""Videos of topics, and the exposures and clicks that order them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "topic_videos",
        sa.Column("topic_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("video_id", sa.Text, primary_key=True),
        sa.Column("similarity", sa.Double, nullable=False),
        sa.Column("added_at", TIME, nullable=False),
    )
    op.create_index(None, "topic_videos", ["video_id", "added_at"])
    op.create_table(
        "loaded_models",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("loaded_at", TIME),
    )
    op.create_table(
        "engagement_events",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("video_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index(None, "engagement_events", ["user_id", "kind", "at"])
    op.create_index(None, "engagement_events", ["at"])
    op.create_table(
        "video_engagement",
        sa.Column("video_id", sa.Text, primary_key=True),
        sa.Column("exposures", sa.Double, nullable=False),
        sa.Column("clicks", sa.Double, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_index(None, "video_engagement", ["at"])


def downgrade() -> None:
    for table in ("video_engagement", "engagement_events", "loaded_models", "topic_videos"):
        op.drop_table(table)
