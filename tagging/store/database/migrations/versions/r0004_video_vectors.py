"""Vectors of new videos, by the recommendation model that made them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LOG_ENDS = sa.table("log_ends", sa.column("log", sa.Text), sa.column("last", sa.BigInteger))
TABLE = "video_vectors"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("model_version", sa.Text, primary_key=True),
        sa.Column("video_id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(None, TABLE, ["model_version", "number"])
    op.create_index(None, TABLE, ["added_at"])
    op.bulk_insert(LOG_ENDS, [{"log": TABLE, "last": 0}])


def downgrade() -> None:
    op.execute(LOG_ENDS.delete().where(LOG_ENDS.c.log == TABLE))
    op.drop_table(TABLE)
