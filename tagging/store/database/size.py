"""How much a database holds on its disk."""

from sqlalchemy import text

from tagging.store.database.database import Database


class Size:
    """Database says what it raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> int:
        """Bytes, what is free within included. It is only looked at, not counted, so it costs next to nothing."""
        if self._database.file is not None:
            log = self._database.file.with_name(f"{self._database.file.name}-wal")
            return sum(path.stat().st_size for path in (self._database.file, log) if path.exists())
        statement = text("SELECT pg_database_size(current_database())")
        return await self._database.read(lambda connection: int(connection.execute(statement).scalar_one()))
