"""Feedback is found by its video, whose answers are kept."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index(None, "feedback", ["video_id"])


def downgrade() -> None:
    op.drop_index("ix_feedback_video_id", "feedback")
