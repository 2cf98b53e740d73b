"""Videos of topics hold what orders them in queues: copies of their counts, and a hash for random draws."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BATCH = 1000
TIME = sa.DateTime(timezone=True)
ADDED = {
    "draw": sa.BigInteger,
    "exposures": sa.Double,
    "clicks": sa.Double,
    "counted_s": sa.Double,
    "click_rate": sa.Double,
    "log2_exposures": sa.Double,
}

videos = sa.table("topic_videos", sa.column("video_id", sa.Text), *(sa.column(*item) for item in ADDED.items()))
counts = sa.table(
    "video_engagement",
    sa.column("video_id", sa.Text),
    sa.column("exposures", sa.Double),
    sa.column("clicks", sa.Double),
    sa.column("at", TIME),
)


def upgrade() -> None:
    op.execute("CREATE TABLE topic_videos_before AS SELECT * FROM topic_videos")
    op.drop_table("topic_videos")
    op.create_table(
        "topic_videos",
        sa.Column("topic_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("video_id", sa.Text, primary_key=True),
        sa.Column("similarity", sa.Double, nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in ADDED.items()),
        sqlite_with_rowid=False,
    )
    kept = "topic_id, video_id, similarity, added_at"
    zeros = ", ".join("0" for _ in ADDED)
    op.execute(f"INSERT INTO topic_videos ({kept}, {', '.join(ADDED)}) SELECT {kept}, {zeros} FROM topic_videos_before")
    op.drop_table("topic_videos_before")
    op.create_index(None, "topic_videos", ["video_id", "added_at"])
    update = sa.update(videos).where(videos.c.video_id == sa.bindparam("of_video"))
    for rows in _pages():
        op.get_bind().execute(update.values({name: sa.bindparam(f"new_{name}") for name in ADDED}), rows)
    op.create_index(None, "topic_videos", ["topic_id", "click_rate", "log2_exposures", "counted_s"])


def downgrade() -> None:
    op.drop_index("ix_topic_videos_topic_id_click_rate_log2_exposures_counted_s", "topic_videos")
    for name in ADDED:
        op.drop_column("topic_videos", name)


def _pages() -> Iterator[list[dict[str, Any]]]:
    joined = videos.outerjoin(counts, videos.c.video_id == counts.c.video_id)
    page = (
        sa.select(videos.c.video_id, counts.c.exposures, counts.c.clicks, counts.c.at)
        .select_from(joined)
        .distinct()
        .order_by(videos.c.video_id)
        .limit(BATCH)
    )
    last = ""
    while rows := op.get_bind().execute(page.where(videos.c.video_id > last)).all():
        yield [_values(*row) for row in rows]
        last = rows[-1].video_id


def _values(video_id: str, exposures: float | None, clicks: float | None, at: datetime | None) -> dict[str, Any]:
    values: dict[str, Any] = {"of_video": video_id}
    seen, clicked = exposures or 0.0, clicks or 0.0
    values["new_draw"] = int.from_bytes(blake2b(video_id.encode(), digest_size=4).digest()) >> 1
    values["new_exposures"], values["new_clicks"] = seen, clicked
    values["new_counted_s"] = 0.0
    if at is not None and (seen or clicked):
        values["new_counted_s"] = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    values["new_click_rate"] = clicked / max(seen, clicked) if clicked else 0.0
    values["new_log2_exposures"] = math.log2(seen) if seen else -math.inf
    return values
